# SPDX-License-Identifier: MIT

"""How a machine is started, talked to and ended, with one that has no kernel."""

from __future__ import annotations

import pytest

from model.candidate import Unavailable
from model.errors import BadInput
from model.kernel.guest.emulator import Emulator, Ended
from model.kernel.guest.guest import Guest
from model.kernel.guest.measure import Measure
from model.memory import NoProgress, Panic
from model.parse import parse_program
from properties.judging.judge import judge
from tests.model.kernel.guest.conftest import CLEANED, PINNED, PROGRAM


@pytest.fixture
def emulator(fake, image):
    """A machine that has come up, with what it answers."""
    made = []

    def start(*lines):
        fake(*lines)
        made.append(Emulator(image, 64))
        made[-1].boot()
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_talks(emulator):
    """Requests go in, lines come out, as many as are waited for."""
    machine = emulator("one => = 1 0 0 ; = 2 0 0", "two => = 3 0 0")

    assert ["= 1 0 0", "= 2 0 0", "= 3 0 0"] == machine.talk(b"one\ntwo\n", 3)
    assert machine.running
    machine.close()
    assert not machine.running


def test_much_goes_both_ways(emulator):
    """Neither side waits for the other to take what it has to say."""
    machine = emulator(f"say => {'x' * 4000}")

    assert 2_000 == len(machine.talk(b"say it once more, please\n" * 2_000, 2_000))


