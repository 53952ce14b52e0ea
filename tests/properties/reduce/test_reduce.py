# SPDX-License-Identifier: MIT

from __future__ import annotations

from model.optimised import Optimised
from model.parse import parse_program
from properties.judging.applicable import MAX_PAGE_VISITS, visits
from properties.judging.judge import judge
from properties.reduce import reduce
from properties.search import Search, Watcher
from properties.searches.machine import explore


HEADER = '# headcount 1\nsemantics("5.13")\n'


class First(Watcher):
    """Remembers the first failure."""

    failure = None

    def found(self, program, finding):
        self.failure = self.failure or (program, finding)


def found_by(candidate, seed):
    """A failing program of *candidate*, as the machine drew it, from *seed* on."""
    watcher = First()
    while watcher.failure is None:
        explore(Search(candidate, watcher=watcher), seed, 25)
        seed += 1
    return watcher.failure


def reduced(text, candidate):
    """The trace *text*, reduced, without its header."""
    program = parse_program(HEADER + text)
    result = reduce(program, judge(program, candidate()).worst, candidate)
    assert result.finding.signature == judge(program, candidate()).worst.signature
    return result.program.text().removeprefix(HEADER)


#: The smallest known trace for each field and call, in size and text.
SMALLEST = {
    "ReleasesNmap": {
        "refcount-ib_umem_get": (1, 1, 0, 1),
        "pincount-ib_umem_get": (1, 1, 2, 1),
        "refcount-ib_umem_release": (2, 1, 0, 2),
        "pincount-ib_umem_release": (2, 1, 2, 2),
    },
    "NoTailOffset": {
        "pincount-ib_umem_get": (1, 2, 2, 2),
        "pincount-ib_umem_release": (2, 2, 2, 2),
        "pincount-unpin_user_page_range_dirty_lock": (2, 2, 2, 4),
        "refcount-ib_umem_get": (1, 2, 1, 2),
        "refcount-ib_umem_release": (2, 2, 1, 2),
        "refcount-unpin_user_page_range_dirty_lock": (2, 2, 1, 4),
    },
    "DirtiesAfterPut": {
        "dirty_before_put-unpin_user_page_range_dirty_lock": (2, 1, 0, 2),
        "dirty_before_put-ib_umem_release": (2, 1, 0, 1),
    },
    "RunOfZero": {
        "no_progress-ib_umem_get": (1, 1, 2, 4),
        "no_progress-ib_umem_release": (2, 1, 2, 4),
        "no_progress-unpin_user_page_range_dirty_lock": (2, 1, 2, 8),
    },
}


