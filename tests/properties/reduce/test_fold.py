# SPDX-License-Identifier: MIT

from __future__ import annotations

import re
from itertools import permutations

import pytest

from model.parse import parse_program
from model.program import check
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from properties.reduce import reduce
from properties.reduce.fold import clamp, closer, merge
from properties.search import Search, Watcher
from properties.searches.soak import soak


HEADER = '# headcount 1\nsemantics("5.13")\n'


def program(text):
    """The trace *text*, without its header."""
    return parse_program(HEADER + text)


def proposed(propose, text):
    """All that *propose* offers for *text* when nothing is taken, without headers."""
    return [text_of(p) for p in propose(program(text))]


def text_of(program):
    """*program* without its header, and without where its frames lie."""
    return re.sub(r", pfn=\w+", "", program.text().removeprefix(HEADER))


PIN_BOTH = 'a = mapping("driver", orders=[0, 0])\nh1 = pin_user_pages(a[0:2])\n'


def test_merge():
    """Each compound page stands for the other, which goes; the list stays as long."""
    assert {'a = mapping("driver", orders=[0])\nh1 = pin_user_pages(a[0:1]*2)\n'} == set(
        proposed(merge, PIN_BOTH)
    )


def test_merge_of_two_sizes():
    """Pages that the other compound page does not have are its last one."""
    found = proposed(merge, 'a = mapping("driver", orders=[2, 1])\nh1 = pin_user_pages(a[1:6])\n')

    # Page 1 of the first, and 1, 2, 3 of it become the second's.
    assert 'a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[1:2]*3 + a[0:2])\n' in found
    assert 'a = mapping("driver", orders=[2])\nh1 = pin_user_pages(a[1:4] + a[0:2])\n' in found


def test_merge_of_three():
    """Every pair in both directions, and pages behind move up."""
    text = 'a = mapping("driver", orders=[0, 0, 0])\nh1 = pin_user_pages(a[0:3])\n'
    found = list(merge(program(text)))

    naive = set()
    for gone, stays in permutations(range(3), 2):
        named = [stays if i == gone else i for i in range(3)]
        naive.add(tuple(i - (i > gone) for i in named))
    assert naive == {tuple(i for _, i in p.steps[0].pages.entries()) for p in found}
    assert {2} == {p.mappings[0].ncompound for p in found}


def test_merge_of_one():
    """One compound page has none to stand for."""
    assert [] == proposed(merge, 'a = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\n')


def test_merge_leaves_long_lists():
    """Lists that are too long to be written out are left as they are."""
    assert [] == proposed(
        merge, 'a = mapping("driver", orders=[0, 0])\nh1 = pin_user_pages(a[0:2]*100000)\n'
    )


def test_clamp():
    """The pages that stay stand for those that go, at each lower order."""
    found = proposed(clamp, 'a = mapping("driver", orders=[2])\nh1 = pin_user_pages(a[0:4])\n')

    assert {
        'a = mapping("driver", orders=[0])\nh1 = pin_user_pages(a[0:1]*4)\n',
        'a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[0:2] + a[1:2]*2)\n',
    } == set(found)


def test_clamp_moves_the_others():
    """Only the pages of that compound page are named anew, and those behind it move up."""
    found = proposed(
        clamp, 'a = mapping("driver", orders=[0, 1, 0])\nh1 = pin_user_pages(a[0:4])\n'
    )

    assert (
        'a = mapping("driver", orders=[0, 0, 0])\nh1 = pin_user_pages(a[0:2] + a[1:3])\n' in found
    )


def test_clamp_changes_the_kind():
    """Where pages of that kind have no such order, they become a driver's."""
    found = proposed(clamp, 'a = mapping("thp", orders=[9])\nh1 = pin_user_pages(a[5:6])\n')

    assert 'a = mapping("driver", orders=[1])\nh1 = pin_user_pages(a[1:2])\n' in found


def test_clamp_of_what_is_allocated_again():
    """Frames that are allocated again are so at their new size, whole or in single pages."""
    found = proposed(
        clamp,
        'a = mapping("driver", orders=[2])\n'
        "unmap(a[0:1])\nalloc_pages(a[0:4], orders=[1, 1])\nh1 = pin_user_pages(a[3:4])\n",
    )

    orders = {line for text in found for line in text.splitlines() if "alloc" in line}
    assert {
        "alloc_pages(a[0:2], orders=[0, 0])",
        "alloc_pages(a[0:2], orders=[1])",
        "alloc_pages(a[0:1], orders=[0])",
    } == orders
    for text in found:
        check(program(text))


