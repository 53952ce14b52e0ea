# SPDX-License-Identifier: MIT

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from model.capture import Capture
from model.parse import read_program
from properties.cli import main
from properties.layouts import DIRECTORY
from tests.helpers import SKETCHES, TOY, TRACES, run

GOOD = """\
# headcount 1
semantics("5.13")
a = mapping("driver", orders=[2, 0])
h1 = pin_user_pages(a[3:5])
unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)
"""
NAME = "pincount-unpin_user_page_range_dirty_lock"


@pytest.fixture
def trace(home):
    """A file with a good trace."""
    path = home / "good.trace"
    path.write_text(GOOD)
    return path


def commands(group, context):
    """All commands of *group*, with their contexts."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        inner = click.Context(command, parent=context, info_name=name)
        if isinstance(command, click.Group):
            yield from commands(command, inner)
        else:
            yield command, inner


def test_help_gives_defaults():
    """The help of each option, but of filters, says what happens without it."""
    lacking = [
        f"{command.name} {option.name}"
        for command, context in commands(main, click.Context(main, info_name="headcount"))
        for option in command.get_params(context)
        if isinstance(option, click.Option)
        and not (option.is_flag and not option.secondary_opts)
        and (isinstance(option.default, tuple) or not option.multiple)
        and "default" not in option.get_help_record(context)[1].lower()
    ]

    assert [] == lacking


def test_verify_agrees(home):
    """A search that finds nothing says what it covered, and how to repeat it."""
    result = run("verify", "--seed", 4, "--rounds", 2)

    assert 0 == result.exit_code
    assert result.output.startswith("agreed ")
    assert "situations" in result.output
    assert result.output.endswith("repeat   headcount verify --seed 4 --rounds 2\n")
    assert not (home / ".headcount").exists()


def test_verify_finds(home):
    """A finding is reported, saved, and repeated by the very commands that are printed."""
    result = run("verify", "--candidate", f"{SKETCHES}:NoTailOffset", "--seed", 6)
    lines = result.stdout.splitlines()

    assert 1 == result.exit_code
    assert f"sketch   {SKETCHES}:NoTailOffset overrides compound_range_next" == lines[0]
    assert lines[1].startswith("DIVERGED at step ")
    (saved,) = (line.split()[1] for line in lines if line.startswith("saved"))
    assert read_program(Path(saved)).steps
    replay = next(line for line in lines if line.startswith("replay")).split()[2:]
    again = next(line for line in lines if line.startswith("found by")).split()[3:]
    assert 1 == run(*replay).exit_code
    assert "still diverges" in run(*replay).output
    assert result.stdout == run(*again).stdout
    assert 0 == run("replay", saved).exit_code
    assert "agrees now" in run("replay", saved).output


def test_nowhere_to_save(home):
    """Where the directory is a file, the finding is printed, and why it is not saved."""
    (home / ".headcount").touch()
    result = run("verify", "--candidate", f"{SKETCHES}:NoTailOffset", "--seed", 6)

    assert 1 == result.exit_code
    assert "\nDIVERGED at step " in f"\n{result.output}"
    (saved,) = (line for line in result.output.splitlines() if line.startswith("saved"))
    assert saved.startswith("saved    nowhere: .headcount/")
    assert saved.endswith(".trace: .headcount is a file, not a directory: move it away")
    assert "\nreplay " not in result.output


def test_verify_json(home):
    """The same as JSON: verdict, coverage, and the trace itself."""
    result = run(
        "verify", "--candidate", f"{SKETCHES}:NoTailOffset", "--seed", 6, "--rounds", 2, "--json"
    )
    said = json.loads(result.stdout)

    assert 1 == result.exit_code
    assert "diverges" == said["verdict"]
    assert 6 == said["seed"]
    assert said["finding"]["trace"].startswith("# headcount 1\n")
    assert said["finding"]["rows"]
    assert 0 < said["steps"]


@pytest.mark.parametrize(("cost", "status"), [("strict", 1), ("report", 0)])
def test_verify_dearer(home, cost, status):
    """What is right but dearer fails, unless it is only to be reported."""
    result = run(
        *("verify", "--candidate", f"{SKETCHES}:OrderOneUnbatched", "--seed", 3),
        *("--rounds", 12, "--cost", cost),
    )

    assert status == result.exit_code
    assert "\nDEARER " in result.output
    assert "2 puts where 1 suffices" in result.output


def test_verify_lookups(home):
    """Asked for, a range call that looks at each of its pages is dearer; the replay is too."""
    words = ("--candidate", f"{SKETCHES}:RangeThroughList", "--seed", 2)
    words += ("--search", "machine", "--rounds", 2)
    result = run("verify", *words, "--cost", "lookups")
    replay = next(line for line in result.output.splitlines() if line.startswith("replay"))

    assert 1 == result.exit_code
    assert "\nDEARER " in result.output
    assert "65 look-ups where 64 suffice" in result.output
    assert 1 == run(*replay.split()[2:]).exit_code
    reduced = run("reduce", *replay.split()[3:])
    assert 1 == reduced.exit_code
    assert reduced.output.startswith("DEARER ")
    assert 0 == run("verify", *words).exit_code
    assert 0 == run("verify", *words[2:], "--cost", "lookups").exit_code


def test_lookups_are_not_counted(home):
    """A candidate that does not count look-ups is not judged as if it did."""
    result = run("verify", "--candidate", f"kernel-source:{TOY}", "--cost", "lookups")

    assert 2 == result.exit_code
    assert result.output.endswith("does not count look-ups; sketches do\n")


def test_verify_moody(home):
    """What is reduced is what a replay does: nothing is left in the candidate's class."""
    result = run("verify", "--candidate", f"{SKETCHES}:Moody", "--seed", 2, "--rounds", 1)
    saved = next(Path(".headcount").glob("*.trace"))

    assert 1 == result.exit_code
    assert "it did not fail" not in result.output
    assert 1 == run("replay", saved, "--candidate", f"{SKETCHES}:Moody").exit_code