def test_smallest_known(sketches):
    """Nine reductions in ten end at the smallest size known, in few executions."""
    hits, executions = [], []
    for name, smallest in SMALLEST.items():
        candidate = getattr(sketches, name)
        for seed in range(0, 500, 100):
            result = reduce(*found_by(candidate, seed), candidate)
            assert result.repeats
            hits.append(result.program.size().counts == smallest[result.finding.signature])
            executions.append(result.executions)

    assert sum(hits) >= 0.9 * len(hits)
    assert sorted(executions)[len(executions) // 2] <= 300


def test_never_larger_than_known(sketches):
    """The known sizes are known because some program has them, and none is smaller."""
    for seed in range(0, 500, 100):
        r = reduce(*found_by(sketches.NoTailOffset, seed), sketches.NoTailOffset)
        assert r.program.size().counts >= SMALLEST["NoTailOffset"][r.finding.signature]


def test_drops_steps_and_what_used_them(sketches):
    """Steps that do not matter go, and handles close up."""
    text = (
        'a = mapping("driver", orders=[0, 0, 2, 0], pfn=0x1002, refs=3)\n'
        'b = mapping("thp", orders=[9])\n'
        "h1 = pin_user_pages(b[3:400], FOLL_WRITE)\n"
        "h2 = pin_user_pages(a[0:7], FOLL_LONGTERM)\n"
        "clean(a[0:1])\n"
        "unpin_user_pages(h1[5:9])\n"
        "unpin_user_page_range_dirty_lock(h2[4:7], make_dirty=True)\n"
    )

    assert (
        'a = mapping("driver", orders=[2, 0])\n'
        "h1 = pin_user_pages(a[3:5])\n"
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
    ) == reduced(text, sketches.NoTailOffset)


def test_joins_pins(sketches):
    """Two pins that one call can make become one."""
    text = (
        'a = mapping("driver", orders=[2, 2])\n'
        "h1 = pin_user_pages(a[3:4])\n"
        "h2 = pin_user_pages(a[4:5])\n"
        "unpin_user_page_range_dirty_lock(a[3:5], make_dirty=False)\n"
    )

    assert (
        'a = mapping("driver", orders=[2, 0])\n'
        "h1 = pin_user_pages(a[3:5])\n"
        "unpin_user_page_range_dirty_lock(a[3:5], make_dirty=True)\n"
    ) == reduced(text, sketches.NoTailOffset)


def test_lowers_orders_around_the_edge(sketches):
    """Huge pages become small ones, with the crossing that matters kept."""
    text = (
        'a = mapping("hugetlb", orders=[18, 18])\n'
        "m1 = ib_umem_get(a[262000:262500])\n"
        "ib_umem_release(m1)\n"
    )

    assert (
        'a = mapping("driver", orders=[2, 0])\nm1 = ib_umem_get(a[3:5])\nib_umem_release(m1)\n'
    ) == reduced(text, sketches.NoTailOffset)


def test_long_list(sketches):
    """A list of 2^17 entries is cut down without being written out again and again."""
    text = (
        'a = mapping("driver", orders=[0, 2])\n'
        "h1 = pin_user_pages(a[0:1]*65536 + a[1:2]*65536)\n"
        "unpin_user_pages((h1[0:1] + h1[65536:65537])*60000)\n"
    )
    small = reduced(text, sketches.MergesAcross)

    assert len(small.splitlines()) == 3
    assert parse_program(HEADER + small).size()[:2] == (2, 2)
    assert parse_program(HEADER + small).size()[3] <= 6


def test_signature_is_kept(sketches):
    """Reducing never slides to another field or call, though both are broken."""
    program, finding = found_by(sketches.NoTailOffset, 5)

    assert finding.signature == reduce(program, finding, sketches.NoTailOffset).finding.signature


def test_does_not_repeat(sketches):
    """A candidate that does not fail again is told apart, and the program kept as it was."""
    program = parse_program(
        HEADER + 'a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\n'
        "unpin_user_page(h1[0:1])\n"
    )
    sketches.Moody.turns = 0
    finding = judge(program, sketches.Moody()).finding

    result = reduce(program, finding, sketches.Moody)

    assert not result.repeats
    assert program == result.program


def test_budget(sketches):
    """No more programs are tried than allowed."""
    program, finding = found_by(sketches.NoTailOffset, 1)

    assert 7 >= reduce(program, finding, sketches.NoTailOffset, most=7).executions


def test_tells_of_each_step_down(sketches):
    """Whoever keeps traces hears of every smaller one, each smaller than the last."""
    program, finding = found_by(sketches.NoTailOffset, 1)
    sizes = []

    reduce(program, finding, sketches.NoTailOffset, lambda p, _f: sizes.append(p.size()))

    assert len(sizes) > 3
    assert sorted(sizes, reverse=True) == sizes


def test_dearer(sketches):
    """What is right but dearer is reduced as well, by its own signature."""
    text = (
        'a = mapping("driver", orders=[2, 1, 1, 0])\n'
        "h1 = pin_user_pages(a[0:8])\n"
        "unpin_user_page_range_dirty_lock(h1[1:7], make_dirty=True)\n"
    )

    assert (
        'a = mapping("driver", orders=[1])\n'
        "h1 = pin_user_pages(a[0:2])\n"
        "unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)\n"
    ) == reduced(text, sketches.OrderOneUnbatched)


def test_right_candidates_have_nothing_to_reduce():
    """The optimised model fails on nothing that the machine draws."""
    watcher = First()

    explore(Search(Optimised, watcher=watcher), 11, 40)

    assert watcher.failure is None


def test_too_large_for_one_page_at_a_time(sketches):
    """Pages that nobody visits one by one are not counted so, and small ones are left."""
    text = (
        'a = mapping("hugetlb", orders=[18]*512)\n'
        "h1 = pin_user_pages(a[0:134217728])\n"
        "unpin_user_page_range_dirty_lock(h1[5:134217728], make_dirty=True)\n"
    )
    small = parse_program(HEADER + reduced(text, sketches.NoTailOffset))

    assert visits(parse_program(HEADER + text)) > MAX_PAGE_VISITS
    assert (1, 2) <= small.size()[:2] <= (2, 2)
    assert small.size()[3] <= 4


class SlowlyWrong(Optimised):
    """Drops a pin too few of 40 pages and more, and takes its time with any."""

    def unpin_user_pages(self, pages, npages):
        for _ in range(10_000):
            self.memory.compound_head(pages[0])
        super().unpin_user_pages(pages, npages - (npages > 40))


def test_operations_are_paid_for(monkeypatch):
    """What a candidate spends on its pages ends a reduction, and not only their number."""
    monkeypatch.setattr("properties.reduce.reducer.MAX_PAGE_VISITS", 10_000)
    text = (
        'a = mapping("driver", orders=[0]*64)\n'
        "h1 = pin_user_pages(a[0:64])\n"
        "unpin_user_pages(h1[0:64])\n"
    )
    program = parse_program(HEADER + text)
    small = reduce(program, judge(program, SlowlyWrong()).worst, SlowlyWrong)

    assert 10_000 * 12 / 10_100 <= small.executions <= 13
