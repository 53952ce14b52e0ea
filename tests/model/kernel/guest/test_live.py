# SPDX-License-Identifier: MIT

"""Kernels that are booted, and compared with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from attrs import evolve

from model.kernel.guest.answer import CALLS
from model.kernel.guest.booted import MEMORY, POOLS
from model.kernel.guest.candidate import KernelGuest
from model.kernel.guest.emulator import Emulator, Ended
from model.kernel.guest.guest import Guest
from model.kernel.guest.packages import VERSIONS
from model.parse import parse_program, read_program
from model.recording import RecordedKernel, Recording
from model.semantics import SEMANTICS
from properties.judging.applicable import inapplicable
from properties.judging.judge import judge
from properties.recordings import draw, groups
from properties.search import Search, Tally
from properties.searches.registry import load
from tests.helpers import TESTS
from tests.model.kernel.guest.wrong import WRONG

TRACES = sorted((TESTS / "traces").glob("*.trace"))

pytestmark = pytest.mark.slow("boots kernels in an emulator")

each_version = pytest.mark.parametrize("version", VERSIONS)

#: Traces that ask for more than a machine has, and why.
REFUSED = {
    "append-fails": "has no ib_umem_get()",
    "devmap-longterm": "has no device-dax mappings",
    "faults": "has no base mappings with present=False",
    "gone": "has no device-dax mappings",
    "freed-and-split": "has no alloc_pages()",
    "longterm-stays": "has no hugetlb pages of order 2",
    "mapped-again": "has no base mappings with present=False, movable=True",
    "mapped-pmd": "has no hugetlb pages of order 18",
    "mapped-pud": "has no hugetlb pages of order 18",
    "memfd": "has no page-cache pages of order 3",
    "one-tebibyte": "has no hugetlb pages of order 18",
    "product": "passes no list of more than 524288 pages",
    "read-only-region": "has no ib_umem_get()",
    "run-of-zero-at-2-32": "has no hugetlb pages of order 18",
    "sections-gigantic": "has no hugetlb pages of order 18",
    "sections-walk": "has no hugetlb pages of order 18",
    "shared": "has no mappings with shared=True",
    "steps-over": "has no hugetlb pages of order 2",
    "v1-mapping-fails": "has no ib_umem_get()",
    "v1-nmap": "has no ib_umem_get()",
}

#: Traces with calls that no machine makes, or not all of them.
NOT_CALLED = (
    *(
        "error-npages-folio",
        "fast-then-slow",
        "fork",
        "gets-fast",
        "mapped-pte",
        "null-between-folios",
        "split",
        "uncounted-pin",
    ),
    "zero-unpinned",
)

#: What other traces come to where they do not agree.
VERDICTS = {
    # Calls of folios, and changes of page tables under GUP-fast.
    **{(stem, v): "inapplicable" for stem in NOT_CALLED for v in VERSIONS},
    ("hugetlb-longterm", "6.1"): "odd",
    ("longterm", "6.12"): "inapplicable",
    ("longterm", "7.3"): "inapplicable",
    ("null-in-run", "6.1"): "inapplicable",
    ("null-in-run", "6.12"): "odd",
    ("null-in-run", "7.3"): "odd",
    ("null-skipped", "6.1"): "inapplicable",
    ("read-only", "6.12"): "inapplicable",
    ("read-only", "7.3"): "inapplicable",
    ("one-grab", "6.1"): "odd",
    ("one-grab", "6.12"): "inapplicable",
    ("one-grab", "7.3"): "inapplicable",
    ("one-grab-slow", "6.1"): "odd",
    ("one-grab-slow", "6.12"): "odd",
    ("one-grab-slow", "7.3"): "odd",
}


def recorded(booted, program):
    """What *booted* shows of *program*."""
    return Recording(booted.image.abi, program, tuple(booted().execute(program)))


def tree(text):
    """A program of 6.1, or as it says."""
    return parse_program(f"# headcount 1\n{text}")


@each_version
@pytest.mark.parametrize(("search", "rounds"), [("predrawn", 10), ("machine", 1), ("laws", 3)])
def test_counts_as_the_models_do(machines, version, search, rounds):
    """What a booted kernel shows is what the reference says, and nothing is drawn in vain."""
    tally = Tally()
    booted = machines(version)
    watched = Search(booted, SEMANTICS[version], strict=True, watcher=tally)
    for number in range(rounds):
        load(search)(watched, number)

    assert tally.worst is None, tally.worst[1].summary
    assert tally.steps > 100


@each_version
def test_every_probe_hears(machines, version):
    """What rests on the journal is judged, as nothing is missing in it."""
    assert () == machines(version).abilities.unheard


UNPINS = ("unpin_user_pages", "unpin_user_pages_dirty_lock", "unpin_user_page_range_dirty_lock")


@pytest.mark.parametrize(
    ("version", "place", "event", "calls", "absent"),
    [
        # unpin_user_page() is heard by what it counts.
        ("6.1", "gup_put_folio:panic", "put", UNPINS, False),
        ("6.1", "folio_mark_dirty:no_such_function", "dirty", UNPINS[1:], True),
        ("6.1", "__warn:panic", "warning", ("",), False),
        # In 7.3 it is heard by nothing else.
        ("7.3", "mod_node_page_state:panic", "put", ("unpin_user_page",), False),
    ],
)
def test_probe_that_hears_nothing(machines, version, place, event, calls, absent):
    """A probe on what is never called is found out, and so is one that cannot be installed."""
    guest = Guest(machines(version).image, MEMORY, POOLS, (f"probe={place}",))
    try:
        unheard = guest.unheard()
    finally:
        guest.close()

    assert [(event, call, absent) for call in calls] == [
        (one.event, one.call, one.absent) for one in unheard
    ]


@each_version
@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_trace(machines, version, path):
    """Each trace is refused with its reason, or comes to the verdict that is written down."""
    booted = machines(version)
    program = evolve(read_program(path), semantics=SEMANTICS[version])
    verdict = judge(program, booted())
    if path.stem in REFUSED:
        assert verdict.inapplicable.endswith(REFUSED[path.stem])
        return
    usual = "misuse" if program.misuse else "agrees"
    expected = VERDICTS.get((path.stem, version), usual)

    assert expected == verdict.kind, verdict


def test_misuse_ends_as_in_a_kernel(machines):
    """A page that is freed while it is mapped ends as it does, and leaves no machine behind."""
    booted = machines("6.1")
    program = read_program(TESTS / "traces/over-unpin.trace")
    verdict = judge(evolve(program, semantics=SEMANTICS["6.1"]), booted())

    assert "Bad page state" in verdict.harm
    assert "agrees" == judge(read_program(TESTS / "traces/zero-page.trace"), booted()).kind


@pytest.mark.skipif(
    os.environ.get("HEADCOUNT_GUEST") != "long",
    reason="takes half a minute and 3 GiB: set HEADCOUNT_GUEST=long",
)
@each_version
def test_gigantic(machines, version):
    """Pages of 1 GiB, where they are asked for."""
    booted = machines(f"{version},1g")
    ((_, abilities),) = groups(booted.abilities)
    search = Search(booted, SEMANTICS[version])
    recording = recorded(booted, draw(search, abilities, 1))
    booted.guest.close()

    assert {18} == {e.order for m in recording.program.mappings for e in m.extents}
    assert "agrees" == judge(recording.program, RecordedKernel(recording)).kind


def test_share_that_runs(machines):
    """Of the programs that are drawn, nineteen of twenty at least run unchanged."""
    booted = machines("6.1")
    drawn = Counter()

    class Judged(KernelGuest):
        def execute(self, program):
            drawn["refused"] += bool(inapplicable(program, self.abilities))
            drawn["all"] += 1
            return super().execute(program)

    def make():
        return Judged(booted.guest, booted.abilities, booted.slow)

    tally = Tally()
    for number in range(100, 140):
        load("predrawn")(Search(make, SEMANTICS["6.1"], watcher=tally), number)

    assert tally.worst is None
    assert tally.programs == drawn["all"] == 40
    assert drawn["refused"] <= 2


def test_wrong_models_in_one_boot(machines):
    """Twelve variations of the semantics, and more, are contradicted by one machine."""
    booted = machines("6.1")
    search = Search(booted, SEMANTICS["6.1"])
    before = booted.guest.boots
    left = list(WRONG)
    for name, abilities in groups(booted.abilities):
        for number in range(12 if name in {"all", "driver"} else 4):
            known = recorded(booted, draw(search, abilities, 7_000 + number))
            left = [
                model
                for model in left
                if judge(known.program, model(), reference=RecordedKernel(known)).kind != "diverges"
            ]

    assert len(WRONG) >= 12
    assert [] == left
    assert booted.guest.boots <= max(before, 1)


def test_nothing_is_left_behind(machines):
    """A program that ends with pins held gives its pages back, and the next one finds them."""
    program = tree(
        'semantics("6.1")\na = mapping("base", orders=[0]*4)\nb = mapping("thp", orders=[9])\n'
        "h1 = pin_user_pages(a[0:4]*3 + b[0:512])\nget_page(a[0:1], n=2000000000)\n"
        "unmap(a[1:2] + b[0:1])\nset_page_dirty(a[0:1])\n"
    )
    booted = machines("6.1")
    before = booted.guest.boots
    for _ in range(3):
        assert "agrees" == judge(program, booted()).kind

    assert before == booted.guest.boots


def test_two_programs(machines):
    """A program that begins ends the one before, which cannot go on."""
    text = 'semantics("6.1")\na = mapping("base", orders=[0])\nh1 = pin_user_pages(a[0:1])\n'
    program = tree(text)
    booted = machines("6.1")
    first = booted().execute(evolve(program, steps=list(program.steps) * 2))
    next(first)
    next(booted().execute(evolve(program, steps=list(program.steps))))

    with pytest.raises(RuntimeError, match="another program has started"):
        next(first)


def test_range_that_is_none(machines):
    """The module refuses a range over frames that are not consecutive."""
    booted = machines("6.1")
    requests = ["place base 2 1 0"]
    calls = ["pin 1 0 0:2", "unpin-range 0 0 0:2", "unpin-range 0 0 1 0"]
    lines, left = booted.guest.whole(requests, calls)

    assert lines[1] == "! the frames of a range are not consecutive"
    assert "" == left


def test_more_is_given_back_than_held(machines):
    """The module keeps books of its own, whatever it is asked for."""
    calls = ["pin 1 0 0:2", "unpin-list 0 0 0 1 0"]
    lines, left = machines("6.1").guest.whole(["place base 2 0:2"], calls)

    assert lines[1] == "! the call releases more than is held of page 0"
    assert "" == left


@pytest.mark.parametrize(
    ("version", "counted"), [("6.1", "= 4 4 0 "), ("6.12", "= 4 5 1 "), ("7.3", "= 4 4 0 ")]
)
def test_fast_path_on_a_drivers_pages(machines, version, counted):
    """In 6.12 it gives single ones back to take them slowly, which the statistics show."""
    requests = ["driver 12 0:0:0:4 8:8:2:1"]
    lines, left = machines(version).guest.whole(requests, ["pin 1 1 0:4", "pin 1 0 0:4"])
    large, _ = machines(version).guest.whole(requests, ["pin 1 1 8:4"])

    assert "" == left
    assert lines[0].startswith(counted)
    assert ":7" not in lines[0]  # none is dirty, as its entry in the page table was already
    assert (" p0:1:0*1 " in lines[0]) == (version == "6.12")
    assert large[0].startswith("= 4 4 0 h 8:5:4:6")


@each_version
def test_read_only_and_split(machines, version):
    """What attributes of mappings do to page table entries shows in what pins come to."""
    requests = ["place thp 2 0:2", "entries 3 0:9:2", "driver 2 0:1024:1:1", "entries 2 1024:1:1"]
    calls = ["pin 1 0 3:2", "pin 0 0 510:4", "pin 1 0 1024", "pin 0 1 1024:2", "get 1 0 511"]
    lines, left = machines(version).guest.whole(requests, calls)

    assert "" == left
    assert ["-14", "4", "-14", "2", "-14"] == [line.split()[1] for line in lines]
    # The heads alone have references, so the pages are still compound ones.
    assert " h 0:3:2:6 512:3:2:6 " in lines[1]


@each_version
def test_absent(machines, version):
    """What is not present is faulted in, or not: a driver's fault ends as its mapping says."""
    requests = [
        *("driver 8 0:0:2:1 4:4:0:3", "entries 4 0:2:1", "entries 12 4:0:1", "entries 20 5:0:1"),
        *("entries 36 6:0:1", "place page-cache 2 7:2", "entries 4 7:0:1"),
    ]
    calls = ["pin 1 0 0:4", "pin 0 1 3:2", "pin 0 0 4", "pin 0 0 5:2", "pin 1 1 6:3", "get 1 0 7"]
    lines, left = machines(version).guest.whole(requests, calls)

    assert "" == left
    assert ["4", "1", "-14", "-12", "3", "1"] == [line.split()[1] for line in lines]
    # Nobody else holds the pages, and none is dirty.
    assert " h 0:5:4:6 " in lines[0]
    assert " h 6:1025:0:6 7:1025:0:6 8:1025:0:6 " in lines[4]


