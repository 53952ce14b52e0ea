# SPDX-License-Identifier: MIT

"""What the pytest plugin does in a repository of somebody else, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from xml.etree import ElementTree as ET

import pytest

from tests.helpers import MISBEHAVING, ROOT, SKETCHES, TOY, TRACES
from tests.model.kernel.source.needs import lacking

SEARCHES = [f"headcount::{name}" for name in ("machine", "soak", "wide", "laws", "orders")]

#: Nothing, or what loads the plugin where headcount is not installed but lies on PYTHONPATH.
LOADED = () if entry_points(group="pytest11", name="headcount") else ("-p", "headcount_pytest")

#: A profile of some programs, which are the same each time.
BRIEF = """
from hypothesis import settings
settings.register_profile("brief", max_examples=20, derandomize=True, database=None)
"""

#: Wrong in a way that every search finds at once.
LEAKS = """

class Leaks(Optimised):
    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs - 1)
"""

TRACE = '# headcount 1\nsemantics("5.13")\na = mapping("base", orders=[0])\nget_page(a[0:1])\n'


@pytest.fixture
def folder(pytester, monkeypatch):
    """A folder with a sketch, a trace on which it fails, and one on which it does not."""
    if LOADED:
        monkeypatch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{ROOT / 'properties' / 'entry'}")
    pytester.makeconftest(BRIEF)
    (pytester.path / "sketch.py").write_text(SKETCHES.read_text() + LEAKS)
    saved = pytester.mkdir("saved")
    for name in ("no-tail-offset", "null-skipped"):
        (saved / f"{name}.trace").write_text((TRACES / f"{name}.trace").read_text())
    return pytester


def ids(result):
    """The tests that ``-v`` names, and how each ended."""
    ends = ("PASSED", "FAILED", "SKIPPED", "XFAIL", "ERROR")
    rows = (line.split() for line in result.outlines if "::" in line)
    return {row[0]: row[1] for row in rows if row[1:] and row[1] in ends}


BRIEFLY = ("-v", "-p", "no:cacheprovider", "--hypothesis-profile=brief")


def test_candidate(folder):
    """With --candidate the searches, the folder's traces and its own tests run, and no others."""
    folder.makepyfile("def test_own(): pass")
    result = folder.runpytest(*LOADED, "--candidate", "sketch.py:Leaks", *BRIEFLY)

    assert ids(result) == {
        **dict.fromkeys(SEARCHES, "FAILED"),
        "saved/no-tail-offset.trace::replay": "FAILED",
        "saved/null-skipped.trace::replay": "FAILED",
        "test_candidate.py::test_own": "PASSED",
    }
    result.stdout.fnmatch_lines(
        [
            "headcount: candidate sketch.py:Leaks, semantics 5.13",
            "DIVERGED at step *",
            "replay   headcount replay .headcount/*.trace --candidate sketch.py:Leaks",
            "FAILED headcount::machine - DIVERGED at step *",
        ]
    )
    assert [*(folder.path / ".headcount").glob("*.trace")]


def test_right_candidate(folder):
    """One that is right passes; `-k` chooses searches."""
    result = folder.runpytest(
        *LOADED, "--candidate", "sketch.py:Backwards", "-k", "soak or null", *BRIEFLY
    )

    assert ids(result) == {
        "headcount::soak": "PASSED",
        "saved/null-skipped.trace::replay": "PASSED",
    }


@pytest.mark.slow("all searches in processes of their own")
def test_strict_and_distributed(folder):
    """Strict mode, warnings as errors, processes beside each other and a report in XML go well."""
    folder.makepyprojecttoml('[tool.pytest]\nstrict = true\nfilterwarnings = ["error"]\n')
    pytest.importorskip("xdist")
    result = folder.runpytest_subprocess(
        *LOADED,
        *("--candidate", "sketch.py:Leaks", "-n", "2", "--junitxml=headcount.xml"),
        *("--hypothesis-seed=7", "--hypothesis-show-statistics", *BRIEFLY),
    )

    cases = ET.parse(folder.path / "headcount.xml").getroot().iter("testcase")  # noqa: S314 - ours
    failed = {case.get("name"): case.find("failure") is not None for case in cases}
    assert {"machine", "soak", "wide", "laws", "orders", "replay"} == set(failed)
    assert all(failed.values())
    result.stdout.fnmatch_lines(["headcount::machine:", "*during generate phase*"])
    result.assert_outcomes(failed=7)


