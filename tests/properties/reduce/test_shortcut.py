# SPDX-License-Identifier: MIT

from __future__ import annotations

import pytest

from model.optimised import Optimised
from model.program import check
from model.world import GetPage
from properties.judging.judge import judge
from properties.reduce.shortcut import shortcut
from tests.helpers import program, soaked
from tests.properties.reduce.programs import accepting, held, offers

LAST = "unpin_user_pages(a[0:0])\n"


@pytest.fixture(
    scope="module",
    params=[16, pytest.param(40, marks=pytest.mark.slow("the same from more seeds"))],
)
def seeds(request):
    """The number of seeds of `programs`."""
    return request.param


@pytest.fixture(scope="module")
def programs(seeds):
    """Random programs in which no count comes near 2^31, where the order of steps matters.

    Their last step names pages: one that names none could be dropped with other steps.
    """
    found = []
    for made in (soaked(seed, 60) for seed in range(seeds)):
        if sum(s.n for s in made.steps if isinstance(s, GetPage)) >= 1e9:
            continue
        if all(map(len, made.steps[-1].lists())):
            found.append(made)
    assert len(found) > seeds // 2
    return found


def test_lines_have_room():
    """Lists of many heads are divided into lines that a trace can have."""
    many = "".join(f"unpin_user_pages(a[{n}:{n + 1}])\n" for n in range(0, 1200, 2))
    start = program(
        'a = mapping("driver", orders=[1]*600)\n'
        "h1 = pin_user_pages(a[0:1200])\n"
        f"{many}"
        "map(a[0:1200])\n"
        "h2 = pin_user_pages(a[0:1200])\n"
        "unpin_user_pages(a[1199:1200])\n"
    )

    first = next(p for p in shortcut(start) if len(p.steps) < 100)

    check(first)
    assert held(start) == held(first)


def test_neighbours_are_one_slice():
    """Adjacent pages with the same change are written as one slice."""
    pages = 'a = mapping("base", orders=[0]*8)\n'
    one_by_one = "".join(f"map(a[{n}:{n + 1}])\n" for n in range(2, 6))

    assert f"{pages}map(a[2:6])\nunmap(a[0:1])\nmap(a[1:2])\n" in offers(
        shortcut, f"{pages}{one_by_one}unmap(a[0:1])\nmap(a[1:2])\n"
    )


TWO = 'a = mapping("driver", orders=[1, 0])\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(
            "h1 = pin_user_pages(a[0:3])\nunpin_user_pages(h1[1:3])\n",
            "h2 = pin_user_pages(a[0:1])\n",
            id="pins",
        ),
        pytest.param(
            "h1 = pin_user_pages(a[0:1])\nh2 = pin_user_pages(a[1:3])\n",
            "h3 = pin_user_pages(a[0:1]*2 + a[2:3])\n",
            id="two pins",
        ),
        pytest.param(
            "map(a[0:1] + a[2:3])\nmap(a[0:1])\nunmap(a[2:3])\nset_page_dirty(a[2:3])\n",
            "map(a[0:1])\nmap(a[0:1])\nset_page_dirty(a[2:3])\n",
            id="mappings, dirty",
        ),
        pytest.param(
            "get_page(a[0:1], n=5)\nput_page(a[0:1], n=2)\n",
            "get_page(a[0:1], n=3)\n",
            id="references",
        ),
        pytest.param(
            "set_page_dirty(a[0:1])\nclean(a[0:1])\n",
            "",
            id="nothing is left",
        ),
        pytest.param(
            "unmap(a[2:3])\nmap(a[0:1])\nunmap(a[0:1])\n",
            "unmap(a[2:3])\n",
            id="freed",
        ),
    ],
)
def test_stretch(before, after):
    """The first proposal replaces all steps before the last by their net effect."""
    assert offers(shortcut, TWO + before + LAST)[0] == TWO + after + LAST


