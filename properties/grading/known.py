# SPDX-License-Identifier: MIT

"""The recorded grades of the faults: the smallest trace of each, and the budgets to find it.

They are kept in ``known.json`` beside this file, one line for each fault.
``headcount faults --record`` writes it; a test fails if a fault is not found within
its recorded budgets.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import asdict, define, field

from properties.grading.trial import Result

FILE = Path(__file__).with_name("known.json")

#: The budget of a search is SLACK times the most steps that any seed took when the budget was
#: recorded, because each change of a strategy changes what is drawn.
SLACK = 4

#: The smallest budget, in steps.
LEAST_BUDGET = 1_000


@define
class Known:
    """The recorded grades of one fault.

    :param trace: The smallest trace on which it fails.
    :param sizes: The smallest size for each signature: steps, compound pages, sum of
        orders, pages named.
    :param budgets: The most steps that a search may take to find the fault, for each
        search that found it on every seed.
    """

    trace: str = ""
    sizes: dict[str, tuple[int, ...]] = field(factory=dict)
    budgets: dict[str, int] = field(factory=dict)

    def learn(self, results: Iterable[Result]) -> None:
        """Add the *results* of one search on this fault."""
        results = list(results)
        for found in [r.found for r in results if r.found and r.trial.reduce]:
            # Only one trace of each fault is kept: the smallest over all signatures.
            best = min(self.sizes.values(), default=None)
            mine = _rank(found.size, found.trace)
            if best is None or mine < _rank(best, self.trace):
                self.trace = found.trace
            size = self.sizes.get(found.signature, found.size)
            self.sizes[found.signature] = min(tuple(found.size), tuple(size))
        if results and all(r.found for r in results):
            worst = max(r.steps for r in results)
            search = results[0].trial.search
            # A budget never shrinks by itself: to record a smaller one, delete it from the file.
            self.budgets[search] = max(LEAST_BUDGET, SLACK * worst, self.budgets.get(search, 0))


def _rank(size: tuple[int, ...], trace: str) -> tuple[Any, ...]:
    return (*size, len(trace), trace)


def load(path: Path = FILE) -> dict[str, Known]:
    """The recorded grades of each fault, by its name."""
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Known(
            "\n".join(entry["trace"]) + "\n",
            {signature: tuple(size) for signature, size in entry["sizes"].items()},
            entry["budgets"],
        )
        for name, entry in entries.items()
    }


def found_within(steps: Mapping[str, int]) -> tuple[int, int]:
    """How many of the faults some search found, on every seed, within its number of *steps*.

    The second number is that of all faults. A budget is `SLACK` times what the worst seed took.
    """
    known = load().values()
    found = (
        any(steps.get(search, 0) * SLACK >= budget for search, budget in one.budgets.items())
        for one in known
    )
    return sum(found), len(known)


def text(known: dict[str, Known]) -> str:
    """*known* as a JSON object with one line for each fault, in alphabetical order."""
    lines = []
    for name, one in sorted(known.items()):
        entry = asdict(one) | {"trace": one.trace.splitlines()}
        lines.append(f"{json.dumps(name)}: {json.dumps(entry, sort_keys=True)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
