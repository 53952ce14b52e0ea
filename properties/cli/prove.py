# SPDX-License-Identifier: MIT

"""``headcount prove``: lemmas about the range iterator's arithmetic, proved or refuted by z3."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from typing import Any

import click
from attrs import frozen

from model.errors import BadInput
from properties.cli import options
from properties.cli.console import FINDING, Bar, console, reported
from properties.processes.alone import alone
from properties.processes.crew import Tell
from properties.processes.interrupts import Interrupts
from properties.proof import ABOUT, ASSUMED, FOLLOWS


@click.command()
@options.json
@reported
def prove(as_json: bool) -> int:
    """Prove the range iterator's arithmetic in wide types; refute it in the kernel's types."""
    if find_spec("z3") is None:
        reason = (
            "z3 is not installed; pip install 'headcount[proof]' "
            "(in a checkout: pip install -e '.[proof]')"
        )
        raise BadInput(reason)
    started = time.monotonic()
    with Interrupts() as interrupted, Bar("prove", 0, quiet=as_json) as bar:
        # In a process of its own, as nothing interrupts z3.
        results = alone(_settled, partial(bar.update, 0), interrupted, None, watched=False)
    if as_json:
        console.json(_json(results))
    else:
        _print_results(results, time.monotonic() - started)
    return 0 if all(result.as_stated for result in results) else FINDING


@frozen
class _Settled:
    """What is said of a `properties.proof.solver.Result`: another process has its formulas."""

    types: str
    text: str
    verdict: str
    as_stated: bool
    told: str
    example: Mapping[str, int]


def _settled(tell: Tell) -> list[_Settled]:
    """Settle all lemmas."""
    # Imported here because they need z3.
    from properties.proof.lemmas import lemmas  # noqa: PLC0415 - see above
    from properties.proof.solver import settle  # noqa: PLC0415 - see above

    found = []
    for lemma in lemmas():
        tell(lemma.text)
        one = settle(lemma)
        found.append(
            _Settled(
                lemma.types, lemma.text, one.verdict, one.as_stated, one.told, dict(one.example)
            )
        )
    return found


def _print_results(results: Sequence[_Settled], seconds: float) -> None:
    for result in results:
        line = f"{result.verdict:8} {result.types:15} {result.text}"
        console.print(line, style=None if result.as_stated else "bold red")
        if result.told:
            console.print(f"         {result.told}")
    wrong = sum(not result.as_stated for result in results)
    sections = {"assumed": ASSUMED, "about": ABOUT, "so": () if wrong else FOLLOWS}
    for name, lines in sections.items():
        for number, line in enumerate(lines):
            console.print(f"{name if number == 0 else '':8} {line}")
    total = f"{len(results) - wrong} of {len(results)} as stated, in {seconds:.1f} s"
    console.print(f"settled  {total}", style="bold red" if wrong else None)


def _json(results: Sequence[_Settled]) -> dict[str, Any]:
    return {
        "as_stated": all(result.as_stated for result in results),
        "assumed": list(ASSUMED),
        "lemmas": [
            {
                "types": result.types,
                "text": result.text,
                "verdict": result.verdict,
                "as_stated": result.as_stated,
                "counterexample": dict(result.example) or None,
            }
            for result in results
        ],
    }