def test_given_back():
    """Steps that put, clean and unmap what was held before are replaced too."""
    held = (
        "h1 = pin_user_pages(a[0:3])\n"
        "get_page(a[0:1], n=4)\n"
        "set_page_dirty(a[0:1] + a[2:3])\n"
        "map(a[2:3])\n" + "map(a[0:1])\n" * 4
    )
    stretch = (
        "unpin_user_page(h1[0:1])\n"
        "unpin_user_page(h1[1:2])\n"
        "put_page(a[0:1])\n"
        "put_page(a[0:1], n=2)\n"
        "clean(a[0:1])\n"
        "clean(a[2:3])\n"
        "unmap(a[2:3])\n"
        "set_page_dirty(a[0:1])\n"
    )
    short = "clean(a[2:3])\nunpin_user_pages(a[0:1]*2)\nput_page(a[0:1], n=3)\nunmap(a[2:3])\n"

    # First all sixteen steps, then the last eight.
    assert TWO + held + short + LAST == offers(shortcut, TWO + held + stretch + LAST)[1]


def test_only_before_the_last(programs):
    """The last step, which is the one that fails, stays."""
    for whole in programs:
        for offer in shortcut(whole):
            assert offer.steps[-1].call == whole.steps[-1].call


@pytest.mark.parametrize("accept", [False, True])
def test_same_state(programs, seeds, accept):
    """Proposals have fewer steps, are valid, and end in the same state."""
    offers = 0
    for whole in programs:
        before = held(whole)
        for offer in accepting(shortcut, whole, lambda _: accept):
            assert len(offer.steps) < len(whole.steps)
            check(offer)
            assert before == held(offer)
            offers += 1

    assert offers > 1.5 * seeds


def test_used_later():
    """Steps whose handle is used later stay; so do steps that no fewer can replace."""
    text = "h1 = pin_user_pages(a[0:1])\nmap(a[0:1])\nunmap(a[0:1])\nunpin_user_pages(h1[0:1])\n"

    assert [] == offers(shortcut, TWO + text)


def test_name_is_new():
    """A replacing pin has an unused name."""
    text = "h1 = pin_user_pages(a[0:1])\nh2 = pin_user_pages(a[0:1])\nh3 = pin_user_pages(a[0:1])\n"

    first = offers(shortcut, TWO + text + "unpin_user_pages(a[0:2])\n")[0]
    assert "h4 = pin_user_pages(a[0:1]*3)" in first


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("thp", "split_huge_page(a[0:1])\nmap(a[0:1])\nunmap(a[0:1])\n"),
        (
            "driver",
            "map(a[0:1])\nunmap(a[0:1])\n" * 2
            + "unmap(a[0:1])\nalloc_pages(a[0:512], orders=[8, 8])\n"
            + "set_page_dirty(a[0:1] + a[256:257])\n" * 2,
        ),
        ("driver", "unmap(a[0:1])\nalloc_pages(a[0:512], orders=[8, 8])\nmap(a[0:1])\n"),
        ("driver", "unmap(a[0:1])\nalloc_pages(a[0:512], orders=[8, 8])\nunmap(a[0:1])\n"),
    ],
)
def test_other_pages(kind, text):
    """Steps that split or allocate compound pages are not replaced."""
    for offer in offers(shortcut, f'a = mapping("{kind}", orders=[9])\n' + text + LAST):
        assert "split" in offer or "alloc" in offer


def test_allocated_again():
    """A compound page that was freed is not brought back by mapping it."""
    pages = 'a = mapping("driver", orders=[1])\n'
    freed = "map(a[0:1])\n" * 2 + "unmap(a[0:1])\n" * 3
    again = "alloc_pages(a[0:2], orders=[1])\n" + "get_page(a[0:1])\n" * 4

    # From before it was freed, it may as well not be.
    whole, *parts = offers(shortcut, pages + freed + again + LAST)
    assert pages + "get_page(a[0:1], n=4)\n" + LAST == whole
    assert parts
    for part in parts:
        assert "agrees" == judge(program(part), Optimised()).kind


def test_too_many(monkeypatch):
    """If too many compound pages were touched, nothing is proposed."""
    monkeypatch.setattr("properties.reduce.shortcut.MAX_STANDINGS", 40)
    # They are looked at twice: at the start, and before the last step.
    for count, most in ((20, 1), (21, 0)):
        text = (
            f'a = mapping("driver", orders=[0]*{count})\n'
            f"h1 = pin_user_pages(a[0:{count}])\nmap(a[0:1])\nunmap(a[0:1])\n"
        )
        assert most == len(offers(shortcut, text + LAST)[:1])
