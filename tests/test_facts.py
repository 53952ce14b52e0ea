# SPDX-License-Identifier: MIT

"""The facts that all models share: no model can contradict another there, but a kernel can.

Each fact of each kernel version is planted with a wrong value, and every model that reads it must
then differ from what a kernel of that version was recorded to show (tests/facts.py).
"""

from __future__ import annotations

import ast
import importlib
import sys
from functools import cache
from itertools import product
from pathlib import Path

import attrs
import pytest
from attrs import evolve

from model.abilities import FIELDS
from model.errors import BadInput
from model.kernel.guest.booted import BOOTED_ODDITIES
from model.kernel.source.build import known_for
from model.optimised import Optimised
from model.page import wrapped
from model.recording import RecordedKernel
from model.reference import Reference
from model.semantics import MAX_ORDER, SEMANTICS, Semantics
from properties.judging.judge import Run
from properties.judging.ledger import Ledger
from properties.judging.oracles.agreement import agreement
from properties.judging.oracles.record import HeadHistory, Record
from tests.facts import FACTS, odd
from tests.helpers import ROOT
from tests.recording_reader import parse_recording, read_texts

#: The recordings of each kernel, by the name of their file.
KNOWN = {
    path.stem: [parse_recording(text) for text in read_texts(path)]
    for path in sorted(FACTS.glob("*.recording"))
}
#: What booted kernels showed of pins by GUP-fast.
FAST = [known for name in [*KNOWN] if name.endswith("-fast") for known in KNOWN.pop(name)]

#: Fields of `Semantics` that no count shows, and why.
NOT_SHOWN = {
    "version": "the name of the row",
    "orders": "what exists is the choice of a configuration; programs draw from it, nothing counts",
    "folio_calls": "says which calls exist: a trace with one of them no longer applies to a tree",
    "adds_pins": "likewise",
    "lacks": "what exists: programs draw from it, nothing counts",
    "left_to_slow_path": "no model reads it: see test_left_to_slow_path",
    "tail_mask": "no model reads it: of compiled trees it allows a configuration",
}

#: Facts that a model does not read.
UNREAD = {
    ("batched", "reference"): "goes page by page in every version",
    ("in_section", "reference"): "has no memory model",
    ("in_section", "optimised"): "has no memory model",
    ("SECTION", "reference"): "has no memory model",
    ("SECTION", "optimised"): "has no memory model",
    ("MIN_ERR_VALUE", "reference"): "has the value itself",
    ("MIN_ERR_VALUE", "ledger"): "takes every npages= for an error value; Step.complaint checks",
}

#: Fields of rows that make no difference, and why.
NO_DIFFERENCE = {
    ("5.11", "in_section"): "has no range call",
    ("5.13", "in_section"): "leaves sections anyway",
    ("6.15-32", "reads_apart"): "on 32 bits mappings have no attributes",
    ("6.15-32", "grabs_movable"): "likewise",
    ("5.11", "grabs_movable"): "does not know pages that have to move",
}

#: The constants that are facts, and the wrong values planted: the sum with each, or half or twice.
CONSTANTS = {
    "BIAS": (-1, 1, "half", "twice"),
    "PAGE_SIZE": (-1, 1, "half", "twice"),
    "PMD_ORDER": (-1, 1),
    "SECTION": (-1, 1, "half", "twice"),
    "MIN_ERR_VALUE": (1,),  # a trace has no npages= below -4095
}

#: The other constants that all models read, and why they are no facts of a kernel.
NO_FACTS = {
    "FIRST_PFN": "where a mapping lies if it does not say",
    "FOLL_LONGTERM": "a number of headcount's own: no two kernels agree on it",
    "FOLL_PIN": "likewise",
    "FOLL_WRITE": "likewise",
    "LINE_LIMIT": "the format of traces",
    "MAX_COUNT": "the largest count of `wrapped`, see test_counts_wrap",
    "MAX_LISTED": "the format of traces",
    "MAX_ORDER": "a bound of mappings: see test_largest_page",
    "MAX_PFN": "a bound of mappings",
    "MAX_REFS": "a bound of mappings",
    "MAX_SCATTERED": "a bound of mappings",
    "MAX_SEGMENT": "a default of an argument; candidates get the value",
    "MAX_STORED": "a limit of memory: how many frames are looked up in a table",
    "MIN_COUNT": "the smallest count of `wrapped`, likewise",
    "MIN_ERRNO": "the format of traces",
    "MIN_REPEATED": "the format of traces",
    "NULL": "a frame number of headcount's own",
    "PUD_ORDER": "twice PMD_ORDER: all tables have as many entries",
    "ULONG_VALUES": "the format of traces",
    "VERSION": "the format of traces",
}


