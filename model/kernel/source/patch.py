# SPDX-License-Identifier: MIT

"""Applies a patch to a tree, and finds what was edited in a git work tree."""

import re
import shutil
import subprocess
from pathlib import Path

from attrs import evolve

from model.contents import contents, expanded
from model.errors import BadInput
from model.kernel.command import run
from model.kernel.source.diff import CODE, Part, parts
from model.kernel.source.tree import FILES, NEEDED, Edits, Tree, cache, text
from model.leftovers import temporary

#: What applies one part of a patch, in the order in which it is tried: hunks whose numbers of lines
#: are wrong, as after an edit by hand, need --recount; hunks whose surroundings differ need patch.
TOOLS = (
    ("git", "apply"),
    ("git", "apply", "--recount"),
    ("patch", "--force", "--no-backup-if-mismatch", "--reject-file=-"),
)

#: Options of git diff, whatever the user's configuration says.
DIFF = (
    *("--no-ext-diff", "--no-textconv", "--no-color", "--text", "--relative"),
    *("--submodule=short", "--src-prefix=a/", "--dst-prefix=b/"),
)

#: Maximum size of a patch in bytes: an mbox with a long series has a few MiB.
MAX_PATCH = 1 << 26

#: Maximum number of untracked files that are named.
SHOWN = 3

#: What git ls-files says of a file that it does not track.
NOT_TRACKED = "did not match any file(s) known to git"

#: A message of patch(1) about a hunk that does not fit exactly.
INEXACT = re.compile(r"Hunk #\d+ succeeded at \d+ (?:with fuzz|\(offset).*")


def patched(tree: Tree, patch: Path) -> Tree:
    """*tree* with *patch* applied: a diff, a mail, or an mbox.

    :raises BadInput: if the patch does not apply, removes one of `NEEDED`, or makes a link of one.
    """
    if not shutil.which("git"):
        raise BadInput("--patch needs git, which is not installed (apt install git)")
    found = parts(text(contents(expanded(str(patch)), MAX_PATCH, "a patch")))
    if not found:
        raise BadInput("no diff in it: it has no '--- a/FILE', '+++ b/FILE', '@@'", file=str(patch))
    read = [part for part in found if part.file in FILES or part.old in FILES]
    with temporary(cache() / "work") as work:
        for path, content in tree.files.items():
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            (work / path).write_text(content)
        notes = [note for part in read for note in _apply(part, work, tree, patch)]
        files = {}
        for path in FILES:
            if (work / path).is_symlink():
                msg = f"makes {path} a symbolic link; headcount reads no file through one"
                raise BadInput(msg, file=str(patch))
            if (work / path).is_file():
                files[path] = text((work / path).read_bytes())
            elif path in NEEDED:
                raise BadInput(f"removes {path}, without which nothing can be cut", file=str(patch))
            elif path in tree.files:
                notes.append(f"{path}: is removed")
    unread = tuple(part for part in found if part not in read)
    return evolve(tree, files=files, edits=tree.edits.also(tree.files, unread, notes))


def _apply(part: Part, work: Path, tree: Tree, patch: Path) -> list[str]:
    """Apply *part* to the files in *work*; where it did not fit exactly."""
    complaint = ""
    for tool, *options in TOOLS:
        program = shutil.which(tool)
        if program is None:
            continue
        done = _run(program, *options, f"-p{part.strip}", part=part, work=work)
        if not done.returncode:
            return [f"{part.file}: {said}" for said in INEXACT.findall(done.stdout)]
        said = done.stderr.strip().splitlines() or [f"{tool} fails"]
        complaint = complaint or said[0].removeprefix("error: ")
    back = ("apply", "--reverse", "--check", f"-p{part.strip}")
    if not _run("git", *back, part=part, work=work).returncode:
        raise BadInput(f"is applied to {tree.where} already: {part.file}", file=str(patch))
    raise BadInput(f"does not apply to {tree.where}: {complaint}", file=str(patch))


