# SPDX-License-Identifier: MIT

"""The coverage points of attributes and races: each that a pin met, where it can matter."""

from collections.abc import Collection, Iterator
from itertools import accumulate, islice
from typing import Any

from properties.coverage.points import MAX_EXAMINED
from properties.judging.oracles.record import Record

MAPPED: dict[str, str] = {
    'mapped="pte"': "a pin of a huge page that PTEs map",
    'mapped="pmd"': "a pin of a page that PMDs map",
    'mapped="pud"': "a pin of a page that a PUD maps",
    "writable=False": "a pin with FOLL_WRITE of a page that may not be written to",
    "present=False": "a pin of a page that is not present",
    'fault="bus"': "a pin of a page whose fault ends in SIGBUS",
    'fault="oom"': "a pin of a page whose fault finds no memory",
    'fault="retry"': "a pin of a page whose fault has to be tried twice",
    "shared=True": "a pin of an anonymous page that is shared after a fork",
    "protnone=True": "a pin of a page that is PROT_NONE",
    "movable=True": "a long-term pin of a page that may have to move",
    "migrates=False": "a long-term pin of a page that cannot move",
    'isolates="later"': "a long-term pin of a page isolated at the second try",
    "gone=True": "a pin of a device's page whose device is gone",
    'race="collapse"': "a grab undone because its PMD changed",
    'race="fork"': "all grabs of a call undone because the process forked",
    'race="split"': "a grab given back because the compound page was split meanwhile",
}

#: Flags with which an attribute matters; without one, it always does.
FLAGS_OF = {
    "writable": "FOLL_WRITE",
    "movable": "FOLL_LONGTERM",
    "migrates": "FOLL_LONGTERM",
    "isolates": "FOLL_LONGTERM",
}


#: Attributes that are of page tables, and nothing to a call that pins a file's folios.
OF_PAGE_TABLES = frozenset({"mapped", "shared", "protnone"})


def possible(names: Collection[str]) -> list[str]:
    """The points of the attributes and races *names*."""
    values = ((point, *point.split("=")) for point in MAPPED)
    return [
        point
        for point, name, value in values
        if name in names or (name == "race" and value.strip('"') in names)
    ]


def met(record: Record) -> Iterator[str]:
    """The points of a step that pins: what the page table entries are that its walk met."""
    step: Any = record.step
    ledger = record.ledger
    if ledger.raced and step.race != "entry":
        yield f'race="{step.race}"'
    if not ledger.special:
        return
    if step.binds_umem:
        flags = {"FOLL_LONGTERM", "FOLL_WRITE"}
    elif step.holds_folios:
        flags = {"FOLL_LONGTERM"}
    else:
        flags = set(step.flags)
    slices = [*islice(step.pages.slices(), MAX_EXAMINED)]
    starts = accumulate((len(piece) for piece in slices), initial=0)
    for piece, start in zip(slices, starts, strict=False):
        if start > max(record.returned or 0, 0) or not piece:
            continue
        page = ledger.table[piece.name][piece.indices[0]]
        attributes = ledger.attributes(page)
        for name in attributes.given():
            if step.holds_folios and name in OF_PAGE_TABLES:
                continue
            if name == "mapped" and ledger.order(page) < max(attributes.largest, 9):
                continue
            if FLAGS_OF.get(name) in {None, *flags}:
                yield attributes.text_of(name)