def by_model(model, known, row):
    """How *model*, counting as *row*, differs from what is *known*; empty if it does not."""
    program = known.program
    steps = program.steps[:-1] if odd(program) else program.steps
    program = evolve(program, semantics=row, steps=steps)
    shown = model().execute(program)
    ledger = Ledger(row, program.mappings)
    before = {}
    for index, step in enumerate(steps):
        theirs = known.snapshots[index] if index < len(known.snapshots) else None
        if step.lacked_by(row):
            return f"{step.call} exists"
        try:
            ours = next(shown)
        except Exception as err:
            return f"{step.call} does not raise {err!r}" if theirs else ""
        if theirs is None:
            return f"{step.call} ends in an Oops"
        found = agreement(
            Record(
                index=index,
                step=step,
                reference=ours,
                candidate=theirs,
                ledger=ledger,
                returned=None,
                before=before,
                history=HeadHistory(),
                fields=FIELDS,
                judge=model.__name__,
            )
        )
        if found:
            return found.summary
        if model is Optimised and step.releases_umem and ours.puts != theirs.puts:
            return f"{step.call} takes {theirs.puts} puts, not {ours.puts}"
        before.update(ours.heads)
    return ""


class Shown(RecordedKernel):
    """A recorded kernel with the oddities that are known for it where *row* is its semantics."""

    def __init__(self, known, row):
        super().__init__(known)
        _, _, config = known.kernel.rstrip(")").partition("(")
        model, *configs = config.split(", ")
        self._oddities = known_for(row, model, configs) if model else BOOTED_ODDITIES[row.version]

    @property
    def abilities(self):
        return evolve(super().abilities, oddities=self._oddities)


def by_ledger(known, row):
    """How the ledger, with *row*, differs from what is *known*; empty if it does not."""
    program = known.program
    run = Run(Shown(known, row), program.mappings, row, alone=True, around=False)
    for index, step in enumerate(program.steps):
        if step.lacked_by(row):
            return f"{step.call} exists"
        try:
            found = run.step(step)
        except BadInput as err:
            return str(err) if index < len(known.snapshots) else ""
        if run.met and not found:
            return f"{step.call} does not show {run.met.name}"
        if found:
            return "" if run.met else found.summary
    return run.dearer.summary if run.dearer else ""


MODELS = {
    "reference": lambda known, row: by_model(Reference, known, row),
    "optimised": lambda known, row: by_model(Optimised, known, row),
    "ledger": by_ledger,
}


def plant(monkeypatch, name, old, new):
    """Replace the value *old* of *name* by *new*, in each module that has imported it."""
    for module in [*sys.modules.values()]:
        ours = module.__name__.startswith(("model.", "properties."))
        if ours and vars(module).get(name) == old:
            monkeypatch.setattr(module, name, new)


def differs(model, version=None, row=None):
    """The first way in which *model* differs from what kernels showed; empty if in none.

    :param version: Only kernels of this version count; None: all do.
    :param row: What the model takes for the row of the version; None: the row itself.
    """
    known = [one for found in KNOWN.values() for one in found]
    known = [one for one in known if version in {None, one.program.semantics.version}]
    found = (MODELS[model](one, row or one.program.semantics) for one in known)
    return next(filter(None, found), "")


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("version", SEMANTICS)
def test_models_agree(version, model):
    """Where nothing is planted, each model agrees with all that kernels of a version showed."""
    assert version in {one.program.semantics.version for found in KNOWN.values() for one in found}
    assert "" == differs(model, version)


