# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
from attrs import evolve
from click.testing import CliRunner

from properties import layouts
from properties.cli import main
from properties.faults import FAULTS
from properties.grading.canary import Canary
from properties.grading.grade import Grade, budget, results
from properties.grading.trial import Found, Result, Trial, read, run, text
from properties.processes.alone import Interrupted
from properties.search import SEED_STRIDE, Search, Tally
from properties.searches.soak import soak
from tests.helpers import ROOT, gone

SPEC = FAULTS["NoTailOffset"].spec


def cli(*arguments):
    """What the command says, and its exit status."""
    return CliRunner().invoke(main, ["faults", *map(str, arguments)])


def plain(result):
    """*result* without what depends on the clock."""
    found = result.found and evolve(result.found, seconds=0.0)
    return evolve(result, seconds=0.0, found=found)


@pytest.fixture(scope="module")
def stored():
    """The results of one trial, as a file has them."""
    return text([run(Trial("soak", SPEC, "5.13", 1, 3_000, levels=False))])


DEAR = pytest.mark.slow("four seconds of one search")


@pytest.mark.parametrize(
    "search",
    [
        "soak",
        "laws",
        "exhaustive",
        pytest.param("machine", marks=DEAR),
        pytest.param("wide", marks=DEAR),
    ],
)
def test_trial(search):
    """Each search finds a plain fault: first reached, then diverged, then reported."""
    result = run(Trial(search, SPEC, "5.13", 1, 40_000))

    assert result.found
    assert 1 <= result.reached <= result.diverged
    assert result.diverged <= result.steps or search in {"laws", "exhaustive"}
    assert result.found.size <= (2, 2, 2, 4)
    assert result.found.trace.startswith("# headcount 1\n")


def test_steps_to_what_is_dearer():
    """What is dearer counts from the step that was, though its program went on."""
    fault = FAULTS["RangeStopsBeforeEdge"]
    tally = Tally()
    search = Search(fault.candidate, captured=layouts.shipped(), strict=True, watcher=tally)
    soak(search, SEED_STRIDE)
    program, finding = tally.failure
    result = run(Trial("soak", fault.spec, "5.13", 1, 5_000, reduce=False))

    assert finding.oracle == "cost"
    assert finding.index + 1 < len(program.steps)
    assert finding.index + 1 == result.steps
    assert result.reached <= result.diverged <= result.steps


def test_not_tried_is_not_missed(tmp_path):
    """A search that was let loose on a few faults is graded on those."""
    file = tmp_path / "figures.json"
    other = FAULTS["RunOnePageLong"].spec
    trials = [
        Trial("soak", SPEC, "5.13", 1, 3_000, levels=False),
        Trial("soak", other, "5.13", 1, 3_000, levels=False),
        Trial("wide", SPEC, "5.13", 1, 300, levels=False),
    ]
    file.write_text(text([run(trial) for trial in trials]))
    said = cli("--from", file).output

    assert "2 of 2 trials solved, 2 of 2 faults on every seed" in said
    assert "1 of 1 trials solved, 1 of 1 faults on every seed" in said


def test_trial_repeats():
    """The same trial has the same result, in this process or in others."""
    trials = [Trial("soak", SPEC, "5.13", seed, 5_000) for seed in range(3)]
    here = [plain(run(trial)) for trial in trials]
    there = sorted(map(plain, results(trials, 2)), key=lambda r: r.trial.seed)

    assert here == there == list(map(plain, results(trials, 1)))


def test_budget_ends_a_trial():
    """Nothing is found where there is nothing, and the budget is about kept."""
    right = FAULTS["OneWalker"].spec
    result = run(Trial("soak", right, "5.13", 1, 4_000))

    assert result.found is None
    assert 4_000 <= result.steps < 9_000


def test_found_too_late_is_not_found():
    """A failure after the end of the budget does not count."""
    trial = Trial("soak", SPEC, "5.13", 1, 10, reduce=False)

    assert run(evolve(trial, budget=10_000)).found
    assert run(trial).found is None


def test_canary_tells_reached_from_diverged():
    """A fault may be reached long before it makes a difference, or never make one."""
    canary = Canary(FAULTS["ListOf4096"].candidate)
    trial = Trial("soak", FAULTS["ListOf4096"].spec, "5.13", 1, 2_000)
    result = run(trial)

    assert result.found is None
    assert result.reached is not None
    assert result.diverged is None
    assert (None, None) == (canary.reached, canary.diverged)


