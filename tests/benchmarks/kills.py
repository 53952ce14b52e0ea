# SPDX-License-Identifier: MIT

"""Commands that are killed at random moments: python -m tests.benchmarks.kills --count N.

A command that is killed must be gone at once, with all that it started, and leave nothing torn and
nothing lost; after the next run nothing stale is left either. With ``--full`` the folder lies on a
small file system that is nearly full, which takes root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random

import click
from attrs import define, field, frozen

from model.errors import BadInput
from model.kernel.source.build import compiler
from model.parse import read_program
from properties.candidates import load
from properties.grading.trial import read
from properties.judging.judge import judge
from tests.helpers import SKETCHES, TOY, TRACES

#: Kills of one command in one folder, after which it runs undisturbed there.
GROUP = 10

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Signals that a command answers: it ends within SOON seconds, on a busy machine LATE, with 130.
ASKED, INTERRUPTED, SOON, LATE = (signal.SIGTERM, signal.SIGINT), 130, 1.0, 3.0

#: Seconds after which nothing that a command started may be left, and after which it is ended.
AFTER, MOST = 2.0, 120.0

#: The environment variable by which processes are known.
MARK = "HEADCOUNT_KILLS"

#: Size of the file system that is full, and the largest room that is left on it, in pages.
FULL, ROOM = "64k", 3

WRONG = f"{SKETCHES}:NoTailOffset"

#: A patch that makes the toy's runs as long as their compound page.
PATCH = """\
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1 +1 @@
-	return rest < left ? rest : left;
+	return compound_nr(head) < left ? compound_nr(head) : left;
"""

#: Commands by name: candidate, statuses, words. Files are made by `files`.
COMMANDS = {
    "wrong": (WRONG, {0, 1, 3}, "verify --jobs 2 --seconds 1 --prove 100"),
    "right": (f"{SKETCHES}:Regroups", {0, 3}, "verify --jobs 2 --seconds 0.5"),
    "tree": (f"kernel-source:{TOY}", {0, 3}, "verify --jobs 2 --seconds 0.5"),
    "wrong tree": (
        f"kernel-source:{TOY},patch=wrong.patch",
        {0, 1, 3},
        "verify --jobs 2 --seconds 1 --prove 100",
    ),
    "reduce": (WRONG, {1}, "reduce long.trace --prove 500"),
    "replay": (WRONG, {1}, f"replay {' '.join(map(str, sorted(TRACES.glob('[a-o]*.trace'))))}"),
    "faults": (
        "",
        {0, 1},
        (
            "faults --jobs 2 --json results --search soak --seeds 3 --budget 1500 --no-levels"
            " --fault BiasOnExact --fault PutPageUnpins"
        ),
    ),
    "exhaustive": ("optimised", {0}, "exhaustive --order 1"),
    "all of wrong": (WRONG, {1}, "exhaustive --order 1 --prove 500"),
}

#: Words with which a verdict begins that has a trace.
FOUND = ("DIVERGED", "INVARIANT BROKEN", "RAISED", "NO END", "DEARER", "CRASHED")


@frozen
class End:
    """How a command ended.

    :param early: Whether it did not yet listen to signals when it got one.
    :param before: Whether it had ended by itself.
    :param took: Seconds from the signal to its end.
    :param seconds: Seconds from its start to its end.
    """

    status: int
    out: str
    err: str
    took: float = 0.0
    early: bool = False
    before: bool = False
    seconds: float = 0.0


@define
class Place:
    """A folder in which one command runs, a cache, and a folder for temporary files.

    :param base: Has the files that commands read, and what they print.
    :param full: Whether the folder is on a file system of its own; it is filled by `fill`.
    """

    base: Path
    name: str
    full: bool = False
    made: Path = field(init=False)
    stack: ExitStack = field(factory=ExitStack)

    def __enter__(self):
        self.made = Path(tempfile.mkdtemp(prefix="place-", dir=self.base))
        self.stack.callback(shutil.rmtree, self.made, ignore_errors=True)
        if self.full:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={FULL}", "headcount", self.made]
            subprocess.run(mount, check=True)
            self.stack.callback(subprocess.run, ["umount", "--lazy", self.made], check=True)
        for file in ("long.trace", "wrong.patch"):
            (self.made / file).symlink_to(self.base / file)
        (self.made / "tmp").mkdir()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def fill(self, room):
        """Fill the file system but for *room* pages."""
        page = os.sysconf("SC_PAGE_SIZE")
        with suppress(OSError), (self.made / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(page))
        with (self.made / "filler").open("r+b") as file:
            file.truncate(max(0, (self.made / "filler").stat().st_size - room * page))

    def run(self, seed, mark="", number=0, delay=MOST):
        """Run the command; send it the signal *number* after *delay* seconds."""
        candidate, _, words = COMMANDS[self.name]
        command = [sys.executable, "-m", "properties", *words.split()]
        command += ["--candidate", candidate] if candidate else []
        command += ["--seed", str(seed)] if words.startswith("verify") else []
        paths = {"XDG_CACHE_HOME": str(self.made / "cache"), "TMPDIR": str(self.made / "tmp")}
        began = time.monotonic()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            process = subprocess.Popen(
                command,
                cwd=self.made,
                env={**os.environ, **paths, MARK: mark, "CC": str(self.base / "cc")},
                stdout=out,
                stderr=err,
                preexec_fn=usual,  # noqa: PLW1509 - this process has one thread
            )
            took, early, before = 0.0, False, True
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                early = not listens(process.pid)
                sent = time.monotonic()
                process.send_signal(number or signal.SIGABRT)
                # It is sent to no process that has just ended.
                before = process.returncode is not None
                with suppress(subprocess.TimeoutExpired):
                    process.wait(MOST)
                took = time.monotonic() - sent
                process.kill()
                process.wait()
            texts = []
            for file in (out, err):
                file.seek(0)
                texts.append(file.read())
            seconds = time.monotonic() - began
        return End(process.returncode, *texts, took, early, before, seconds)

    def wrong(self):
        """What is torn: a file that is not whole, or does not fail as its name says."""
        candidate = COMMANDS[self.name][0].replace("patch=", f"patch={self.base}/")
        spec = load(candidate) if candidate else None
        for path in sorted(self.made.glob(".headcount/*.trace")):
            text = path.read_text()
            program = read_program(path)
            found = judge(program, spec.safe()).worst
            if program.text() != text:
                yield f"{path.name} is not as it was written:\n{text}"
            elif not (found and path.stem.startswith(found.signature)):
                yield f"{path.name} does not fail as its name says:\n{text}"
        if spec and spec.container:
            spec.container.close()
        results = self.made / "results"
        if not self.full and results.exists() and results.stat().st_size:
            try:
                read(results)
            except BadInput as err:
                yield f"results of faults: {err}"

    def stale(self):
        """Files that are left of other runs."""
        for place in (".headcount", "cache", "tmp"):
            for path in sorted((self.made / place).rglob("*")):
                if place == "tmp" or path.suffix in {".tmp", ".lock"}:
                    yield f"left behind: {path.relative_to(self.made)}"


def usual():
    """Let SIGINT interrupt: a shell that runs this in the background has it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def listens(pid):
    """Whether the process *pid* handles SIGTERM, as headcount's first lines have it do."""
    with suppress(OSError):
        status = Path(f"/proc/{pid}/status").read_text()
        caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
        return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)
    return True