@pytest.mark.parametrize("name", KNOWN)
def test_text(name):
    """A file is text, as it is written; it has what one kernel showed of one version."""
    found = KNOWN[name]

    assert (FACTS / f"{name}.recording").read_text() == "".join(one.text() for one in found)
    assert 1 == len({one.kernel for one in found})
    assert 1 == len({one.program.semantics.version for one in found})


def planted_in_rows():
    """(version, field, wrong value, model) of each field of each row, for models that read it."""
    for version, row in SEMANTICS.items():
        for field in attrs.fields(Semantics):
            value = getattr(row, field.name)
            if field.name in NOT_SHOWN or (version, field.name) in NO_DIFFERENCE:
                continue
            wrong = [not value] if isinstance(value, bool) else [value - 1, value + 1]
            models = [model for model in MODELS if (field.name, model) not in UNREAD]
            yield from ((version, field.name, *pair) for pair in product(wrong, models))


@pytest.mark.parametrize(("version", "field", "wrong", "model"), [*planted_in_rows()])
def test_rows(version, field, wrong, model):
    """A wrong value in the row of a version is contradicted by a kernel of that version."""
    assert differs(model, version, evolve(SEMANTICS[version], **{field: wrong}))


def planted_constants():
    """(name, value, wrong value, model) of each constant that is a fact, likewise."""
    for name, changes in CONSTANTS.items():
        value = shared()[name]
        named = {"half": value // 2, "twice": value * 2}
        wrong = [named[change] if change in named else value + change for change in changes]
        models = [model for model in MODELS if (name, model) not in UNREAD]
        yield from ((name, value, *pair) for pair in product(wrong, models))


@cache
def shared():
    """The integers, by name, of the modules that reference, optimised and ledger all import."""
    roots = ("model.reference", "model.optimised", "properties.judging.ledger")
    found = {}
    for name in set.intersection(*map(imported, roots)):
        module = importlib.import_module(name)
        for statement in ast.parse(Path(module.__file__).read_text()).body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    value = getattr(module, node.id, None)
                    if isinstance(value, int) and node.id.isupper():
                        found[node.id] = value
    return found


def imported(name):
    """The modules of this checkout that the module *name* imports, and those import, and so on."""
    found, waiting = set(), [name]
    while waiting:
        name = waiting.pop()
        path = ROOT / f"{name.replace('.', '/')}.py"
        if name in found or not path.is_file():
            continue
        found.add(name)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                waiting += [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [one.name for one in node.names]
    return found


@pytest.mark.parametrize(("name", "value", "wrong", "model"), [*planted_constants()])
def test_constants(name, value, wrong, model, monkeypatch):
    """A wrong value of a constant is contradicted by a kernel."""
    plant(monkeypatch, name, value, wrong)

    assert differs(model)


@pytest.mark.parametrize("known", FAST, ids=lambda known: known.program.semantics.version)
def test_left_to_slow_path(known):
    """The statistics of a booted kernel count a pin twice if GUP-fast leaves it to the slow path.

    No booted kernel shows it of 6.18 and 7.1.
    """
    first, second = known.snapshots
    left = known.program.semantics.left_to_slow_path

    assert (("driver", 0) in left) == (first.acquired == 2) == (first.released == 1)
    assert (("driver", 1) in left) == (second.acquired - first.acquired == 4)


def test_all_are_planted():
    """Every constant that all models read is planted, or it is said why it is no fact."""
    assert sorted(shared()) == sorted([*CONSTANTS, *NO_FACTS])


def test_largest_page(monkeypatch):
    """Compound pages are as large as MAX_ORDER says: if it were lower, recordings would not be."""
    plant(monkeypatch, "MAX_ORDER", MAX_ORDER, MAX_ORDER - 1)
    with pytest.raises(BadInput, match=f"order {MAX_ORDER} is not in"):
        [parse_recording(one.text()) for found in KNOWN.values() for one in found]


@pytest.mark.parametrize("model", MODELS)
def test_counts_wrap(model, monkeypatch):
    """That a count is a signed integer of 32 bits is said once, for all models."""
    plant(monkeypatch, "wrapped", wrapped, int)

    assert differs(model)