@pytest.mark.slow("two sessions of pytest that search")
def test_seed(folder):
    """The same seed finds the same program, in the searches beside the machine too."""
    words = ("--candidate", "sketch.py:ReleasesNmap", "-k", "soak", *BRIEFLY)

    def saved(seed):
        folder.runpytest_subprocess(
            *LOADED,
            *words,
            f"--hypothesis-seed={seed}",
        )
        return sorted(path.read_text() for path in (folder.path / ".headcount").iterdir())

    assert saved(3) == saved(3)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--candidate", "nothing"], "ERROR: candidate 'nothing' is none of *"),
        (["--candidate", "sketch.py:None"], "ERROR: sketch.py has no class None; it has *"),
        (["--candidate", "optimised", "--semantics", "2.6"], "ERROR: *2.6*"),
        (["--candidate", "optimised", "--layout", "no.layout"], "ERROR: no.layout: *"),
    ],
)
def test_bad_option(folder, options, line):
    """What cannot be used ends the run in one line."""
    result = folder.runpytest(*LOADED, *options)

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines([line])


def test_setting(folder):
    """The setting searches where nothing is named, and is what named traces are replayed on."""
    folder.makeini("[pytest]\nheadcount_candidate = sketch.py:NoTailOffset")
    found = {*ids(folder.runpytest(*LOADED, *BRIEFLY, "-k", "soak or null"))}
    named = ids(folder.runpytest(*LOADED, *BRIEFLY, "saved"))

    assert found == {"headcount::soak", "saved/null-skipped.trace::replay"}
    assert named == {
        "saved/no-tail-offset.trace::replay": "FAILED",
        "saved/null-skipped.trace::replay": "PASSED",
    }


def test_single_tests(folder):
    """Where single tests are named no search is added."""
    named = "saved/null-skipped.trace::replay"

    assert {named: "PASSED"} == ids(
        folder.runpytest(*LOADED, "--candidate", "optimised", named, "-v")
    )


def test_traces_alone(folder):
    """Without any option traces are replayed on the optimised model."""
    (folder.path / "other.trace").write_bytes(b"\xff a trace of something else")
    result = folder.runpytest(*LOADED, "-v")

    assert ids(result) == {
        "saved/no-tail-offset.trace::replay": "PASSED",
        "saved/null-skipped.trace::replay": "PASSED",
    }
    assert "headcount: candidate" not in result.stdout.str()


def test_trace_outcomes(folder):
    """A trace that is none fails in one line; what cannot be judged is skipped with the reason."""
    (folder.path / "broken.trace").write_text(TRACE.replace("get_page", "got_page"))
    (folder.path / "over-unpin.trace").write_text((TRACES / "over-unpin.trace").read_text())
    result = folder.runpytest(*LOADED, "-v", "-rs", "broken.trace", "over-unpin.trace")

    assert ids(result) == {
        "broken.trace::replay": "FAILED",
        "over-unpin.trace::replay": "SKIPPED",
    }
    result.stdout.fnmatch_lines(
        ["*broken.trace:4: *got_page*", "SKIPPED * over-unpin.trace: step 2 unpins 2 of a+0*"]
    )


@pytest.mark.parametrize(("cost", "end"), [("strict", "FAILED"), ("report", "PASSED")])
def test_cost(folder, cost, end):
    """What is dearer fails, unless it shall only be reported."""
    dearer = TRACES / "order-1-unbatched.trace"
    (folder.path / dearer.name).write_text(dearer.read_text())
    result = folder.runpytest(
        *LOADED,
        *("--candidate", "sketch.py:OrderOneUnbatched", "--cost", cost),
        f"{dearer.name}::replay",
        "-v",
    )

    assert {f"{dearer.name}::replay": end} == ids(result)


def test_fixture(folder):
    """A test of one's own searches with what the options name, and fails with a counterexample."""
    folder.makepyfile(
        test_mine="""
        from properties.judging.finding import diverged
        from properties.search import Tally
        from properties.searches.soak import soak
        from attrs import evolve

        def test_mine(search):
            tally = Tally()
            for number in range(5):
                soak(evolve(search, watcher=tally), number)
            if tally.failure:
                program, finding = tally.failure
                raise diverged(finding.signature)(program, finding)
        """
    )
    words = ("test_mine.py::test_mine", "-v")
    wrong = folder.runpytest(*LOADED, "--candidate", "sketch.py:NoTailOffset", *words)

    assert {"test_mine.py::test_mine": "FAILED"} == ids(wrong)
    wrong.stdout.fnmatch_lines(["DIVERGED at step *", "saved    .headcount/*.trace"])
    assert {"test_mine.py::test_mine": "PASSED"} == ids(folder.runpytest(*LOADED, *words))


