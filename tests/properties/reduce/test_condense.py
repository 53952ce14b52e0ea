# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.errors import BadInput
from model.optimised import Optimised
from model.program import check
from model.world import GetPage
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from properties.reduce.condense import MAX_MAPS, MAX_PAGES_REBUILT
from properties.reduce.condense import condensed as condensations
from properties.reduce.lists import CannotRewrite
from tests.helpers import plain, program, soaked, text_of

SEEDS = range(24)
MORE_SEEDS = pytest.param(range(60), marks=pytest.mark.slow("the same from more seeds"))
WINDOWS = (1, 2, 8, 64)


def condensed(program, window):
    """The only condensation of *program*."""
    (short,) = condensations(program, window)
    return short


def books(program, stop):
    """What is held before step *stop* of *program*."""
    return Ledger.after(program, program.steps[:stop])


def fields(held):
    """What is held of one compound page."""
    return (held.each, held.maps, held.gets, held.pins, held.dirty, held.alive)


def same(before, after, last):
    """Assert that *after* holds what *before* holds, for all that the steps *last* use."""
    heads = dict.fromkeys([*(h for h, _ in before.known()), *(h for h, _ in after.known())])
    for head in heads:
        assert before.head(head) == after.head(head)
        assert before.order(head) == after.order(head)
        assert fields(before.held(head)) == fields(after.held(head)), before.name(head)
    for name in {name for step in last for name in step.uses()}:
        if name in before.umems:
            assert list(before.umems[name].pages()) == list(after.umems[name].pages())
            assert before.umems[name][1:] == after.umems[name][1:]
        elif name in before.table:
            assert list(before.table[name]) == list(after.table[name])


def near(program, stop):
    """Whether a count comes near 2^31 before step *stop*; then the order of steps matters."""
    gets = sum(getattr(s, "n", 1) for s in program.steps[:stop] if isinstance(s, GetPage))
    return gets >= 1 << 30


def heads(ledger):
    """The number of compound pages that a step named."""
    return len(ledger.known())


@pytest.fixture(scope="module", params=[SEEDS, MORE_SEEDS])
def programs(request):
    """Random programs."""
    return [made for made in (soaked(seed, 150) for seed in request.param) if plain(made)]


@pytest.mark.parametrize("window", WINDOWS)
def test_same_state(programs, window):
    """The few steps are valid and lead to the same state as the many, if they can be made."""
    done = 0
    for long in programs:
        at = len(long.steps) - window
        try:
            short = condensed(long, window)
        except CannotRewrite:
            continue
        last = long.steps[at:]
        before = books(long, at)
        if near(long, at):
            continue
        done += 1
        assert tuple(last) == short.steps[len(short.steps) - window :]
        after = books(short, len(short.steps) - window)
        same(before, after, last)
        check(short)
        names = {name for step in last for name in step.uses()}
        # A pin and an unpin of all, a write, and for each head references and mappings.
        maps = sum(abs(h.maps - before.first_refs(head)) for head, h in before.known())
        assert len(short.steps) <= window + 3 + len(names) + heads(before) + maps
        assert "agrees" == judge(short, Optimised()).kind

    assert done >= len(programs) // 3


def test_state_is_the_same_at_the_end(programs):
    """The state after the last steps is the same too."""
    for long in programs[:20]:
        try:
            short = condensed(long, 8)
        except CannotRewrite:
            continue
        if near(long, len(long.steps)):
            continue
        same(books(long, len(long.steps)), books(short, len(short.steps)), ())


def test_all_of_it():
    """If there are only the last steps, the program stays as it is."""
    whole = program('a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[0:2])\n')

    assert whole == condensed(whole, 1)


def test_by_hand():
    """Only what is held is taken, each with one step."""
    long = program(
        'a = mapping("driver", orders=[1, 0])\n'
        "h1 = pin_user_pages(a[0:3])\n"
        "unpin_user_pages(h1[1:2])\n"
        "get_page(a[2:3], n=5)\n"
        "put_page(a[2:3], n=2)\n"
        "map(a[0:1])\n"
        "set_page_dirty(a[1:2])\n"
        "clean(a[0:1])\n"
        "set_page_dirty(a[2:3])\n"
        "unpin_user_page(a[0:1])\n"
    )

    assert (
        'a = mapping("driver", orders=[1, 0])\n'
        "map(a[0:1])\n"
        "get_page(a[2:3], n=3)\n"
        "h1 = pin_user_pages(a[0:1] + a[2:3])\n"
        "set_page_dirty(a[2:3])\n"
        "unpin_user_page(a[0:1])\n"
    ) == text_of(condensed(long, 1))


