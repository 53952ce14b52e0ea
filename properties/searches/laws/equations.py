# SPDX-License-Identifier: MIT

"""The laws: functions that draw variants that must end equal; reports quote their docstrings."""

from collections.abc import Callable
from typing import Any, TypeAlias

from model.pagelist import PageList, from_entries
from model.regions import MakeRegion, Register, Release
from model.semantics import PAGE_SIZE
from model.step import SgEntry, Step
from model.steps import STEPS, Pin, PinFast, Unpin, UnpinOne
from properties.searches.laws.comparison import Comparison, Variant
from properties.searches.laws.prefix import MAX_ENTRIES, Prefix, entries_of
from properties.strategies.dice import Dice, among, one_in

#: The calls that unpin and have an argument *make_dirty*: one for lists, one for ranges.
DIRTYING: dict[str, Any] = {
    "range" if cls.takes_range else "list": cls
    for cls in STEPS.values()
    if cls.unpins and cls.asks_dirty and not cls.releases_umem
}

#: A law: draws variants that follow the prefix; returns None if the prefix allows none.
Law: TypeAlias = Callable[[Prefix], "Comparison | None"]


def parts(prefix: Prefix) -> Comparison | None:
    """Unpinning a list equals unpinning its first part, then the rest."""
    entries = prefix.held(2)
    if entries is None:
        return None
    cut = 1 + prefix.dice.randrange(len(entries) - 1)
    unpin = prefix.unpin()
    at_once = Variant("at once", (unpin(entries),))
    in_two = Variant("in two", (unpin(entries[:cut]), unpin(entries[cut:])))
    return _comparison(prefix, parts, at_once, in_two)


def forms(prefix: Prefix) -> Comparison | None:
    """Unpinning a range equals unpinning the list of its pages, or releasing a region of them."""
    pages = prefix.range()
    if pages is None:
        return None
    make_dirty = one_in(prefix.dice, 2)
    writable, dirty = make_dirty, True
    if not make_dirty and one_in(prefix.dice, 2):
        writable, dirty = True, False
    name = prefix.steps.name("m")
    sgl = _scatterlist(prefix.dice, pages)
    nmap = 1 if one_in(prefix.dice, 3) else None
    region = MakeRegion(umem=name, sgl=sgl, writable=writable, nmap=nmap)
    variants = [
        Variant(form, (unpin(pages=pages, make_dirty=make_dirty),))
        for form, unpin in DIRTYING.items()
    ]
    variants.append(Variant("region", (region, Release(umem=name, dirty=dirty))))
    return _comparison(prefix, forms, *variants)


def _scatterlist(dice: Dice, pages: PageList) -> tuple[SgEntry, ...]:
    """*pages* as one or two entries, which may end within their last page."""
    entries = entries_of(pages)
    cut = dice.randrange(len(entries))
    pieces = [from_entries(piece) for piece in (entries[:cut], entries[cut:]) if piece]
    short = dice.randrange(PAGE_SIZE) if one_in(dice, 2) else 0
    return tuple(SgEntry(piece, len(piece) * PAGE_SIZE - short) for piece in pieces)


def undone(prefix: Prefix) -> Comparison | None:
    """Pinning pages and releasing them, by list, region or a call that fails, changes nothing."""
    pages = prefix.stretch()
    if not prefix.fits(pages):
        return None
    steps: tuple[Step, ...]
    form = prefix.dice.randrange(4)
    if prefix.unmapped(pages) or form == 0:
        steps = (_registered(prefix, pages, fails=not prefix.unmapped(pages)),)
    elif form == 1:
        get = _registered(prefix, pages, fails=False)
        steps = (get, Release(umem=get.umem, dirty=False))
    elif form == 2:
        steps = (PinFast(handle=prefix.steps.name("h"), pages=pages, changed=0),)
    else:
        handle = prefix.steps.name("h")
        back = from_entries([(handle, i) for i in range(len(pages))])
        steps = (Pin(handle=handle, pages=pages), Unpin(pages=back))
    variants = (Variant("before"), Variant("after", steps))
    return _comparison(prefix, undone, *variants, same_statistics=False)


def _registered(prefix: Prefix, pages: PageList, *, fails: bool) -> Register:
    """A step that registers *pages*; if *fails*, DMA mapping or scatterlist allocation fails."""
    by_table = fails and one_in(prefix.dice, 2)
    return Register(
        umem=prefix.steps.name("m"),
        pages=pages,
        max_segment=PAGE_SIZE * (1 + prefix.dice.randrange(8)),
        nmap=0 if fails and not by_table else among(prefix.dice, (None, 1)),
        append_fails=0 if by_table else None,
    )


def singly(prefix: Prefix) -> Comparison | None:
    """Unpinning a list equals unpinning its pages one by one."""
    entries = prefix.held()
    if entries is None:
        return None
    entries = entries[:MAX_ENTRIES]
    at_once = Variant("at once", (Unpin(pages=from_entries(entries)),))
    each = tuple(UnpinOne(page=from_entries([entry])) for entry in entries)
    return _comparison(prefix, singly, at_once, Variant("singly", each))


def order(prefix: Prefix) -> Comparison | None:
    """The order of a list does not matter."""
    entries = prefix.held(2)
    if entries is None:
        return None
    unpin = prefix.unpin()
    other = entries[::-1] if one_in(prefix.dice, 3) else prefix.shuffled(entries)
    in_order = Variant("in order", (unpin(entries),))
    return _comparison(prefix, order, in_order, Variant("reordered", (unpin(other),)))


def elsewhere(prefix: Prefix) -> Comparison | None:
    """Only the heads of the named pages change."""
    form = prefix.dice.randrange(4)
    pages: PageList | None
    step: Step
    if form == 0:
        pages = prefix.stretch()
        if prefix.unmapped(pages) or not prefix.fits(pages):
            return None
        step, pins = Pin(handle=prefix.steps.name("h"), pages=pages), prefix.counted(pages)
    elif form == 1:
        pages = prefix.range()
        if pages is None:
            return None
        step = DIRTYING["range"](pages=pages, make_dirty=one_in(prefix.dice, 2))
        pins = -prefix.counted(pages)
    else:
        entries = prefix.held()
        if entries is None:
            return None
        pages = from_entries(entries)
        step, pins = prefix.unpin()(entries), -prefix.counted(pages)
    variants = (Variant("before"), Variant("after", (step,), pins))
    heads = prefix.heads(pages)
    return _comparison(prefix, elsewhere, *variants, may_differ=heads, same_statistics=False)


LAWS: dict[str, Law] = {
    law.__name__: law for law in (parts, forms, undone, singly, order, elsewhere)
}


def _comparison(
    prefix: Prefix,
    law: Law,
    *variants: Variant,
    may_differ: frozenset[int] = frozenset(),
    same_statistics: bool = True,
) -> Comparison:
    """The comparison of *variants* after *prefix*, with *law*'s name and docstring (first line)."""
    says = (law.__doc__ or "").partition("\n")[0].rstrip(".")
    return Comparison(law.__name__, says, prefix.program, variants, may_differ, same_statistics)
