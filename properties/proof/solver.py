# SPDX-License-Identifier: MIT

"""A lemma, and the solver's verdict on it."""

from collections.abc import Callable, Mapping
from typing import Any

import z3
from attrs import field, frozen

#: Maximum time of z3 for one query, in milliseconds. All queries need far less.
TIMEOUT_MS = 60_000


@frozen
class Lemma:
    """One statement, and whether it is expected to hold.

    :param text: The statement in one line.
    :param holds: Whether the solver has to prove it (true) or to refute it (false).
    :param assumed: The condition under which the claim is made.
    :param claim: The claim.
    :param least: The expressions to minimise in a counterexample, most important first.
    :param tell: Makes the line that shows a counterexample, from the values of *least*.
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
    """The solver's verdict on a lemma.

    :param verdict: "proved", "refuted", "unknown" if the solver gave up, or
        "vacuous" if nothing meets the assumptions.
    :param example: The least counterexample of a refuted lemma.
    """

    lemma: Lemma
    verdict: str
    example: Mapping[str, int] = field(factory=dict)

    @property
    def as_stated(self) -> bool:
        """Whether the verdict is the one that the lemma expects."""
        return self.verdict == ("proved" if self.lemma.holds else "refuted")

    @property
    def told(self) -> str:
        """The counterexample in one line; empty if there is none."""
        return self.lemma.tell(self.example) if self.example else ""


def settle(lemma: Lemma) -> Result:
    """Prove *lemma*, or find its least counterexample."""
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT_MS)
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
    """The values of *least* in the counterexample in which they are smallest, compared in order.

    Unlike an arbitrary counterexample it is the same with every version of z3.
    """
    example = {}
    for name, expression in least.items():
        value = _value(solver, expression)
        for bit in reversed(range(expression.size())):
            # The bits above this one are final; *value* is the smallest value found so far.
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