def test_names_that_are_used():
    """Handles and regions that the last steps use are made again, with the same pages."""
    long = program(
        'a = mapping("driver", orders=[1, 0])\n'
        "h1 = pin_user_pages(a[0:3])\n"
        "m2 = ib_umem_get(a[1:3], writable=False)\n"
        "h3 = get_user_pages(a[2:3]*2)\n"
        "unpin_user_page(h1[2:3])\n"
        "unpin_user_page(h1[0:1])\n"
        "put_page(h3[0:1])\n"
        "ib_umem_release(m2)\n"
    )
    short = condensed(long, 3)

    assert ["h1", "m2", "h3"] == [step.makes for step in short.steps if step.makes]
    assert "m2 = ib_umem_get(a[1:3], writable=False)" in short.text()
    assert "unpin_user_pages(a[2:3])" in short.text()
    same(books(long, 4), books(short, len(short.steps) - 3), long.steps[4:])


def test_free_and_allocated_again():
    """Compound pages are those of the last allocation, and free pages are freed."""
    long = program(
        'a = mapping("driver", orders=[1, 0])\n'
        "unmap(a[0:1])\n"
        "alloc_pages(a[0:2], orders=[0, 0])\n"
        "unmap(a[1:2])\n"
        "h1 = pin_user_pages(a[0:1])\n"
    )

    assert (
        'a = mapping("driver", orders=[0, 0, 0])\nunmap(a[1:2])\nh1 = pin_user_pages(a[0:1])\n'
    ) == text_of(condensed(long, 1))


SPLIT = (
    'a = mapping("thp", orders=[9, 9])\n'
    "split_huge_page(a[0:1])\n"
    "h1 = pin_user_pages(a[3:4] + a[600:601])\n"
)


def test_split():
    """The parts of a split huge page are a driver's: no huge page has such an order."""
    short = condensed(program(SPLIT), 1)

    check(short)
    assert "driver" == short.mappings[0].kind
    assert 513 == short.mappings[0].ncompound
    assert 1 == len(short.steps)
    same(books(program(SPLIT), 2), books(short, 1), ())


def test_split_again():
    """A driver's pages cannot be split, so a program whose last steps split is rejected."""
    with pytest.raises(CannotRewrite):
        condensed(program(SPLIT + "split_huge_page(a[512:513])\n"), 2)


@pytest.mark.parametrize(
    ("pages", "good"), [(MAX_PAGES_REBUILT, True), (MAX_PAGES_REBUILT + 1, False)]
)
@pytest.mark.parametrize(
    ("take", "give"),
    [
        ("h1 = pin_user_pages(a[0:1]*{})", "unpin_user_page(h1[0:1])"),
        ("m1 = ib_umem_get(a[0:1]*{})", "ib_umem_release(m1)"),
    ],
)
def test_too_long(take, give, pages, good):
    """A handle or region of more pages than the limit is not made again."""
    long = program(f'a = mapping("driver", orders=[0])\n{take.format(pages)}\n{give}\n')

    if good:
        assert long == condensed(long, 1)
    else:
        with pytest.raises(CannotRewrite):
            condensed(long, 1)


def test_mapped_often():
    """Pages are mapped together; plain references stand for mappings beyond the limit."""
    long = program(
        'a = mapping("driver", orders=[0, 1, 0])\n'
        + "map(a[0:1] + a[3:4])\n" * (MAX_MAPS - 1)
        + "map(a[0:3])\n" * 3
        + "h1 = pin_user_pages(a[0:1])\n"
    )

    assert (
        'a = mapping("driver", orders=[0, 1, 0])\n'
        + "map(a[0:2] + a[3:4])\n" * 3
        + "map(a[0:1] + a[3:4])\n" * (MAX_MAPS - 4)
        + "map(a[0:1])\n"
        + "get_page(a[0:1], n=2)\n"
        + "h1 = pin_user_pages(a[0:1])\n"
    ) == text_of(condensed(long, 1))


@pytest.mark.parametrize("last", ["h3 = get_user_pages(a[0:1])", "unpin_user_pages(h2[0:1])"])
def test_count_past_its_limit(last):
    """A pin that takes a count past 2^31 comes after the plain references again."""
    long = program(
        'a = mapping("base", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\n"
        "unmap(a[0:1])\n"
        "map(a[0:1])\n"
        "get_page(a[0:1], n=2147482000)\n"
        "h2 = pin_user_pages(a[0:1])\n" + last
    )
    short = condensed(long, 1)

    assert ["get_page", "pin_user_pages"] == list(dict.fromkeys(s.call for s in short.steps[:-1]))
    same(books(long, 5), books(short, len(short.steps) - 1), long.steps[5:])


def test_broken_contract():
    """A program that breaks the contract is bad input."""
    long = program('a = mapping("driver", orders=[0])\nunpin_user_page(a[0:1])\nclean(a[0:1])\n')

    with pytest.raises(BadInput):
        condensed(long, 1)


def test_a_dirty_zero_page():
    """No write makes the zero page dirty, so a pin and an unpin do."""
    long = program(
        'z = mapping("zero", orders=[0])',
        "h1 = pin_user_pages(z[0:1]*3)",
        "unpin_user_pages_dirty_lock(z[0:1]*2, make_dirty=True)",
        "unpin_user_pages(h1[0:1])",
    )
    short = condensed(long, 1)

    same(books(long, 2), books(short, len(short.steps) - 1), ())
    assert any(step.asks_dirty and step.make_dirty for step in short.steps)
