# SPDX-License-Identifier: MIT

"""One lemma, and what the solver makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import z3
from attrs import field, frozen


if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Milliseconds that z3 may take for one question. All of them need far less.
TIMEOUT = 60_000


@frozen
class Lemma:
    """One statement, and whether it is stated to hold.

    :param text: What it says, in one line.
    :param holds: Whether it is to be proved, or else to be refuted.
    :param assumed: Where it is claimed.
    :param claim: What is claimed there.
    :param least: What a counterexample is made small in, most important first.
    :param tell: One line about a counterexample, from the values of *least*.
    """

    types: str
    text: str
    holds: bool
    assumed: Any
    claim: Any
    least: Mapping[str, Any]
    tell: Callable[[Mapping[str, int]], str]


@frozen
class Result:
    """What the solver made of a lemma.

    :param verdict: "proved", "refuted", "unknown" if the solver gave up, or
        "vacuous" if nothing meets the assumptions.
    :param example: The least counterexample of a lemma that was refuted.
    """

    lemma: Lemma
    verdict: str
    example: Mapping[str, int] = field(factory=dict)

    @property
    def as_stated(self) -> bool:
        """Whether the lemma came out as it says it does."""
        return self.verdict == ("proved" if self.lemma.holds else "refuted")

    @property
    def told(self) -> str:
        """The counterexample in one line, or nothing."""
        return self.lemma.tell(self.example) if self.example else ""


def settle(lemma: Lemma) -> Result:
    """Prove *lemma*, or find its least counterexample."""
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT)
    solver.add(lemma.assumed)
    if solver.check() == z3.unsat:
        return Result(lemma, "vacuous")
    solver.add(z3.Not(lemma.claim))
    answer = solver.check()
    if answer == z3.unsat:
        return Result(lemma, "proved")
    if answer != z3.sat:
        return Result(lemma, "unknown")
    return Result(lemma, "refuted", _smallest(solver, lemma.least))


def _smallest(solver: Any, least: Mapping[str, Any]) -> dict[str, int]:
    """The model of *solver* that is smallest in *least*, one value after the other.

    It is the same with every version of z3, which an arbitrary model is not.
    """
    example = {}
    for name, expression in least.items():
        value = _value(solver, expression)
        for bit in reversed(range(expression.size())):
            # The bits above are settled; *value* is the best that is known.
            if value >> bit & 1:
                smaller = z3.ULT(expression, (value >> bit) << bit)
                if solver.check(smaller) == z3.sat:
                    value = _value(solver, expression)
        solver.add(expression == value)
        solver.check()
        example[name] = value
    return example


def _value(solver: Any, expression: Any) -> int:
    return int(solver.model().eval(expression, model_completion=True).as_long())
