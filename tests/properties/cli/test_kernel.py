# SPDX-License-Identifier: MIT

"""The command on a kernel tree: the toy of tests/model/kernel."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.helpers import TOY, TRACES, run
from tests.model.kernel.source.needs import lacking

MISSING = lacking()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


PATCH = """\
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -51,7 +51,7 @@
 static unsigned long compound_range_next(struct page *from, unsigned long left)
 {
 \tstruct page *head = compound_head(from);
-\tunsigned long rest = head + compound_nr(head) - from;
+\tunsigned long rest = compound_nr(head);

 \treturn rest < left ? rest : left;
 }
"""


@pytest.fixture(autouse=True)
def _cache(monkeypatch, tmp_path_factory):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cli-cache"))


@pytest.fixture
def patch(home):
    """A patch that forgets the tail that a range begins in."""
    path = home / "tail.patch"
    path.write_text(PATCH)
    return path


def test_verify(home):
    """A tree that counts right agrees, and the command that repeats it is printed."""
    result = run("verify", "--candidate", f"kernel-source:{TOY}", "--seed", 1, "--rounds", 9)

    assert 0 == result.exit_code, result.output
    assert "semantics 5.13" in result.output
    assert result.output.endswith(
        f"repeat   headcount verify --candidate kernel-source:{TOY} --seed 1 --rounds 9\n"
    )


def test_verify_skips_oddities(home):
    """Steps that would trigger an oddity are skipped and counted, with its story."""
    candidate = f"kernel-source:{TOY},classic"
    plain = run("verify", "--candidate", candidate, "--search", "soak", "--seed", 2, "--rounds", 8)
    told = run(
        "verify", "--candidate", candidate, "--search", "soak", "--seed", 2, "--rounds", 8, "--json"
    )

    assert 0 == plain.exit_code
    assert " that would trigger the known oddity sections:\n" in plain.output
    assert json.loads(told.output)["around"]["sections"] > 0


def test_patch(home, patch):
    """From an edit to a counterexample, which is replayed and reduced as it is told."""
    result = run("verify", "--candidate", f"kernel-source:{TOY}", "--patch", patch, "--seed", 1)
    (saved,) = (line.split()[1] for line in result.output.splitlines() if line.startswith("saved"))
    candidate = f"kernel-source:{TOY},patch={patch}"

    assert 1 == result.exit_code
    assert f"replay   headcount replay {saved} --candidate {candidate}" in result.output
    assert 1 == run("replay", saved, "--candidate", candidate).exit_code
    assert (
        1 == run("replay", saved, "--candidate", f"kernel-source:{TOY}", "--patch", patch).exit_code
    )
    assert 0 == run("replay", saved, "--candidate", f"kernel-source:{TOY}").exit_code
    assert 1 == run("reduce", saved, "--candidate", candidate).exit_code


def test_patches(home, patch):
    """Several patches are applied, in their order; the name of one may contain commas."""
    other = patch.with_name("a,b.patch")
    found = ("verify", "--candidate", f"kernel-source:{TOY}", "--patch", patch, "--patch", other)

    assert run(*found).output == f"headcount: {other}: No such file or directory\n"
    other.write_text(patch.read_text())
    assert f"headcount: {other}: is applied to {TOY} already: mm/gup.c\n" == run(*found).output


def test_patch_of_nothing(patch):
    """Only a tree can be patched."""
    result = run("verify", "--patch", patch)

    assert 2 == result.exit_code
    assert "--patch needs --candidate kernel-source:DIR" in result.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--candidate", "kernel-source:nowhere"],
            "headcount: nowhere: no such directory or tarball\n",
        ),
        (["--candidate", "kernel-source:"], "headcount: kernel-source: needs a directory"),
        (["--candidate", f"kernel-source:{TOY.parent}"], "not a kernel tree: it has no mm/gup.c\n"),
        (
            ["--candidate", f"kernel-source:{TOY}", "--semantics", "6.1"],
            "does not follow the semantics of 6.1",
        ),
        (["--search", "lane"], "headcount: search 'lane' is not one of machine, soak, "),
    ],
)
def test_refused(home, arguments, reason):
    """Bad input is one line and status 2."""
    result = run("verify", *arguments)

    assert 2 == result.exit_code
    assert reason in result.output
    assert 1 == len(result.output.splitlines())


def test_replay_odd(home):
    """A known oddity is told as such, and is no failure."""
    result = run("replay", TRACES / "one-grab.trace", "--candidate", f"kernel-source:{TOY}")
    told = run("replay", TRACES / "one-grab.trace", "--candidate", f"kernel-source:{TOY}", "--json")

    assert 0 == result.exit_code
    assert (
        "known oddity, expected until fixed upstream: one-grab: one grab of a huge" in result.output
    )
    assert "odd" == json.loads(told.output)["results"][0]["verdict"]


def test_measure(home):
    """The tables stand beside the series' own, and say how to repeat them."""
    result = run("measure", "--candidate", f"kernel-source:{TOY}", "--gib", 1, "--rounds", 1)
    lines = result.output.splitlines()

    assert 0 == result.exit_code, result.output
    assert max(map(len, lines[:-1])) <= 100
    assert lines[0].startswith("1 GiB, kernel source 5.13.0-toy, median of 1")
    assert any(line.startswith("2 MiB") and "3.78" in line and "4.71" in line for line in lines)
    assert lines[-1].endswith(
        f"headcount measure --candidate kernel-source:{TOY} --gib 1 --rounds 1"
    )