def graded(*steps):
    """A grade of trials that took *steps*, None where nothing was found."""
    found = Found("refcount-x", (2, 1, 0, 2), "", 9, 9, 0.1, proved=True)
    done = [
        Result(Trial("soak", "x:Y", "5.13", i, 9), 1, n or 9, 0.5, found if n else None)
        for i, n in enumerate(steps)
    ]
    return Grade(done, {"refcount-x": (2, 1, 0, 2)})


def test_grade():
    """Solved, spread and smallest are of the trials that found something."""
    grade = graded(1, 2, 3, 4, 5, None)

    assert 5 == len(grade.solved)
    assert (2, 3, 4) == grade.spread(lambda r: r.steps)
    assert (7, 7, 7) == graded(7).spread(lambda r: r.steps)
    assert graded(None).spread(lambda r: r.steps) is None
    assert [True] * 5 == [grade.is_smallest(found) for found in grade.reduced]
    smaller = Grade(grade.results, {"refcount-x": (1, 1, 0, 2)})
    assert not any(map(smaller.is_smallest, smaller.reduced))


def test_budget():
    """Searches whose steps cost more get fewer of them."""
    assert (200_000, 100_000, 2_000) == tuple(
        budget(search, 200_000) for search in ("soak", "machine", "wide")
    )
    assert 1 == budget("wide", 5)


def test_command(tmp_path):
    """The table says how often and how soon a fault was found, and fits the screen."""
    file = tmp_path / "figures.json"
    result = cli(
        *("--fault", "NoTailOffset", "--fault", "OneWalker", "--search", "soak"),
        *("--seeds", 3, "--budget", 1_000, "--jobs", 1, "--json", file),
    )

    assert 0 == result.exit_code, result.output
    lines = result.output.splitlines()
    assert all(len(line) <= 100 for line in lines)
    (row,) = (line for line in lines if line.startswith("NoTailOffset"))
    assert " 3/3 " in row
    (right,) = (line for line in lines if line.startswith("OneWalker"))
    assert "0/3" in right
    assert "=" in right
    figures = json.loads(file.read_text())
    assert [0, 1, 2] == sorted(
        r["trial"]["seed"] for r in figures if r["trial"]["candidate"] == SPEC
    )


def test_former_results(tmp_path):
    """What was put into files is graded again, together, to the same table."""
    files = [tmp_path / "soak.json", tmp_path / "laws.json"]
    for search, file in zip(("soak", "laws"), files, strict=True):
        ran = cli(
            *("--fault", "NoTailOffset", "--search", search, "--seeds", 2, "--budget", 3_000),
            *("--jobs", 1, "--json", file),
        )
    again = cli("--from", files[1])
    both = cli("--from", files[0], "--from", files[1], "--json", tmp_path / "both.json")

    assert 0 == ran.exit_code == again.exit_code == both.exit_code, both.output
    assert ran.output == again.output
    assert "soak" in both.output.splitlines()[0]
    (row,) = (line for line in both.output.splitlines() if line.startswith("NoTailOffset"))
    assert 2 == row.count(" 2/2 ")
    assert 4 == len(json.loads((tmp_path / "both.json").read_text()))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        ("{", "holds no results"),
        ("3", "holds no results"),
        ("[3]", "holds no results"),
        ('[{"trial": {}}]', "holds no results"),
        ("[" * 100_000, "holds no results"),
        ("[]", "no results of these faults"),
    ],
)
def test_former_results_that_are_none(tmp_path, content, said):
    """A file that holds something else is bad input, in one line."""
    file = tmp_path / "figures.json"
    if content is not None:
        file.write_text(content)
    result = cli("--from", file)

    assert 2 == result.exit_code
    assert said in result.stderr
    assert 1 == len(result.stderr.splitlines())


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("trial", "seed"), "x"),
        (("trial", "candidate"), 5),
        (("trial", "search"), ["soak"]),
        (("seconds",), None),
        (("found", "trace"), 7),
        (("found", "size"), [1, "x", 0, 0]),
        (("found", "size"), 3),
        (("found",), "NoTailOffset"),
        (("more",), 1),
    ],
)
def test_former_results_of_other_types(tmp_path, stored, where, value):
    """A field that holds something else is bad input, not a traceback later."""
    file = tmp_path / "figures.json"
    kept = json.loads(stored)
    *path, last = where
    inner = kept[0]
    for name in path:
        inner = inner[name]
    inner[last] = value
    file.write_text(json.dumps(kept))
    result = cli("--from", file)

    assert 2 == result.exit_code
    assert "holds no results" in result.stderr