def living(mark):
    """The command lines of processes with *mark* in their environment."""
    wanted = f"{MARK}={mark}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (path / "environ").read_bytes().split(b"\0"):
                words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
                yield " ".join((path.name, *words))[:100]


def outlived(mark):
    """What is said of each process with *mark* that is left after a while."""
    until = time.monotonic() + AFTER
    while (left := [*living(mark)]) and time.monotonic() < until:
        time.sleep(0.05)
    return [f"outlives it: {one}" for one in left]


def announced(end, place):
    """What *end* says is found, and is not kept."""
    lines = end.out.splitlines()
    kept = [*place.made.glob(".headcount/*.trace")]
    # A replay keeps nothing: it was given the trace.
    found = [line for line in lines if line.startswith(FOUND) and place.name != "replay"]
    saved = [line.split(maxsplit=1)[1] for line in lines if line.startswith("saved ")]
    if (found or "found, reducing" in end.err) and not kept and not place.full:
        yield f"nothing is kept of {found}"
    for path in saved:
        if not (path.startswith("nowhere: ") or (place.made / path).exists()):
            yield f"saved, but not there: {path}"
    if found and place.full and not kept and any(not s.startswith("nowhere: ") for s in saved):
        yield f"nothing is kept, and the report does not say so: {saved}"


def troubles(end, number, place):
    """What is wrong with the *end* of a command that got the signal *number*."""
    usual = COMMANDS[place.name][1] | ({2} if place.full else set())
    if end.early:
        return
    if "Traceback" in end.err or "Exception ignored" in end.err:
        yield f"a traceback:\n{end.err}"
    if end.before or not number:
        if end.status not in usual:
            yield f"status {end.status}: {end.err}"
        if end.status == 2 and len(end.err.splitlines()) != 1:
            yield f"no one line:\n{end.err}"
    elif number in ASKED:
        # It may have ended by itself at the same moment.
        if end.status not in usual | {INTERRUPTED}:
            yield f"status {end.status} after {signal.Signals(number).name}: {end.err}"
        if end.took > LATE:
            yield f"ends only {end.took:.1f} s after {signal.Signals(number).name}"
    elif end.status != -number:
        yield f"status {end.status} after {signal.Signals(number).name}: {end.err}"
    yield from announced(end, place)
    yield from place.wrong()


