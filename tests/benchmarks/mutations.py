# SPDX-License-Identifier: MIT

"""Mutated traces, layouts and recordings: python -m tests.benchmarks.mutations KIND.

Each input is a good one of the project in which bytes or words were changed at random. What reads
it must say in one line what is wrong, or read it; what was read is judged on the optimised model.
What ends in a traceback is counted, and what takes too long or too much memory. Inputs are read in
a child of limited memory and time, so that a bad one does not end the run.
"""

import lzma
import os
import pickle
import re
import resource
import select
import signal
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path
from random import Random

import click
from attrs import define, field, frozen

from model.errors import BadInput
from model.optimised import Optimised
from model.parse import parse_layout, parse_program
from model.program import HEADER, mapping_lines
from model.recording import FIRST, STEP, RecordedKernel
from properties.judging.applicable import effort
from properties.judging.judge import judge
from properties.layouts import DIRECTORY
from properties.reports.show import shown_steps
from tests.helpers import RECORDINGS, TRACES
from tests.recording_reader import PACKED, parse_recording, read_texts, texts

#: What counts as a failure for one input: seconds of processor time, and MiB that a process grows.
SECONDS, MIB = 1.0, 200

#: Limits of the child that reads the inputs: MiB of address space, and seconds for one input.
ADDRESS_SPACE, PATIENCE = 8192, 120

#: Traces of many pages, which take some seconds as they are: mutated as a kind of their own.
LONG = {"product", "run-of-zero-at-2-32", "sections-gigantic"}

#: One recording in so many is packed before its bytes are mutated.
PACKED_ONE_IN = 16

#: Maximum number of pages that a program visits which is shown step by step, too.
SHOWN = 1 << 10

#: Number of inputs that one child reads.
BATCH = 500

#: Maximum number of mappings of a layout, and of steps of a recording, that are mutated.
MAPPINGS, STEPS = 3, 12

#: Numbers at which something may go over: counts, orders, frames, errors, digits.
NUMBERS = (
    *("0", "1", "-1", "2", "3", "9", "10", "18", "19", "63", "64", "512", "1023", "1024", "4095"),
    *("-4095", "-4096", "65535", "65536", "1048576", "4194304", "8388608", "8388609", "16777216"),
    *("2147483647", "2147483648", "4294967295", "4294967296", "1099511627776", "0x1000", "0xfff"),
    *("18446744073709551615", "18446744073709551616", "9" * 30, "7" * 5000, "1.5", "1e9", "1_0"),
)

#: What may stand in a text in place of what does.
WORDS = (
    *(
        "NULL",
        "None",
        "True",
        "False",
        "a",
        "h1",
        "m1",
        "sg",
        "+",
        "*",
        "|",
        ":",
        "-",
        "(",
        ")",
        "[",
    ),
    *("]", ",", "=", "#", "\n", "\r\n", " ", "\t", '"', "'", "\\", "\0", "\x1b[31m", "\ufeff", "ä"),
    *(
        "[0]*4194304",
        "a[0:1]*67108864",
        "(a[0:1] + a[1:2])*4",
        "refs=2147483647",
        "cpu=1",
        "pfn=0x0",
    ),
    *("misuse=True", "n=2", "a[3::-1]", "a[0:0]", "put(a[0],1)*67108864", "> ", "| ", "lambda: 0"),
)

WORD = re.compile(r"\w+|\s+|[^\w\s]")


def sources(kind):
    """The good texts of *kind*."""
    if kind in {"trace", "long"}:
        files = sorted(TRACES.glob("*.trace"))
        return [path.read_text() for path in files if (path.stem in LONG) == (kind == "long")]
    if kind == "layout":
        return [path.read_text() for path in sorted(DIRECTORY.glob("*.layout"))]
    files = sorted(RECORDINGS.rglob("*.recording"))
    return [text for path in files for text in read_texts(path)]


def shortened(kind, text, random):
    """*text*, a good one, with at most MAPPINGS or STEPS of its lines."""
    lines = text.splitlines(keepends=True)
    if kind == "layout":
        mappings = [line for line in lines if " = mapping(" in line]
        start = random.randrange(len(mappings))
        return HEADER + "\n" + "".join(mappings[start : start + 1 + random.randrange(MAPPINGS)])
    if kind == "recording":
        shown = next(n for n, line in enumerate(lines) if line.startswith(STEP))
        steps = len(lines) - shown
        kept = min(steps, 1 + random.randrange(STEPS))
        return "".join(lines[: shown - steps + kept] + lines[shown : shown + kept])
    return text