def test_same_trial_in_two_files(tmp_path, stored):
    """A trial that is in several files counts once."""
    file = tmp_path / "figures.json"
    file.write_text(stored)
    result = cli("--from", file, "--from", file)

    assert " 1/1 " in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--json", "/proc/x.json"), "/proc/x.json"),
        (("--group", "umem"), "no faults selected"),
    ],
)
def test_said_before_anything_runs(arguments, said, monkeypatch):
    """What cannot be kept, or is nothing, is refused before trials are made."""
    monkeypatch.setattr(importlib.import_module("properties.cli.faults"), "results", None)
    result = cli("--fault", "NoTailOffset", *arguments)

    assert 2 == result.exit_code
    assert said in result.stderr


def test_interrupted(monkeypatch, tmp_path):
    """What was tried before an interrupt is graded and kept, and only that."""

    def interrupted(trials, jobs, _asked):
        yield run(trials[0])
        yield run(trials[1])
        raise Interrupted

    monkeypatch.setattr(importlib.import_module("properties.cli.faults"), "results", interrupted)
    result = cli(
        *("--fault", "NoTailOffset", "--fault", "OneWalker"),
        *("--search", "soak", "--json", tmp_path / "two.json"),
    )

    assert 130 == result.exit_code
    assert "interrupted after 2 of 20 trials" in result.output
    assert " 2/2 " in result.output
    assert "OneWalker" not in result.output
    assert 2 == len(json.loads((tmp_path / "two.json").read_text()))


def test_not_reduced():
    """Nothing is said of reduction where there was none."""
    result = cli(
        *("--fault", "NoTailOffset", "--search", "soak", "--seeds", 1, "--budget", 3_000),
        *("--jobs", 1, "--no-reduce", "--no-levels"),
    )

    assert "solved" in result.output
    assert "reduced (median)" not in result.output
    assert "proved" not in result.output.replace("or proved", "")


def test_command_fails_for_what_is_missed():
    """A fault that no search finds on every seed is named, and the status says so."""
    result = cli(
        "--fault", "ProductIsInt", "--search", "soak", "--seeds", 1, "--budget", 500, "--jobs", 1
    )

    assert 1 == result.exit_code
    assert "not solved, or false alarm: ProductIsInt" in result.output


def test_command_fails_for_a_false_alarm(monkeypatch):
    """A variant that is right and is reported is as bad."""
    wrong = evolve(FAULTS["NoTailOffset"], group="equivalent")
    monkeypatch.setitem(FAULTS, "NoTailOffset", wrong)
    result = cli(
        "--fault", "NoTailOffset", "--search", "soak", "--seeds", 1, "--budget", 900, "--jobs", 1
    )

    assert 1 == result.exit_code
    assert "not solved, or false alarm: NoTailOffset" in result.output


def test_unknown_fault():
    """A name that is not in the table is bad input."""
    result = cli("--fault", "Nothing")

    assert 2 == result.exit_code
    assert "unknown fault 'Nothing'" in result.stderr


def test_list():
    """The stories are printed by group."""
    result = cli("--list", "--group", "range math")

    assert 0 == result.exit_code
    assert result.output.startswith("range math\n")
    assert "  NoTailOffset (A10" in result.output


def test_record(tmp_path, monkeypatch):
    """What was learnt is written for CI."""
    file = tmp_path / "known.json"
    monkeypatch.setattr(importlib.import_module("properties.cli.faults"), "FILE", file)
    result = cli(
        *("--fault", "NoTailOffset", "--search", "soak", "--seeds", 1),
        *("--jobs", 1, "--record", "--no-levels"),
    )

    assert 0 == result.exit_code
    assert "soak" in json.loads(file.read_text())["NoTailOffset"]["budgets"]


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (0, "0"),
        (0.004, "0.00"),
        (0.994, "0.99"),
        (0.996, "1.0"),
        (9.94, "9.9"),
        (9.96, "10"),
        (999, "999"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (9_949, "9.9k"),
        (9_951, "10k"),
        (999_499, "999k"),
        (999_500, "1.0M"),
        (12_345_678, "12M"),
    ],
)
def test_brief(n, said):
    """A number of steps or of seconds takes four characters at most."""
    assert said == importlib.import_module("properties.cli.grades")._brief(n)
    assert len(said) <= 4


