# SPDX-License-Identifier: MIT

"""Attributes of mappings and kinds of races: how they are written, and what pins meet."""

from __future__ import annotations

import pytest

from model.attributes import ATTRIBUTES, DEFAULTS, PLAIN, Attributes
from model.errors import BadInput
from model.mapping import Extent, Mapping
from model.optimised import Optimised
from model.parse import parse_program
from model.program import check
from model.step import RACES
from tests.helpers import TRACES, program

EFAULT, ENOMEM = -14, -12
WRITE, LONGTERM = "FOLL_WRITE", "FOLL_LONGTERM"

#: Each attribute with each value, and a kind and an order of pages that can have it.
GIVEN = [
    ('mapped="pte"', "thp", 9),
    ('mapped="pmd"', "thp", 9),
    ('mapped="pud"', "hugetlb", 18),
    ("writable=False", "driver", 0),
    ("present=False", "base", 0),
    ('present=False, fault="bus"', "base", 0),
    ('present=False, fault="oom"', "base", 0),
    ('present=False, fault="retry"', "base", 0),
    ("shared=True", "base", 0),
    ("protnone=True", "page-cache", 0),
    ("movable=True", "hugetlb", 9),
    ("movable=True, migrates=False", "base", 0),
    ("gone=True", "device-dax", 0),
    ('movable=True, isolates="later"', "thp", 9),
]


@pytest.mark.parametrize(("text", "kind", "order"), GIVEN)
def test_text(text, kind, order):
    """Attributes read back as they are written, after all else."""
    lines = (
        f'a = mapping("{kind}", orders=[{order}], refs=2, {text})',
        "h1 = pin_user_pages(a[0:1])",
    )
    made = program(*lines, semantics="6.1")

    assert made.text().endswith("\n".join(lines) + "\n")
    assert text == made.mappings[0].attributes.text()
    check(made)


def test_all_are_written():
    """Every attribute is in one of the texts above, and none is text where it is the default."""
    assert ATTRIBUTES == {part.split("=")[0] for text, *_ in GIVEN for part in text.split(", ")}
    assert "" == PLAIN.text()
    assert PLAIN == Attributes(**DEFAULTS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('"base", orders=[0], mapped="p4d"', 'mapped="p4d" is not "pte" or "pmd" or "pud"'),
        ('"base", orders=[0], fault="bus"', 'fault="bus" needs present=False'),
        ('"base", orders=[0], migrates=False', "migrates=False needs movable=True"),
        ('"base", orders=[0], isolates="later"', 'isolates="later" needs movable=True'),
        ('"base", orders=[0], isolates="never"', 'isolates="never" is not "later"'),
        ('"base", orders=[0], writable=1', "1 is neither True nor False"),
        ('"base", orders=[0], mapped=True', "True is not a string"),
        (
            '"thp", orders=[9], mapped="pud"',
            'mapping a: mapped="pud" needs a page of order 18 or more',
        ),
        (
            '"base", orders=[0], mapped="pmd"',
            'mapping a: mapped="pmd" needs a page of order 9 or more',
        ),
        (
            '"driver", orders=[0], shared=True',
            "mapping a: shared=True is for mappings of base, thp, not driver",
        ),
        (
            '"zero", orders=[0], movable=True',
            "mapping a: movable=True is for mappings of base, thp, hugetlb, page-cache, not zero",
        ),
    ],
)
def test_not_valid(arguments, said):
    """What makes no sense is refused in one line that says why."""
    with pytest.raises(BadInput) as refused:
        program(f"a = mapping({arguments})", "h1 = pin_user_pages(a[0:1])", semantics="6.1")

    assert said == refused.value.reason
    assert 3 == refused.value.line


