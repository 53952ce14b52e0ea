# SPDX-License-Identifier: MIT

"""Whether a program can be judged on a candidate: its abilities, and how large the program is."""

from collections.abc import Sequence
from typing import Any

from model.abilities import UNBOUNDED, Abilities
from model.mapping import Mapping
from model.pagelist import NULL_NAME, Group, Slice
from model.program import Program
from model.step import Step, Table

#: Maximum number of pages that the reference visits in one program, one at a time. If there
#: are more, the ledger judges alone, up to MAX_HEAD_VISITS visits of compound pages.
MAX_PAGE_VISITS = 1 << 20
MAX_HEAD_VISITS = 1 << 23

#: Maximum number of different compound pages that the steps of a program may name, with entries of
#: regions. Each takes up to 1.4 KB: objects in the ledger, the candidate, and their snapshots.
MAX_HEADS = 1 << 18


def inapplicable(program: Program, abilities: Abilities) -> str:
    """Why *program* cannot be judged on a candidate of *abilities*; empty if it can."""
    version = program.semantics.version
    if version not in abilities.semantics:
        return f"{abilities.name} does not follow the semantics of {version}"
    reason = abilities.lacks(program.mappings)
    if reason:
        return reason
    given = [(m.attributes, name) for m in program.mappings for name in m.attributes.given()]
    for attributes, name in given:
        if name in program.semantics.lacks:
            return f"{attributes.text_of(name)} does not exist in {version}"
    most = abilities.walked
    if given and any(step.pins and step.npages_named > most for step in program.steps):
        return f"{abilities.name} pins at most {most} pages where mappings have attributes"
    for step in program.steps:
        if step.lacked_by(program.semantics):
            return f"{step.call}() does not exist in {version}"
        if step.race_kind() in program.semantics.lacks:
            return f'race="{step.race_kind()}" does not exist in {version}'
        if not (program.semantics.null_skipped or program.misuse) and NULL_NAME in step.uses():
            return f"{version} does not skip NULL"
        reason = beyond(step, abilities) or scattered(step, abilities, program.mappings)
        if reason:
            return reason
    heads = _distinct(program)
    if heads > MAX_HEADS:
        return (
            f"its steps name up to {heads} different compound pages and entries of regions, and "
            f"a program is judged with at most {MAX_HEADS}: use fewer, or a higher order"
        )
    heads = _heads(program)
    if heads > MAX_HEAD_VISITS:
        return (
            f"its steps name up to {heads} compound pages: the ledger visits each, "
            f"and no more than {MAX_HEAD_VISITS}"
        )
    return ""


def beyond(step: Step, abilities: Abilities) -> str:
    """Why a candidate of *abilities* cannot carry *step* out; empty if it can."""
    if step.call not in abilities.calls:
        return f"{abilities.name} has no {step.call}()"
    most = min(abilities.named, abilities.listed) if step.takes_array else abilities.named
    if most < UNBOUNDED and step.npages_named > most:
        return f"{abilities.name} passes no list of more than {most} pages"
    if step.binds_umem and step.npages_named > abilities.region:
        return f"{abilities.name} has no regions of more than {abilities.region} pages"
    if step.fails_append() and step.npages_named > abilities.failing:
        return f"{abilities.name} has no append_fails= of more than {abilities.failing} pages"
    if not abilities.changes and step.changes_page_table():
        return f"{abilities.name} cannot change a page table during a call"
    race = step.race_kind()
    if race not in {"", "entry", *abilities.races}:
        return f'{abilities.name} has no race="{race}"'
    if race not in {"", "entry"} and step.npages_named > abilities.walked:
        return f'{abilities.name} has race="{race}" in lists of at most {abilities.walked} pages'
    for order in step.orders_made():
        if order not in abilities.orders:
            return f"{abilities.name} has no compound pages of order {order}"
    return ""


def scattered(step: Any, abilities: Abilities, mappings: Sequence[Mapping]) -> str:
    """Why a candidate of *abilities* cannot pin as *step* does in *mappings*; empty if it can.

    A candidate that pins a list with several calls moves the pages of each call by themselves.
    """
    if not (abilities.together and step.pins and step.slow_path and step.npages_named > 1):
        return ""
    if "FOLL_LONGTERM" not in step.flags or not any(m.attributes.movable for m in mappings):
        return ""
    first, *more = step.pages.terms
    neighbours = not more and isinstance(first, Slice) and first.times == first.indices.step == 1
    if neighbours and any(first.name == mapping.name for mapping in mappings):
        return ""
    return f"{abilities.name} moves only neighbouring pages of a mapping in one long-term pin"


def visits(program: Program) -> int:
    """The number of pages that the reference would visit, repeats included."""
    table = _regions(program)
    return sum(step.npages_touched(table) for step in program.steps)


def _regions(program: Program) -> Table:
    """A table that has the number of pages of each region of *program*, and nothing else."""
    table = Table({})
    table.sizes = {step.makes: step.npages_named for step in program.steps if step.binds_umem}
    return table


def for_ledger_alone(program: Program) -> bool:
    """Whether *program* is too large for the reference, so that the ledger judges alone."""
    return visits(program) > MAX_PAGE_VISITS


def effort(program: Program) -> int:
    """The number of pages visited to judge *program*; compound pages if the ledger judges alone."""
    return _heads(program) if for_ledger_alone(program) else visits(program)


def _heads(program: Program) -> int:
    """An estimate of how often the ledger visits a compound page, with repeats, for *program*."""
    least = min((e.order for m in program.mappings for e in m.extents), default=0)
    table = _regions(program)
    named = (step.npages_named or step.npages_touched(table) for step in program.steps)
    return sum(named) >> least


def _distinct(program: Program) -> int:
    """An estimate of the compound pages that the steps of *program* name or make, and of entries.

    Each is counted once; the entries are those of the regions' scatterlists.
    """
    count = min(sum(m.ncompound for m in program.mappings), visits(program))
    for step in program.steps:
        count += len(step.orders_made())
        if step.binds_umem:
            count += sum(_pieces(term) for pages in step.lists() for term in pages.terms)
    return count


def _pieces(term: Slice | Group) -> int:
    """How many runs of ascending pages *term* has, at most."""
    if isinstance(term, Group):
        return term.times * sum(map(_pieces, term.slices))
    return term.times * (1 if term.indices.step == 1 else len(term.indices))
