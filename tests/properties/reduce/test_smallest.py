# SPDX-License-Identifier: MIT

from __future__ import annotations

from itertools import pairwise, product

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, placed
from model.optimised import Optimised
from model.pagelist import from_entries, span
from model.program import Program, check
from model.regions import IbUmemGet, IbUmemRelease
from model.semantics import DEFAULT, PAGE_SIZE
from model.steps import (
    STEPS,
    GetUserPages,
    PinUserPages,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from model.umem import Scatterlist, Umem
from model.world import SetPageDirty, Unmap
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.reduce import Reduced, reduce
from properties.reduce.smallest import PAGES_PER_TRY, TRIES_PER_HANG, smallest
from tests.helpers import program


def unreduced(text, candidate):
    """The failing program *text* as if it were the result of a reduction."""
    whole = program(text)
    return Reduced(whole, judge(whole, candidate()).worst, 0)


#: Faults, with a program that fails on each and is not the smallest.
PADDED = {
    "NoTailOffset": 'a = mapping("driver", orders=[2, 1])\n'
    "h1 = pin_user_pages(a[3:6])\n"
    "unpin_user_page_range_dirty_lock(h1[0:3], make_dirty=False)\n",
    "NeverDirtiesRegion": 'a = mapping("driver", orders=[1, 0])\n'
    "m1 = ib_umem_get(a[0:3])\nset_page_dirty(a[2:3])\nib_umem_release(m1)\n",
    "FreedAtOne": 'a = mapping("driver", orders=[1, 1])\n'
    "h1 = pin_user_pages(a[0:3])\nunpin_user_page(h1[0:1])\nunpin_user_page(h1[1:2])\n",
    "CountsRuns": 'a = mapping("driver", orders=[2])\n'
    "h1 = pin_user_pages(a[0:4])\nunpin_user_pages(h1[0:4])\n",
    "OrderTwoBiasedPut": 'a = mapping("driver", orders=[0, 2])\n'
    "h1 = pin_user_pages(a[0:3])\nunpin_user_pages(h1[1:3])\n",
    "GetIsPin": 'a = mapping("driver", orders=[2, 2])\n'
    "h1 = pin_user_pages(a[0:1])\nh2 = get_user_pages(a[0:5])\n",
    "CountsPagesOnce": 'a = mapping("driver", orders=[0, 1])\n'
    "h1 = pin_user_pages(a[0:1]*2 + a[1:3])\nunpin_user_pages(h1[0:4])\n",
    "RunOnePageLong": 'a = mapping("driver", orders=[1, 1])\n'
    "h1 = pin_user_pages(a[0:4])\n"
    "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=True)\n",
    "PartialPinIsError": 'a = mapping("driver", orders=[0, 0, 0])\n'
    "unmap(a[2:3])\nset_page_dirty(a[0:1])\nh1 = pin_user_pages(a[0:3])\n",
    "RangeByPage": 'a = mapping("driver", orders=[1, 1])\nset_page_dirty(a[0:1])\n'
    "h1 = pin_user_pages(a[0:4])\n"
    "unpin_user_page_range_dirty_lock(h1[0:4], make_dirty=True)\n",
    "ListByPage": 'a = mapping("driver", orders=[1, 0])\n'
    "h1 = pin_user_pages(a[0:3])\nh2 = pin_user_pages(a[0:1])\n"
    "unpin_user_pages(h1[0:3])\n",
}


def _padded(name):
    """A fault of `PADDED` as a parameter."""
    marks = [pytest.mark.slow("brute force over two orders and three pages")]
    return pytest.param(name, marks=marks if name == "NoTailOffset" else [])


each_padded = pytest.mark.parametrize("name", [_padded(name) for name in PADDED])


def candidate_of(name):
    """The candidate of the planted fault *name*."""
    return FAULTS[name].candidate


# Brute force: all that is smaller, written down with no thought of what is alike.


def naive_layouts(compound, order, npages):
    """Mappings of up to *compound* compound pages, with gaps or without."""
    while npages & (npages - 1):
        npages += 1
    for count in range(1, compound + 1):
        for orders in product(range(8), repeat=count):
            if max(orders) > order and sum(2**o for o in orders) > npages:
                continue
            gaps = set()
            for start in range(FIRST_PFN, FIRST_PFN + (1 << max(orders))):
                extents = placed([(o, 1) for o in orders], start)
                apart = tuple(a.stop != b.pfn for a, b in pairwise(extents))
                if apart not in gaps:
                    gaps.add(apart)
                    yield Mapping("a", "driver", extents)


def naive_steps(mapping, nth, calls, listed):
    """Every step of *calls* with lists of up to *listed* pages."""
    yes_no = (True, False)
    if "ib_umem_release" in calls:
        yield from (IbUmemRelease(umem=f"m{nth - 1}", dirty=d) for d in yes_no)
    empty = span("a", 0, 0)
    nothing = [
        UnpinUserPages(pages=empty),
        *(UnpinUserPagesDirtyLock(pages=empty, make_dirty=d) for d in yes_no),
        *(UnpinUserPageRangeDirtyLock(pages=empty, make_dirty=d) for d in yes_no),
    ]
    yield from (step for step in nothing if step.call in calls)
    for length in range(1, listed + 1):
        for positions in product(range(mapping.npages), repeat=length):
            p = from_entries([("a", i) for i in positions])
            steps = [
                PinUserPages(handle=f"h{nth}", pages=p),
                GetUserPages(handle=f"h{nth}", pages=p),
                UnpinUserPages(pages=p),
                *(UnpinUserPagesDirtyLock(pages=p, make_dirty=d) for d in yes_no),
                *(UnpinUserPageRangeDirtyLock(pages=p, make_dirty=d) for d in yes_no),
                *(IbUmemGet(umem=f"m{nth}", pages=p, writable=w) for w in yes_no),
            ]
            if length == 1:
                steps += [UnpinUserPage(page=p), Unmap(pages=p), SetPageDirty(pages=p)]
            yield from (step for step in steps if step.call in calls)


def naive_smallest(reduced, candidate):
    """The size of the smallest program that fails like *reduced*; tries all."""
    best = reduced.program.size().counts
    steps, compound, _, _ = best
    lists = [len(pages) for step in reduced.program.steps for pages in step.lists()]
    order = max(e.order for m in reduced.program.mappings for e in m.extents)
    npages = sum(m.npages for m in reduced.program.mappings)
    calls = {"pin_user_pages", *(step.call for step in reduced.program.steps)}
    for length in range(1, steps + 1):
        for mapping in naive_layouts(compound, order, npages):
            bare = Program((mapping,), (), DEFAULT)
            if (length, *bare.size()[1:3]) > best[:3]:
                continue
            options = [
                list(naive_steps(mapping, nth, calls, max(lists))) for nth in range(1, length + 1)
            ]
            last = [s for s in options[-1] if s.call == reduced.finding.step.call]
            for chosen in product(*options[:-1], last):
                whole = evolve(bare, steps=chosen)
                if whole.size().counts >= best:
                    continue
                try:
                    check(whole)
                    worst = judge(whole, candidate()).worst
                except BadInput:
                    continue
                if worst and worst.signature == reduced.finding.signature:
                    best = whole.size().counts
    return best


@each_padded
def test_proved(name):
    """A reduced program is proved the smallest, and brute force finds no smaller one."""
    candidate = candidate_of(name)
    reduced = reduce(*first(name), candidate)
    result = smallest(reduced, candidate)

    assert result.proved
    said = f"none of {result.tried:,} smaller programs" if result.tried else "no smaller program"
    assert result.text().startswith(f"smallest (proved: {said}")
    assert result.finding.signature == reduced.finding.signature
    assert naive_smallest(result, candidate) == result.program.size().counts


def first(name):
    """A failing program of the fault *name*, and the finding."""
    whole = program(PADDED[name])
    finding = judge(whole, candidate_of(name)()).worst
    assert finding is not None
    return whole, finding


@each_padded
def test_padded(name):
    """For a program that is not the smallest, the smallest is found."""
    candidate = candidate_of(name)
    whole, finding = first(name)
    told = []
    result = smallest(
        Reduced(whole, finding, 0), candidate, lambda p, f: told.append((p, f)), most=100_000
    )

    assert result.program.size() < whole.size()
    assert [(result.program, result.finding)] == told
    assert result.finding.signature == finding.signature
    assert result.finding.signature == judge(result.program, candidate()).worst.signature
    assert result.proved
    assert smallest(reduce(whole, finding, candidate), candidate).program.size().counts == (
        result.program.size().counts
    )


@pytest.mark.parametrize("name", ["RunOnePageLong", "RangeByPage"])
def test_tried_is_of_the_scope_that_is_proved(name):
    """What was tried before a smaller program was found is not counted as tried in vain."""
    candidate = candidate_of(name)
    whole, finding = first(name)
    padded = smallest(Reduced(whole, finding, 0), candidate, most=100_000)

    assert padded.tried == smallest(reduce(whole, finding, candidate), candidate).tried > 0


def test_budget():
    """With too few tries nothing is proved, nor reported as proved."""
    reduced = reduce(*first("NoTailOffset"), candidate_of("NoTailOffset"))
    for most in (1, 100, 1_000):
        result = smallest(reduced, candidate_of("NoTailOffset"), most=most)

        assert not result.proved
        assert "proved" not in result.text()
        assert (", then " in result.text()) == (0 < result.tried)
        assert result.tried <= most + 1
        assert reduced.program == result.program


def test_nothing_to_spend():
    """With 0 tries nothing is tried, and the text does not mention tries."""
    reduced = reduce(*first("NoTailOffset"), candidate_of("NoTailOffset"))

    assert reduced is smallest(reduced, candidate_of("NoTailOffset"), most=0)
    assert ", then " not in reduced.text()


def test_nothing_is_smaller():
    """If no smaller program has the failing call, that is said, not a number of programs."""
    candidate = candidate_of("EmptyListWalked")
    before = unreduced('a = mapping("base", orders=[0])\nunpin_user_pages(a[0:0])\n', candidate)
    result = smallest(before, candidate)

    assert (
        "smallest (proved: no smaller program of its scope ends with unpin_user_pages)"
        == result.text()
    )


def test_does_not_repeat():
    """For a program that did not fail again, nothing is tried."""
    reduced = evolve(Reduced(*first("NoTailOffset"), 1), repeats=False)

    assert reduced is smallest(reduced, candidate_of("NoTailOffset"))


def test_comments_stay():
    """The smaller program keeps the comments."""
    whole, finding = first("CountsRuns")
    whole = evolve(whole, comments=("found one day",))
    result = smallest(Reduced(whole, finding, 0), candidate_of("CountsRuns"))

    assert result.program.size() < whole.size()
    assert ("found one day",) == result.program.comments


def test_progress():
    """Progress is reported about each thousand tries, up to as many as may be made."""
    told = []
    reduced = reduce(*first("NoTailOffset"), candidate_of("NoTailOffset"))
    smallest(reduced, candidate_of("NoTailOffset"), most=4_500, progress=told.append)

    assert [1_000, 2_000, 3_000, 4_000] == told


class RaisesBefore(FAULTS["CountsRuns"].candidate):
    """Miscounts lists of one head, and raises where a list is of one page."""

    def unpin_user_pages(self, pages, npages):
        if npages == 1:
            msg = "one page only"
            raise ValueError(msg)
        super().unpin_user_pages(pages, npages)


class RaisesOnShortPins(FAULTS["CountsRuns"].candidate):
    """Miscounts lists of one head, and cannot pin fewer than three pages."""

    def pin_user_pages(self, pages):
        if len(pages) < 3:
            msg = "too few"
            raise ValueError(msg)
        return super().pin_user_pages(pages)


@pytest.mark.parametrize("candidate", [RaisesBefore, RaisesOnShortPins])
def test_other_failures(candidate):
    """An exception in a smaller program is another failure, and is not the result."""
    reduced = unreduced(PADDED["CountsRuns"], candidate)
    result = smallest(reduced, candidate)

    assert result.proved
    assert result.finding.signature == reduced.finding.signature
    assert "raised" not in result.finding.what


def test_hangs():
    """Hangs in smaller programs count as many tries."""
    name = "RefusedGrabRepeated"
    text = (
        'a = mapping("base", orders=[0])\nget_page(a[0:1], n=2147483645)\n'
        "h1 = pin_user_pages(a[0:1]*2)\n"
    )
    reduced = unreduced(text, candidate_of(name))
    result = smallest(reduced, candidate_of(name), most=2 * TRIES_PER_HANG)

    assert reduced.finding.what == "no_progress"
    assert result.finding.signature == reduced.finding.signature
    assert result.tried < 2 * TRIES_PER_HANG


def test_too_many_layouts():
    """Nothing is tried for a program on many compound pages of high orders."""
    candidate = candidate_of("CountsRuns")
    pages = 'a = mapping("driver", orders=[9, 4, 3, 2, 4, 0, 1, 8])\n'
    before = unreduced(pages + PIN_TWO + "unpin_user_pages(h1[0:2])\n", candidate)
    result = smallest(before, candidate)

    assert (before.program, 0, False) == (result.program, result.tried, result.proved)


PAGE = 'a = mapping("base", orders=[0])\n'
TWO = 'a = mapping("base", orders=[0, 0])\n'
PIN = "h1 = pin_user_pages(a[0:1])\n"
PIN_TWO = "h1 = pin_user_pages(a[0:2])\n"
LONG = 2 * PAGES_PER_TRY

#: A fault, a program, its smallest size, and why it could be missed.
EASILY_MISSED = [
    pytest.param(
        "CountsRuns",
        PAGE + "h1 = pin_user_pages(a[0:1]*3)\nunpin_user_pages(h1[0:2])\n",
        (2, 1, 0, 4),
        id="one page less is named",
    ),
    pytest.param(
        "CountsRuns",
        PAGE + f"h1 = pin_user_pages(a[0:1]*{LONG})\nunpin_user_pages(h1[0:{LONG}])\n",
        (2, 1, 0, 4),
        id="long lists",
    ),
    pytest.param(
        "LastErrorIsLength",
        PAGE + PIN + "unpin_user_pages(h1[0:1], npages=-4095)\n",
        (1, 1, 0, 1),
        id="pages that are not held, and an error value",
    ),
    pytest.param(
        "EmptyListWalked",
        TWO + PIN_TWO + "unpin_user_pages(h1[0:0])\n",
        (1, 1, 0, 0),
        id="no pages",
    ),
    pytest.param(
        "SegmentRoundedUp",
        'a = mapping("driver", orders=[0, 0])\nm1 = ib_umem_get(a[0:2], max_segment=4196)\n',
        (1, 1, 1, 2),
        id="two compound pages made one",
    ),
    pytest.param(
        "LocksDirtyPages",
        PAGE
        + PIN
        + "set_page_dirty(a[0:1])\nunpin_user_pages_dirty_lock(h1[0:1], make_dirty=True)\n",
        (2, 2, 0, 6),
        id="a step less that names more pages",
    ),
    pytest.param(
        "AsksFirstHeadOnly",
        TWO + "m1 = ib_umem_get(a[0:2])\nset_page_dirty(a[0:1])\nib_umem_release(m1)\n",
        (2, 2, 0, 3),
        id="a step less that names more pages, in a region",
    ),
]


@pytest.mark.parametrize(("name", "text", "size"), EASILY_MISSED)
def test_easily_missed(name, text, size):
    before = unreduced(text, candidate_of(name))
    result = smallest(before, candidate_of(name))

    assert size == result.program.size().counts < before.program.size().counts
    assert result.proved


class LastEntryLength(Optimised):
    """The last scatterlist entry is released with the length of the one before."""

    def release_umem(self, umem, dirty):
        sgl = umem.sgl
        if len(sgl) > 1:
            sgl = [*sgl[:-1], Scatterlist(sgl[-1].page, sgl[-2].length)]
        super().release_umem(Umem(umem.writable, sgl, umem.nmap), dirty)


class ThreeOrPart(Optimised):
    """A region is never released if it has three entries and is dirty, or ends inside a page."""

    def release_umem(self, umem, dirty):
        three = umem.sg_nents == 3 and self.memory.page_dirty(umem.sgl[0].page)
        if not three and not umem.sgl[-1].length % PAGE_SIZE:
            super().release_umem(umem, dirty)


@pytest.mark.parametrize(
    ("candidate", "text", "smaller"),
    [
        pytest.param(
            LastEntryLength,
            'a = mapping("driver", orders=[1])\n'
            "m1 = ib_umem(sg(a[0:2], 4097) + sg(a[0:1], 4095))\n"
            "h1 = pin_user_pages(a[0:1]*3)\nib_umem_release(m1)\n",
            ["ib_umem_get", "ib_umem_release"],
            id="one call for two",
        ),
        pytest.param(
            ThreeOrPart,
            PAGE + "m1 = ib_umem_get(a[0:1]*3)\nset_page_dirty(a[0:1])\nib_umem_release(m1)\n",
            ["pin_user_pages", "ib_umem", "ib_umem_release"],
            id="as many steps that name less",
        ),
    ],
)
def test_other_calls(candidate, text, smaller):
    """A call that the program does not have may do the work of those that it has."""
    before = unreduced(text, candidate)
    result = smallest(before, candidate)

    assert smaller == [step.call for step in result.program.steps]
    assert result.proved
    assert result.every_call
    assert " smaller program" in result.text()
    assert " of its scope " in result.text()


def test_own_calls_only():
    """If too many programs have other calls, the proof names the calls that it is about."""
    candidate = candidate_of("NoTailOffset")
    reduced = reduce(*first("NoTailOffset"), candidate)
    whole = smallest(reduced, candidate, most=100_000)
    some = smallest(reduced, candidate, most=6_000)

    assert whole.every_call
    assert f"none of {whole.tried:,} smaller programs of its scope fails" in whole.text()
    assert not some.every_call
    assert some.proved
    assert f"none of {some.tried:,} smaller programs of its own calls fails" in some.text()
    assert 0 < some.tried < whole.tried


class FewCalls(candidate_of("NoTailOffset")):
    """Cannot do some calls."""

    abilities = Abilities("few", calls=frozenset(STEPS) - {"get_user_pages", "ib_umem_get"})

    def get_user_pages(self, pages):
        raise AssertionError

    ib_umem_get = get_user_pages


def test_calls_of_the_candidate():
    """Calls and pages that a candidate does not have are not tried."""
    candidate = candidate_of("NoTailOffset")
    reduced = reduce(*first("NoTailOffset"), candidate)
    few, whole = (smallest(reduced, c, most=100_000) for c in (FewCalls, candidate))

    assert few.every_call
    assert 0 < few.tried < whole.tried


class OnlyHugetlb(candidate_of("CountsRuns")):
    """Has no pages of drivers."""

    abilities = Abilities("huge", kinds=frozenset({"hugetlb"}))


def test_kinds_of_the_candidate():
    """Of a candidate without pages of drivers, pages of the program's own kind are tried."""
    before = unreduced(PADDED["CountsRuns"].replace("driver", "hugetlb"), OnlyHugetlb)
    result = smallest(before, OnlyHugetlb)

    assert "hugetlb" == result.program.mappings[0].kind
    assert (2, 1, 1, 4) == result.program.size().counts
    assert result.proved
    assert 0 < result.tried


def test_one_step_less_is_not_counted(monkeypatch):
    """Tries outside the scope do not count in the proof."""
    candidate = candidate_of("PartialPinIsError")
    reduced = reduce(*first("PartialPinIsError"), candidate)
    result = smallest(reduced, candidate)
    asked = []

    def nothing(scope):
        asked.append(scope)
        return evolve(scope, steps=0)

    monkeypatch.setattr("properties.reduce.smallest.one_step_less", nothing)

    assert 2 <= len(result.program.steps)
    assert result == smallest(reduced, candidate)
    assert 1 == len(asked)


def test_budget_one_step_less():
    """The proof is valid if the tries outside the scope do not finish."""
    name = "LocksDirtyPages"
    text = next(param.values[1] for param in EASILY_MISSED if param.values[0] == name)
    before = unreduced(text, candidate_of(name))
    most = {n: smallest(before, candidate_of(name), most=n) for n in range(10, 1_200, 70)}
    proved = {n: result for n, result in most.items() if result.proved}

    assert 10 not in proved
    assert {(3, 1, 0, 3), (2, 2, 0, 6)} == {r.program.size().counts for r in most.values()}
    assert (3, 1, 0, 3) == proved[min(proved)].program.size().counts
