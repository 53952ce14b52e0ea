# SPDX-License-Identifier: MIT

"""The commands on kernels to boot, with machines that only answer what they are told."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from attrs import evolve

from model.abilities import Abilities
from model.candidate import Unavailable
from model.errors import BadInput
from model.kernel.guest.answer import CALLS
from model.kernel.guest.booted import ORDERS, ROOM
from model.kernel.guest.image import Image
from model.kernel.guest.measure import Ways
from model.memory import Panic
from model.optimised import Optimised
from properties import recordings
from properties.search import Search
from tests.helpers import run
from tests.recording_reader import parse_recording, read_texts

#: The module, which the command of that name hides.
GUEST = importlib.import_module("properties.cli.guest")

IMAGE = Image("6.1", "6.1.0-7", Path("kernel"), Path("cache/6.1.0-7/initrd"))

#: What a machine can do, as a model does it.
ABLE = Abilities(
    "able",
    semantics=frozenset({"6.1"}),
    calls=frozenset(CALLS),
    kinds=frozenset(ROOM),
    room=ROOM,
    orders_of=ORDERS,
    refs=1,
)


class Able(Optimised):
    """A model that is asked for no more than a machine."""

    abilities = ABLE


class Booted:
    """A kernel that is no kernel."""

    image = IMAGE
    abilities = ABLE

    def __init__(self, make=Able):
        self._make = make

    def __call__(self):
        return self._make()


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_prepare(monkeypatch):
    """What is done is told, how long it took, and what to do next; the second time it is quick."""

    def unpack(version, tell):
        tell(f"downloading {version}")
        return version

    monkeypatch.setattr(GUEST, "unpack", unpack)
    monkeypatch.setattr(GUEST, "build", lambda _unpacked, _tell: IMAGE)
    monkeypatch.setattr(GUEST, "emulator", lambda: "qemu")
    first = run("guest", "prepare")
    monkeypatch.setattr(GUEST, "unpack", lambda version, _tell: version)
    second = run("guest", "prepare", "--kernel", "6.12")

    assert 0 == first.exit_code == second.exit_code
    told, kernel, kept, example = first.output.splitlines()
    assert "downloading 6.1 ..." == told
    assert kernel.startswith("kernel   6.1.0-7, ready in ")
    assert "in       cache/6.1.0-7" == kept
    assert "try      headcount verify --candidate kernel-guest" == example
    assert second.output.startswith("kernel   6.1.0-7, was ready (")
    assert second.output.endswith("--candidate kernel-guest:6.12\n")


def test_prepare_without_emulator(monkeypatch):
    """A kernel alone is not enough: what is missing is told before anybody searches."""

    def emulator():
        reason = "kernel-guest needs qemu"
        raise BadInput(reason)

    monkeypatch.setattr(GUEST, "unpack", lambda version, _tell: version)
    monkeypatch.setattr(GUEST, "build", lambda _unpacked, _tell: IMAGE)
    monkeypatch.setattr(GUEST, "emulator", emulator)
    result = run("guest", "prepare")

    assert 2 == result.exit_code
    assert "headcount: kernel-guest needs qemu\n" == result.output


def test_prepare_without_apt(monkeypatch, tmp_path):
    """Elsewhere than on Debian that is one line."""
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("guest", "prepare")

    assert 2 == result.exit_code
    assert "headcount: kernels come from Debian packages, and apt-get is not installed\n" == (
        result.output
    )


def test_record(monkeypatch, home):
    """A file for each kind of page and one for all, each recording of 100 to 200 steps."""
    monkeypatch.setattr(GUEST, "load", lambda _text: Booted())
    result = run("guest", "record", "--each", 2, "--seed", 3, "-o", "out")
    files = sorted(Path("out").iterdir())

    assert 0 == result.exit_code, result.output
    assert [f"6.1-{name}.recording" for name in sorted((*ROOM, "all"))] == [f.name for f in files]
    for file in files:
        recordings = [parse_recording(text) for text in read_texts(file)]
        kinds = {m.kind for one in recordings for m in one.program.mappings}
        name = file.stem.removeprefix("6.1-")
        assert 2 == len(recordings)
        assert all(100 <= len(one.program.steps) <= 200 for one in recordings)
        assert kinds <= ({name, "base"} if name == "zero" else {*ROOM} if name == "all" else {name})
    assert result.output.endswith(
        "repeat   headcount guest record --kernel 6.1 --each 2 --seed 3 -o out --force\n"
    )
    assert max(map(len, result.output.splitlines())) <= 100
    before = [file.read_bytes() for file in files]
    files[1].write_text("mine")
    result = run("guest", "record", "--each", 2, "--seed", 3, "-o", "out")
    assert 2 == result.exit_code
    assert result.stderr.endswith(".recording: is there already; --force replaces it\n")
    assert "mine" == files[1].read_text()
    run("guest", "record", "--each", 2, "--seed", 3, "-o", "out", "--force")
    assert before == [file.read_bytes() for file in files]


def test_record_attributes(monkeypatch, home):
    """Programs in which mappings have attributes are a group of their own."""
    honours = {kind: frozenset() for kind in ROOM} | {"driver": frozenset({"writable"})}
    able = evolve(ABLE, attributes=frozenset({"writable"}), attributes_of=honours)

    class Takes(Able):
        abilities = able

    booted = Booted(Takes)
    booted.abilities = able
    monkeypatch.setattr(GUEST, "load", lambda _text: booted)
    result = run("guest", "record", "--group", "attributes", "--each", 2, "-o", "out")

    assert 0 == result.exit_code, result.output
    (file,) = Path("out").iterdir()
    assert "6.1-attributes.recording" == file.name
    assert "--kernel 6.1 --group attributes --each 2" in result.output
    for text in read_texts(file):
        mappings = parse_recording(text).program.mappings
        assert any(not m.attributes.writable for m in mappings)
        assert all(m.attributes.writable for m in mappings if m.kind != "driver")
    result = run("guest", "record", "--group", "none", "-o", "out")
    assert 2 == result.exit_code
    assert result.output.startswith("headcount: --group none: groups are base, driver, hugetlb, ")


def test_record_gigantic(monkeypatch, home):
    """Pages of 1 GiB have a file of their own."""
    asked = []

    def load(text):
        asked.append(text)
        booted = Booted()
        booted.abilities = evolve(ABLE, orders_of={"hugetlb": frozenset({9, 18})}, room={})
        return booted

    monkeypatch.setattr(GUEST, "load", load)
    result = run("guest", "record", "--gigantic", "--each", 1, "-o", "out")

    assert 0 == result.exit_code, result.output
    assert ["6.1,1g"] == asked
    assert ["6.1-gigantic.recording"] == [file.name for file in Path("out").iterdir()]
    assert "--kernel 6.1 --gigantic --each 1" in result.output


def test_record_what_disagrees(monkeypatch, home):
    """What the models do not agree with is told, and not kept."""

    class Forgets(Able):
        def set_page_dirty(self, pages):
            pass

    monkeypatch.setattr(GUEST, "load", lambda _text: Booted(Forgets))
    result = run("guest", "record", "--each", 1, "-o", "out")

    assert 1 == result.exit_code
    assert result.output.startswith("DIVERGED at step ")
    assert not Path("out").exists()


def test_record_what_crashes(monkeypatch, home):
    """A kernel that ends is told as a finding, with the program."""

    class Crashes(Able):
        def set_page_dirty(self, pages):
            reason = "BUG: Bad page state"
            raise Panic(reason)

    monkeypatch.setattr(GUEST, "load", lambda _text: Booted(Crashes))
    result = run("guest", "record", "--each", 1, "-o", "out")

    assert 1 == result.exit_code
    assert "set_page_dirty raised Panic: BUG: Bad page state" in result.output
    assert "# headcount 1" in result.output


def test_record_nowhere(monkeypatch, home):
    """A directory that cannot be written to is told."""
    monkeypatch.setattr(GUEST, "load", lambda _text: Booted())
    Path("out").write_text("no directory")
    result = run("guest", "record", "--each", 1, "-o", "out")

    assert 2 == result.exit_code
    assert "headcount: out/6.1-base.recording: " in result.output


def test_no_program():
    """Where no program of that length can be drawn, the search for one ends."""
    able = evolve(ABLE, calls=frozenset({"put_page"}))
    with pytest.raises(LookupError, match="no program of "):
        recordings.draw(Search(Able), able, 1)


WAYS = [
    Ways("base", 512, 51_200, 25_600, 25_600, 102_400, {1: 102_400}),
    Ways("thp", 512, 51_200, 5_120, 5_120, 102_400, {1: 102_400, 16: 10_240, 512: 512}),
]


class Measured:
    """A machine that has measured already."""

    kinds = ("base", "thp")
    closed = False

    def __init__(self, image, npages, *, count):
        self.asked = (image, npages, count)
        type(self).last = self

    def ways(self, kind, rounds):
        return next(ways for ways in WAYS if ways.kind == kind)

    def close(self):
        self.closed = True


@pytest.fixture
def measured(monkeypatch):
    """The machine that was measured in."""
    monkeypatch.setattr(GUEST, "load", lambda _text: Booted())
    monkeypatch.setattr(GUEST, "Measure", Measured)
    return Measured


def test_measure(measured):
    """What it takes for each page, and the ratios, in tables."""
    result = run("guest", "measure", "--mib", 2, "--rounds", 3)
    rows = [line.split() for line in result.output.splitlines()]

    assert 0 == result.exit_code, result.output
    assert ["THP", "100", "10", "10", "200", "200", "20", "1"] in rows
    assert ["4", "KiB", "100", "50", "50", "200", "200", "-", "-"] in rows
    assert ["THP", "10", "10", "1", "10", "200"] in rows
    assert "ns for each page" in result.output
    assert result.output.endswith("repeat   headcount guest measure --mib 2 --rounds 3\n")
    assert max(map(len, result.output.splitlines())) <= 100
    assert (IMAGE, 512, False) == measured.last.asked
    assert measured.last.closed


def test_measure_instructions(measured):
    """Instructions are counted on fewer pages."""
    result = run("guest", "measure", "--instructions", "--kernel", "6.12")

    assert "instructions for each page" in result.output
    assert (IMAGE, 1 << 14, True) == measured.last.asked
    assert result.output.endswith("headcount guest measure --kernel 6.12 --instructions\n")


def test_measure_json(measured):
    """The same for machines."""
    found = json.loads(run("guest", "measure", "--json").output)

    assert (1, "guest measure") == (found["headcount"], found["command"])
    assert ["base", "thp"] == [ways["kind"] for ways in found["kinds"]]
    assert 51_200 == found["kinds"][0]["one"]


def test_measure_fails(measured, monkeypatch):
    """What cannot be measured is one line, and the machine is stopped."""

    def ways(_self, _kind, _rounds):
        reason = "the guest cannot measure: no pages"
        raise Unavailable(reason)

    monkeypatch.setattr(Measured, "ways", ways)
    result = run("guest", "measure")

    assert 2 == result.exit_code
    assert "headcount: the guest cannot measure: no pages\n" == result.output
    assert measured.last.closed


@pytest.mark.parametrize("command", ["verify", "replay"])
def test_unprepared(command, home):
    """A candidate that was not prepared is one line."""
    Path("some.trace").write_text("# headcount 1\n")
    words = [] if command == "verify" else ["some.trace"]
    result = run(command, *words, "--candidate", "kernel-guest")

    assert 2 == result.exit_code
    assert "headcount: kernel-guest: kernel 6.1 is not prepared; run headcount guest prepare\n" == (
        result.output
    )
