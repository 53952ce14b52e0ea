# SPDX-License-Identifier: MIT

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading

import pytest
from attrs import evolve

from model.errors import BadInput
from model.kernel.source.patch import edited, patched
from model.kernel.source.tree import read
from tests.helpers import TOY

PATCH = """\
diff --git a/README b/README
--- a/README
+++ b/README
@@ -1 +1 @@
-not there
+nor here
diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -3,4 +3,4 @@

-static int toy_each(struct page *head)
+static int toy_each(struct page *page)
 {
 \treturn hpage_pincount_available(head) ? 1 : GUP_PIN_COUNTING_BIAS;
"""


def test_patched(toy, tmp_path):
    """A patch is applied to our files; what it does to others is left out."""
    patch = tmp_path / "a.patch"
    patch.write_text(PATCH)

    changed = patched(toy, patch)

    assert "static int toy_each(struct page *page)" in changed.files["mm/gup.c"]
    assert toy.files["include/linux/mm.h"] == changed.files["include/linux/mm.h"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (PATCH.replace("toy_each", "other"), r"does not apply to .*toy: patch failed: mm/gup\.c:3"),
        (
            "diff --git a/mm/gup.c b/mm/x.c\nrename from mm/gup.c\nrename to mm/x.c\n",
            r"removes mm/gup\.c, without which",
        ),
        (PATCH.replace("(struct page *head)\n+", "(struct page *page)\n+"), "does not apply"),
        ("nonsense", "no diff in it"),
    ],
)
def test_patch_refused(toy, tmp_path, text, complaint):
    """A patch that does not apply, or not here, is told in one line."""
    patch = tmp_path / "a.patch"
    patch.write_text(text)

    with pytest.raises(BadInput, match=rf"a\.patch: {complaint}"):
        patched(toy, patch)


def test_applied_already(toy, tmp_path):
    """A patch that is in the tree already is told so."""
    patch = tmp_path / "a.patch"
    patch.write_text(PATCH)

    with pytest.raises(BadInput, match=r"is applied to .*toy already: mm/gup\.c"):
        patched(patched(toy, patch), patch)


def test_other_files_only(toy, tmp_path):
    """A patch to none of the files that are read changes nothing that is under test."""
    patch = tmp_path / "a.patch"
    patch.write_text(PATCH.partition("diff --git a/mm")[0])

    tree = patched(toy, patch)

    assert toy.files == tree.files
    assert ["README"] == [part.file for part in tree.edits.unread]