def test_verify_fickle(home):
    """A candidate that does not repeat itself is said to do so."""
    result = run("verify", "--candidate", f"{SKETCHES}:Fickle", "--seed", 2, "--rounds", 1)

    assert 1 == result.exit_code
    assert "it did not fail in 5 runs by itself: by chance, or by " in result.output


def test_verify_seconds(home):
    """A timed run prints the count that repeats it."""
    result = run("verify", "--seed", 4, "--search", "soak", "--seconds", 4)
    again = result.output.splitlines()[-1].split()[2:]

    assert 0 == result.exit_code
    repeated = run(*again).output
    counts = [text.splitlines()[0].split(" in ")[0] for text in (result.output, repeated)]
    assert counts[0] == counts[1]


def test_verify_layout(home):
    """A search can be kept to windows of one layout."""
    layout = DIRECTORY / "process.layout"
    result = run("verify", "--layout", layout, "--seed", 1, "--rounds", 1)

    assert 0 == result.exit_code
    assert "captured layouts\n" in result.output


def test_replay_versions(trace):
    """One verdict for each version, and why one does not apply."""
    result = run("replay", trace, "--semantics", "all")

    assert 0 == result.exit_code
    assert "no longer applies: unpin_user_page_range_dirty_lock() does not exist" in result.output
    assert "agrees now, 2 steps\n" in result.output


def test_replay_one_step(home):
    """A trace of one step has a step, not steps."""
    trace = TRACES / "v1-mapping-fails.trace"

    assert "agrees now, 1 step\n" in run("replay", trace).output


def test_replay_json(trace):
    """Verdicts of several files, as JSON."""
    said = json.loads(run("replay", trace, trace, "--json").output)["results"]

    assert ["agrees", "agrees"] == [entry["verdict"] for entry in said]


def test_replay_misuse(trace):
    """A trace that misuses the calls is judged by its harm, and fails nothing."""
    trace.write_text(GOOD.replace('"5.13"', '"5.13", misuse=True') + "unpin_user_page(h1[0:1])\n")
    result = run("replay", trace)

    assert 0 == result.exit_code
    assert "misuse: step " in result.output


def test_reduce(trace):
    """A failing trace is made smaller, into the store or where it is asked for."""
    trace.write_text(GOOD.replace("unpin", "clean(a[0:1])\nunpin", 1))
    candidate = f"{SKETCHES}:NoTailOffset"
    result = run("reduce", trace, "--candidate", candidate)

    assert 1 == result.exit_code
    assert "3 steps to 2" in result.output
    assert Path(".headcount", f"{NAME}.trace").exists()

    run("reduce", trace, "--candidate", candidate, "-o", "small.trace")
    assert 2 == len(read_program(Path("small.trace")).steps)


def test_reduce_nothing(trace):
    """A trace that agrees has nothing to reduce."""
    result = run("reduce", trace)

    assert 2 == result.exit_code
    assert "nothing to reduce: agrees now" in result.stderr


def test_show(trace):
    """Each step is shown with its map, its runs and what it changed."""
    lines = run("show", trace).output.splitlines()

    assert "2  unpin_user_page_range_dirty_lock(h1[0:2], make_dirty=True)" in lines
    assert "     a      |0---1---2---3---|4---|" in lines
    assert "     range               ^^^^^^^^^" in lines
    assert "     2 runs: 1 of a+0, 1 of a+4" in lines
    assert any("refcount 2 -> 1, pincount 1 -> 0, dirty" in line for line in lines)