def test_absent_pages_stop_the_fast_path(machines):
    """They do so also where the next pin would overflow: faults add nothing to the count."""
    requests = ["place page-cache 2 0:2", "entries 4 1:0:1"]
    calls = ["pin-fast-only 0 1 0:2", "get-page 0 2147483646 1", "pin-fast-only 0 1 1", "pin 0 0 1"]
    lines, left = machines("6.1").guest.whole(requests, [*calls, "pin 0 0 1"])

    assert "" == left
    assert ["1", "0", "0", "1", "-12"] == [line.split()[1] for line in lines]
    assert " w " in lines[4]


@each_version
@pytest.mark.parametrize(("kind", "order"), [("base", 0), ("page-cache", 0), ("thp", 9)])
def test_moves(machines, version, kind, order):
    """A long-term pin moves a page out of ZONE_MOVABLE, once; others move though one is held."""
    n = 1 << order
    requests = [
        f"place {kind}-movable 4 0:4",
        f"entries 64 0:{order}:3",
        f"entries 192 {3 * n}:{order}:1",
    ]
    calls = [
        *(f"pin 2 0 {n - 1}:2", f"pin 0 0 {2 * n}", f"pin 2 0 0:{2 * n + 1}", "pin 2 0 0"),
        *(f"pin 3 0 {3 * n}", f"unpin-range 1 0 {n - 1}:2"),
    ]
    lines, left = machines(version).guest.whole(requests, calls)
    counted = [[int(number) for number in line.split()[1:4]] for line in lines]
    more = 2 * n + 1

    assert "" == left
    assert [2, 4, 2] == counted[0]
    assert [-12, 5 + more, 2 + more] == counted[2]
    assert [1, 6 + more, 2 + more] == counted[3]
    assert [-12, 7 + more, 3 + more] == counted[4]
    assert [0, 7 + more, 5 + more] == counted[5]