def test_clamp_of_single_pages():
    """What is of order 0 is as low as it can be."""
    assert [] == proposed(clamp, PIN_BOTH)


NEAR = (
    'a = mapping("driver", orders=[0])\n'
    "get_page(a[0:1], n=2147480000)\n"
    "h1 = pin_user_pages(a[0:1]*3)\n"
    "h2 = get_user_pages(a[0:1]*5)\n"
)


def in_all(text):
    """What the count of the only head is after *text*, whose last step gets pages."""
    steps = program(text)
    ledger = Ledger.after(steps, steps.steps[:-1])
    count = ledger.held(ledger.head(steps.mappings[0].pages[0])).total
    return count + len(steps.steps[-1].pages)


def test_closer():
    """What is left out is made up for by plain references, so that the count is the same."""
    found = proposed(closer, NEAR)

    without = [text for text in found if "h1" not in text]
    assert without
    assert all(f"n={2147480000 + 3 * 1024})" in text for text in without)
    assert {in_all(NEAR)} == {in_all(text) for text in found}
    assert any("pin_user_pages(a[0:1])\n" in text for text in found)
    assert any("get_user_pages(a[0:1])\n" in text and "n=2147480004" in text for text in found)


def test_closer_where_the_last_step_pins():
    """A pin that is left out of the last step is as many references as it takes."""
    last = NEAR.replace("h2 = get_user_pages(a[0:1]*5)\n", "")

    assert (
        'a = mapping("driver", orders=[0])\n'
        f"get_page(a[0:1], n={2147480000 + 2 * 1024})\n"
        "h1 = pin_user_pages(a[0:1])\n"
    ) in proposed(closer, last)


def test_closer_only_near_the_limit():
    """References that are few are not there to come near 2^31."""
    assert [] == proposed(closer, NEAR.replace("2147480000", "1048575"))
    assert [] != proposed(closer, NEAR.replace("2147480000", "1048576"))


def test_closer_stays_below_the_limit():
    """Never are more than 2^31-1 taken at once."""
    for n in (2147483640, 2147480576, 2147480575):
        for text in proposed(closer, NEAR.replace("2147480000", str(n))):
            check(program(text))


class First(Watcher):
    failure = None

    def found(self, program, finding):
        self.failure = self.failure or (program, finding)


#: A seed to `soak` from, with so many steps, and what it is to come to at most:
#: steps, compound pages, sum of orders, pages named.
FOUND = {
    ("EightHeads", 130, 300): (2, 3, 2, 18),
    ("PartialPinIsError", 0, 300): (3, 2, 2, 4),
    ("GetUnchecked", 90, 1000): (3, 1, 0, 3),
    ("GetUnchecked", 160, 1000): (3, 1, 0, 3),
    ("GetUnchecked", 0, 200): (2, 1, 0, 3),
    ("RoomRoundedDown", 2, 200): (2, 1, 0, 2),
    ("NoTailOffset", 2, 200): (2, 2, 2, 4),
    ("CutAtNpages", 2, 200): (2, 2, 2, 4),
    ("RunsOf512", 90, 150): (2, 1, 0, 1026),
}


@pytest.mark.parametrize(("found", "size"), FOUND.items(), ids=[f"{n}-{s}" for n, s, _ in FOUND])
def test_reduced(found, size):
    """Where two things have to change at once, it comes close to the smallest size known."""
    name, seed, steps = found
    fault = FAULTS[name]
    strict = fault.group == "cost only"
    watcher = First()
    while watcher.failure is None:
        soak(Search(fault.candidate, watcher=watcher, strict=strict), seed, steps)
        seed += 1
    result = reduce(*watcher.failure, fault.candidate)

    assert result.repeats
    assert all(a <= b for a, b in zip(result.program.size().counts, size, strict=True))
    assert result.finding.signature == watcher.failure[1].signature
    assert result.finding.signature == judge(result.program, fault.candidate()).worst.signature
