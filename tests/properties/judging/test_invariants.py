# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.abilities import Abilities, Unheard
from model.memory import NR_FOLL_PIN_RELEASED
from model.optimised import Optimised
from model.parse import parse_program
from model.reference import Reference
from model.semantics import BIAS, PAGE_SIZE
from model.step import FOLL_LONGTERM
from properties.faults import FAULTS
from properties.judging.finding import Row
from properties.judging.judge import judge

PINNED = """\
# headcount 1
semantics("5.13")
a = mapping("driver", orders=[2, 1, 0])
h1 = pin_user_pages(a[0:7])
"""

UNPINS = [
    "unpin_user_page(h1[0:1])",
    "unpin_user_pages(h1[0:7])",
    "unpin_user_pages(h1[5:7])",
    "unpin_user_pages_dirty_lock(h1[0:7], make_dirty=True)",
    "unpin_user_page_range_dirty_lock(h1[3:7], make_dirty=False)",
    "m1 = ib_umem(sg(h1[0:7], 28672))\nib_umem_release(m1)",
]

each_unpin = pytest.mark.parametrize(
    "unpin",
    UNPINS,
    ids=["page", "list", "biased", "dirty-list", "range", "region"],
)


class PutsFirst(Optimised):
    """Counts each put when it is over."""

    def put_compound_head(self, head, refs):
        memory = self.memory
        exact = memory.hpage_pincount_available(head)
        if exact:
            memory.pincount_add(head, -refs)
        if memory.page_ref_sub_and_test(head, refs if exact else refs * BIAS):
            memory.free(head)
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs)


class Journaled(Reference):
    """The reference with a journal, so that the laws can read it."""

    journal = True


class CountsAllFirst(Optimised):
    """Counts the whole list before the first put: early is not late."""

    def unpin_user_pages(self, pages, npages):
        for _ in range(npages):
            self.memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1)
        i = 0
        while i < npages:
            head, ntails = self.compound_next(i, npages, pages)
            exact = self.memory.hpage_pincount_available(head)
            if exact:
                self.memory.pincount_add(head, -ntails)
            if self.memory.page_ref_sub_and_test(head, ntails if exact else ntails * BIAS):
                self.memory.free(head)
            i += ntails


class CountsTooFew(Optimised):
    """Counts one pin of each put before it, and the others after it."""

    def put_compound_head(self, head, refs):
        memory = self.memory
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, 1)
        exact = memory.hpage_pincount_available(head)
        if exact:
            memory.pincount_add(head, -refs)
        if memory.page_ref_sub_and_test(head, refs if exact else refs * BIAS):
            memory.free(head)
        memory.mod_node_page_state(NR_FOLL_PIN_RELEASED, refs - 1)


def found(unpin, candidate):
    """What is found wrong with *candidate* when it unpins as *unpin* says."""
    return judge(parse_program(f"{PINNED}{unpin}\n"), candidate()).finding


@each_unpin
@pytest.mark.parametrize("candidate", [PutsFirst, FAULTS["CountsAfterPut"].candidate])
def test_put_before_count(unpin, candidate):
    """A pin that is counted after its put breaks the law, though every count is right."""
    finding = found(unpin, candidate)

    assert "invariants" == finding.oracle
    assert "counted_before_put" == finding.what
    assert "before it counted the pins as released" in finding.summary


@each_unpin
@pytest.mark.parametrize("candidate", [Optimised, Journaled, Reference])
def test_count_before_put(unpin, candidate):
    """Both models count first, whichever way the pins are counted."""
    assert found(unpin, candidate) is None


def test_page_is_named():
    """The first page that was put too early is named."""
    finding = found("unpin_user_pages(h1[5:7])", PutsFirst)

    assert "unpin_user_pages put a+4 before it counted the pins as released" == finding.summary


def test_early_is_not_late():
    """Pins may be counted long before they are put."""
    assert found("unpin_user_pages(h1[0:7])", CountsAllFirst) is None


def test_every_pin_of_a_put():
    """All pins of a put are counted before it, not only one."""
    assert found("unpin_user_pages(h1[0:1])", CountsTooFew) is None
    assert "counted_before_put" == found("unpin_user_pages(h1[0:4])", CountsTooFew).what


def test_puts_that_are_no_pins():
    """A plain put is no pin, and counts as none."""
    lines = "h2 = get_user_pages(a[0:4])\nput_page(h2[0:4])\nunmap(a[6:7])"

    assert found(lines, PutsFirst) is None


class DirtiesUnlocked(Optimised):
    """Sets the dirty flag as a write through a mapping does, without the page lock."""

    def dirty_head(self, head):
        self.memory.set_dirty(head, dirty=True)


class EmptiesAndFills(Optimised):
    """Drops every reference of a head in one put, and adds the others' again."""

    def put_compound_head(self, head, refs):
        count = self.memory.page_ref_count(head)
        each = 1 if self.puts_exactly(head) else BIAS
        self.count_released(head, refs)
        self.memory.page_ref_sub_and_test(head, count)
        self.memory.page_ref_add(head, count - refs * each)
        self.memory.pincount_add(head, -refs if each == 1 else 0)


class SortsFirst(Optimised):
    """Sorts the list that it was given."""

    def unpin_user_pages(self, pages, npages):
        pages.sort()
        super().unpin_user_pages(pages, npages)


class ShortTerm(Optimised):
    """Pins a region as if for a moment."""

    flags = 0

    def pin_user_pages(self, pages, gup_flags=None):
        return super().pin_user_pages(pages, self.flags)