def test_show_failure(trace):
    """On a candidate that fails, showing ends with the finding."""
    result = run("show", trace, "--candidate", f"{SKETCHES}:NoTailOffset")

    assert 0 == result.exit_code
    assert "DIVERGED at step 2 of 2" in result.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["replay", "nowhere.trace"], "nowhere.trace: No such file or directory"),
        (["replay", "."], ".: is a directory, not a file"),
        (["show", "bad.trace"], "bad.trace:3: unknown call explode(…)"),
        (["reduce", "bad.trace"], "bad.trace:3: unknown call explode(…)"),
        (["replay", "broken.trace"], "broken.trace:6: unpins 1 of a+0, where 0 are held"),
        (["show", "broken.trace"], "broken.trace:6: unpins 1 of a+0, where 0 are held"),
        (["reduce", "broken.trace"], "broken.trace:6: unpins 1 of a+0, where 0 are held"),
        (["replay", "good.trace", "--semantics", "9.9"], "semantics '9.9' are not known"),
        (["replay", "good.trace", "--candidate", "x"], "candidate 'x' is none of"),
        (["verify", "--semantics", "2.4"], "semantics '2.4' are not known"),
        (
            ["verify", "--layout", "good.trace"],
            "good.trace:4: a layout can only have mappings, not pin_user_pages(…)",
        ),
        (["verify", "--seed", "-1"], "'-1' is not an integer from 0"),
        (["verify", "--rounds", "0"], "0 is not in the range"),
        (["nonsense"], "No such command 'nonsense'"),
        (["capture", "--pid", "999999999"], "no such process"),
    ],
)
def test_bad_input(home, arguments, reason):
    """Bad input is one clear line on stderr, and exit status 2."""
    (home / "good.trace").write_text(GOOD)
    (home / "bad.trace").write_text('# headcount 1\nsemantics("5.13")\nexplode(1)\n')
    (home / "broken.trace").write_text(GOOD + "unpin_user_page(h1[0:1])\n")
    result = run(*arguments)

    assert 2 == result.exit_code
    assert reason in result.stderr
    assert "" == result.stdout
    if result.stderr.startswith("headcount: "):
        assert 1 == len(result.stderr.splitlines())


def test_closed_output(trace):
    """A reader that goes away is no error to complain about."""
    command = f"{sys.executable} -m properties show {trace} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert 1 == len(done.stdout.splitlines())
    assert "" == done.stderr


@pytest.mark.parametrize(("name", "status"), [("", 0), ("NoTailOffset", 1)])
def test_closed_output_keeps_the_verdict(home, trace, name, status):
    """A reader that goes away changes no exit status."""
    candidate = f"--candidate {SKETCHES}:{name}" if name else ""
    command = (
        f"{sys.executable} -m properties replay {trace} {candidate} | true; echo ${{PIPESTATUS[0]}}"
    )
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert f"{status}\n" == done.stdout
    assert "" == done.stderr


def test_full_disk(trace):
    """Where output cannot be written it is one line, and bad input."""
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("needs /dev/full")
    with full.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-m", "properties", "show", trace],
            check=False,
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
        )

    assert 2 == done.returncode
    assert "headcount: cannot print: No space left on device\n" == done.stderr


def test_hash_seed_does_not_matter(home):
    """Two processes with different hash seeds print the same."""
    command = [sys.executable, "-m", "properties", "verify", "--seed", "3"]
    command += ["--search", "soak", "--rounds", "8", "--candidate", f"{SKETCHES}:NoTailOffset"]
    outputs = [
        subprocess.run(
            command,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        ).stdout
        for seed in ("1", "2")
    ]

    assert outputs[0] == outputs[1]
    assert "\nDIVERGED" in outputs[0]


def test_capture_of_a_process_has_at_most_limit_mappings(monkeypatch, home):
    """``--limit`` holds for one process as for the whole machine."""
    asked = []

    def captured(pid, when, *, limit):
        asked.append((pid, when, limit))
        return Capture((), ("captured today from one process",))

    module = importlib.import_module("properties.cli.capture")
    monkeypatch.setattr(module, "capture_process", captured)
    assert run("capture", "--pid", 7, "--limit", 3, "--when", "today").exit_code == 0
    assert asked == [(7, "today", 3)]


@pytest.mark.skipif(
    not os.access("/proc/kpageflags", os.R_OK), reason="needs root: run the tests with sudo"
)
@pytest.mark.slow("reads the flags of each frame of this machine")
def test_capture(home):
    """A layout captured from this very machine can be searched."""
    result = run("capture", "--limit", 20, "-o", "here.layout", "--when", "today")

    assert 0 == result.exit_code
    assert 0 == run("verify", "--layout", "here.layout", "--rounds", 1, "--seed", 1).exit_code