def test_unrelated(folder):
    """A project without headcount in it sees nothing of it, though it has all the same names."""
    for path in (folder.path / "saved").iterdir():
        path.unlink()
    for name in ("model", "properties"):
        folder.mkpydir(name)
        (folder.path / name / "own.py").write_text("OWN = True\n")
    options = ("--candidate", "--semantics", "--layout", "--cost", "--untested")
    added = "".join(f"    parser.addoption('{option}')\n" for option in options)
    folder.makeconftest(f"def pytest_addoption(parser):\n{added}")
    folder.makepyfile(
        test_own="""
        import sys

        def test_own(pytestconfig):
            import model.own
            import properties.own

            assert {"model", "model.own", "properties", "properties.own"} == {
                name for name in sys.modules if name.split(".")[0] in {"model", "properties"}
            }
            assert "hypothesis" not in sys.modules
            assert "Smith" == pytestconfig.getoption("--candidate")
        """
    )
    result = folder.runpytest_subprocess(
        *LOADED,
        *("--candidate", "Smith"),
    )

    result.assert_outcomes(passed=1)


def test_hidden(folder):
    """Where the project's own packages hide headcount's, that is one line."""
    folder.mkpydir("properties")
    result = folder.runpytest_subprocess(*LOADED, *("--candidate", "optimised"))

    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["ERROR: headcount: cannot be imported in this project: *"])


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        (["--candidate", "optimised"], {*SEARCHES, "tests/traces/v1-nmap.trace::replay"}),
        (["tests/traces"], {"tests/traces/v1-nmap.trace::replay"}),
    ],
)
def test_in_this_checkout(words, whole):
    """Here ``--candidate`` runs the searches and traces, and none of headcount's own tests."""
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-n0", *words],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    found = {line for line in result.stdout.splitlines() if "::" in line}

    others = {line for line in found - whole if not line.startswith("tests/traces/")}
    assert set() == others
    assert whole <= found


#: A line of the toy, and the same in other words.
BUMP = "\tint all = flags == FOLL_PIN ? refs * toy_each(page) : refs;"
SAME = BUMP.replace(": refs;", ": 1 * refs;")


@pytest.fixture
def patch(folder):
    """A function that patches the toy: *lines* for `BUMP`; the candidate that is patched so."""
    if lacking():
        pytest.skip(lacking())

    def made(*lines):
        at = (TOY / "mm/gup.c").read_text().split("\n").index(BUMP) + 1
        added = "".join(f"+{line}\n" for line in lines)
        hunk = f"@@ -{at} +{at},{len(lines)} @@\n-{BUMP}\n{added}"
        (folder.path / "a.patch").write_text(f"--- a/mm/gup.c\n+++ b/mm/gup.c\n{hunk}")
        return f"kernel-source:{TOY},patch=a.patch"

    return made


@pytest.mark.parametrize(
    ("words", "end"),
    [((), pytest.ExitCode.TESTS_FAILED), (("--untested=report",), pytest.ExitCode.OK)],
)
def test_untested(folder, patch, words, end):
    """Changed code that did not run is told at the end, and fails the run, if a search ran."""
    candidate = ("--candidate", patch(SAME, "\tif (refs < -9)", "\t\tall++;"), *words)
    result = folder.runpytest(*LOADED, *candidate, "-k", "soak", *BRIEFLY)
    replayed = folder.runpytest(*LOADED, *candidate, "-k", "null", *BRIEFLY)

    assert {"headcount::soak": "PASSED"} == ids(result)
    result.stdout.fnmatch_lines(
        [
            "=* headcount: partly under test =*",
            "changed  3 lines of code: 2 ran; 1 compiled, but never ran",
            "*compiled, but never ran: mm/gup.c: put_compound_head, 35",
        ]
    )
    assert end == result.ret
    assert pytest.ExitCode.OK == replayed.ret
    assert "under test" not in replayed.stdout.str()


@pytest.mark.slow("a search in processes of their own")
def test_tested_in_processes(folder, patch):
    """What ran in any process ran."""
    pytest.importorskip("xdist")
    words = ("--candidate", patch(SAME), "-k", "soak", "-n", "2", *BRIEFLY)
    result = folder.runpytest_subprocess(*LOADED, *words)

    result.stdout.fnmatch_lines(
        ["=* headcount: all that was changed ran =*", "changed  1 line of code: 1 ran"]
    )
    assert pytest.ExitCode.OK == result.ret