def mutated(text, others, random):
    """*text* with one to four changes of bytes, or of words."""
    change = _bytes if random.randrange(2) else _words
    if text.startswith(FIRST) and random.randrange(PACKED_ONE_IN) == 0:
        change, text = _bytes, lzma.compress(text.encode()).decode(errors="surrogateescape")
    for _ in range(1 + random.randrange(4)):
        text = change(text, others, random)
    return text


def _bytes(text, _others, random):
    data = bytearray(text.encode(errors="surrogateescape"))
    at = random.randrange(len(data) + 1)
    stop = min(len(data), at + 1 + random.randrange(1 << random.randrange(8)))
    match random.randrange(6):
        case 0:
            data[at:stop] = b""
        case 1:
            data[at:at] = data[at:stop] * (1 + random.randrange(9))
        case 2:
            data[at:at] = random.randbytes(1 + random.randrange(4))
        case 3 if at < len(data):
            data[at] ^= 1 << random.randrange(8)
        case 4 if at < len(data):
            data[at] = random.choice(b"0123456789[]()*+:,=-#\"'\\\n\r\t \0\x7f\xff")
        case _:
            del data[at if random.randrange(4) == 0 else len(data) :]
    return data.decode(errors="surrogateescape")


def _words(text, others, random):
    words = WORD.findall(text)
    if not words:
        return text
    numbers = [n for n, word in enumerate(words) if word[0].isdigit()]
    at = random.randrange(len(words))
    match random.randrange(8):
        case 0 | 1 if numbers:
            words[random.choice(numbers)] = random.choice(NUMBERS)
        case 2 if numbers:
            words[random.choice(numbers)] = str(1 << random.randrange(65))
        case 3:
            words[at] = random.choice(WORDS)
        case 4:
            words.insert(at, random.choice(WORDS))
        case 5:
            other = random.randrange(len(words))
            words[at], words[other] = words[other], words[at]
        case 6:
            words[at] = random.choice(WORD.findall(random.choice(others)))
        case _:
            return _lines(text, others, random)
    return "".join(words)


def _lines(text, others, random):
    lines = text.splitlines(keepends=True)
    at = random.randrange(len(lines))
    match random.randrange(4):
        case 0:
            del lines[at]
        case 1:
            lines[at:at] = lines[at : at + 1] * (1 + random.randrange(9))
        case 2:
            lines.insert(at, lines.pop(random.randrange(len(lines))))
        case _:
            lines.insert(at, random.choice(random.choice(others).splitlines(keepends=True)))
    return "".join(lines)


def read(kind, text):
    """What *text* says, or BadInput; None if it is no text."""
    data = text.encode(errors="surrogateescape")
    try:
        text = texts(data, Path("packed"))[0] if data.startswith(PACKED) else data.decode()
    except UnicodeDecodeError:
        return None
    if kind == "recording":
        return parse_recording(text)
    return parse_layout(text) if kind == "layout" else parse_program(text)


def judged(kind, found):
    """Judge *found*, which was read; the verdict in one word."""
    if kind == "layout":
        text = "\n".join([HEADER, *mapping_lines(found), ""])
        assert parse_layout(text) == found, "what was read is written as something else"
        return "read"
    if kind == "recording":
        return judge(found.program, RecordedKernel(found)).kind
    assert parse_program(found.text()) == found, "what was read is written as something else"
    verdict = judge(found, Optimised())
    if effort(found) <= SHOWN:
        with suppress(BadInput):
            for _ in shown_steps(found, Optimised()):
                pass
    return verdict.kind


@frozen
class Used:
    """What one input took, and what became of it.

    :param what: A verdict, or that it was refused, or no text.
    :param reading: Seconds of processor time until it was read or refused.
    :param seconds: Seconds until it was judged, too.
    :param mib: By how many MiB the process grew.
    :param trace: The traceback, if it ended in one.
    """

    number: int
    what: str
    reading: float
    seconds: float
    mib: float
    trace: str = ""

    @property
    def failed(self):
        """Whether it ended in a traceback, or took more than it may."""
        return bool(self.trace) or self.seconds > SECONDS or self.mib > MIB


