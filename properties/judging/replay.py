# SPDX-License-Identifier: MIT

"""Judges a saved trace on a candidate that may follow another kernel version than the trace."""

from attrs import evolve, frozen

from model.candidate import Candidate
from model.errors import BadInput
from model.program import Program, check_kind
from model.semantics import Semantics
from properties.judging.judge import Verdict, judge
from properties.judging.ledger import Ledger


@frozen
class Replayed:
    """A trace that was judged.

    :param program: What was judged.
    :param says: The version that the trace names, if it was judged by the rules of another one.
    """

    program: Program
    verdict: Verdict
    says: str = ""

    @property
    def version(self) -> str:
        """The version by whose rules it was judged, and the one that the trace names."""
        version = self.program.semantics.version
        return f"{version}, the candidate's; the trace says {self.says}" if self.says else version


def replayed(
    program: Program, candidate: Candidate, row: Semantics, *, ordered: bool = False
) -> Replayed:
    """*program* judged on *candidate* by its own rules, or by those of *row*.

    :param row: The rules that hold if the candidate does not follow those of the trace.
    :param ordered: Whether they hold in any case.
    :raises BadInput: with the line, if a step breaks the contract by the trace's own rules.
    """
    own = program.semantics
    if own == row or (not ordered and own.version in candidate.abilities.semantics):
        return Replayed(program, judge(program, candidate))
    says = "" if ordered else own.version
    other = evolve(program, semantics=row)
    try:
        for mapping in other.mappings:
            check_kind(mapping, row)
        return Replayed(other, judge(other, candidate), says)
    except BadInput as err:
        if not program.misuse:
            Ledger.after(program, program.steps)
        return Replayed(other, Verdict(0, inapplicable=err.reason), says)
