# SPDX-License-Identifier: MIT

"""Applies a patch to a tree, and finds what was edited in a git work tree."""

import re
import shutil
import tempfile
from pathlib import Path

from attrs import evolve

from model.errors import BadInput
from model.kernel.command import run
from model.kernel.source.diff import Part, parts
from model.kernel.source.tree import FILES, Edits, Tree, text

#: What applies one part of a patch, in the order in which it is tried: hunks whose numbers of lines
#: are wrong, as after an edit by hand, need --recount; hunks whose surroundings differ need patch.
TOOLS = (
    ("git", "apply", "-p1"),
    ("git", "apply", "-p1", "--recount"),
    ("patch", "-p1", "--force", "--no-backup-if-mismatch", "--reject-file=-"),
)

#: A message of patch(1) about a hunk that does not fit exactly.
INEXACT = re.compile(r"Hunk #\d+ succeeded at \d+ (?:with fuzz|\(offset).*")


def patched(tree: Tree, patch: Path) -> Tree:
    """*tree* with *patch* applied: a diff with paths as in ``git diff``, a mail, or an mbox.

    :raises BadInput: if the patch does not apply, or changes none of `FILES`.
    """
    if not patch.is_file():
        raise BadInput("no such file", file=str(patch))
    if not shutil.which("git"):
        raise BadInput("--patch needs git, which is not installed (apt install git)")
    found = parts(text(patch.read_bytes()))
    if not found:
        raise BadInput("no diff in it: it has no '--- a/FILE', '+++ b/FILE', '@@'", file=str(patch))
    read = [part for part in found if part.file in FILES or part.old in FILES]
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for path, content in tree.files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(content)
        notes = [note for part in read for note in _apply(part, work, tree, patch)]
        left = [path for path in FILES if (work / path).is_file()]
        files = {path: text((work / path).read_bytes()) for path in left}
    if files == tree.files:
        msg = f"changes none of the files under test ({', '.join(FILES[:3])}, ...)"
        raise BadInput(msg, file=str(patch))
    unread = tuple(part for part in found if part not in read)
    return evolve(tree, files=files, edits=tree.edits.also(tree.files, unread, notes))


def _apply(part: Part, work: Path, tree: Tree, patch: Path) -> list[str]:
    """Apply *part* to the files in *work*; where it did not fit exactly."""
    complaint = ""
    for tool, *options in TOOLS:
        program = shutil.which(tool)
        if program is None:
            continue
        done = run([program, *options], work, part.text, GIT_CEILING_DIRECTORIES=str(work.parent))
        if not done.returncode:
            return [f"{part.file}: {said}" for said in INEXACT.findall(done.stdout)]
        said = done.stderr.strip().splitlines() or [f"{tool} fails"]
        complaint = complaint or said[0].removeprefix("error: ")
    raise BadInput(f"does not apply to {tree.where}: {complaint}", file=str(patch))


def edited(tree: Tree, base: str | None) -> Tree:
    """*tree* with what was edited in its git work tree since the commit *base*.

    :param base: A commit; None for HEAD, if the tree is a git work tree.
    :raises BadInput: if *base* is given, and is no commit of a git work tree at ``tree.where``.
    """
    git = shutil.which("git")
    place = Path(tree.where).expanduser()
    if not git or not (place / ".git").exists():
        if base is None:
            return tree
        if not git:
            raise BadInput("--base needs git, which is not installed (apt install git)")
        raise BadInput(f"--base: {tree.where} is no git work tree")
    commit = f"{base or 'HEAD'}^{{commit}}"
    if run([git, "rev-parse", "--verify", "--quiet", "--end-of-options", commit], place).returncode:
        if base is None:  # no commit yet
            return tree
        raise BadInput(f"--base: {tree.where} has no commit {base!r}")
    asked = ("diff", "--no-ext-diff", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
    found = parts(run([git, *asked, base or "HEAD"], place).stdout)
    before = dict(tree.files)
    for part in found:
        if part.old in FILES:
            before[part.old] = run([git, "show", f"{base or 'HEAD'}:./{part.old}"], place).stdout
    unread = tuple(part for part in found if part.file not in FILES and part.old not in FILES)
    return evolve(tree, edits=Edits(before, unread) if found else tree.edits)
