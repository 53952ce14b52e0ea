# SPDX-License-Identifier: MIT

"""Steps as the agent is asked for them, and what is made of its answers."""

from __future__ import annotations

import pytest

from model.abilities import Abilities
from model.errors import BadInput
from model.kernel.guest.candidate import KernelGuest
from model.page import Event, HeadState
from model.parse import parse_program
from model.program import Program

A = 'a = mapping("driver", orders=[0, 0, 1])'
B = 'b = mapping("base", orders=[0, 0])'
Z = 'z = mapping("zero", orders=[0])'
H = "h1 = pin_user_pages(a[0:4])"


class Asked:
    """A machine that only remembers what it is asked for, and answers with the same line."""

    def __init__(self, line="= 0 0 0"):
        self.line = line
        self.requests = []
        self.calls = []

    def whole(self, requests, calls):
        self.requests.append(list(requests))
        self.calls += calls
        return [self.line for _ in calls], ""

    def one(self, owner, requests, call):
        self.requests.append(list(requests))
        self.calls.append(call)
        return self.line


@pytest.fixture
def asked():
    """A function that carries out statements: what was asked for, and the last snapshot."""

    def ask(*statements, line="= 0 0 0", misuse=False, slow=()):
        guest = Asked(line)
        candidate = KernelGuest(guest, Abilities("asked"), frozenset(slow))
        header = f'semantics("6.12"{", misuse=True" if misuse else ""})'
        program = parse_program("\n".join(["# headcount 1", header, *statements, ""]))
        guest.shown = list(candidate.execute(program))
        return guest

    return ask


@pytest.mark.parametrize(
    ("statement", "call"),
    [
        ("h2 = pin_user_pages(a[0:4])", "pin 0 1 0:4:1"),
        ("h2 = pin_user_pages(a[0:4], FOLL_WRITE)", "pin 1 0 0:4:1"),
        ("h2 = pin_user_pages(a[0:4], FOLL_LONGTERM)", "pin 2 0 0:4:1"),
        ("h2 = pin_user_pages(b[0:1], FOLL_WRITE | FOLL_LONGTERM)", "pin 3 0 4:1:1"),
        # The module gives the zero page to no pin to write.
        ("h2 = pin_user_pages(a[0:1] + z[0:1], FOLL_WRITE)", "pin 1 0 0:2:6"),
        ("h2 = pin_user_pages_fast_only(a[1:2]*3, FOLL_WRITE)", "pin-fast-only 1 1 1:3:0"),
        ("h2 = get_user_pages(a[0:2], FOLL_WRITE | FOLL_LONGTERM)", "get 1 0 0:2:1"),
        ("unpin_user_page(h1[2:3])", "unpin-page 0 0 2"),
        ("unpin_user_pages(h1[3::-1])", "unpin-list 0 0 3:4:-1"),
        ("unpin_user_pages(NULL + h1[0:1])", "unpin-list 0 0 N 0"),
        ("unpin_user_pages(h1[0:1], npages=-14)", "unpin-list 0 -14 0:1:1"),
        ("unpin_user_pages_dirty_lock(h1[0:2], make_dirty=True)", "unpin-dirty 1 0 0:2:1"),
        ("unpin_user_pages_dirty_lock(h1[0:2], make_dirty=False)", "unpin-dirty 0 0 0:2:1"),
        (
            "unpin_user_page_range_dirty_lock(h1[1:3], make_dirty=True)",
            "unpin-range 1 0 1:2:1",
        ),
        # A range of no pages is asked for with the page that it begins with.
        ("unpin_user_page_range_dirty_lock(h1[0:0], make_dirty=True)", "unpin-range 5 0 0"),
        ("h2 = pin_user_pages(a[0:0])", "pin 0 0 "),
        ("get_page(a[0:1], n=7)", "get-page 0 7 0:1:1"),
        ("set_page_dirty(a[0:4])", "set-dirty 0 0 0:4:1"),
        ("clean(a[3:4])", "clean 0 0 3:1:1"),
        # Compound pages as a whole, each once, with their orders.
        ("unmap(a[1:4] + a[1:2])", "unmap 1 0 2 1"),
    ],
)
def test_calls(asked, statement, call):
    """Each step is one line."""
    assert call == asked(A, B, Z, H, statement).calls[-1]


