# SPDX-License-Identifier: MIT

"""What is known of the faults: how small each can get, and in how many steps it is found.

Kept in ``known.json`` beside this file. ``headcount faults --record`` writes
it, and CI fails where a fault is no longer found within its steps.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field


if TYPE_CHECKING:
    from collections.abc import Iterable

    from properties.grading.trial import Result

FILE = Path(__file__).with_name("known.json")

#: A search may take so many times the steps it took at worst when it was
#: recorded: what is drawn shifts with every change of a strategy.
SLACK = 4
LEAST = 1_000


@define
class Known:
    """What is known of one fault.

    :param trace: The smallest trace that shows it.
    :param sizes: For each signature the smallest size: steps, compound pages,
        sum of orders, pages named.
    :param budgets: For each search that found it on every seed, the steps it
        may take.
    """

    trace: str = ""
    sizes: dict[str, tuple[int, ...]] = field(factory=dict)
    budgets: dict[str, int] = field(factory=dict)

    def learn(self, results: Iterable[Result]) -> None:
        """Take the *results* of one search on this fault into account."""
        results = list(results)
        for result in results:
            found = result.found
            if found is None or not result.trial.reduce:
                continue
            # The trace that is kept is of the smallest of all sizes.
            best = min(self.sizes.values(), default=None)
            mine = _rank(found.size, found.trace)
            if best is None or mine < _rank(best, self.trace):
                self.trace = found.trace
            size = self.sizes.get(found.signature, found.size)
            self.sizes[found.signature] = min(tuple(found.size), tuple(size))
        if results and all(r.found for r in results):
            worst = max(r.steps for r in results)
            search = results[0].trial.search
            # Fewer seeds, or luck, make no budget smaller: take it out to learn it anew.
            self.budgets[search] = max(LEAST, SLACK * worst, self.budgets.get(search, 0))


def _rank(size: tuple[int, ...], trace: str) -> tuple[Any, ...]:
    return (*size, len(trace), trace)


def load(path: Path = FILE) -> dict[str, Known]:
    """What is known of each fault, by its name."""
    if not path.exists():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Known(
            "\n".join(entry["trace"]) + "\n",
            {signature: tuple(size) for signature, size in entry["sizes"].items()},
            entry["budgets"],
        )
        for name, entry in entries.items()
    }


def text(known: dict[str, Known]) -> str:
    """*known* as its file holds it, faults in alphabetical order."""
    entries = {
        name: {
            "trace": one.trace.splitlines(),
            "sizes": dict(sorted(one.sizes.items())),
            "budgets": dict(sorted(one.budgets.items())),
        }
        for name, one in sorted(known.items())
    }
    return json.dumps(entries, indent=1) + "\n"