@pytest.mark.parametrize(
    ("version", "text"),
    [("5.18", "shared=True"), ("5.13", "shared=True"), ("5.11", "movable=True")],
)
def test_versions_without(version, text):
    """An attribute is refused where its kernel version has no such thing."""
    with pytest.raises(BadInput, match=f"^line 3: mapping a: {text} does not exist in {version}$"):
        program(
            f'a = mapping("base", orders=[0], {text})',
            "h1 = pin_user_pages(a[0:1])",
            semantics=version,
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('race="fork"', 'race="fork" needs changed='),
        ('changed=0, race="spilt"', "'spilt' is no race; races are entry, collapse, fork, split"),
        ("changed=0, race=1", "1 is not a string"),
    ],
)
def test_no_race(arguments, said):
    """A race happens at some page, and is of a known kind."""
    with pytest.raises(BadInput) as refused:
        program(
            'a = mapping("base", orders=[0])', f"h1 = pin_user_pages_fast_only(a[0:1], {arguments})"
        )

    assert said == refused.value.reason


def test_entry_is_not_written():
    """The race of old traces is the default, and their bytes are what they were."""
    lines = ('a = mapping("base", orders=[0])', "h1 = pin_user_pages_fast_only(a[0:1], changed=0)")
    said = program(lines[0], lines[1].replace(")", ', race="entry")'))

    assert program(*lines).text() == said.text()
    assert "race" not in said.text()


def test_traces_have_all():
    """Each attribute and each race is in a saved trace."""
    text = "".join(path.read_text() for path in TRACES.glob("*.trace"))

    assert set() == {name for name in ATTRIBUTES if f"{name}=" not in text}
    assert set() == {race for race in RACES if race != "entry" and f'race="{race}"' not in text}


# The slow path.


@pytest.mark.parametrize(
    ("attributes", "flags", "alone"),
    [
        ("writable=False", WRITE, EFAULT),
        ("writable=False", "", 1),
        ("present=False", WRITE, 1),
        ('present=False, fault="retry"', "", 1),
        ('present=False, fault="bus"', "", EFAULT),
        ('present=False, fault="oom"', "", ENOMEM),
        ('writable=False, present=False, fault="oom"', WRITE, EFAULT),  # not even a fault
        ("protnone=True", WRITE, 1),
        ("shared=True", "", 1),
        ("shared=True", WRITE, 1),
        ("movable=True", "", 1),
    ],
)
@pytest.mark.parametrize("call", ["pin_user_pages", "get_user_pages"])
def test_slow_path(run, call, attributes, flags, alone):
    """What the slow path gets at and what it does not; pages before that stay pinned."""
    comma = f", {flags}" if flags else ""
    world = run(
        'a = mapping("base", orders=[0, 0])',
        f'b = mapping("base", orders=[0, 0], {attributes})',
        f"h1 = {call}(b[0:1]{comma})",
        f"h2 = {call}(a[0:2] + b[0:2] + a[0:1]{comma})",
        semantics="6.1",
    )

    assert [alone, 5 if alone == 1 else 2] == world.returned


def test_not_mapped_goes_before(run):
    """A page that no page table maps is not faulted in."""
    world = run(
        'a = mapping("base", orders=[0], present=False, fault="oom")',
        "h1 = pin_user_pages_fast_only(a[0:1])",
        "h2 = pin_user_pages(a[0:1])",
        "get_page(a[0:1])",
        "unmap(a[0:1])",
        "h3 = pin_user_pages(a[0:1])",
    )

    assert [0, ENOMEM, None, None, EFAULT] == world.returned


# The fast path.


@pytest.mark.parametrize(
    ("attributes", "flags", "alone"),
    [
        ("writable=False", WRITE, 0),
        ("writable=False", LONGTERM, 2),
        ("present=False", "", 0),
        ("protnone=True", "", 0),
        ("shared=True", "", 0),
        ("movable=True", LONGTERM, 0),
        ("movable=True", WRITE, 2),
    ],
)
def test_fast_path(run, attributes, flags, alone):
    """The fast path stops before an entry that it leaves to the slow path."""
    comma = f", {flags}" if flags else ""
    world = run(
        'a = mapping("base", orders=[0, 0])',
        f'b = mapping("thp", orders=[9], {attributes})',
        f"h1 = pin_user_pages_fast_only(b[0:2]{comma})",
        f"h2 = pin_user_pages_fast_only(a[0:2] + b[0:2]{comma})",
        semantics="6.1",
    )

    assert [alone, 2 + alone] == world.returned
    assert () == world.last.warnings