def test_measure_json(home):
    """The same for machines, in nanoseconds."""
    result = run(
        "measure", "--candidate", f"kernel-source:{TOY}", "--gib", 1, "--rounds", 1, "--json"
    )
    found = json.loads(result.output)

    assert (1, "measure") == (found["headcount"], found["command"])
    assert [0, 9, 18] == [pages["order"] for pages in found["sizes"]]
    assert all(pages["singly"] > 0 for pages in found["sizes"])


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        ("optimised", "measure needs --candidate kernel-source:DIR"),
        (f"kernel-source:{TOY},classic", "leave classic out"),
    ],
)
def test_measure_refused(candidate, reason):
    """Only a tree is measured, and in one memory model."""
    result = run("measure", "--candidate", candidate)

    assert 2 == result.exit_code
    assert reason in result.output


def rounds(*arguments):
    """A search of nine rounds on the toy, with *arguments*."""
    candidate = ("--candidate", f"kernel-source:{TOY}")
    return run("verify", *candidate, *arguments, "--seed", 1, "--rounds", 9)


def patch_of(home, old, new, file="mm/gup.c"):
    """A patch that makes the one line *old* of the toy the lines *new*."""
    lines = (TOY / "mm/gup.c").read_text().split("\n")
    at = lines.index(old) + 1
    added = "".join(f"+{line}\n" for line in new)
    hunk = f"@@ -{at} +{at},{len(new)} @@ int other(void)\n-{old}\n{added}"
    path = home / "a.patch"
    path.write_text(f"--- a/{file}\n+++ b/{file}\n{hunk}")
    return path


BUMP = "\tint all = flags == FOLL_PIN ? refs * toy_each(page) : refs;"

#: The same in other words.
SAME = BUMP.replace(": refs;", ": 1 * refs;")


def test_all_that_was_changed_ran(home):
    """If each changed line of code ran, the verdict is agreed; it is told how many lines ran."""
    result = rounds("--patch", patch_of(home, BUMP, ["\t/* the same */", SAME]))

    assert 0 == result.exit_code, result.output
    assert result.output.startswith("agreed ")
    assert "\nchanged  1 line of code: 1 ran\n" in result.output
    assert "\nran      " in result.output


def test_what_was_changed_never_ran(home):
    """A changed line that was compiled, and never ran, is told, and there is no agreement."""
    result = rounds("--patch", patch_of(home, BUMP, [SAME, "\tif (refs < -9)", "\t\tall++;"]))

    assert 3 == result.exit_code, result.output
    assert result.output.startswith("partly under test ")
    assert "changed  3 lines of code: 2 ran; 1 compiled, but never ran\n" in result.output
    assert "  compiled, but never ran: mm/gup.c: put_compound_head, 35\n" in result.output


def test_what_was_changed_is_not_under_test(home):
    """Changed functions that nobody compiles are told by name; JSON has each line."""
    new = ["int nobody(void);", "static int nobody_calls(int a)", "{", "\treturn 1;", "}"]
    patch = patch_of(home, "EXPORT_SYMBOL(unpin_user_page);", new)
    result = rounds("--patch", patch)
    told = json.loads(rounds("--patch", patch, "--json").output)

    assert 3 == result.exit_code, result.output
    assert result.output.startswith("not under test ")
    assert "  not under test: mm/gup.c: nobody_calls, 49, 51\n" in result.output
    assert "not under test" == told["verdict"]
    assert 5 == len(told["under_test"]["changed"])


def test_uncovered(home):
    """The lines that never ran are listed."""
    patch = patch_of(home, BUMP, [BUMP, "\tif (refs < -9)", "\t\tall++;"])
    plain, listed = rounds("--patch", patch), rounds("--patch", patch, "--uncovered")

    assert "--uncovered" in plain.output
    assert "put_compound_head: 35" not in plain.output
    assert "           put_compound_head: 35\n" in listed.output


def test_base(home):
    """--base is refused where there is no git work tree."""
    place = shutil.copytree(TOY, home / "linux")
    result = run("verify", "--candidate", f"kernel-source:{place}", "--base", "HEAD~1")

    assert 2 == result.exit_code
    assert f"headcount: --base: {place} is no git work tree\n" == result.stderr


def test_replay_and_exhaustive_of_what_was_changed(home):
    """A trace, or a whole scope, that did not reach all that was changed, is no agreement."""
    patch = patch_of(home, BUMP, [SAME, "\tif (refs < -9)", "\t\tall++;"])
    candidate = ("--candidate", f"kernel-source:{TOY}", "--patch", patch)
    trace = TRACES / "no-tail-offset.trace"

    replayed = run("replay", trace, *candidate)
    told = json.loads(run("replay", trace, *candidate, "--json").output)
    whole = run("exhaustive", *candidate, "--steps", 1, "--compound", 1, "--order", 1)

    assert (3, 3) == (replayed.exit_code, whole.exit_code), replayed.output + whole.output
    assert "agrees now, " in replayed.output
    assert "changed  3 lines of code: 2 ran; 1 compiled, but never ran\n" in replayed.output
    assert "partly under test" == told["lack"]
    assert whole.output.startswith("not under test in every one of ")


def test_replay_of_what_was_not_changed(home):
    """A replay on a tree as it is says nothing of lines."""
    result = run("replay", TRACES / "no-tail-offset.trace", "--candidate", f"kernel-source:{TOY}")

    assert 0 == result.exit_code, result.output
    assert "lines" not in result.output