def test_put_page(asked):
    """References are put as they were got."""
    calls = asked(A, "h1 = get_user_pages(a[0:2])", "put_page(h1[0:2], n=1)").calls

    assert "put-page 0 1 0:2:1" == calls[-1]


def test_slow_kinds(asked):
    """What the fast path would give back is asked of the slow one, and nothing else."""
    statements = ("h1 = pin_user_pages(a[0:1])", "h2 = pin_user_pages(b[0:1])")

    assert ["pin 0 0 0:1:1", "pin 0 1 4:1:1"] == asked(
        A, B, *statements, slow={("driver", 0)}
    ).calls


def test_misuse(asked):
    """What breaks the contract is told to, and goes step by step."""
    guest = asked(A, H, "unpin_user_pages(h1[0:1]*2)", misuse=True)

    assert "unpin-list 16 0 0:2:0" == guest.calls[-1]
    assert [["driver 4 0:0:0:2 2:2:1:1"], []] == guest.requests


def test_half_by_the_fast_path(asked):
    """Where a pin begins says by which path it goes, if it has no flags."""
    calls = asked(A, "h1 = pin_user_pages(a[0:2])", "h2 = pin_user_pages(a[1:2])").calls

    assert ["pin 0 1 0:2:1", "pin 0 0 1:1:1"] == calls


def test_misuse_of_plain_references(asked):
    """A program that breaks the contract does so with plain references, too."""
    calls = asked(A, "put_page(a[0:1], n=3)", misuse=True).calls

    assert ["put-page 16 3 0:1:1"] == calls


def test_grows(asked):
    """Steps that are appended are carried out one by one; so it goes on."""
    program = parse_program(f'# headcount 1\nsemantics("6.1")\n{A}\n{H}\n')
    steps = list(program.steps)
    guest = Asked()
    growing = KernelGuest(guest, Abilities("asked"), frozenset()).execute(
        Program(program.mappings, steps, program.semantics)
    )
    next(growing)
    steps.append(steps[0])
    next(growing)

    assert 2 == len(guest.calls)
    assert [] == list(growing)


def test_region(asked):
    """What a machine has no call for is bad input, should it come so far."""
    with pytest.raises(KeyError):
        asked(A, "m1 = ib_umem_get(a[0:1])")


def test_snapshot(asked):
    """An answer is told in the program's own frames; a put is worth the bias where it is one."""
    line = "= 4 7 6 h 1:1025:0:7 2:3:2:2 e d2:0:0*1 p1:2:1*2 p2:1:0*1 w mm/gup.c:7"
    shown = asked(A, H, "unpin_user_pages(h1[0:1])", line=line).shown
    first, second = shown

    assert (4, None) == (first.returned, second.returned)
    assert (7, 6, ("mm/gup.c:7",)) == (second.acquired, second.released, second.warnings)
    assert {
        0x1001: HeadState(1025, 0, dirty=True, allocated=True),
        0x1002: HeadState(3, 2, dirty=False, allocated=True),
    } == second.heads
    assert {0x1001} == second.maybe_pinned
    put = Event("put", 0x1001, 2048, dirty=True)
    assert [put, put, Event("put", 0x1002, 1, dirty=False)] == second.events[1:]
    assert (3, 1) == (second.puts, second.dirty_locks)
    assert (0, 0) == (first.puts, first.dirty_locks)


def test_name_that_holds_nothing(asked):
    """A step that names what there is not is bad input."""
    with pytest.raises(BadInput):
        asked(A, H, "unpin_user_pages(h1[0:9])")
