# SPDX-License-Identifier: MIT

"""Equalities: ways that must come to the same end, whatever the right counts are.

Unpinning a list at once, in two parts, page by page or in another order, as a
list, a range or a region: each law names ways that differ in nothing that
lasts. No reference is needed to see that two of them differ, so this is what
is left to find where candidate, reference and ledger share a mistake.

Each way is judged first like any other program. What fails there is reported
as usual, because it can be judged again and reduced; only what nobody else
objects to is reported as a law that is broken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve, frozen

from model.errors import BadInput
from model.mapping import FIRST_PFN, Mapping, placed
from model.memory import NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED, HeadState
from model.pagelist import from_entries
from model.semantics import PAGE_SIZE
from model.step import SgEntry
from model.steps import (
    IbUmem,
    IbUmemGet,
    IbUmemRelease,
    PinUserPages,
    PinUserPagesFastOnly,
    UnpinUserPage,
    UnpinUserPageRangeDirtyLock,
    UnpinUserPages,
    UnpinUserPagesDirtyLock,
)
from properties.finding import Finding, Row
from properties.judge import Contained, Failure, Run
from properties.ledger import LIMIT, Ledger
from properties.situations import situations
from properties.strategies import among, one_in
from properties.strategies.dice import Dice
from properties.strategies.layouts import draw_mappings
from properties.strategies.lists import (
    by_mapping,
    draw_pieces,
    draw_range,
    draw_stretch,
    releasable,
)
from properties.strategies.needs import possible
from properties.strategies.short import Short
from properties.strategies.steps import Steps


if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Mapping as Map

    from model.candidate import Abilities, Candidate
    from model.pagelist import Entry, PageList
    from model.program import Program
    from model.step import Step
    from properties.search import Search

    Law = Callable[["Case"], "Ways | None"]

#: Programs of one round that ways begin with, and the most steps of one.
PREFIXES = 16
MOST_STEPS = 12

#: Entries of a list, or pages of a range; one in `ONE_LONG_IN` may have more.
MOST = 24
LONG = 600
ONE_LONG_IN = 24

#: Of so many heads that were pinned last a list is gathered.
GATHERED = 6

#: A finding shows no more rows, and this much of what the other way did.
MOST_ROWS = 12
MOST_TEXT = 240

#: Orders of the small layouts that most programs run on.
ORDERS = (0, 0, 1, 1, 2, 2, 3)

#: Forms of `Short`, and calls of `Steps`, that a program begins with.
SHORT = (
    *("pin", "pin", "pin", "pin_again", "pin_two", "pin_fast", "register", "unpin_part"),
    *("unpin_dirty", "unpin_range", "unpin_one", "map", "unmap", "unmap", "write", "clean", "get"),
)
RICH = ("split_huge_page", "alloc_pages", "put_page", "unmap", "ib_umem", "ib_umem_release")


@frozen
class Way:
    """One way to the end.

    :param name: What its column is called.
    :param steps: What it does after the steps that all ways begin with.
    :param pins: How many pins are held more after it than before.
    """

    name: str
    steps: tuple[Step, ...] = ()
    pins: int = 0


@frozen
class Ways:
    """Ways that must come to the same end.

    :param start: The program that each of them begins with.
    :param apart: Heads that may differ.
    :param each: Whether as many pins are acquired and released on each way;
        otherwise only as many more of the one as of the other.
    """

    law: str
    start: Program
    ways: tuple[Way, ...]
    apart: frozenset[int] = frozenset()
    each: bool = True

    def program(self, way: Way) -> Program:
        """All of *way*, from the beginning."""
        return evolve(self.start, steps=(*self.start.steps, *way.steps))


@frozen
class End:
    """What a candidate shows after a whole program.

    :param heads: The last state of every frame that it showed at all.
    """

    heads: Map[int, HeadState]
    acquired: int
    released: int


class Case:
    """A program that ways begin with, and what laws draw from it."""

    def __init__(self, dice: Dice, run: Run, steps: Steps) -> None:
        self.dice = dice
        self.ledger = run.ledger
        self.steps = steps
        self.start = evolve(run.program, steps=tuple(run.steps))

    def held(self, least: int = 1) -> list[Entry] | None:
        """Entries whose pins are all held, at least so many."""
        entries = self._gathered() if one_in(self.dice, 2) else self._pieces()
        if entries is None or len(entries) < least:
            entries = self._gathered()
        return entries if len(entries) >= least else None

    def _pieces(self) -> list[Entry] | None:
        if not self.steps.handles:
            return None
        pages = draw_pieces(self.dice, self.ledger, self.steps.handles).prefix(self._most())
        some = releasable(self.ledger, pages)
        return entries_of(some) if some else None

    def _gathered(self) -> list[Entry]:
        """Pins of some heads, by any of their pages and in any order."""
        entries = []
        for head in list(self.ledger.pinned)[-GATHERED:]:
            npages = 1 << self.ledger.order(head)
            for _ in range(min(self.ledger.held(head).pins, 1 + self.dice.randrange(4))):
                page = head + self.dice.randrange(npages)
                entries += entries_of(by_mapping(self.ledger, page))
        return self.shuffled(entries) if one_in(self.dice, 2) else entries

    def _most(self) -> int:
        return LONG if one_in(self.dice, ONE_LONG_IN) else MOST

    def range(self) -> PageList | None:
        """Contiguous frames whose pins are all held."""
        pages = draw_range(self.dice, self.ledger, self.steps.handles)
        return pages.prefix(self._most()) if pages else None

    def stretch(self) -> PageList:
        """Pages to pin, neighbours or not."""
        mapping = among(self.dice, self.ledger.mappings)
        pages = draw_stretch(self.dice, mapping, longest=self._most())
        if one_in(self.dice, 3):
            return from_entries(self.shuffled(entries_of(pages)[:MOST]))
        return pages

    def unmapped(self, pages: PageList) -> bool:
        """Whether some of *pages* cannot be pinned because it is not mapped."""
        return any(not self.ledger.held(head).maps for head in self.heads(pages))

    def fits(self, pages: PageList) -> bool:
        """Whether pins of *pages* stay far from the largest count there can be."""
        counts = self.ledger.counts(pages.resolve(self.ledger.table))
        held = self.ledger.held
        return all(held(h).total + n * held(h).each < LIMIT for h, n in counts.items())

    def shuffled(self, entries: Sequence[Entry]) -> list[Entry]:
        """*entries* in any order."""
        left = list(entries)
        return [left.pop(self.dice.randrange(len(left))) for _ in entries]

    def unpin(self) -> Callable[[Sequence[Entry]], Step]:
        """Makes a step that unpins a list; on every way in the same manner."""
        manner = self.dice.randrange(3)

        def step(entries: Sequence[Entry]) -> Step:
            pages = from_entries(entries)
            if manner == 0:
                return UnpinUserPages(pages=pages)
            return UnpinUserPagesDirtyLock(pages=pages, make_dirty=manner == 1)

        return step

    def heads(self, pages: PageList) -> frozenset[int]:
        """The heads of *pages*."""
        return frozenset(head for head, _ in self.ledger.runs(pages.resolve(self.ledger.table)))


def entries_of(pages: PageList) -> list[Entry]:
    """Each (name, position) of *pages*, in their order."""
    return [entry for term in pages.terms for entry in term.entries()]


# The laws. Each draws its ways, or None where the program has not what it takes.


def parts(case: Case) -> Ways | None:
    """Unpinning a list is unpinning its first part, then the rest."""
    entries = case.held(2)
    if entries is None:
        return None
    cut = 1 + case.dice.randrange(len(entries) - 1)
    unpin = case.unpin()
    return Ways(
        "parts",
        case.start,
        (
            Way("at once", (unpin(entries),)),
            Way("in two", (unpin(entries[:cut]), unpin(entries[cut:]))),
        ),
    )


def forms(case: Case) -> Ways | None:
    """A range is unpinned as the list of its pages is, and as a region over them."""
    pages = case.range()
    if pages is None:
        return None
    make_dirty = one_in(case.dice, 2)
    writable, dirty = make_dirty, True
    if not make_dirty and one_in(case.dice, 2):
        writable, dirty = True, False
    name = case.steps.name("m")
    sgl = _scatterlist(case.dice, pages)
    nmap = 1 if one_in(case.dice, 3) else None
    region = IbUmem(umem=name, sgl=sgl, writable=writable, nmap=nmap)
    return Ways(
        "forms",
        case.start,
        (
            Way("list", (UnpinUserPagesDirtyLock(pages=pages, make_dirty=make_dirty),)),
            Way("range", (UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=make_dirty),)),
            Way("region", (region, IbUmemRelease(umem=name, dirty=dirty))),
        ),
    )


def _scatterlist(dice: Dice, pages: PageList) -> tuple[SgEntry, ...]:
    """*pages* as one entry or two; of the last page not all may count."""
    entries = entries_of(pages)
    cut = dice.randrange(len(entries))
    pieces = [from_entries(piece) for piece in (entries[:cut], entries[cut:]) if piece]
    short = dice.randrange(PAGE_SIZE) if one_in(dice, 2) else 0
    return tuple(SgEntry(piece, len(piece) * PAGE_SIZE - short) for piece in pieces)


def undone(case: Case) -> Ways | None:
    """Pinning and giving back changes nothing, whether by list, by region or by failing."""
    pages = case.stretch()
    if not case.fits(pages):
        return None
    steps: tuple[Step, ...]
    form = case.dice.randrange(4)
    if case.unmapped(pages) or form == 0:
        steps = (_registered(case, pages, fails=not case.unmapped(pages)),)
    elif form == 1:
        get = _registered(case, pages, fails=False)
        steps = (get, IbUmemRelease(umem=get.umem, dirty=False))
    elif form == 2:
        steps = (PinUserPagesFastOnly(handle=case.steps.name("h"), pages=pages, changed=0),)
    else:
        handle = case.steps.name("h")
        back = from_entries([(handle, i) for i in range(len(pages))])
        steps = (PinUserPages(handle=handle, pages=pages), UnpinUserPages(pages=back))
    return Ways("undone", case.start, (Way("before"), Way("after", steps)), each=False)


def _registered(case: Case, pages: PageList, *, fails: bool) -> IbUmemGet:
    """A region of *pages*; mapping it for DMA fails, or memory for its table, if it is to."""
    by_table = fails and one_in(case.dice, 2)
    return IbUmemGet(
        umem=case.steps.name("m"),
        pages=pages,
        max_segment=PAGE_SIZE * (1 + case.dice.randrange(8)),
        nmap=0 if fails and not by_table else among(case.dice, (None, 1)),
        append_fails=0 if by_table else None,
    )


def singly(case: Case) -> Ways | None:
    """Unpinning a list is unpinning each page of it."""
    entries = case.held()
    if entries is None:
        return None
    entries = entries[:MOST]
    each = tuple(UnpinUserPage(page=from_entries([entry])) for entry in entries)
    at_once = UnpinUserPages(pages=from_entries(entries))
    return Ways("singly", case.start, (Way("at once", (at_once,)), Way("singly", each)))


def order(case: Case) -> Ways | None:
    """The order of a list does not matter."""
    entries = case.held(2)
    if entries is None:
        return None
    unpin = case.unpin()
    other = entries[::-1] if one_in(case.dice, 3) else case.shuffled(entries)
    return Ways(
        "order",
        case.start,
        (Way("in order", (unpin(entries),)), Way("reordered", (unpin(other),))),
    )


def elsewhere(case: Case) -> Ways | None:
    """No head changes but those of the pages that are named."""
    form = case.dice.randrange(4)
    pages: PageList | None
    step: Step
    if form == 0:
        pages = case.stretch()
        if case.unmapped(pages) or not case.fits(pages):
            return None
        step, pins = PinUserPages(handle=case.steps.name("h"), pages=pages), len(pages)
    elif form == 1:
        pages = case.range()
        if pages is None:
            return None
        make_dirty = one_in(case.dice, 2)
        step, pins = UnpinUserPageRangeDirtyLock(pages=pages, make_dirty=make_dirty), -len(pages)
    else:
        entries = case.held()
        if entries is None:
            return None
        pages = from_entries(entries)
        step, pins = case.unpin()(entries), -len(pages)
    ways = (Way("before"), Way("after", (step,), pins))
    return Ways("elsewhere", case.start, ways, case.heads(pages), each=False)


LAWS: dict[str, Law] = {
    "parts": parts,
    "forms": forms,
    "undone": undone,
    "singly": singly,
    "order": order,
    "elsewhere": elsewhere,
}


# The comparison.


def unequal(ways: Ways, candidate: Callable[[], Candidate]) -> tuple[Program, Finding] | None:
    """Carry *ways* out on the candidate alone; the program and the finding if two differ."""
    first = _end(ways.program(ways.ways[0]), candidate())
    if isinstance(first, Finding):
        return ways.program(ways.ways[0]), first
    for other in ways.ways[1:]:
        made = candidate()
        second = _end(ways.program(other), made)
        if isinstance(second, Finding):
            return ways.program(other), second
        rows = [
            row
            for row in (
                *_states(ways, first, second),
                *_statistics(ways, other, first, second),
            )
            if row.what in made.abilities.fields
        ]
        if rows:
            return _told(ways, other, rows)
    return None


def _end(program: Program, candidate: Candidate) -> End | Finding:
    """How *program* ends on *candidate*; a finding if it does not."""
    contained = Contained(candidate, program)
    heads: dict[int, HeadState] = {}
    acquired = released = 0
    for index, step in enumerate(program.steps):
        shown = contained.step(step, step.npages_named)
        if isinstance(shown, Failure):
            return Finding("laws", shown.what, index, step, shown.summary, notes=shown.notes)
        heads.update(shown.heads)
        acquired, released = shown.acquired, shown.released
    return End(heads, acquired, released)


def _states(ways: Ways, first: End, second: End) -> list[Row]:
    if first.heads == second.heads:
        return []
    fresh = Ledger(ways.start.semantics, ways.start.mappings)
    now = _books(ways.start)
    rows = []
    for page in sorted(first.heads.keys() | second.heads.keys()):
        states = []
        for end in (first, second):
            state = end.heads.get(page)
            if state is None:
                # No step touched it, so that it is as its mapping made it.
                refs = fresh.first_refs(page) if fresh.head(page) == page else 0
                state = HeadState(refs, 0, dirty=False, allocated=True)
            states.append(state)
        if page not in ways.apart:
            rows += [
                Row(now.name(page), now.order(page), what, a, b)
                for what, a, b in zip(HeadState._fields, *states, strict=True)
                if a != b
            ]
    return rows


def _statistics(ways: Ways, other: Way, first: End, second: End) -> list[Row]:
    acquired = first.acquired if ways.each else second.acquired
    released = acquired - first.acquired + first.released - other.pins
    rows = []
    if acquired != second.acquired:
        rows.append(Row("", None, NR_FOLL_PIN_ACQUIRED, acquired, second.acquired))
    if released != second.released:
        rows.append(Row("", None, NR_FOLL_PIN_RELEASED, released, second.released))
    return rows


def _books(program: Program) -> Ledger:
    ledger = Ledger(program.semantics, program.mappings)
    for step in program.steps:
        ledger.take(step)
    return ledger


def _told(ways: Ways, other: Way, rows: list[Row]) -> tuple[Program, Finding]:
    """The longer of two programs, and what sets the other's end apart."""
    first = ways.ways[0]
    kept, left = (first, other) if len(first.steps) > len(other.steps) else (other, first)
    program = ways.program(kept)
    instead = "; ".join(step.text() for step in left.steps) or "nothing"
    if len(instead) > MOST_TEXT:
        instead = f"{instead[:MOST_TEXT]}..."
    since = len(ways.start.steps) + 1
    more = [f"and {len(rows) - MOST_ROWS} more"] if len(rows) > MOST_ROWS else []
    law = (LAWS[ways.law].__doc__ or "").partition("\n")[0].rstrip(".")
    finding = Finding(
        "laws",
        f"law_{ways.law}",
        len(program.steps) - 1,
        program.steps[-1],
        f"{law}; but {rows[0].what} differs from {instead} in place of step {since} on",
        tuple(rows[:MOST_ROWS]),
        (first.name, other.name),
        notes=(
            *more,
            f"{kept.name}: steps {since} to {len(program.steps)}",
            f"{left.name}: the same up to step {since - 1}, then{'' if left.steps else ' nothing'}",
            *(f"  {step.text()}" for step in left.steps[:MOST_ROWS]),
        ),
    )
    return program, finding