def _run(*command: str, part: Part, work: Path) -> subprocess.CompletedProcess[str]:
    return run(command, work, part.text, GIT_CEILING_DIRECTORIES=str(work.resolve().parent))


def edited(tree: Tree, base: str | None) -> Tree:
    """*tree* with what was edited in its git work tree since the commit *base*.

    :param base: A commit; None for HEAD, if the tree is a git work tree.
    :raises BadInput: if *base* is given, and is no commit of a git work tree at ``tree.where``.
    """
    git = shutil.which("git")
    if not git:
        if base is None:
            return tree
        raise BadInput("--base needs git, which is not installed (apt install git)")
    place = expanded(tree.where)
    if not _is_work_tree(git, place, tree.where):
        if base is None:
            return tree
        raise BadInput(f"--base: {tree.where} is no git work tree")
    commit = base or "HEAD"
    if run(
        [git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^{{commit}}"], place
    ).returncode:
        if base is None:  # no commit yet
            return tree
        raise BadInput(f"--base: {tree.where} has no commit {base!r}")
    found = parts(run([git, "diff", *DIFF, commit], place).stdout)
    before = dict(tree.files)
    for part in found:
        was = run([git, "show", f"{commit}:./{part.old}"], place).stdout if part.old else ""
        before.update((path, was) for path in {part.file, part.old} if path in FILES)
    untracked = _untracked(git, place)
    new = [path for path in untracked if path in tree.files]
    before.update((path, "") for path in new)
    left = [path for path in untracked if path not in new]
    notes = (f"not looked at, as git does not track it: {_some(left)}",) if left else ()
    unread = tuple(part for part in found if part.file not in FILES and part.old not in FILES)
    return evolve(tree, edits=Edits(before if found or new else None, unread, notes))


def _untracked(git: str, place: Path) -> list[str]:
    """The files of code below *place* that git neither tracks nor ignores."""
    kinds = [f"*{kind}" for kind in CODE]
    listed = run([git, "ls-files", "-z", "--others", "--exclude-standard", "--", *kinds], place)
    return listed.stdout.split("\0")[:-1]


def _some(names: list[str]) -> str:
    """The first of *names*, on one line, and how many there are beside them."""
    shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:SHOWN])
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown


def _is_work_tree(git: str, place: Path, where: str) -> bool:
    """Whether git tracks the tree at *place*, in a repository of its own or as a directory of one.

    :raises BadInput: if a repository tracks it that git does not read.
    """
    if not place.is_dir():
        return False
    done = run([git, "ls-files", "--error-unmatch", NEEDED[0]], place)
    if done.returncode and NOT_TRACKED not in done.stderr and _tracked_unread(git, place):
        said = (done.stderr.strip().splitlines() or ["it fails"])[0].removeprefix("fatal: ")
        raise BadInput(f"what was edited is not known, as git says: {said}", file=where)
    return not done.returncode


def _tracked_unread(git: str, place: Path) -> bool:
    """Whether a repository that git does not read tracks the tree at *place*, or may do so.

    Its index is looked at from an empty repository: its configuration may name programs to run,
    which is why git does not read what belongs to another user.
    """
    whole = place.resolve()
    top = next((above for above in (whole, *whole.parents) if (above / ".git").exists()), None)
    if top is None:
        return False
    directory = top / ".git"
    if directory.is_file():  # of a linked work tree or a submodule
        named = text(contents(directory, MAX_PATCH, "a .git file")).strip()
        directory = top / named.removeprefix("gitdir: ")
    name = str((whole / NEEDED[0]).relative_to(top))
    index = {"GIT_INDEX_FILE": str(directory / "index"), "GIT_LITERAL_PATHSPECS": "1"}
    with temporary(cache() / "work") as empty:
        run([git, "init", "--quiet"], empty)
        own = ("--git-dir=.git", "--work-tree=.")
        done = run([git, *own, "ls-files", "--error-unmatch", name], empty, **index)
    return NOT_TRACKED not in done.stderr
