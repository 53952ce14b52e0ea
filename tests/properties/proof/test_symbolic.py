# SPDX-License-Identifier: MIT

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from model.iterators import compound_range_next
from properties.cli import main
from properties.proof import symbolic


pytest.importorskip(
    "hypothesis_crosshair_provider",
    reason="needs the extra `symbolic`: pip install -e '.[symbolic]'",
)


def needle(memory, i, npages, page):
    """The iterator, one page too many at one frame of 2^20.

    The frame is no literal here, for Hypothesis draws those more often.
    """
    head, run = compound_range_next(memory, i, npages, page)
    if (page + i) % 1009 == 77 and (page + i) // 1009 == 122:
        run += 1
    return head, run


def no_tail_offset(memory, i, npages, page):
    """The iterator without the offset of the tail."""
    head = memory.compound_head(page + i)
    return head, min(memory.compound_nr(head), npages - i)


def test_nothing_found():
    """On the real iterator the search finds nothing, and says that it proves nothing."""
    looked = symbolic.look(examples=40)

    assert "" == looked.found
    assert 0 < looked.cases
    assert looked.text.startswith("found nothing, which proves nothing (")


def test_needle():
    """Symbolic numbers find one wrong frame of a million, which random ones do not."""
    looked = symbolic.look(needle)

    assert looked.text.startswith("found: order ")
    assert "" == symbolic.look(needle, backend="hypothesis", examples=2000).found


def test_found():
    """What is found is told with its numbers, and is so on plain ones."""
    looked = symbolic.look(no_tail_offset)

    assert looked.found.endswith("one page at a time")
    assert "a run of 2 of 0x0, and 1 one page" in looked.found


def test_wrong_head():
    """A run of the wrong head is found too."""
    looked = symbolic.look(
        lambda memory, i, npages, page: (page + i, compound_range_next(memory, i, npages, page)[1])
    )

    assert looked.found


def test_not_found_twice():
    """What does not fail again on plain numbers is not found."""
    calls = []

    def once(memory, i, npages, page):
        calls.append(1)
        head, run = compound_range_next(memory, i, npages, page)
        return head, run + (len(calls) == 1)

    assert "" == symbolic.look(once, examples=3).found


@pytest.mark.parametrize(
    ("run", "page", "i", "npages"),
    [(3, 1, 0, 9), (3, 0, 1, 9), (2, 1, 0, 2), (4, 4, 0, 9), (1, 3, 0, 9), (1, 0, 8, 9)],
)
def test_one_at_a_time(run, page, i, npages):
    """One page at a time ends with the compound page, or with the range."""
    assert run == symbolic.one_at_a_time(symbolic.Uniform(4), i, npages, page)


def test_command(monkeypatch):
    """The command says what came of it in words that claim nothing, and in JSON."""
    pytest.importorskip("z3", reason="needs the extra `proof`: pip install -e '.[proof]'")
    from properties.proof import lemmas

    monkeypatch.setattr(lemmas, "lemmas", list)
    monkeypatch.setattr(symbolic, "look", lambda: symbolic.Looked(200))
    result = CliRunner().invoke(main, ["prove", "--symbolic"])
    said = result.output[result.output.index("\nsymbolic ") :]

    assert 0 == result.exit_code
    assert said.endswith("\n         found nothing, which proves nothing (200 cases)\n")
    assert "proved" not in said
    assert "proof" not in said

    monkeypatch.setattr(symbolic, "look", lambda: symbolic.Looked(7, "order 1"))
    result = CliRunner().invoke(main, ["prove", "--symbolic", "--json"])

    assert 1 == result.exit_code
    assert {"found": "order 1", "cases": 7} == json.loads(result.output)["symbolic"]
