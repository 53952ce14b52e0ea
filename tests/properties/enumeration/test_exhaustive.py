# SPDX-License-Identifier: MIT

from __future__ import annotations

import ast
import json
from itertools import combinations, islice, pairwise, permutations, product

import pytest
from attrs import evolve
from click.testing import CliRunner

from model.errors import BadInput
from model.literals import pages
from model.mapping import FIRST_PFN, Extent, Mapping, placed
from model.optimised import Optimised
from model.pagelist import from_entries, span
from model.parse import parse_program
from model.program import Program, check
from model.regions import IbUmemGet, IbUmemRelease
from model.semantics import DEFAULT, semantics
from model.step import MAX_SEGMENT
from model.steps import (
    STEPS,
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from model.world import AllocPages, Clean, GetPage, Map, PutPage, SetPageDirty, SplitHugePage, Unmap
from properties.cli import main
from properties.enumeration import exhaustive as module
from properties.enumeration.exhaustive import (
    ROUND_SCOPES,
    Layout,
    Node,
    exhaustive,
    judge_scope,
    nodes,
    run,
    with_calls,
)
from properties.enumeration.next_steps import NextSteps
from properties.enumeration.scope import (
    CALLS,
    DEFAULT_VALUES,
    UNBOUNDED,
    Scope,
    one_step_less,
    scope_of,
)
from properties.faults import FAULTS
from properties.judging.judge import judge
from properties.judging.ledger import Ledger
from properties.search import SEED_STRIDE, Search, Watcher

WORLD = ("map", "unmap", "set_page_dirty", "clean", "get_page", "put_page", "split_huge_page")


def command(*arguments):
    """The result of ``headcount exhaustive`` with *arguments*, in this process."""
    return CliRunner().invoke(main, ["exhaustive", *(str(a) for a in arguments)])


# Brute force: every step that can be written down, and what the ledger takes of it.


def all_layouts(scope):
    """Every mapping of *scope*: as many orders as allowed, from many a frame on."""
    found = {}
    for count in range(1, scope.compound + 1):
        for orders in product(range(8), repeat=count):
            pages = sum(1 << order for order in orders)
            if pages > (scope.frames if max(orders) <= scope.order else scope.merged):
                continue
            for start in range(FIRST_PFN, FIRST_PFN + (2 << max(orders))):
                extents = placed([(order, 1) for order in orders], start)
                gaps = tuple(a.stop != b.pfn for a, b in pairwise(extents))
                for refs in scope.refs:
                    found.setdefault((orders, gaps, refs), Mapping("a", scope.kind, extents, refs))
    return found


def all_steps(mapping, nth, scope):
    """Every step of *scope* that can be written down, whether or not it can be carried out."""
    lists = [
        from_entries([("a", i) for i in positions])
        for length in range(1, scope.listed + 1)
        for positions in product(range(mapping.npages), repeat=length)
    ]
    single = [pages for pages in lists if len(pages) == 1]
    world = [
        from_entries([("a", i) for i in positions])
        for length in range(1, scope.listed + 1)
        for positions in combinations(range(mapping.npages), length)
    ]
    or_none = [span("a", 0, 0), *lists]
    lengths = scope.values["npages"]
    makers = {
        "pin_user_pages": [PinUserPages(handle=f"h{nth}", pages=p) for p in or_none],
        "unpin_user_page": [UnpinUserPage(page=p) for p in single],
        "unpin_user_pages": [UnpinUserPages(pages=p, npages=n) for p in or_none for n in lengths],
        "unpin_user_pages_dirty_lock": [
            *(UnpinUserPagesDirtyLock(pages=p, make_dirty=True) for p in or_none),
            *(
                UnpinUserPagesDirtyLock(pages=p, make_dirty=False, npages=n)
                for p in or_none
                for n in lengths
            ),
        ],
        "unpin_user_page_range_dirty_lock": [
            UnpinUserPageRangeDirtyLock(pages=p, make_dirty=d)
            for p in or_none
            for d in (True, False)
        ],
        "ib_umem_get": [
            IbUmemGet(umem=f"m{nth}", pages=p, writable=w) for p in or_none for w in (True, False)
        ],
        "ib_umem_release": [
            IbUmemRelease(umem=f"m{i}", dirty=d) for i in range(1, nth) for d in (True, False)
        ],
        "map": [Map(pages=p) for p in world],
        "unmap": [Unmap(pages=p) for p in world],
        "set_page_dirty": [SetPageDirty(pages=p) for p in world],
        "clean": [Clean(pages=p) for p in world],
        "get_page": [GetPage(pages=p) for p in world],
        "put_page": [PutPage(pages=p) for p in world],
        "split_huge_page": [SplitHugePage(pages=p) for p in single],
    }
    return [step for call in scope.calls for step in makers[call]]


def legal(mapping, steps, version):
    """Whether the ledger takes *steps*; what the world does must name a page by its head."""
    ledger = Ledger(version, (mapping,))
    try:
        for step in steps:
            if step.call in WORLD:
                pages = step.pages.resolve(ledger.table)
                if any(ledger.head(page) != page for page in pages):
                    return False
            ledger.take(step)
    except BadInput:
        return False
    return True


def all_programs(scope):
    """Every program of *scope* that has all its steps, as text."""
    found = []
    for mapping in all_layouts(scope).values():
        programs = [()]
        for nth in range(1, scope.steps + 1):
            programs = [
                (*steps, step)
                for steps in programs
                for step in all_steps(mapping, nth, scope)
                if sum(s.npages_named for s in steps) + step.npages_named <= scope.named
                and legal(mapping, (*steps, step), scope.semantics)
            ]
        found += [named(mapping, steps) for steps in programs]
    assert len(found) == len(set(found))
    return set(found)


def named(mapping, steps):
    """A program, apart from where its first frame lies."""
    gaps = tuple(a.stop != b.pfn for a, b in pairwise(mapping.extents))
    orders = tuple((e.order, e.count) for e in mapping.extents)
    return (orders, gaps, mapping.refs, *(step.text() for step in steps))


def exchanges(mapping):
    """Every way to exchange compound pages of one order that lie side by side, as page to page."""
    groups, at = [], 0
    for extent in mapping.extents:
        groups.append([at + (i << extent.order) for i in range(extent.count)])
        at += extent.count << extent.order
    for orders in product(*(permutations(group) for group in groups)):
        change = {}
        for group, order, extent in zip(groups, orders, mapping.extents, strict=True):
            for a, b in zip(group, order, strict=True):
                change.update({a + i: b + i for i in range(1 << extent.order)})
        yield change


def exchanged(step, change):
    """*step* with its pages named as *change* says."""
    if isinstance(step, IbUmemRelease):
        return step
    name = "page" if isinstance(step, UnpinUserPage) else "pages"
    entries = [(n, change[i]) for n, i in getattr(step, name).entries()]
    if step.call in WORLD:
        # What the world does it does to a set.
        entries.sort()
    return evolve(step, **{name: from_entries(entries)}) if entries else step


def orbit(node):
    """*node* and all that an exchange of what is alike makes of it.

    A list that crosses the edge of two compound pages would not after it.
    """
    mapping = node.layout.mapping
    if crosses(node):
        return {text(node)}
    return {
        named(mapping, [exchanged(step, change) for step in node.steps])
        for change in exchanges(mapping)
    }


def crosses(node):
    """Whether a list goes from the last page of a compound page to the first of another."""
    heads = Ledger(DEFAULT, (node.layout.mapping,))
    pages = node.layout.mapping.pages
    starts = {i for i, page in enumerate(pages) if heads.head(page) == page}
    ends = {i - 1 for i in (*starts, len(pages)) if i}
    owner = [max(s for s in starts if s <= i) for i in range(len(pages))]
    return any(
        a in ends and b in starts and owner[a] != owner[b]
        for step in node.steps
        for entries in step.lists()
        for (_, a), (_, b) in pairwise(entries.entries())
    )


def text(node):
    """*node* as the brute force names it."""
    return named(node.layout.mapping, node.steps)


REGIONS = ("ib_umem_get", "ib_umem_release", "unpin_user_page")
REFERENCES = ("pin_user_pages", "map", "unmap", "get_page", "put_page", "clean")

SCOPES = {
    "two compound pages of two orders": Scope(2, compound=2, order=1, listed=2),
    "three alike": Scope(2, compound=3, order=0, listed=2),
    "three of two orders": Scope(2, compound=3, order=1, listed=1),
    "three steps": Scope(3, compound=2, order=0, listed=2),
    "order 2": Scope(2, compound=1, order=2, listed=2),
    "frames": Scope(2, compound=3, order=1, listed=1, frames=3),
    "named": Scope(3, compound=2, order=0, listed=2, named=4),
    "merged": Scope(2, compound=3, order=0, listed=2, merged=2, frames=2),
    "error values": Scope(
        2,
        compound=2,
        order=0,
        listed=2,
        calls=("pin_user_pages", "unpin_user_pages", "unpin_user_pages_dirty_lock"),
        values=DEFAULT_VALUES | {"npages": (None, -4095)},
    ),
    "mapped twice": Scope(3, compound=1, order=1, listed=1, refs=(1, 2)),
    "before the series": Scope(
        2, compound=2, order=1, listed=2, semantics=semantics("5.11"), calls=CALLS[:4]
    ),
    "regions": Scope(3, compound=2, order=0, listed=2, calls=REGIONS),
    "references": Scope(3, compound=2, order=0, listed=1, calls=REFERENCES),
    "page cache": Scope(
        3, compound=2, order=0, listed=1, kind="page-cache", calls=("split_huge_page", "unmap")
    ),
}


#: Scopes that take half a second in each of ten tests, and more.
LARGE = {
    "three steps",
    "named",
    "two compound pages of two orders",
    "three of two orders",
    "mapped twice",
}


def _scope(name):
    """A scope as a parameter."""
    marks = [pytest.mark.slow("thousands of programs by brute force")]
    return pytest.param(SCOPES[name], marks=marks if name in LARGE else [], id=name)


@pytest.fixture(params=[_scope(name) for name in SCOPES])
def scope(request):
    """A scope that is small enough to write it all down."""
    return request.param


def whole(scope):
    """The programs of *scope* that have all their steps, enumerated."""
    return [node for node in nodes(scope) if len(node.steps) == scope.steps]


def test_complete(scope):
    """What is enumerated and all exchanges of what is alike are all that the ledger takes."""
    found = set().union(*map(orbit, nodes(scope)))

    assert all_programs(scope) == {program for program in found if len(program) == scope.steps + 3}


def test_complete_without_symmetry(scope, monkeypatch):
    """With no program left out for another, they are just what the ledger takes."""
    monkeypatch.setattr(Node, "canonical", True)
    found = [text(node) for node in whole(scope)]

    assert len(found) == len(set(found))
    assert all_programs(scope) == set(found)


def test_none_twice(scope):
    """Of programs that an exchange makes of each other only one is there."""
    found = list(nodes(scope))
    texts = {text(node) for node in found}

    assert len(found) == len(texts)
    for node in found:
        assert crosses(node) == node.edge
        assert orbit(node) & texts == {text(node)}


def test_shorter_ones_begin_longer_ones(scope):
    """Every shorter program begins one that is enumerated, so that it is judged with it."""
    begun = {}
    for node in nodes(scope):
        for length in range(1, len(node.steps) + 1):
            part = evolve(node, steps=node.steps[:length])
            begun.setdefault(length, set()).update(orbit(part))

    for length in range(1, scope.steps):
        assert all_programs(evolve(scope, steps=length)) <= begun.get(length, set())


def test_nothing_can_follow():
    """A program that no step can follow is there, though it has not all steps."""
    found = list(nodes(Scope(3, compound=2, order=0, listed=1, calls=("unmap",))))

    assert [
        ["unmap(a[0:1])"],
        ["unmap(a[0:1])", "unmap(a[1:2])"],
    ] == [[step.text() for step in node.steps] for node in found]


def test_keeps_the_contract(scope):
    """Each program makes sense, keeps the contract, and both sides agree on it."""
    for node in nodes(scope):
        program = node.program(scope)
        check(program)
        assert "agrees" == judge(program, Optimised()).kind


def test_last(scope):
    """With the call of the last step given, they are those that end so, in the same order."""
    found = whole(scope)

    for call in scope.calls:
        ending = [text(node) for node in found if node.steps[-1].call == call]
        assert ending == [text(node) for node in nodes(scope, call)]


def test_failed_cuts():
    """Nothing goes on from a beginning that failed, and each beginning is asked about once."""
    scope = SCOPES["three steps"]
    asked = []

    def failed(node):
        asked.append(text(node))
        return node.steps[-1].call == "unmap"

    found = [text(node) for node in nodes(scope, failed=failed)]

    assert found == [
        text(node) for node in nodes(scope) if "unmap" not in [s.call for s in node.steps[:-1]]
    ]
    assert len(asked) == len(set(asked))
    assert {len(program) - 3 for program in asked} == {1, 2}


def test_layouts():
    """Every layout of the scope once, with and without the gap that alignment makes."""
    scope = Scope(1, compound=3, order=2, listed=1, frames=9, refs=(1, 3), merged=16)
    found = list(scope.layouts())

    keys = []
    for m in found:
        orders = tuple(e.order for e in m.extents for _ in range(e.count))
        pages = [Extent(p, o, 1) for p, o in zip(starts(m), orders, strict=True)]
        gaps = tuple(a.stop != b.pfn for a, b in pairwise(pages))
        keys.append((orders, gaps, m.refs))
    assert len(keys) == len(set(keys))
    assert set(all_layouts(scope)) == set(keys)
    assert {m.kind for m in found} == {"driver"}
    sizes = [(m.ncompound, sum(e.order * e.count for e in m.extents)) for m in found]
    assert sorted(sizes) == sizes


def starts(mapping):
    """The first frame of each compound page of *mapping*."""
    return [e.pfn + (i << e.order) for e in mapping.extents for i in range(e.count)]


def test_gaps():
    """A small page before a large one is next to it, or apart from it."""
    scope = Scope(1, compound=2, order=1, listed=1, frames=3)
    found = [m for m in scope.layouts() if [0, 1] == [e.order for e in m.extents]]

    assert [False, True] == sorted(a.stop != b.pfn for m in found for a, b in [m.extents])


def test_layouts_of_a_kind():
    """Orders that its kind does not have are in no mapping; given mappings are all there are."""
    orders = {e.order for m in Scope(1, 2, 9, 1, kind="page-cache").layouts() for e in m.extents}
    mine = (Mapping("b", "thp", placed([(9, 1)], 0x2000)),)

    assert {0, 9} == orders
    assert list(mine) == list(Scope(1, 1, 0, 1, mappings=mine).layouts())


def test_layout():
    """A mapping knows which of its pages are heads, which last, and which before which."""
    layout = Layout(Mapping("a", "driver", (*placed([(1, 2), (0, 1)], 0x1000),)))

    assert [0, 0, 2, 2, 4] == layout.head
    assert {2: 0} == layout.before
    crossings = [(a, b) for a, b in product(range(5), repeat=2) if layout.crosses(a, b)]
    assert [(1, 2), (1, 4), (3, 0), (3, 4), (4, 0), (4, 2)] == crossings


# Steps.


def rich():
    """A scope of every call, with more than the plainest values."""
    values = DEFAULT_VALUES | {
        "n": (1, 3),
        "max_segment": (MAX_SEGMENT, 4096),
        "nmap": (None, 0, 1),
        "append_fails": (None, 0),
        "npages": (None, -14),
    }
    return Scope(3, compound=2, order=1, listed=2, calls=tuple(STEPS), values=values)


@pytest.mark.parametrize("call", STEPS)
def test_every_call(call):
    """Each call has its enumerator; what that yields is all different, reads back, and is legal."""
    scope = rich()
    kind, orders = {
        "split_huge_page": ("page-cache", [(9, 1)]),
        "memfd_pin_folios": ("hugetlb", [(1, 2)]),
    }.get(call, ("driver", [(1, 2)]))
    mapping = Mapping("a", kind, placed(orders, 0x1000))
    first = {
        "alloc_pages": "unmap(a[0:1])",
        "put_page": "get_page(a[0:1], n=3)",
        "ib_umem_release": "m1 = ib_umem_get(a[0:2])",
        "split_huge_page": "set_page_dirty(a[0:1])",
    }.get(call, "h1 = pin_user_pages(a[0:2])")
    begun = parse_program("\n".join([*Program((mapping,), ()).text().splitlines(), first, ""]))
    ledger = Ledger(DEFAULT, (mapping,))
    ledger.take(begun.steps[0])
    found = list(NextSteps(scope, mapping, ledger, 2, UNBOUNDED).steps(call))

    assert hasattr(NextSteps, f"_{call}")
    assert found
    assert len(found) == len({step.text() for step in found})
    for step in found:
        assert call == step.call
        program = evolve(begun, steps=(*begun.steps, step))
        check(program)
        assert program == parse_program(program.text())
        assert step.npages_named <= (4 if call in {"ib_umem", "alloc_pages"} else scope.listed)
        assert legal(mapping, program.steps, DEFAULT)


def test_values():
    """Each argument takes each of its values, and an error that is not noticed never is passed."""
    scope = evolve(rich(), calls=("pin_user_pages",))
    mapping = Mapping("a", "driver", placed([(0, 1)], 0x1000))
    ledger = Ledger(DEFAULT, (mapping,))
    ledger.take(PinUserPages(handle="h1", pages=from_entries([("a", 0)])))
    every = NextSteps(scope, mapping, ledger, 2, UNBOUNDED)

    regions = {
        (s.writable, s.max_segment, s.nmap, s.append_fails) for s in every.steps("ib_umem_get")
    }
    dirtied = {(s.make_dirty, s.npages) for s in every.steps("unpin_user_pages_dirty_lock")}
    assert 2 * 2 * 3 * 2 == len(regions)
    assert {(True, None), (False, None), (False, -14)} == dirtied
    assert {None, -14} == {s.npages for s in every.steps("unpin_user_pages")}
    assert {1, 3} == {s.n for s in every.steps("get_page")}
    assert [None, 0] == [
        s.changed for s in every.steps("pin_user_pages_fast_only") if len(s.pages) == 1
    ]


@pytest.mark.parametrize(
    ("changed", "text", "both"),
    [
        (2, "a[{}:{}] + a[1:3]", True),  # a PMD maps the last two, or none does
        (None, "a[{}:{}] + a[1:3]", False),
        (2, "a[0:2] + a[{}:{}]", False),
        (1, "a[{}:{}]*2", False),
    ],
)
def test_the_first_page_decides_what_an_entry_maps(changed, text, both):
    """Two programs are not equivalent if the huge page lies at other addresses in one of them."""
    mapping = Mapping("a", "driver", placed([(9, 1), (0, 2)], 0x1000))
    found = [
        Node(Layout(mapping)).then(
            PinUserPagesFastOnly(
                handle="h1", pages=listed(text.format(at, at + 1)), changed=changed
            )
        )
        for at in (512, 513)
    ]

    assert [True, both] == [node.canonical for node in found]


def listed(text):
    """The list of pages *text*."""
    return pages(ast.parse(text, mode="eval").body)


def test_races():
    """Each race of the scope happens at each position; that of an entry always does."""
    scope = rich()
    mapping = Mapping("a", "driver", placed([(1, 1)], 0x1000))
    found = {}
    for races in (("entry",), ("entry", "fork")):
        some = evolve(scope, values={**scope.values, "race": races})
        every = NextSteps(some, mapping, Ledger(DEFAULT, (mapping,)), 1, UNBOUNDED)
        steps = [s for s in every.steps("pin_user_pages_fast_only") if len(s.pages) == 2]
        found[races] = {(s.changed, s.race) for s in steps}

    assert {(None, "entry"), (0, "entry"), (1, "entry")} == found["entry",]
    assert found["entry",] | {(0, "fork"), (1, "fork")} == found["entry", "fork"]


@pytest.mark.parametrize("call", ["pin_user_pages", "get_user_pages", "ib_umem_get"])
def test_lists_are_made_one_by_one(call, monkeypatch):
    """Of endlessly many lists only as many are made as are asked for."""
    made = []
    named = NextSteps._named

    def counted(self, positions):
        made.append(positions)
        # Some tens are needed; without a limit the test would not end.
        assert len(made) < 100
        return named(self, positions)

    monkeypatch.setattr(NextSteps, "_named", counted)
    mapping = Mapping("a", "driver", placed([(5, 1)], FIRST_PFN))
    every = NextSteps(Scope(1, 1, 5, 32), mapping, Ledger(DEFAULT, [mapping]), 1, 32)

    assert 30 == len(list(islice(every.steps(call), 30)))


def test_alloc_pages():
    """Free frames are filled in every way that is naturally aligned."""
    mapping = Mapping("a", "driver", placed([(2, 1)], 0x1000))
    ledger = Ledger(DEFAULT, (mapping,))
    ledger.take(Unmap(pages=from_entries([("a", 0)])))
    every = NextSteps(Scope(2, 1, 2, 1), mapping, ledger, 2, 4)
    naive = {
        orders
        for count in range(1, 5)
        for orders in product(range(3), repeat=count)
        if [e.pfn for e in placed([(o, 1) for o in orders], 0x1000)]
        == [0x1000 + sum(1 << o for o in orders[:i]) for i in range(count)]
        and sum(1 << o for o in orders) == 4
    }

    assert naive == {step.orders for step in every.steps("alloc_pages")}
    assert not list(NextSteps(Scope(2, 1, 2, 1), mapping, ledger, 2, 3).steps("alloc_pages"))
    assert all(isinstance(step, AllocPages) for step in every.steps("alloc_pages"))


def test_no_more_pages():
    """When no page may be named any more, only what names none comes."""
    mapping = Mapping("a", "driver", placed([(0, 2)], 0x1000))
    ledger = Ledger(DEFAULT, (mapping,))
    ledger.take(PinUserPages(handle="h1", pages=from_entries([("a", 0)])))
    every = NextSteps(rich(), mapping, ledger, 2, 0)

    steps = [step for call in STEPS for step in every.steps(call)]

    assert {0} == {step.npages_named for step in steps}
    assert {c for c, cls in STEPS.items() if cls.may_be_empty} == {step.call for step in steps}


# Scopes.


def test_with_calls():
    """Calls that the candidate or the kernel version lacks are left out, in their order."""
    scope = Scope(1, 1, 0, 1)
    old = evolve(scope, semantics=semantics("5.11"))

    assert CALLS == with_calls(scope, frozenset(STEPS)).calls
    assert ("unpin_user_page", "unmap") == with_calls(
        scope, frozenset({"unmap", "unpin_user_page"})
    ).calls
    assert "unpin_user_page_range_dirty_lock" not in with_calls(old, frozenset(STEPS)).calls
    assert len(CALLS) - 1 == len(with_calls(old, frozenset(STEPS)).calls)


def test_scope_of():
    """A program is at the edge of its own scope, which has its calls and its values."""
    program = parse_program(
        '# headcount 1\nsemantics("5.13")\n'
        'a = mapping("driver", orders=[2, 0], refs=2)\n'
        "get_page(a[0:1], n=7)\n"
        "h1 = pin_user_pages(a[3:5])\n"
        "unpin_user_pages(h1[0:1], npages=-14)\n"
    )
    scope = scope_of(program)

    assert (3, 2, 2, 2, 4) == (
        scope.steps,
        scope.compound,
        scope.order,
        scope.listed,
        scope.named,
    )
    assert ("pin_user_pages", "get_page", "unpin_user_pages") == scope.calls
    assert (1, 7) == scope.values["n"]
    assert (None, -14) == scope.values["npages"]
    assert (1, 2) == scope.refs
    assert program.mappings[0].extents in [m.extents for m in scope.layouts() if m.refs == 2]


def test_one_step_less():
    """A step less, of two compound pages and three pages in a list, or as many as there were."""
    few = Scope(3, compound=1, order=1, listed=1, named=3, frames=9)
    many = evolve(few, compound=3, listed=5, merged=8)

    assert evolve(few, steps=2, compound=2, listed=3, named=UNBOUNDED, merged=2) == one_step_less(
        few
    )
    assert evolve(many, steps=2, named=UNBOUNDED) == one_step_less(many)


def test_scope_in_words():
    """What is bounded is said, and only that."""
    assert Scope(1, 2, 3, 1).text() == (
        "at most 1 step, 2 compound pages of order 3 or less, 1 page in a list"
    )
    assert "of order 3 or less and 9 pages in all, " in Scope(1, 2, 3, 1, frames=9).text()
    assert Scope(1, 2, 3, 1, named=4).text().endswith(", 4 in all lists")


# The search.


class Counts(Watcher):
    """Counts what a search does."""

    def __init__(self, most=UNBOUNDED):
        self.programs = self.refused = 0
        self.failures = []
        self.most = most

    def rejected(self, call):
        self.refused += 1

    def ended(self, judged):
        self.programs += 1

    def found(self, program, finding):
        self.failures.append((program, finding))

    def enough(self):
        return self.programs >= self.most


def test_rounds(monkeypatch):
    """Round by round one rung of the ladder, for every seed the same, and then nothing."""
    went = []
    monkeypatch.setattr(module, "judge_scope", lambda _search, scope: went.append(scope))
    for seed in (0, 3):
        for number in range(len(ROUND_SCOPES) + 2):
            exhaustive(Search(Optimised), seed * SEED_STRIDE + number)

    assert [*ROUND_SCOPES, *ROUND_SCOPES] == went


def test_rounds_follow_the_semantics(monkeypatch):
    """A round is of the kernel version that is searched."""
    went = []
    monkeypatch.setattr(module, "judge_scope", lambda _search, scope: went.append(scope))
    exhaustive(Search(Optimised, semantics("5.11")), 0)

    assert "5.11" == went[0].semantics.version


def test_everything():
    """Each program is judged to its end, and none is refused."""
    scope = SCOPES["three steps"]
    watcher = Counts()

    assert judge_scope(Search(Optimised, watcher=watcher), scope)
    assert sum(1 for _ in nodes(scope)) == watcher.programs
    assert 0 == watcher.refused


def test_enough():
    """It ends when the watcher has enough, and says that it did not come to its end."""
    watcher = Counts(most=7)

    assert not judge_scope(Search(Optimised, watcher=watcher), SCOPES["three steps"])
    assert 7 == watcher.programs


def test_everything_finds():
    """The first that fails ends it, and is the shortest of those in their order."""
    watcher = Counts()
    candidate = FAULTS["NoTailOffset"].candidate
    scope = Scope(2, compound=2, order=1, listed=2)

    assert not judge_scope(Search(candidate, watcher=watcher), scope)
    ((program, finding),) = watcher.failures
    assert finding.signature == judge(program, candidate()).finding.signature
    failing = (n for n in nodes(scope) if run(n, DEFAULT, candidate)[1])
    assert program == next(failing).program(scope)


def test_everything_strict():
    """What is dearer is a finding of a strict search only."""
    candidate = FAULTS["RangeByPage"].candidate
    scope = Scope(2, compound=1, order=1, listed=2)
    strict, lax = Counts(), Counts()

    assert not judge_scope(Search(candidate, strict=True, watcher=strict), scope)
    assert judge_scope(Search(candidate, watcher=lax), scope)
    ((_, finding),) = strict.failures
    assert "cost" == finding.oracle


# The command.


def test_command_agrees(home):
    """The number that is printed is how many were judged; what is bounded is said."""
    result = command("--steps", 3, "--compound", 1, "--order", 1, "--listed", 1, "--frames", 2)
    scope = Scope(3, 1, 1, 1, frames=2)
    watcher = Counts()
    judge_scope(Search(Optimised, watcher=watcher), scope)
    said = " ".join(result.output.split())

    assert 0 == result.exit_code
    assert f"in every one of {watcher.programs:,} programs" in said
    assert f"any program with {scope.text()}, of the calls" in said
    assert "2 pages in all" in said
    assert ", ".join(CALLS) in said
    assert "semantics 5.13" in said
    assert not (home / ".headcount").exists()
    again = result.output.splitlines()[-1].split()[3:]
    assert result.output == command(*again).output


def test_command_unbounded(home):
    """Without a bound on all pages none is spoken of."""
    result = command("--steps", 1, "--compound", 1, "--order", 0, "--listed", 1)

    assert 0 == result.exit_code
    assert "pages in all" not in result.output
    assert "--frames" not in result.output


def test_command_calls(home):
    """Only the calls that were asked for are used, and a candidate that lacks them is refused."""
    result = command("--call", "unmap", "--compound", 1, "--order", 0, "--listed", 1, "--json")
    refused = command("--semantics", "5.11", "--call", "unpin_user_page_range_dirty_lock")

    assert {"programs": 1, "of": 1} == {k: json.loads(result.output)[k] for k in ("programs", "of")}
    assert 2 == refused.exit_code
    assert "none of the requested calls" in refused.stderr


def test_command_finds(home):
    """A planted bug is found, saved, and proved to be the smallest."""
    fault = FAULTS["NoTailOffset"]
    result = command("--candidate", fault.spec)
    lines = result.output.splitlines()

    assert 1 == result.exit_code
    assert lines[1].startswith("DIVERGED at step 2 of 2")
    assert any(line.startswith("smallest (proved: none of ") for line in lines)
    assert f"found by headcount exhaustive --candidate {fault.spec} --steps 2" in result.output
    replay = next(line for line in lines if line.startswith("replay")).split()[2:]
    assert 1 == CliRunner().invoke(main, replay).exit_code


def test_command_nothing(home):
    """Where there is no program there is nothing to prove."""
    result = command("--call", "ib_umem_release")

    assert 2 == result.exit_code
    assert "there is no program with at most 2 steps" in result.stderr
    assert "of the calls ib_umem_release" in result.stderr


def test_command_does_not_prove(home):
    """With nothing to spend on the proof none is claimed."""
    result = command("--candidate", FAULTS["NoTailOffset"].spec, "--prove", 0, "--order", 1)

    assert 1 == result.exit_code
    assert "smallest found (" in result.output
    assert "proved" not in result.output


def test_command_json(home):
    """The same as JSON: how many of how many, the scope, and the trace."""
    small = ("--compound", 1, "--order", 1, "--listed", 1, "--json")
    right = json.loads(command(*small).output)
    wrong = json.loads(command(*small, "--candidate", FAULTS["FreedAtOne"].spec).output)

    assert right["programs"] == right["of"] == sum(1 for _ in nodes(Scope(2, 1, 1, 1)))
    assert Scope(2, 1, 1, 1).text() == right["scope"]
    assert "finding" not in right
    assert wrong["programs"] <= wrong["of"]
    program = parse_program(wrong["finding"]["trace"])
    found = judge(program, FAULTS["FreedAtOne"].candidate()).finding
    assert wrong["finding"]["signature"] == found.signature


@pytest.mark.parametrize(("cost", "status"), [("strict", 1), ("report", 0)])
def test_command_dearer(home, cost, status):
    """What is right but dearer fails, unless it is only to be reported."""
    result = command(
        *("--candidate", FAULTS["RangeByPage"].spec, "--cost", cost),
        *("--compound", 1, "--order", 1),
    )

    assert status == result.exit_code
    assert "\nDEARER " in result.output
    assert "smallest (proved" in result.output


def test_command_cost_does_not_excuse(home):
    """A disagreement fails though cost is only reported."""
    spec = FAULTS["NoTailOffset"].spec

    assert 1 == command("--candidate", spec, "--cost", "report", "--order", 1).exit_code