def test_without_prefixes(toy, tmp_path):
    """The output of git diff --no-prefix is applied."""
    patch = tmp_path / "a.patch"
    patch.write_text(PATCH.replace(" a/", " ").replace(" b/", " "))

    assert "toy_each(struct page *page)" in patched(toy, patch).files["mm/gup.c"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_pipe(toy, tmp_path):
    """A patch may come out of a pipe, as from ``--patch <(git diff)``."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(PATCH,))
    writer.start()

    assert "toy_each(struct page *page)" in patched(toy, pipe).files["mm/gup.c"]
    writer.join()


def test_no_patch(toy, tmp_path):
    """Nor is there a patch without a file, or in a directory."""
    with pytest.raises(BadInput, match="is a directory, not a file"):
        patched(toy, tmp_path)
    with pytest.raises(BadInput, match=r"a\.patch: No such file"):
        patched(toy, tmp_path / "a.patch")


def test_no_git(toy, tmp_path, monkeypatch):
    """Who has no git is told what to install."""
    (tmp_path / "a.patch").write_text(PATCH)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    with pytest.raises(BadInput, match="apt install git"):
        patched(toy, tmp_path / "a.patch")


def diff(old, new, file="mm/gup.c"):
    """A hunk of one changed line as ``diff -u`` writes it, without numbers that git would add."""
    number = next(
        n for n, line in enumerate((TOY / file).read_text().split("\n"), 1) if line == old
    )
    names = f"--- a/{file}\t2026-01-01\n+++ b/{file}\t2026-01-02\n"
    return f"{names}@@ -{number} +{number} @@\n-{old}\n+{new}\n"


FIRST = diff("static int toy_each(struct page *head)", "static int toy_each(struct page *page)")
SECOND = diff("#define FOLL_GET 1", "#define FOLL_GET 4", "include/linux/mm.h")
MAIL = """\
From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001
From: Somebody <somebody@example.org>
Subject: [PATCH] a change
{headers}
- an item, which is no line of a hunk
---
{diff}--{space}
2.39.5

"""


@pytest.mark.parametrize(
    "text",
    [
        FIRST + SECOND,
        (FIRST + SECOND).replace("\n", "\r\n"),
        "\ufeff" + FIRST + SECOND,
        MAIL.format(space=" ", headers="", diff=FIRST)
        + MAIL.format(space=" ", headers="", diff=SECOND),
        MAIL.format(
            space=" ",
            headers="Content-Transfer-Encoding: quoted-printable\n",
            diff=(FIRST + SECOND).replace("=", "=3D").replace("toy_each", "toy=5Feach"),
        ),
        "diff -u a/mm/gup.c b/mm/gup.c\n" + FIRST + "diff -u a b\n" + SECOND,
    ],
    ids=["concatenated", "crlf", "byte order mark", "mbox", "quoted", "headers"],
)
def test_forms(toy, tmp_path, text):
    """What diff writes, a mail, and an mbox are all applied, all of them."""
    (tmp_path / "a.patch").write_bytes(text.encode())

    changed = patched(toy, tmp_path / "a.patch")

    assert "toy_each(struct page *page)" in changed.files["mm/gup.c"]
    assert "#define FOLL_GET 4" in changed.files["include/linux/mm.h"]
    assert toy.files == changed.edits.before


def test_a_file_twice(toy, tmp_path):
    """The second patch of a series changes what the first one made."""
    again = FIRST.replace("toy_each(struct page *page)", "third(struct page *page)").replace(
        "toy_each(struct page *head)", "toy_each(struct page *page)"
    )
    (tmp_path / "a.patch").write_text(FIRST + again)

    assert (
        "static int third(struct page *page)"
        in patched(toy, tmp_path / "a.patch").files["mm/gup.c"]
    )


def test_wrong_numbers(toy, tmp_path):
    """A hunk that was edited by hand, so that its numbers of lines are wrong, is applied."""
    text = (TOY / "mm/gup.c").read_text().split("\n")[3:6]
    hunk = f"@@ -4,9 +4,9 @@\n-{text[0]}\n+{text[0]} \n {text[1]}\n {text[2]}\n"
    (tmp_path / "a.patch").write_text(f"--- a/mm/gup.c\n+++ b/mm/gup.c\n{hunk}{SECOND}")

    changed = patched(toy, tmp_path / "a.patch")

    assert f"{text[0]} \n" in changed.files["mm/gup.c"]
    assert "#define FOLL_GET 4" in changed.files["include/linux/mm.h"]


@pytest.mark.skipif(not shutil.which("patch"), reason="no patch: apt install patch")
def test_fuzz(toy, tmp_path, monkeypatch):
    """A hunk whose surroundings differ is applied as patch does, if it is there; that is noted."""
    text = (TOY / "mm/gup.c").read_text().split("\n")
    hunk = f"@@ -2,5 +2,5 @@\n other\n \n-{text[3]}\n+{text[3]} \n {text[4]}\n {text[5]}\n"
    (tmp_path / "a.patch").write_text(f"--- a/mm/gup.c\n+++ b/mm/gup.c\n{hunk}")

    changed = patched(toy, tmp_path / "a.patch")

    assert f"{text[3]} \n" in changed.files["mm/gup.c"]
    assert re.match(r"mm/gup.c: Hunk #1 succeeded at \d+ with fuzz", changed.edits.notes[0])
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "patch" else which(name))
    with pytest.raises(BadInput, match="does not apply"):
        patched(toy, tmp_path / "a.patch")


def test_other_files(toy, tmp_path):
    """What a patch changes in files that are not read is kept, as the lines it changes."""
    other = FIRST.replace("mm/gup.c", "mm/memory.c")
    (tmp_path / "a.patch").write_text(FIRST + other)

    (part,) = patched(toy, tmp_path / "a.patch").edits.unread

    assert "mm/memory.c" == part.file
    assert [(4, "toy_each")] == [*part.changed()]


@pytest.fixture
def work_tree(tmp_path):
    """A git work tree with the toy, one commit old; the function runs git in it."""
    shutil.copytree(TOY, tmp_path / "linux")

    def git(*arguments):
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        subprocess.run(command, cwd=tmp_path / "linux", check=True, capture_output=True)

    git("init", "-q")
    git("add", "-A")
    git("commit", "-qm", "toy")
    return tmp_path / "linux", git


def append(path, text):
    path.write_text(path.read_text() + text)


def test_edited(work_tree):
    """An edited work tree is compared with HEAD, or with another commit."""
    place, git = work_tree
    assert not edited(read(str(place)), None).edits

    append(place / "mm/gup.c", "int one;\n")
    git("commit", "-qam", "one")
    append(place / "mm/gup.c", "int two;\n")
    append(place / "Makefile", "# more\n")
    tree = read(str(place))

    assert "int two" not in edited(tree, None).edits.before["mm/gup.c"]
    assert "int one" in edited(tree, None).edits.before["mm/gup.c"]
    assert "int one" not in edited(tree, "HEAD~1").edits.before["mm/gup.c"]
    assert ["Makefile"] == [part.file for part in edited(tree, None).edits.unread]
    with pytest.raises(BadInput, match="linux has no commit 'nowhere'"):
        edited(tree, "nowhere")


def test_edited_directory(work_tree):
    """A tree may be a directory of a repository; a directory that git does not track is none."""
    place, _ = work_tree
    where = place / "drivers"
    shutil.copytree(TOY, where / "linux")
    assert not edited(read(str(where / "linux")), None).edits
    with pytest.raises(BadInput, match="is no git work tree"):
        edited(read(str(where / "linux")), "HEAD")
    git = work_tree[1]
    git("add", "-A")
    git("commit", "-qm", "inside")
    append(where / "linux/mm/gup.c", "int two;\n")

    assert "int two" not in edited(read(str(where / "linux")), None).edits.before["mm/gup.c"]


def test_new_file(work_tree):
    """A new file of those that are read was empty before; a renamed one was what it was renamed."""
    place, git = work_tree
    (place / "include/linux/gfp.h").write_text("#define TOY_NEW 1\n")
    git("add", "-A")
    assert "" == edited(read(str(place)), None).edits.before["include/linux/gfp.h"]
    git("reset", "-q", "--hard")
    git("mv", "include/linux/mmzone.h", "include/linux/gfp.h")
    before = edited(read(str(place)), None).edits.before
    assert before["include/linux/mmzone.h"] == before["include/linux/gfp.h"] != ""


def test_untracked(work_tree):
    """Code that git does not track is told, or is new where it is read; what it ignores is not."""
    place, _ = work_tree
    for name in ("a.o", "b.c", "c.h", "d.S", "e.rs", "f.txt", "ignored.c"):
        (place / "mm" / name).write_text("int one;\n")
    (place / ".git/info/exclude").write_text("ignored.c\n")
    edits = edited(read(str(place)), None).edits

    assert not edits
    told = "not looked at, as git does not track it: mm/b.c, mm/c.h, mm/d.S and 1 more"
    assert (told,) == edits.notes
    (place / "mm/d.S").unlink()
    (place / "mm/a\nä.c").write_text("int one;\n")
    (told,) = edited(read(str(place)), None).edits.notes
    assert told.endswith(r"track it: 'mm/a\n\xe4.c', mm/b.c, mm/c.h and 1 more")
    (place / "mm/a\nä.c").unlink()
    (place / "include/linux/gfp.h").write_text("#define TOY_NEW 1\n")
    edits = edited(read(str(place)), None).edits
    assert "" == edits.before["include/linux/gfp.h"]
    assert edits.notes[0].endswith(": mm/b.c, mm/c.h, mm/e.rs")


def test_configured(work_tree, monkeypatch):
    """Neither the user's configuration of diffs, nor a hook's repository, changes what is found."""
    place, git = work_tree
    git("config", "diff.toy.textconv", "tac")
    git("config", "diff.toy.binary", "true")
    git("config", "diff.noprefix", "true")
    (place / ".git/info/attributes").write_text("*.c diff=toy\n")
    (place / "mm/other.c").write_text("int f(void)\n{\n\treturn 1;\n}\n")
    git("add", "-N", "mm/other.c")
    monkeypatch.setenv("GIT_DIR", str(place / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(place / "nowhere"))

    (part,) = edited(read(str(place)), None).edits.unread

    assert [1, 3] == [line for line, _ in part.changed()]


def test_git_refuses(work_tree):
    """What git does not read is told, because nobody knows then what was edited."""
    place, _ = work_tree
    (place / ".git/HEAD").unlink()

    with pytest.raises(BadInput, match="what was edited is not known, as git says: not a git"):
        edited(read(str(place)), None)


def test_edited_and_patched(work_tree, tmp_path):
    """What was edited before a patch counts as changed, too."""
    place, _ = work_tree
    append(place / "mm/gup.c", "int two;\n")
    (tmp_path / "a.patch").write_text(FIRST)

    tree = patched(edited(read(str(place)), None), tmp_path / "a.patch")

    assert "int two" not in tree.edits.before["mm/gup.c"]
    assert "toy_each(struct page *page)" not in tree.edits.before["mm/gup.c"]


def test_no_work_tree(tmp_path, monkeypatch):
    """--base needs a git work tree with a commit, and git."""
    place = tmp_path / "linux"
    shutil.copytree(TOY, place)
    toy = read(str(place))
    assert toy == edited(toy, None)
    with pytest.raises(BadInput, match=r"--base: .*linux is no git work tree"):
        edited(toy, "HEAD")
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=place, check=True)
    assert toy == edited(toy, None)
    with pytest.raises(BadInput, match="has no commit 'HEAD'"):
        edited(toy, "HEAD")
    with pytest.raises(BadInput, match=r"--base: .*\.tar is no git work tree"):
        edited(evolve(toy, where=f"{place}.tar"), "HEAD")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert toy == edited(toy, None)
    with pytest.raises(BadInput, match="--base needs git"):
        edited(toy, "HEAD")


@pytest.mark.parametrize("linked", [False, True])
def test_tree_below_an_unread_repository(work_tree, monkeypatch, linked):
    """A tree that a repository tracks is told if git does not read that, as another user owns it.

    A tree or a tarball that only lies below it has nothing to do with it.
    """
    place, git = work_tree
    if linked:
        git("worktree", "add", "-q", str(place.parent / "linked"))
        place = place.parent / "linked"
    tracked, plain = place / "tracked", place / "plain"
    for one in (tracked, plain):
        shutil.copytree(TOY, one)
    subprocess.run(["git", "add", "tracked"], cwd=place, check=True)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(BadInput, match=r"what was edited is not known, as git says: .*ownership"):
        edited(read(str(tracked)), None)
    assert not edited(read(str(plain)), None).edits
    assert not edited(evolve(read(str(plain)), where=f"{place}/linux.tar"), None).edits


def test_index_that_cannot_be_read(work_tree, monkeypatch):
    """Where nobody knows whether a repository tracks a tree, it may."""
    place, _ = work_tree
    shutil.copytree(TOY, place / "below")
    (place / ".git/index").write_bytes(b"nonsense")
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    with pytest.raises(BadInput, match=r"as git says: .*ownership"):
        edited(read(str(place / "below")), None)


def test_repository_with_no_index(work_tree, monkeypatch):
    """A repository to which nothing was ever added tracks nothing."""
    place, _ = work_tree
    (place / ".git/index").unlink()
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")

    assert not edited(read(str(place)), None).edits


def removal(file):
    """A patch that removes *file* of the toy."""
    lines = (TOY / file).read_text().splitlines(keepends=True)
    body = "".join(f"-{line}" for line in lines)
    head = f"diff --git a/{file} b/{file}\ndeleted file mode 100644\n--- a/{file}\n"
    return f"{head}+++ /dev/null\n@@ -1,{len(lines)} +0,0 @@\n{body}"


def test_removed_file(toy, tmp_path):
    """A file that is read and that a patch removes is told; some cannot be done without."""
    (tmp_path / "a.patch").write_text(removal("include/linux/scatterlist.h"))
    (tmp_path / "b.patch").write_text(removal("lib/scatterlist.c"))

    changed = patched(toy, tmp_path / "a.patch")

    assert "include/linux/scatterlist.h" not in changed.files
    assert ("include/linux/scatterlist.h: is removed",) == changed.edits.notes
    with pytest.raises(BadInput, match=r"b\.patch: removes lib/scatterlist\.c, without which"):
        patched(toy, tmp_path / "b.patch")


@pytest.mark.parametrize("file", ["lib/scatterlist.c", "include/linux/scatterlist.h"])
def test_symbolic_link(toy, tmp_path, file):
    """What a patch makes a symbolic link is not read from the place that it leads to."""
    link = f"diff --git a/{file} b/{file}\nnew file mode 120000\n--- /dev/null\n+++ b/{file}\n"
    link += "@@ -0,0 +1 @@\n+/etc/passwd\n\\ No newline at end of file\n"
    (tmp_path / "a.patch").write_text(removal(file) + link)

    with pytest.raises(BadInput, match=rf"a\.patch: makes {file} a symbolic link; headcount"):
        patched(toy, tmp_path / "a.patch")