def test_crash_is_a_finding(machines, monkeypatch):
    """A kernel that ends is a finding with its text, as of any candidate."""
    booted = machines("6.1")
    program = tree('semantics("6.1")\na = mapping("base", orders=[0])\nclean(a[0:1])\n')
    monkeypatch.setitem(CALLS, "clean", "set /proc/sysrq-trigger c\nset")
    verdict = judge(program, booted())

    assert "raised_Panic" == verdict.finding.what
    assert "Kernel panic" in verdict.finding.summary


STARTS = """
import sys, time
from model.kernel.guest.booted import load
from model.kernel.guest.emulator import Emulator
emulator = Emulator(load("6.1").image, 256)
print(emulator._process.pid, flush=True)
"""


@pytest.fixture
def starts(machines):
    """A function that runs a program which starts a machine, and gives its process."""
    machines("6.1")

    def start(more=""):
        return subprocess.Popen(
            [sys.executable, "-c", STARTS + more],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        )

    return start


def test_gone_with_its_parent(starts):
    """A machine does not outlive who started it, also if that is killed."""
    with starts("time.sleep(60)") as process:
        pid = int(process.stdout.readline())
        os.kill(pid, 0)
        process.kill()
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the machine goes on")


@pytest.mark.parametrize("more", ["", "raise ValueError", "sys.exit(3)"])
def test_closed_at_the_end(starts, more):
    """Nor does it outlive a process that ends in another way."""
    with starts(more) as process:
        pid = int(process.stdout.readline())

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_kernel_that_does_not_boot(machines, tmp_path, monkeypatch):
    """What is no kernel is told in one line."""
    monkeypatch.setattr("model.kernel.guest.emulator.BOOT_SECONDS", 5.0)
    booted = machines("6.1")
    (tmp_path / "kernel").write_bytes(b"no kernel")
    emulator = Emulator(evolve(booted.image, kernel=tmp_path / "kernel"), 256)

    with pytest.raises(Ended, match=r"the guest ended: .*kernel"):
        emulator.boot()