def measured(kind, number, text):
    """A `Used` of *text*, the input of this *number*, in this process."""
    before = _memory(reset=True)
    began = time.process_time()
    trace, reading = "", None
    try:
        found = read(kind, text)
        reading = time.process_time() - began
        what = "no text" if found is None else judged(kind, found)
    except BadInput as err:
        what = "refused"
        trace = "" if len(str(err).splitlines()) == 1 else f"several lines: {err}"
    except BaseException:
        what, trace = "traceback", traceback.format_exc()
    took = time.process_time() - began
    return Used(number, what, reading or took, took, _memory() - before, trace)


def _memory(*, reset=False):
    """The most MiB that this process has had since the last *reset*."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def inputs(kind, seed, numbers):
    """(number, text) of each of *numbers*; a text depends on *seed* and its number alone."""
    good = sources(kind)
    for number in numbers:
        random = Random(f"{kind} {seed} {number}")  # noqa: S311 - mutations are no secret
        text = shortened(kind, random.choice(good), random)
        yield number, mutated(text, good, random)


def run(kind, seed, numbers):
    """A `Used` for each of *numbers*, in children."""
    left = list(numbers)
    while left:
        batch = left[:BATCH]
        done = 0
        for used in _child(kind, seed, batch):
            done += 1
            yield used
        if done < len(batch):
            took = (PATIENCE, PATIENCE, ADDRESS_SPACE)
            yield Used(batch[done], "ended", *took, "the process ended, or hung")
            done += 1
        left = left[done:]


def _child(kind, seed, numbers):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE << 20,) * 2)
        with os.fdopen(writing, "wb") as out:
            for number, text in inputs(kind, seed, numbers):
                pickle.dump(measured(kind, number, text), out)
                out.flush()
        os._exit(0)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb", buffering=0) as found:
            while select.select([found], [], [], PATIENCE)[0]:
                try:
                    yield pickle.load(found)  # noqa: S301 - from our child
                except EOFError:
                    return
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


#: No input.
NONE = Used(-1, "", 0.0, 0.0, 0.0)


@define
class Summary:
    """What became of many inputs.

    :param reading: The most seconds until one was read.
    :param slowest: The one that took the most seconds.
    :param largest: The one that took the most memory.
    """

    kinds: Counter = field(factory=Counter)
    failed: list = field(factory=list)
    reading: float = 0.0
    slowest: Used = NONE
    largest: Used = NONE

    def add(self, used):
        """Count *used*."""
        self.kinds[used.what] += 1
        self.reading = max(self.reading, used.reading)
        self.slowest = max(self.slowest, used, key=lambda one: one.seconds)
        self.largest = max(self.largest, used, key=lambda one: one.mib)
        if used.failed:
            self.failed.append(used)

    def lines(self):
        """The lines to print."""
        kinds = ", ".join(f"{count:,} {what}" for what, count in self.kinds.most_common())
        yield f"{self.kinds.total():,} inputs: {kinds}"
        yield f"tracebacks    {sum(bool(one.trace) for one in self.failed)}"
        yield f"over {SECONDS:.0f} s      {sum(one.seconds > SECONDS for one in self.failed)}"
        yield f"over {MIB} MiB  {sum(one.mib > MIB for one in self.failed)}"
        yield f"read within   {self.reading:.2f} s"
        yield f"slowest       {self.slowest.seconds:.2f} s, number {self.slowest.number}"
        yield f"most memory   {self.largest.mib:.0f} MiB, number {self.largest.number}"


@click.command()
@click.argument("kind", type=click.Choice(["trace", "long", "layout", "recording"]))
@click.option("--count", default=1000, show_default=True)
@click.option("--first", default=0, help="The number of the first input.")
@click.option("--seed", default=1, show_default=True)
@click.option("--show", is_flag=True, help="Print the text of the input --first, and use it here.")
def main(kind, count, first, seed, show):
    """Print what became of mutated inputs of KIND."""
    if show:
        ((_, text),) = inputs(kind, seed, [first])
        click.echo(repr(text))
        click.echo(measured(kind, first, text))
        return
    summary = Summary()
    for used in run(kind, seed, range(first, first + count)):
        summary.add(used)
    for used in summary.failed[:20]:
        last = used.trace.strip().splitlines()[-3:]
        click.echo(f"{used.number}: {used.what}, {used.seconds:.2f} s, {used.mib:.0f} MiB {last}")
    for line in summary.lines():
        click.echo(line)


if __name__ == "__main__":
    main()