@pytest.fixture
def figures(tmp_path):
    """Results of one seed that took 80 steps and 20, and of one that took 2,000."""
    small = Found("refcount-x", (2, 1, 0, 2), "", 20, 10, 0.005, proved=True)
    large = Found("refcount-x", (3, 2, 1, 4), "", 2_000, 90, 0.5, proved=False)
    trials = [Trial("soak", SPEC, "5.13", seed, 10**9) for seed in range(2)]
    path = tmp_path / "figures.json"
    path.write_text(
        text([Result(trials[0], 4, 80, 0.25, small), Result(trials[1], 6, 2_000, 3.0, large)])
    )
    return path


@pytest.mark.parametrize(
    ("unit", "cell"),
    [
        ("steps", "2/2 1.0k  (560-1.5k)"),
        ("programs", "2/2    5   (4.5-5.5)"),
        ("seconds", "2/2  1.6  (0.94-2.3)"),
    ],
)
def test_units(figures, unit, cell):
    """The table shows steps, programs or seconds, as asked for."""
    result = cli("--from", figures, "--in", unit)

    assert 0 == result.exit_code
    assert f"solved {unit} (IQR)" in result.output
    assert cell in result.output


def test_reductions_of_short_programs_apart(figures):
    """What reducing came to is said of failures of up to 50 steps, and of all."""
    said = cli("--from", figures).output.split("reduced (median)\n")[1].splitlines()

    assert [
        "of up to 50 steps: 10 programs, 5 ms; 100.0 % at the smallest known, 100 % proved",
        "of any length: 50 programs, 252 ms; 50.0 % at the smallest known, 50 % proved",
    ] == [line.strip() for line in said[:2]]


@pytest.mark.parametrize("searches", [("soak",), ("soak", "wide"), ("soak", "wide", "machine")])
def test_table_is_narrow(tmp_path, searches):
    """The table fits 100 columns, its headings stand above what they say."""
    found = Found("refcount-x", (2, 1, 0, 2), "", 123_456, 300, 0.1, proved=True)
    file = tmp_path / "figures.json"
    file.write_text(
        text(
            [
                Result(
                    Trial(search, SPEC, "5.13", seed, 10**9),
                    programs=1,
                    steps=10 ** (6 + seed % 2) - 1,
                    seconds=1.0,
                    found=found,
                )
                for search in searches
                for seed in range(30)
            ]
        )
    )
    lines = cli("--from", file).output.splitlines()

    # Headings end where the figures below them do.
    head, below, first = (line[: len(lines[0]) - len("  smallest")] for line in lines[:3])
    assert all(len(line) <= 100 for line in lines)
    assert len(head.rstrip()) == len(below.rstrip()) == len(first.rstrip())
    assert ")" == first.rstrip()[-1] or len(searches) > 2


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays(home, number):
    """Whoever ends the command ends its processes too."""
    script = (
        "import os, time\n"
        "from properties.grading import grade\n"
        "def told(trial):\n"
        "    os.write(2, f'{os.getpid()}\\n'.encode())\n"
        "    time.sleep(600)\n"
        "grade.run = told\n"
        "for _ in grade.results([1, 2], 2): pass\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as running:
        begun = [int(running.stderr.readline()) for _ in range(2)]
        running.send_signal(number)

    assert all(map(gone, begun))


def test_interrupt_ends_trials(monkeypatch):
    """An interrupt does not wait for trials that are running."""
    monkeypatch.setattr("properties.grading.grade.run", lambda _trial: time.sleep(600))
    asked = iter((False, True))

    with pytest.raises(Interrupted):
        next(results([1, 2], 2, lambda: next(asked)))


def test_results_are_written_at_once(home):
    """What is known of the trials is in the file before all have run, and can be graded."""
    script = (
        "import itertools, os, sys\n"
        "from properties.cli import faults, main\n"
        "real = faults.results\n"
        "def killed(trials, jobs, _asked):\n"
        "    yield from itertools.islice(real(trials, jobs), 2)\n"
        "    os.kill(os.getpid(), 9)\n"
        "faults.results = killed\n"
        "main(sys.argv[1:])\n"
    )
    words = ("--fault", "NoTailOffset", "--search", "soak", "--seeds", "3", "--jobs", "1")
    done = subprocess.run(
        [sys.executable, "-c", script, "faults", *words, "--no-reduce", "--json", "results.json"],
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert -signal.SIGKILL == done.returncode

    file = home / "results.json"
    assert 2 == len(read(file))
    with file.open("a") as torn:
        torn.write('{"trial": ')
    assert 2 == len(read(file))
    assert "2/2" in cli("--from", file).output
