# SPDX-License-Identifier: MIT

"""What the tests of the reducer share: proposals as text, failures, what is held."""

from __future__ import annotations

from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from properties.reduce import reduce
from properties.search import Search, Tally
from properties.searches.soak import soak
from tests.helpers import program, text_of


def offers(propose, *lines):
    """The texts of all that *propose* offers for *lines* if nothing is accepted."""
    return [text_of(offer) for offer in propose(program(*lines))]


def accepting(propose, start, accept=lambda _: True):
    """Every program that *propose* offers; it is sent those for which *accept* is true."""
    proposals, answer = propose(start), None
    while True:
        try:
            offer = proposals.send(answer)
        except StopIteration:
            return
        yield offer
        answer = offer if accept(offer) else None


def found(candidate, seed, steps, search=soak, strict=False):
    """The first failing program of *candidate*, and the finding, in rounds from *seed* on."""
    tally = Tally()
    while tally.failure is None:
        search(Search(candidate, watcher=tally, strict=strict), seed, steps)
        seed += 1
    return tally.failure


def reduced(failing, candidate):
    """The reduction of the program *failing*, which keeps its signature."""
    finding = judge(failing, candidate()).worst
    result = reduce(failing, finding, candidate)
    assert result.repeats
    assert finding.signature == result.finding.signature
    assert finding.signature == judge(result.program, candidate()).worst.signature
    return result


def held(program, stop=None):
    """What is held of each head before step *stop* of *program*, if that is not nothing."""
    ledger = Ledger.after(program, program.steps[:stop])
    nothing = (0, 0, 0, False, True)
    found = {}
    for head, h in ledger.known():
        standing = (h.maps - ledger.first_refs(head), h.gets, h.pins, h.dirty, h.alive)
        if standing != nothing:
            found[head] = (ledger.order(head), h.each, *standing)
    return found