def files(base):
    """Make in *base* what commands read: a long trace, a patch, a quick compiler."""
    lines = ["# headcount 1", 'semantics("5.13")', 'a = mapping("driver", orders=[2, 0, 1, 3])']
    for number in range(1, 151):
        first = number % 7
        lines += [
            f"h{number} = pin_user_pages(a[{first}:9])",
            f"unpin_user_pages(h{number}[0:{9 - first}])",
        ]
    lines += ["h151 = pin_user_pages(a[3:5])"]
    lines += ["unpin_user_page_range_dirty_lock(h151[0:2], make_dirty=True)"]
    (base / "long.trace").write_text("\n".join(lines) + "\n")
    (base / "wrong.patch").write_text(PATCH)
    (base / "cc").write_text(f'#!/bin/sh\nexec {compiler()} "$@" -O0\n')
    (base / "cc").chmod(0o755)


def kills(base, seed, numbers, names=(*COMMANDS,), *, full=False, say=lambda _: None):
    """Kill commands of *names*; of each kill yield its signal, its end, and what is wrong with it.

    The undisturbed run after some kills comes with the signal 0.
    """
    lengths = {}
    for first in sorted({max(numbers[0], number - number % GROUP) for number in numbers}):
        name = Random(f"{seed} {first // GROUP}").choice(names)  # noqa: S311
        if name not in lengths:
            with Place(base, name) as trial:
                # The second run finds a tree compiled.
                ends = [trial.run(seed) for _ in range(2 if "tree" in name else 1)]
            lengths[name] = [end.seconds for end in ends]
            said = ", then ".join(f"{end.seconds:.1f} s" for end in ends)
            say(f"{name}: {said}, status {ends[-1].status}")
        with Place(base, name, full) as place:
            last = min(numbers[-1] + 1, (first // GROUP + 1) * GROUP)
            for number in range(first, last):
                draw = Random(f"{seed} {number} kill")  # noqa: S311
                if full:
                    place.fill(draw.randrange(ROOM + 1))
                length = lengths[name][0 if number == first else -1]
                used, delay = draw.choice(SIGNALS), draw.random() * length
                mark = f"{os.getpid()}-{number}"
                end = place.run(seed + number, mark, used, delay)
                bad = [*troubles(end, used, place)]
                yield number, name, used, end, [*bad, *outlived(mark)]
            end = place.run(seed + first)
            yield last - 1, name, 0, end, [*troubles(end, 0, place), *place.stale()]


@click.command()
@click.option("--count", default=100)
@click.option("--seed", default=1)
@click.option("--first", default=0, help="The number of the first kill.")
@click.option("--of", "names", multiple=True, type=click.Choice([*COMMANDS]), default=[*COMMANDS])
@click.option("--full", is_flag=True, help="On a full file system.")
def main(count, seed, first, names, full):
    """Kill commands COUNT times, and print what is wrong with their ends."""
    seen, slow = defaultdict(Counter), []
    wrong = 0
    with suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="kills-") as folder:
        base = Path(folder)
        files(base)
        numbers = range(first, first + count)
        for number, name, used, end, bad in kills(
            base, seed, numbers, names, full=full, say=click.echo
        ):
            seen[used]["at the start" if end.early else "over" if end.before else "amid"] += 1
            seen[used]["late"] += not end.early and used in ASKED and end.took > SOON
            if used in ASKED and not end.before and not end.early:
                slow.append((end.took, f"{name} {number}"))
            for one in bad:
                wrong += 1
                sent = signal.Signals(used).name if used else "nothing"
                click.echo(f"kill {number}, {name}, {sent}: {one}")
    for used, found in sorted(seen.items()):
        sent = signal.Signals(used).name if used else "undisturbed"
        click.echo(f"{sent:<12}" + ", ".join(f"{what} {n}" for what, n in sorted(found.items())))
    slow.sort()
    if slow:
        median, longest = slow[len(slow) // 2], ", ".join(f"{s:.2f} ({n})" for s, n in slow[-5:])
        click.echo(f"seconds to the end: median {median[0]:.2f}, longest {longest}")
    click.echo(f"wrong: {wrong}")


if __name__ == "__main__":
    main()