@pytest.mark.parametrize(
    ("attributes", "kept", "undone"),
    [
        ("", 0, 600),
        (', mapped="pud"', 0, 600),
        (', mapped="pmd"', 512, 88),
        (', mapped="pte"', 599, 1),
    ],
)
def test_mapped(run, attributes, kept, undone):
    """Smaller entries than a page could have: only what the changed one maps is undone."""
    world = run(
        f'a = mapping("hugetlb", orders=[18]{attributes})',
        "h1 = pin_user_pages_fast_only(a[0:600], changed=599)",
    )

    assert kept == world.last.returned
    assert (kept + undone, undone) == world.stats()


@pytest.mark.parametrize("mapped", ["", ', mapped="pte"'])
def test_huge_entry(mapped):
    """Whether several pages may have one entry."""
    made = program(f'a = mapping("thp", orders=[9]{mapped})', "h1 = pin_user_pages(a[0:1])")
    candidate = Optimised()
    list(candidate.execute(made))

    assert (not mapped) == candidate.memory.huge_entry(made.mappings[0].pages[0])


# Races.


@pytest.mark.parametrize(
    ("pages", "race", "returned", "stats"),
    [
        ("a[0:4]", "collapse", 2, (3, 1)),
        ("a[0:4]", "fork", 0, (4, 4)),
        ("b[0:4]", "collapse", 0, (4, 4)),
        ("a[0:2] + c[0:1]", "fork", 2, (2, 0)),  # the walk ends before
        ("a[0:3] + c[0:1]", "fork", 0, (3, 3)),
        ("a[0:2] + c[0:1]", "collapse", 2, (2, 0)),
    ],
)
def test_race(run, pages, race, returned, stats):
    """A page, an entry or a whole call is undone."""
    world = run(
        'a = mapping("base", orders=[0]*4)',
        'b = mapping("thp", orders=[9])',
        'c = mapping("base", orders=[0], present=False)',
        f'h1 = pin_user_pages_fast_only({pages}, changed=2, race="{race}")',
        semantics="6.1",
    )

    assert returned == world.last.returned
    assert stats == world.stats()


# Long-term pins.

MOVABLE = 'a = mapping("thp", orders=[9, 9], movable=True{})'


def test_moves(run):
    """What has to move is pinned, unpinned, moved and pinned again; the second time it may stay."""
    world = run(
        MOVABLE.format(""),
        "h1 = pin_user_pages(a[0:3], FOLL_LONGTERM)",
        "h2 = pin_user_pages(a[3:4], FOLL_LONGTERM)",
        "h3 = pin_user_pages_fast_only(a[4:5] + a[512:513], FOLL_LONGTERM)",
    )

    assert [3, 1, 1] == world.returned
    assert [(6, 3), (7, 3), (8, 3)] == [(s.acquired, s.released) for s in world.snapshots]
    assert (6, 5) == world.counts(world.memory.compound_head(0x1000))


@pytest.mark.parametrize(
    ("attributes", "pages", "returned", "stats"),
    [
        (', isolates="later"', "a[0:1] + a[512:513]", 2, (6, 4)),
        (
            ', isolates="later"',
            "a[0:1] + a[512:513] + a[1:2]",
            3,
            (9, 6),
        ),
        (', isolates="later"', "a[0:1] + a[512:513] + a[1:2] + a[513:514]", 4, (12, 8)),
        (", migrates=False", "a[0:1] + a[512:513]", ENOMEM, (2, 2)),
        (', migrates=False, isolates="later"', "a[0:2]", ENOMEM, (4, 4)),
    ],
)
def test_tries(run, attributes, pages, returned, stats):
    """Each try is a walk that is undone; the pins of a failed one are not left behind."""
    world = run(MOVABLE.format(attributes), f"h1 = pin_user_pages({pages}, FOLL_LONGTERM)")

    assert returned == world.last.returned
    assert stats == world.stats()