class ReadOnly(ShortTerm):
    """Pins a region without saying that the device writes to it."""

    flags = FOLL_LONGTERM


class LongEntries(Optimised):
    """Makes entries of any length."""

    def umem_append(self, umem, batch, max_segment):
        super().umem_append(umem, batch, max_segment + PAGE_SIZE)


class AllMapped(Optimised):
    """Has as many entries for the device as for the CPU, whatever the IOMMU merged."""

    def ib_umem_get(self, *arguments):
        umem = super().ib_umem_get(*arguments)
        if not isinstance(umem, int):
            umem.nmap = umem.sg_nents
        return umem


class OwnRegion(Optimised):
    """Has regions that show neither `nmap` nor the length of an entry."""

    def ib_umem_get(self, *arguments):
        made = super().ib_umem_get(*arguments)
        return made if isinstance(made, int) else Own(made)

    def release_umem(self, umem, dirty):
        super().release_umem(getattr(umem, "umem", umem), dirty)


class Own:
    def __init__(self, umem):
        self.umem = umem
        self.sg_nents = umem.sg_nents


class OwnNames(OwnRegion):
    """Has regions that use the names for something else."""

    def ib_umem_get(self, *arguments):
        made = super().ib_umem_get(*arguments)
        made.nmap, made.longest = made.__init__, "the second"
        return made


LIST = "unpin_user_pages_dirty_lock(h1[1::-1] + h1[4:5], make_dirty=True)"


@pytest.mark.parametrize(
    ("candidate", "unpin", "what"),
    [
        (DirtiesUnlocked, LIST, "locked_to_dirty"),
        (EmptiesAndFills, "unpin_user_pages(h1[0:1])", "held_throughout"),
        (SortsFirst, "unpin_user_pages(h1[1::-1] + h1[4:5])", "argument_changed"),
        (ShortTerm, "m1 = ib_umem_get(a[0:1], writable=False)", "FOLL_LONGTERM"),
        (ReadOnly, "m1 = ib_umem_get(a[0:1])", "FOLL_WRITE"),
        (LongEntries, "m1 = ib_umem_get(a[0:2], max_segment=4096)", "max_segment"),
        (AllMapped, "m1 = ib_umem_get(a[0:1] + a[2:3], nmap=1)", "nmap"),
    ],
)
def test_named(candidate, unpin, what):
    """What counts alone do not show is told by name; the optimised model does nothing of it."""
    text = parse_program(f"{PINNED}{unpin}\n")

    assert what == judge(text, candidate()).finding.what
    assert "agrees" == judge(text, Optimised()).kind


@pytest.mark.parametrize(
    ("candidate", "step"),
    [
        (ReadOnly, "m1 = ib_umem_get(a[0:1], writable=False)"),
        (ShortTerm, "h2 = pin_user_pages(a[0:1])"),
        (LongEntries, "m1 = ib_umem_get(a[0:1] + a[2:3], max_segment=4096)"),
        (AllMapped, "m1 = ib_umem_get(a[0:1] + a[2:3], nmap=2)"),
        (OwnRegion, "m1 = ib_umem_get(a[0:1] + a[2:3], nmap=1)\nib_umem_release(m1)"),
        (OwnNames, "m1 = ib_umem_get(a[0:1] + a[2:3], nmap=1)\nib_umem_release(m1)"),
    ],
)
def test_not_named(candidate, step):
    """What is no mistake in this step, or is not shown, is not told."""
    assert "agrees" == judge(parse_program(f"{PINNED}{step}\n"), candidate()).kind


def test_number_of_entries():
    """A number of scatterlist entries that differs is told by its name."""

    class Apart(Optimised):
        def umem_append(self, umem, batch, max_segment):
            for page in batch:
                super().umem_append(umem, [page], PAGE_SIZE)

    finding = judge(parse_program(f"{PINNED}m1 = ib_umem_get(a[0:2])\n"), Apart()).finding

    assert Row("", None, "sg_nents", 1, 2) == finding.rows[0]
    assert ("sg_nents after ib_umem_get", "returned") == (finding.summary, finding.what)


def test_dirty_before_the_call_needs_no_lock():
    """A page that was dirty already is not dirtied."""
    text = parse_program(f"{PINNED}set_page_dirty(a[0:1] + a[4:5])\n{LIST}\n")

    assert judge(text, DirtiesUnlocked()).finding is None


def test_last_reference_that_frees():
    """The last put of a page frees it, though its frame is grabbed again in the same program."""
    text = parse_program(f"{PINNED}unmap(a[0:1])\nunpin_user_pages(h1[0:4])\n")

    assert "agrees" == judge(text, Optimised()).kind


@pytest.mark.parametrize("anywhere", [True, False])
@pytest.mark.parametrize(
    ("candidate", "unpin", "event"),
    [
        (DirtiesUnlocked, LIST, "dirty"),
        (EmptiesAndFills, "unpin_user_pages(h1[6:7])", "free"),
    ],
)
def test_not_told_of_what_is_unheard(candidate, unpin, event, anywhere):
    """Nothing is told of an event that the journal lacks, in the step's call or in all."""
    unheard = (Unheard(event, "" if anywhere else unpin.partition("(")[0], "probe"),)
    deaf = type("Deaf", (candidate,), {"abilities": Abilities("deaf", unheard=unheard)})
    text = parse_program(f"{PINNED}{unpin}\n")

    assert judge(text, candidate()).finding is not None
    assert judge(text, deaf()).finding is None
