# SPDX-License-Identifier: MIT

"""What real kernels said: recorded once, and every model must still say the same."""

from __future__ import annotations

from functools import cache

import pytest
from attrs import evolve

from model.optimised import Optimised
from model.recording import RecordedKernel
from properties.judging.judge import judge
from tests.helpers import RECORDINGS
from tests.model.kernel.guest.wrong import WRONG
from tests.recording_reader import parse_recording, read_texts

FILES = sorted(RECORDINGS.glob("*.recording"))
texts = cache(read_texts)
NUMBERED = [(path, i) for path in FILES for i in range(len(texts(path)))]

each_recording = pytest.mark.parametrize(
    ("path", "number"), NUMBERED, ids=[f"{path.stem}-{i}" for path, i in NUMBERED]
)


@cache
def recording(path, number):
    """One recording of a file."""
    return parse_recording(texts(path)[number])


@each_recording
def test_reference_and_ledger(path, number):
    """The reference, and the ledger, say what the kernel showed; its puts are not dearer."""
    known = recording(path, number)
    verdict = judge(known.program, RecordedKernel(known))

    assert "agrees" == verdict.kind, verdict.worst


@each_recording
def test_optimised(path, number):
    """So does the optimised model, compared with the kernel itself."""
    known = recording(path, number)
    verdict = judge(known.program, Optimised(), reference=RecordedKernel(known))

    assert "agrees" == verdict.kind, verdict.worst


@each_recording
def test_text(path, number):
    """A recording is kept as it is written."""
    text = texts(path)[number]

    assert text == recording(path, number).text()


def test_enough():
    """There are a hundred of them at least, of a hundred steps and more, on all kinds of pages."""
    of_6_1 = [recording(path, i) for path, i in NUMBERED if path.stem.startswith("6.1-")]
    kinds = {m.kind for known in of_6_1 for m in known.program.mappings}
    orders = {e.order for known in of_6_1 for m in known.program.mappings for e in m.extents}
    calls = {step.call for known in of_6_1 for step in known.program.steps}

    everything = [recording(path, i) for path, i in NUMBERED]

    assert len(of_6_1) >= 100
    assert len(everything) - len(of_6_1) >= 50
    assert all(100 <= len(known.program.steps) <= 200 for known in everything)
    assert {"base", "thp", "hugetlb", "page-cache", "driver", "zero"} == kinds
    assert {0, 1, 2, 9, 18} < orders
    assert len(calls) >= 12
    assert sum(path.stat().st_size for path in FILES) < 1 << 19


@pytest.mark.parametrize("version", ["6.1", "6.12", "7.3"])
def test_attributes(version):
    """Of each version there are programs with the attributes that booted kernels take."""
    files = [(path, i) for path, i in NUMBERED if path.stem == f"{version}-attributes"]
    mappings = [m for path, i in files for m in recording(path, i).program.mappings]
    given = {(m.kind, name) for m in mappings for name in m.attributes.given()}

    assert {("thp", "mapped"), ("driver", "fault"), ("hugetlb", "present")} <= given
    assert {("base", "movable"), ("thp", "movable"), ("page-cache", "movable")} <= given
    assert {"mapped", "writable", "present", "fault", "movable", "migrates"} == {
        name for _, name in given
    }


@pytest.mark.parametrize("model", WRONG, ids=lambda model: model.__name__)
def test_wrong_models_are_caught(model):
    """Whoever varies the semantics a little is contradicted by what was recorded."""
    known = (recording(path, number) for path, number in NUMBERED)
    of_6_1 = (one for one in known if one.program.semantics.version == "6.1")
    verdicts = (judge(one.program, model(), reference=RecordedKernel(one)) for one in of_6_1)

    assert any(verdict.kind == "diverges" for verdict in verdicts)


@pytest.mark.parametrize("nth", [0, 20, 40])
@pytest.mark.parametrize(
    "forge",
    [{"refcount": 7}, {"pincount": 7}, {"allocated": None}, {"dirty": None}],
    ids=lambda forge: next(iter(forge)),
)
def test_recording_that_was_tampered_with(forge, nth):
    """What no kernel showed is noticed, wherever it stands."""
    path, number = NUMBERED[0]
    known = recording(path, number)
    at = [i for i, shown in enumerate(known.snapshots) if shown.heads][nth]
    shown = known.snapshots[at]
    page, state = next(iter(shown.heads.items()))
    forge = {what: not getattr(state, what) if n is None else n for what, n in forge.items()}
    changed = evolve(shown, heads={**shown.heads, page: state._replace(**forge)})
    forged = evolve(known, snapshots=(*known.snapshots[:at], changed, *known.snapshots[at + 1 :]))

    verdict = judge(forged.program, RecordedKernel(forged))
    assert ("diverges", at + 1) == (verdict.kind, verdict.steps)