def test_no_qemu(image, monkeypatch, tmp_path):
    """Where there is no emulator, what to install is told."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="apt install --no-install-recommends qemu-system-x86"):
        Emulator(image, 64)


@pytest.mark.parametrize(
    ("ready", "reason"),
    [
        ("!console Kernel says no ; !die", "did not boot|the guest ended: .*Kernel says no"),
        ("!die no such kernel", "the guest ended: .*"),
        ("what", r"did not boot: .*hello"),
    ],
)
def test_does_not_come_up(emulator, ready, reason):
    """A machine that does not come up is told with what it said last."""
    with pytest.raises(Ended, match=reason):
        emulator(f"ready => {ready}")


def test_does_not_come_up_in_time(emulator, monkeypatch):
    """Nor is it waited for for ever."""
    monkeypatch.setattr("model.kernel.guest.emulator.BOOT_SECONDS", 1.0)
    with pytest.raises(Ended, match="did not boot"):
        emulator("ready => !silent")


@pytest.mark.parametrize("length", [1, 100_000])
def test_ends(emulator, length):
    """What a machine said last is told when it has ended, also before it has heard all."""
    machine = emulator("go => !console farewell ; !die")
    with pytest.raises(Ended, match=r"the guest ended: .*farewell"):
        machine.talk(b"go\n" * length, 1)
    assert not machine.running


def test_ends_in_silence(image, fake, monkeypatch, tmp_path):
    """Or else what its emulator complains of."""
    qemu = tmp_path / "bin" / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho first >&2; echo it is broken >&2\nexit 1\n")
    machine = Emulator(image, 64)
    with pytest.raises(Ended, match="the guest ended: it is broken"):
        machine.boot()


def test_says_nothing_at_all(image, fake, monkeypatch, tmp_path):
    """Or that there is nothing to tell."""
    (tmp_path / "bin" / "qemu-system-x86_64").write_text("#!/bin/sh\nexit 1\n")
    machine = Emulator(image, 64)
    with pytest.raises(Ended, match="the guest ended: no console output"):
        machine.boot()


def test_silence(emulator):
    """A machine that says nothing is stopped."""
    machine = emulator("go => !silent")
    with pytest.raises(NoProgress, match="does not return"):
        machine.talk(b"go\n", 1, 0.2)
    assert not machine.running


@pytest.mark.parametrize("alarm", ["BUG: unable to", "Oops: 0000", "Kernel panic - not"])
def test_alarm(emulator, alarm):
    """What a kernel says of its own trouble is told, without the clock."""
    machine = emulator(f"go => !console [    7.5] {alarm} ; = 0 0 0")
    with pytest.raises(Panic) as told:
        for _ in range(100):
            machine.talk(b"go\n", 1)

    assert str(told.value).startswith(alarm)


def test_program(booted, fake):
    """A program is carried out as a whole, and shows what the agent answers."""
    fake(PINNED, CLEANED)
    program = parse_program(PROGRAM)

    assert "agrees" == judge(program, booted()).kind
    assert 1 == booted.guest.boots


def test_lines(booted):
    """Which lines of a booted kernel run is not known, and it is told why."""
    with booted.listening(0):
        under = booted.under_test()

    assert "a booted kernel does not tell" == under.unknown
    assert booted.changes(under) is None


@pytest.mark.parametrize(
    ("lines", "what", "summary"),
    [
        (("pin => = 0 1 0",), "returned", "returned after pin_user_pages"),
        ((PINNED, "clean => ! nobody knows"), "raised_Panic", "clean raised Panic: in the guest"),
        ((PINNED, "clean => what"), "raised_Panic", "clean raised Panic: the guest answers"),
        ((PINNED, "clean => !die"), "raised_Panic", "clean raised Panic: the guest ended"),
        ((PINNED, CLEANED, "end => . 1 "), "raised_Panic", "clean raised Panic: after the last"),
        ((PINNED, CLEANED, "end => . 0 why"), "raised_Panic", "after the last step: why"),
    ],
)
def test_findings(booted, fake, lines, what, summary):
    """What a machine does wrong is a finding of the step at which it does it."""
    fake(*lines)
    verdict = judge(parse_program(PROGRAM), booted())

    assert what == verdict.finding.what
    assert summary in verdict.finding.summary
    assert verdict.steps == (1 if what == "returned" else 2)


def test_used_up(booted, fake):
    """A machine that cannot start a program is replaced, and at last given up."""
    fake("settle => ! no 3 base pages with consecutive frames")
    with pytest.raises(
        Unavailable, match="the guest cannot start the program: in the guest: no 3 base"
    ):
        judge(parse_program(PROGRAM), booted())
    assert 3 == booted.guest.boots


def test_warned_while_mapping(booted, fake):
    """Nor does a program begin in a machine whose kernel warned while pages were mapped."""
    fake("settle => = 0 0 0 w mm/memory.c:7")
    with pytest.raises(Unavailable, match=r"a WARN at mm/memory\.c:7 while pages were mapped"):
        judge(parse_program(PROGRAM), booted())


def test_never_there(booted, fake):
    """One that never comes up is no finding either."""
    fake("ready => !die")
    with pytest.raises(Unavailable, match="the guest does not boot: the guest ended"):
        judge(parse_program(PROGRAM), booted())


def test_no_room(booted, fake):
    """A machine that has not the pages that it should have is none."""
    fake("room thp => . 0 no thp page: Cannot allocate memory")
    with pytest.raises(Unavailable, match="the guest does not boot: no thp page: Cannot allocate"):
        judge(parse_program(PROGRAM), booted())


def test_step_by_step(booted, fake):
    """A program goes on as long as no other has begun."""
    fake(PINNED)
    guest = booted.guest
    owner = object()
    guest.one(owner, ["place base 1 0"], "pin 0 0 0")
    assert guest.one(owner, [], "pin 0 0 0").startswith("= 1")
    with pytest.raises(RuntimeError, match="another program has started"):
        guest.one(object(), [], "pin 0 0 0")
    assert 1 == len(guest.whole(["place base 1 0"], ["pin 0 0 0"])[0])
    assert 1 == guest.boots


def test_left_unclean_in_the_middle(booted, fake):
    """What a program that went step by step has left behind costs the machine, and no more."""
    fake(PINNED, "end#1 => . 1 ")
    guest = booted.guest
    guest.one(guest, ["place base 1 0"], "pin 0 0 0")
    fake(PINNED)
    assert 1 == len(guest.whole(["place base 1 0"], ["pin 0 0 0"])[0])
    assert 2 == guest.boots


@pytest.mark.parametrize(
    "end", ["!console BUG: Bad page state", "!die", "what", ". 0 a WARN at mm/memory.c:3"]
)
def test_end_of_the_one_before(booted, fake, end):
    """What the end of a program sets off is not blamed on the next one."""
    fake(PINNED, CLEANED, f"end#1 => {end} ; . 0 ")
    guest = booted.guest
    guest.one(guest, ["place base 1 0"], "pin 0 0 0")
    guest.one(guest, [], "pin 0 0 0")
    fake(PINNED, CLEANED)

    assert "agrees" == judge(parse_program(PROGRAM), booted()).kind


def test_killed_while_idle(booted, fake):
    """A machine that somebody ends between two programs is replaced."""
    fake(PINNED, CLEANED)
    assert "agrees" == judge(parse_program(PROGRAM), booted()).kind
    process = booted.guest._started()._process
    process.kill()
    process.wait()

    assert "agrees" == judge(parse_program(PROGRAM), booted()).kind
    assert 2 == booted.guest.boots


def test_killed_at_work(booted, fake):
    """One that somebody ends at work is no finding of the kernel."""
    fake("pin => !kill")
    with pytest.raises(Unavailable, match="QEMU was killed by SIGKILL"):
        judge(parse_program(PROGRAM), booted())


def test_seen_once(booted, fake, monkeypatch):
    """Trouble that comes neither step by step nor once more is none."""
    fake(PINNED, "clean => ! a hiccup")
    judged = judge(parse_program(PROGRAM), booted())
    assert "a hiccup" in judged.finding.summary
    booted.guest.close()
    boot = booted.guest._started

    def mended():
        if booted.guest.boots > 1:
            fake(PINNED, CLEANED)
        return boot()

    monkeypatch.setattr(type(booted.guest), "_started", lambda _self: mended())
    fake(PINNED, "clean => !die")
    assert "agrees" == judge(parse_program(PROGRAM), booted()).kind


def test_seen_in_one_go_alone(booted, fake):
    """What only happens when steps go in one go is told so."""
    fake(PINNED, CLEANED, "end => . 1 ")
    finding = judge(parse_program(PROGRAM), booted()).finding

    assert (
        "1 pages differ from before the program (only with all steps in one request)"
        in finding.summary
    )


def test_begins_otherwise(booted, fake):
    """Pages that do not begin as they should end the machine, not the program."""
    fake("settle => = 0 0 0 h 1:1:0:3")
    with pytest.raises(Unavailable, match="page 1 is not in its initial state"):
        judge(parse_program(PROGRAM), booted())


def test_alarm_in_two_pieces(emulator):
    """A line that comes in two pieces is one line."""
    answers = ("go => !part Kernel pa ; = 0 0 0", "on => !console nic - not syncing ; = 0 0 0")
    machine = emulator(*answers)
    machine.talk(b"go\n", 1)
    with pytest.raises(Panic, match="Kernel panic - not syncing"):
        for _ in range(100):
            machine.talk(b"on\n", 1)


def test_interrupted(booted, fake, monkeypatch):
    """Who interrupts leaves no machine that is in the middle of something."""
    fake(PINNED)
    booted.guest.one(booted, ["place base 1 0"], "pin 0 0 0")
    emulator = booted.guest._started()

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("model.kernel.guest.emulator.select.select", interrupted)
    with pytest.raises(KeyboardInterrupt):
        booted.guest.one(booted, [], "pin 0 0 0")
    assert not emulator.running


def test_measure(fake, image):
    """Each way is asked for, and the median of the passes but the first is told."""
    fake(
        "bench 0 => = 500 0 0", "bench 1 => = 300 0 0", "bench 2 => = 700 0 0", "bench 3 => = 9 0 0"
    )
    measured = Measure(image, 1 << 18, count=False)
    try:
        ways = [measured.ways(kind, 3) for kind in measured.kinds]
    finally:
        measured.close()

    assert ["base", "thp", "hugetlb", "gigantic"] == [way.kind for way in ways]
    assert (500, 300, 300, 700) == (
        ways[0].one,
        ways[0].batches,
        ways[0].listed,
        ways[0].dirty_one,
    )
    assert [{1}, {1, 16, 512}, {1, 16, 512}, {1, 16, 512, 1 << 18}] == [
        set(way.ranges) for way in ways
    ]


def test_measure_without_gigantic(fake, image):
    """Fewer pages than 1 GiB are of no page of that size; counted, the clock is another."""
    fake()
    measured = Measure(image, 1 << 14, count=True)
    measured.close()

    assert ["base", "thp", "hugetlb"] == measured.kinds
    assert "-icount" in measured._emulator._process.args


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("ready => !die",), "the guest ended"),
        (("bench => = -34 0 0",), "the guest cannot measure: error -34 from bench 3 1"),
        (("bench => ! no 4 pages of base",), "cannot measure: in the guest: no 4 pages"),
    ],
)
def test_measure_fails(fake, image, lines, reason):
    """What cannot be measured is told in one line."""
    fake(*lines)
    with pytest.raises(Unavailable, match=reason):
        Measure(image, 512, count=False).ways("base", 1)


def test_guest_closes_twice(image):
    """A machine that was never started is closed all the same."""
    guest = Guest(image, 64, {})
    guest.close()

    assert 0 == guest.boots