@pytest.mark.parametrize(
    ("version", "changed", "returned", "stats"),
    [("6.1", 1, 1, (1, 0)), ("6.12", 512, 0, (1, 1)), ("6.12", 513, 1, (1, 0))],
)
def test_fork_where_a_page_has_to_move(run, version, changed, returned, stats):
    """From 6.12 on the fast path takes references on a page, and looks then whether it may stay.

    A fork during that counts; all pages of the entry are taken at once.
    """
    world = run(
        'a = mapping("base", orders=[0], pfn=0x11ff)',
        'b = mapping("hugetlb", orders=[9], movable=True, pfn=0x1200)',
        f"h1 = pin_user_pages_fast_only(a[0:1] + b[0:512] + a[0:1], FOLL_LONGTERM, "
        f'changed={changed}, race="fork")',
        semantics=version,
    )

    assert returned == world.last.returned
    assert stats == world.stats()


@pytest.mark.parametrize(("version", "warns"), [("6.1", 0), ("6.12", 1)])
def test_full_page_that_has_to_move(run, version, warns):
    """A grab that fails warns, if the page is grabbed before it is looked at."""
    world = run(
        'a = mapping("base", orders=[0], movable=True)',
        "get_page(a[0:1], n=2147483646)",
        "h1 = pin_user_pages(a[0:1])",
        "h2 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)",
        semantics=version,
    )

    assert [1, 0] == world.returned[1:]
    assert warns == len(world.last.warnings)


def test_held_pages_stay(run):
    """A page that others hold cannot move; the others of the call have moved all the same."""
    world = run(
        MOVABLE.format(""),
        "h1 = pin_user_pages(a[512:513])",
        "h2 = pin_user_pages(a[0:1] + a[512:513], FOLL_LONGTERM)",
        "h3 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)",
        "unpin_user_pages(h1[0:1])",
        "h4 = pin_user_pages(a[0:1] + a[512:513], FOLL_LONGTERM)",
        "h5 = pin_user_pages_fast_only(a[0:1], FOLL_LONGTERM)",
    )

    assert [1, ENOMEM, 1, None, 2, 1] == world.returned


@pytest.mark.parametrize(
    ("attributes", "returned"), [(', present=False, fault="bus"', EFAULT), ("", 1)]
)
def test_only_what_is_pinned_moves(run, attributes, returned):
    """The walk ends at a page that it does not get; what follows is neither pinned nor moved."""
    world = run(
        MOVABLE.format(""),
        f'b = mapping("base", orders=[0]{attributes})',
        "h1 = pin_user_pages(a[0:1] + b[0:1] + a[512:513], FOLL_LONGTERM)",
        "h2 = pin_user_pages(b[0:1] + a[0:1], FOLL_LONGTERM)",
        "h3 = pin_user_pages_fast_only(a[512:513], FOLL_LONGTERM)",
    )

    assert [
        1 if attributes else 3,
        returned if attributes else 2,
        0 if attributes else 1,
    ] == world.returned


def test_split_and_alloc(run):
    """The parts of a page that has moved may stay; new pages at its frames have to move."""
    world = run(
        MOVABLE.format("").replace('"thp", orders=[9, 9]', '"page-cache", orders=[9, 0]'),
        "h1 = pin_user_pages(a[0:1] + a[512:513], FOLL_LONGTERM)",
        "unpin_user_pages(h1[0:2])",
        "split_huge_page(a[0:1])",
        "h2 = pin_user_pages_fast_only(a[7:8] + a[512:513], FOLL_LONGTERM)",
        "unpin_user_pages(h2[0:2])",
        "unmap(a[512:513])",
        "alloc_pages(a[512:513], orders=[0])",
        "h3 = pin_user_pages_fast_only(a[7:8] + a[512:513], FOLL_LONGTERM)",
    )

    assert [2, None, 0, 2, None, None, None, 1] == world.returned


def test_get_user_pages_moves_nothing(run):
    """Plain references are taken wherever pages lie."""
    world = run(MOVABLE.format(", migrates=False"), "h1 = get_user_pages(a[0:2], FOLL_LONGTERM)")

    assert 2 == world.last.returned
    assert (0, 0) == world.stats()


# RDMA regions, which are long-term pins.

REGION = 'a = mapping("base", orders=[0]*1030{})'