# The search.


def equalities(search: Search, number: int) -> None:
    """Draw some programs from *number*, and from each go on in the ways of a law."""
    dice = Dice(number)
    for _ in range(PREFIXES):
        if search.watcher.enough():
            return
        beginning = _Beginning(search, dice)
        if not beginning.draw(dice.randrange(MOST_STEPS + 1)):
            return
        ways = beginning.ways(among(dice, tuple(LAWS.values())))
        if ways and not beginning.compare(ways):
            return


class _Beginning:
    """A program that is drawn, and judged, until ways part."""

    def __init__(self, search: Search, dice: Dice) -> None:
        candidate = search.candidate()
        abilities = candidate.abilities
        self._search = search
        self._dice = dice
        self._run = Run(candidate, _layout(dice, search, abilities), search.semantics)
        self._steps = Steps(self._run.ledger)
        self._short = Short(self._run.ledger, self._steps)
        self._calls = {c for c in abilities.calls if not search.semantics.lacks(c)}

    def draw(self, steps: int) -> bool:
        """Begin with about so many steps, and a pin; whether all is right so far."""
        for _ in range(steps):
            step = self._draw()
            if step and step.call in self._calls and not self._step(self._run, step):
                return False
        ledger = self._run.ledger
        if ledger.pinned or "pin_user_pages" not in self._calls:
            return True
        return self._step(self._run, self._pin())

    def ways(self, law: Law) -> Ways | None:
        """The ways of *law* from here, as far as the candidate can go them."""
        ways = law(Case(self._dice, self._run, self._steps))
        if ways is None or not ways.start.steps:
            return None
        able = [w for w in ways.ways if all(step.call in self._calls for step in w.steps)]
        return evolve(ways, ways=tuple(able)) if len(able) > 1 else None

    def compare(self, ways: Ways) -> bool:
        """Judge each way, then compare how they end; whether all is right."""
        run: Run | None = self._run
        for way in ways.ways:
            if not way.steps:
                continue
            if run is None:
                run = self._again(ways.start)
            if run is None or not all(self._step(run, step) for step in way.steps):
                return False
            if self._search.strict and run.dearer:
                self._fail(run, run.dearer)
                return False
            self._search.watcher.ended(run)
            run = None
        found = unequal(ways, self._search.candidate)
        if found:
            self._search.watcher.found(*found)
        return found is None

    def _draw(self) -> Step | None:
        if one_in(self._dice, 6):
            call = among(self._dice, RICH)
            if not possible(call, self._run.ledger, self._steps):
                return None
            drawn: Step | None = getattr(self._steps, call)(self._dice)
            return drawn
        if one_in(self._dice, 4):
            return self._pin()
        form = among(self._dice, SHORT)
        if form.startswith("unpin") and self._short.empty:
            return self._pin()
        step: Step | None = getattr(self._short, form)(self._dice)
        return step

    def _pin(self) -> Step:
        longest = LONG if one_in(self._dice, ONE_LONG_IN) else MOST
        pages = draw_stretch(
            self._dice, among(self._dice, self._run.ledger.mappings), longest=longest
        )
        return PinUserPages(handle=self._steps.name("h"), pages=pages)

    def _step(self, run: Run, step: Step) -> bool:
        """Let *run* take *step*; whether nothing was found, as where it made no sense."""
        try:
            finding = run.step(step)
        except BadInput:
            self._search.watcher.rejected(step.call)
            return True
        if run is self._run:
            self._steps.taken(step)
            self._short.taken(step)
        assert run.record is not None
        self._search.watcher.step(run, set(situations(run.record)))
        if finding:
            self._fail(run, finding)
        return finding is None

    def _again(self, start: Program) -> Run | None:
        """*start* once more, for another way to go on; None if now something is found."""
        run = Run(self._search.candidate(), start.mappings, start.semantics)
        for step in start.steps:
            finding = run.step(step)
            if finding:
                self._fail(run, finding)
                return None
        return run

    def _fail(self, run: Run, finding: Finding) -> None:
        program = evolve(run.program, steps=tuple(run.steps))
        self._search.watcher.found(program, finding)


def _layout(dice: Dice, search: Search, abilities: Abilities) -> tuple[Mapping, ...]:
    """Two to six small compound pages side by side; now and then any layout."""
    usable = search.semantics.orders["driver"] & abilities.orders
    small = [order for order in ORDERS if order in usable]
    if search.captured_only or not small or "driver" not in abilities.kinds or one_in(dice, 4):
        return draw_mappings(
            dice,
            search.semantics,
            abilities,
            search.captured,
            captured_only=search.captured_only,
        )
    orders = [among(dice, small) for _ in range(2 + dice.randrange(5))]
    if one_in(dice, 2):
        orders.sort(reverse=True)
    return (Mapping("a", "driver", placed([(order, 1) for order in orders], FIRST_PFN)),)