#: Overrides one method that searches call, and one that they cannot call.
CALLED = """

class Seldom(Optimised):
    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs)

class Never(Seldom):
    abilities = Abilities("never", calls=frozenset({"pin_user_pages", "unpin_user_pages"}))
    def undo_grab(self, head, refs):
        pass
"""


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
@pytest.mark.parametrize(
    ("name", "said", "calls", "status"),
    [
        ("Seldom", "all that is overridden was called", "", pytest.ExitCode.OK),
        ("Never", "partly under test", "; never undo_grab", pytest.ExitCode.TESTS_FAILED),
    ],
)
def test_of_a_sketch(folder, processes, name, said, calls, status):
    """It is told how often what a sketch overrides was called, in any process."""
    if processes:
        pytest.importorskip("xdist")
    sketch = folder.path / "sketch.py"
    sketch.write_text(f"{sketch.read_text()}\nfrom model.abilities import Abilities\n{CALLED}")
    words = ("--candidate", f"sketch.py:{name}", "-k", "soak or wide", *processes, *BRIEFLY)
    result = folder.runpytest_subprocess(*LOADED, *words)

    overridden = "* overrides *put_compound_head*"
    lines = [f"headcount: sketch.py:{name}{overridden}", f"=* headcount: {said} =*"]
    result.stdout.fnmatch_lines([*lines, f"called  * put_compound_head *times{calls}"])
    assert status == result.ret


def test_of_no_sketch(folder):
    """Where nobody knows what was changed, and nothing is overridden, nothing is told."""
    words = ("--candidate", "optimised", "-k", "soak", *BRIEFLY)
    assert "headcount: all" not in folder.runpytest(*LOADED, *words).stdout.str()


@pytest.mark.parametrize("processes", [(), ("-n", "2")])
def test_dearer_is_told(folder, processes):
    """What is kept of a search that passes, because it is only dearer, is named."""
    if processes:
        pytest.importorskip("xdist")
    words = ("--candidate", "sketch.py:OrderOneUnbatched", "--cost=report", "-k", "soak")
    result = folder.runpytest_subprocess(*LOADED, *words, *processes, *BRIEFLY)

    assert pytest.ExitCode.OK == result.ret
    result.stdout.fnmatch_lines(
        [
            "=* headcount: agreed but dearer =*",
            "saved    .headcount/*.trace: *puts where 1 suffices",
        ]
    )
    (told,) = [line.split()[1] for line in result.outlines if line.startswith("saved  ")]
    assert (folder.path / told.rstrip(":")).is_file()


@pytest.mark.slow("searches on candidates that crash and hang")
@pytest.mark.parametrize(
    ("name", "said"), [("EndsProcess", "CRASHED"), ("LoopsInC", "NO END"), ("Interrupts", "RAISED")]
)
def test_misbehaving(folder, name, said):
    """A candidate that ends its process, never returns or raises anything fails the run."""
    words = ("--candidate", f"{MISBEHAVING}:{name}", "-k", "soak or machine", *BRIEFLY)
    result = folder.runpytest_subprocess(*LOADED, *words)

    assert 1 == result.ret
    assert {"headcount::machine": "FAILED", "headcount::soak": "FAILED"} == ids(result)
    result.stdout.fnmatch_lines([f"{said} at step * of *unpin_user_page*", "saved    .headcount/*"])
    result.stdout.no_fnmatch_line("*not under test*")


@pytest.mark.slow("searches on a candidate that leaves threads")
def test_flaky(folder):
    """What the machine cannot repeat is told as what it was, not as an error of Hypothesis."""
    folder.makepyfile(
        flaky="import random\n"
        "from model.optimised import Optimised\n"
        "class Flaky(Optimised):\n"
        "    def unpin_user_page(self, page):\n"
        "        if random.SystemRandom().random() < 0.5:\n"
        "            super().unpin_user_page(page)\n"
    )
    words = ("--candidate", "flaky.py:Flaky", "-k", "machine", *BRIEFLY)
    result = folder.runpytest_subprocess(*LOADED, *words)

    assert 1 == result.ret
    result.stdout.fnmatch_lines(["DIVERGED at step * of *unpin_user_page*"])
    result.stdout.no_fnmatch_line("*hypothesis.errors*")