@pytest.mark.parametrize(
    ("attributes", "get", "returned", "stats"),
    [
        (", movable=True", "a[0:1030]", 1, (2060, 1030)),
        (', movable=True, isolates="later"', "a[0:600]", 1, (1800, 1200)),
        (", movable=True, migrates=False", "a[0:1030]", ENOMEM, (512, 512)),
        (", movable=True", "a[0:600], nmap=0", ENOMEM, (1200, 1200)),
        (", movable=True", "a[0:600], append_fails=0", ENOMEM, (1024, 1024)),
        (", movable=True", "a[0:3] + b[0:1] + a[4:6]", EFAULT, (6, 6)),
        (", writable=False", "a[0:3]", EFAULT, (0, 0)),
        (", writable=False", "a[0:3], writable=False", 1, (3, 0)),
        ("", "a[0:0]", -22, (0, 0)),
        ("", "a[0:600] + b[0:1]", EFAULT, (600, 600)),
        ("", "a[0:600] + c[0:1]", ENOMEM, (600, 600)),
    ],
)
def test_region(run, attributes, get, returned, stats):
    """Each batch of a region moves what it has to; any error undoes the region, but no move."""
    world = run(
        REGION.format(attributes),
        'b = mapping("base", orders=[0], writable=False)',
        'c = mapping("base", orders=[0], present=False, fault="oom")',
        f"m1 = ib_umem_get({get})",
    )

    assert returned == world.last.returned
    assert stats == world.stats()


def test_moves_of_earlier_batches_last(run):
    """What a failed region has moved stays moved, also of the batch that failed."""
    world = run(
        REGION.format(", movable=True"),
        "get_page(a[1000:1001])",
        "m1 = ib_umem_get(a[0:1030])",
        "h1 = pin_user_pages_fast_only(a[0:1030], FOLL_LONGTERM)",
    )

    assert [None, ENOMEM, 1000] == world.returned
    assert (3 * 512 + 1000, 3 * 512) == world.stats()


# What a candidate honours.


class Narrow(Optimised):
    """Overrides a part of a pin, as a sketch did that knew of no attributes."""

    def try_grab_compound_head(self, head, refs):
        return super().try_grab_compound_head(head, refs)


class Wide(Narrow):
    """The same, of a sketch that knows two attributes."""

    attributes = ("writable", "present")


class Old(Optimised):
    """Overrides the call as sketches did that knew of no races."""

    def pin_user_pages_fast_only(self, pages, changed):
        return super().pin_user_pages_fast_only(pages, changed)


class Unpins(Optimised):
    """Overrides what does not pin."""

    def unpin_user_page(self, page):
        super().unpin_user_page(page)


@pytest.mark.parametrize(
    ("cls", "attributes", "races"),
    [
        (Optimised, ATTRIBUTES, {"collapse", "fork", "split"}),
        (Unpins, ATTRIBUTES, {"collapse", "fork", "split"}),
        (Narrow, set(), {"collapse", "fork", "split"}),
        (Wide, {"writable", "present"}, {"collapse", "fork", "split"}),
        (Old, set(), set()),
    ],
)
def test_abilities(cls, attributes, races):
    """A sketch that overrides a part of a pin honours what it says, and an old one no race."""
    abilities = cls().abilities

    assert (attributes, races) == (abilities.attributes, abilities.races)


def test_lacks():
    """A candidate that does not honour an attribute says which."""
    mapping = Mapping("a", "base", (Extent(1, 0, 1),), attributes=Attributes(protnone=True))

    assert "" == Unpins().abilities.lacks([mapping])
    assert "Wide has no mappings with protnone=True" == Wide().abilities.lacks([mapping])


def test_frames_keep_attributes(run):
    """A page that is split or allocated again lies in the same mapping."""
    world = run(
        'a = mapping("thp", orders=[9, 9], present=False)',
        "split_huge_page(a[0:1])",
        "h1 = pin_user_pages_fast_only(a[5:6])",
    )

    assert 0 == world.last.returned


def test_layout():
    """A layout can have attributes, too."""
    text = '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0], protnone=True)\n'

    assert parse_program(text + "clean(a[0:1])\n").mappings[0].attributes == Attributes(
        protnone=True
    )
