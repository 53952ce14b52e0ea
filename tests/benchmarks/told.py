# SPDX-License-Identifier: MIT

"""What is said of candidates, and when: python -m tests.benchmarks.told FILE.

For each class of the file a run of `headcount verify`: the seconds until the counterexample is
printed, and until the end, the exit status, and the first line that says something of the
candidate. Without FILE, the candidates that misbehave. With --planted, the planted bugs, and the
median and 95th percentile of the seconds until the counterexample and until its proof.
"""

import inspect
import subprocess
import sys
import time
from pathlib import Path
from statistics import median, quantiles

import click

from properties.candidates import _from_file
from properties.faults import FAULTS

MISBEHAVING = Path(__file__).parent.parent / "misbehaving.py"

#: Seconds after which a run is ended, which should have ended by itself.
MOST = 600


def told(candidate, words):
    """Seconds until the verdict and until the end, the exit status, and the verdict."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "properties", "verify", "--candidate", candidate, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    verdict, after = "", 0.0
    for line in process.stdout:
        last = line
        if not verdict and (line[:4].isupper() or line.startswith(("agreed", "partly", "not "))):
            verdict, after = line, time.monotonic() - started
    if not verdict:
        verdict, after = last, time.monotonic() - started
    status = process.wait(MOST)
    return after, time.monotonic() - started, status, " ".join(verdict.split())


def planted(words, every):
    """Lines about one in *every* of the planted bugs."""
    found = []
    for fault in [fault for fault in FAULTS.values() if not fault.equivalent][::every]:
        version = ("--semantics", fault.versions[-1])
        after, end, status, verdict = told(fault.spec, (*version, *words))
        if status == 1:
            found.append((after, end))
        else:
            yield f"{fault.name}: not found in this time: {verdict[:60]}"
    for what, times in zip(("counterexample", "proof"), zip(*found, strict=True), strict=True):
        last = quantiles(times, n=20)[-1]
        yield f"{what:<15} of {len(times)}: median {median(times):.1f} s, 95th {last:.1f} s"


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=MISBEHAVING)
@click.argument("words", nargs=-1)
@click.option("--planted", "bugs", is_flag=True, help="The planted bugs, in place of FILE.")
@click.option("--every", default=1, show_default=True, help="One in N planted bugs.")
def main(file, words, bugs, every):
    """Print what is said of each candidate in FILE; WORDS are options of headcount verify."""
    words = words or ("--seed", "1", "--prove", "2000")
    if bugs:
        for line in planted(words, every):
            click.echo(line)
        return
    module = _from_file(file)
    click.echo(f"{'candidate':<17}{'told':>6}{'end':>6} status")
    for name, value in vars(module).items():
        if not inspect.isclass(value) or value.__module__ != module.__name__:
            continue
        after, end, status, verdict = told(f"{file}:{name}", words)
        click.echo(f"{name:<17}{after:>6.1f}{end:>6.1f}{status:>3}  {verdict[:68]}")


if __name__ == "__main__":
    main()
