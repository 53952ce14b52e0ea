# SPDX-License-Identifier: MIT

"""``headcount prove``: the lemmas of the arithmetic, and the search on symbolic numbers."""

from __future__ import annotations

import json
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import click

from model.errors import BadInput
from properties.cli.common import FINDING, console, json_option, reported
from properties.proof import ABOUT, ASSUMED, FOLLOWS


if TYPE_CHECKING:
    from collections.abc import Sequence

    from properties.proof.solver import Result
    from properties.proof.symbolic import Looked


@click.command()
@click.option("--symbolic", is_flag=True, help="Search the code itself too, on symbolic numbers.")
@json_option
@reported
def prove(symbolic: bool, as_json: bool) -> int:
    """Prove the range iterator's arithmetic, and refute it in the kernel's types."""
    _need("z3", "z3", "proof")
    if symbolic:
        _need("hypothesis_crosshair_provider", "hypothesis-crosshair", "symbolic")
    # Here, as they need what may not be installed.
    from properties.proof.lemmas import lemmas  # noqa: PLC0415 - see above
    from properties.proof.solver import settle  # noqa: PLC0415 - see above
    from properties.proof.symbolic import look  # noqa: PLC0415 - see above

    started = time.monotonic()
    results = [settle(lemma) for lemma in lemmas()]
    settled = time.monotonic()
    looked = look() if symbolic else None
    ended = time.monotonic()
    if as_json:
        _print_json(results, looked)
    else:
        _print_results(results, settled - started)
        if looked:
            _print_looked(looked, ended - settled)
    fine = all(result.as_stated for result in results) and not (looked and looked.found)
    return 0 if fine else FINDING


def _need(module: str, name: str, extra: str) -> None:
    if find_spec(module) is None:
        reason = (
            f"{name} is not installed; pip install 'headcount[{extra}]' "
            f"(in a checkout: pip install -e '.[{extra}]')"
        )
        raise BadInput(reason)


def _alarm(wrong: object) -> str | None:
    return "bold red" if wrong else None


def _print_results(results: Sequence[Result], seconds: float) -> None:
    for result in results:
        line = f"{result.verdict:8} {result.lemma.types:15} {result.lemma.text}"
        console.print(line, style=_alarm(not result.as_stated), markup=False)
        if result.told:
            console.print(f"         {result.told}", markup=False)
    wrong = sum(not result.as_stated for result in results)
    sections = {"assumed": ASSUMED, "about": ABOUT, "so": () if wrong else FOLLOWS}
    for name, lines in sections.items():
        for number, line in enumerate(lines):
            console.print(f"{name if number == 0 else '':8} {line}", markup=False)
    total = f"{len(results) - wrong} of {len(results)} as stated, in {seconds:.1f} s"
    console.print(f"settled  {total}", style=_alarm(wrong), markup=False)


def _print_looked(looked: Looked, seconds: float) -> None:
    what = f"the iterator itself against one page at a time, in {seconds:.1f} s"
    console.print(f"symbolic {what}", markup=False)
    console.print(f"         {looked.text}", style=_alarm(looked.found), markup=False)


def _print_json(results: Sequence[Result], looked: Looked | None) -> None:
    said: dict[str, Any] = {
        "as_stated": all(result.as_stated for result in results),
        "assumed": list(ASSUMED),
        "lemmas": [
            {
                "types": result.lemma.types,
                "text": result.lemma.text,
                "verdict": result.verdict,
                "as_stated": result.as_stated,
                "counterexample": dict(result.example) or None,
            }
            for result in results
        ],
    }
    if looked:
        said["symbolic"] = {"found": looked.found or None, "cases": looked.cases}
    click.echo(json.dumps(said, indent=2))