NARROW = """\
from model.abilities import Abilities
from model.optimised import Optimised


class Mine(Optimised):
    abilities = Abilities("mine", semantics=frozenset({"%s"}))

    def put_compound_head(self, head, refs):
        super().put_compound_head(head, refs - %d)
"""


@pytest.mark.parametrize(("wrong", "said", "status"), [(0, "agrees now", 0), (1, "still div", 1)])
def test_replay_follows_the_candidate(trace, wrong, said, status):
    """A candidate without the trace's version is judged by its own, as everywhere else."""
    Path("mine.py").write_text(NARROW % ("6.1", wrong))
    result = run("replay", trace, "--candidate", "mine.py:Mine")

    assert status == result.exit_code
    assert f"{trace}  semantics 6.1, the candidate's; the trace says 5.13\n" in result.output
    assert f"\n  {said}" in result.output
    (entry,) = json.loads(run("replay", trace, "--candidate", "mine.py:Mine", "--json").output)[
        "results"
    ]
    assert ("6.1", "5.13") == (entry["semantics"], entry["trace_semantics"])


def test_replay_summary(trace):
    """Several replays end with how many there are of each kind, and why some were not judged."""
    Path("mine.py").write_text(NARROW % ("5.11", 0))
    Path("other.trace").write_text(GOOD.replace("unpin_user_page_range", "unpin_user_pages", 1))
    Path("null.trace").write_text(
        '# headcount 1\nsemantics("6.12")\na = mapping("driver", orders=[0])\n'
        "h1 = pin_user_pages(a[0:1])\nunpin_user_pages(h1[0:1] + NULL)\n"
    )
    Path("other.trace").write_text(GOOD.replace("page_range_dirty_lock", "pages_dirty_lock"))
    files = [trace, "null.trace", "other.trace"]
    result = run("replay", *files, "--candidate", "mine.py:Mine")

    assert 0 == result.exit_code
    assert result.output.endswith(
        "total    3 replays: 1 agree, 2 not judged\n"
        "         1 not judged: unpin_user_page_range_dirty_lock() does not exist in 5.11\n"
        "         1 not judged: 5.11 does not skip NULL\n"
    )


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_replay_of_nothing(trace, words):
    """Where nothing was judged, the exit status is not that of agreement."""
    result = run("replay", trace, "--semantics", "5.11", *words)

    assert 3 == result.exit_code
    assert "unpin_user_page_range_dirty_lock() does not exist in 5.11" in result.output


def test_replay_by_other_rules(trace):
    """What does not exist by other rules is not judged; what breaks a trace's own is bad input."""
    text = '# headcount 1\nsemantics("6.12")\na = mapping("page-cache", orders=[3])\n'
    Path("mine.py").write_text(NARROW % ("5.13", 0))
    trace.write_text(f"{text}get_page(a[0:1])\n")
    result = run("replay", trace, "--candidate", "mine.py:Mine")
    assert 3 == result.exit_code
    assert "no longer applies: mapping a: page-cache pages of order 3 do not exist in 5.13;" in (
        result.output
    )

    trace.write_text(f"{text}unpin_user_page(a[0:1])\n")
    result = run("replay", trace, "--candidate", "mine.py:Mine")
    assert 2 == result.exit_code
    assert f"headcount: {trace}:4: unpins 1 of a+0, where 0 are held" in result.stderr


def with_json(command, name=()):
    """The names of all commands below *command* that have the flag --json."""
    if any(option.name == "as_json" for option in command.params):
        yield " ".join(name)
    context = click.Context(command)
    for key in command.list_commands(context) if isinstance(command, click.Group) else ():
        yield from with_json(command.get_command(context, key), (*name, key))


#: Commands whose JSON is tested here, by their arguments; the others' is beside their tests.
JSON = {
    "verify": ("--rounds", 1, "--seed", 1, "--search", "soak"),
    "exhaustive": ("--steps", 1, "--compound", 1, "--order", 0),
    "replay": ("good.trace",),
}


def test_all_json():
    """No command with --json is left out."""
    assert {*JSON, "prove", "measure", "guest measure"} == {*with_json(main)}


@pytest.mark.parametrize("command", JSON)
def test_json_is_headed(trace, command):
    """JSON is an object that begins with the version of its format and the command."""
    said = json.loads(run(command, *JSON[command], "--json").stdout)

    assert [("headcount", 1), ("command", command)] == [*said.items()][:2]
    assert "error" not in said


@pytest.mark.parametrize("command", JSON)
def test_json_of_bad_input(trace, command):
    """So is bad input, with the line that is on standard error."""
    result = run(command, *JSON[command], "--candidate", "nowhere.py:Mine", "--json")
    said = json.loads(result.stdout)

    assert 2 == result.exit_code
    assert f"headcount: {said['error']}\n" == result.stderr
    assert {"headcount": 1, "command": command, "error": "nowhere.py: no such file"} == said
