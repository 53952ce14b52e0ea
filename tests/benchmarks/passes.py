# SPDX-License-Identifier: MIT

"""What each pass of the reducer does, and what it saves: python -m tests.benchmarks.passes.

Programs of planted bugs that soak finds are reduced with all passes, and those on
which a pass has a success again without it: without a success it makes no difference.
"""

import click

from model.parse import parse_program
from properties.faults import FAULTS
from properties.grading.known import load
from properties.grading.trial import Trial, run
from properties.judging.judge import judge
from properties.reduce import reduce
from properties.reduce.passes import PASSES

BUDGET = 200_000


def failing(name, seed):
    """The failing program of the fault *name* that soak finds with *seed*; None if it does not."""
    fault = FAULTS[name]
    trial = Trial("soak", fault.spec, fault.versions[-1], seed, BUDGET, levels=False, reduce=False)
    found = run(trial).found
    return found and parse_program(found.trace)


def reduced(name, program, passes=PASSES):
    """The reduction of *program*, which fails on the fault *name*, by *passes*."""
    make = FAULTS[name].candidate
    return reduce(program, judge(program, make()).worst, make, passes=passes)


def compare(programs):
    """A line for each pass that has a part in reducing *programs*, pairs of a fault and a program.

    Larger are programs of more steps, compound pages, orders or pages named.
    """
    whole = [(name, program, reduced(name, program)) for name, program in programs]
    yield f"{'pass':<22}{'tries':>8}{'successes':>11}{'programs':>10}{'steps':>8}"
    for name in dict.fromkeys(name for *_, result in whole for name in result.passes):
        counts = [result.passes[name] for *_, result in whole if name in result.passes]
        mine = [one for one in whole if name in one[2].passes and one[2].passes[name].successes]
        line = f"{name:<22}{sum(c.tries for c in counts):>8,}"
        line += f"{sum(c.successes for c in counts):>11,}{len(mine):>10,}"
        line += f"{sum(c.deletions for c in counts):>8,}"
        others = tuple(p for p in PASSES if p.__name__ != name)
        if len(others) < len(PASSES):
            without = [(reduced(fault, program, others), result) for fault, program, result in mine]
            larger = sum(a.program.size().counts > b.program.size().counts for a, b in without)
            more = sum(a.executions - b.executions for a, b in without)
            line += f"   without: {larger:>3} larger, {more:>+7,} executions"
        yield line


@click.command()
@click.option("--seeds", default=3, show_default=True)
@click.option("--first", default=100, show_default=True, help="The first seed.")
@click.option("--fault", "names", multiple=True, help="Only this fault; again for more.")
def main(seeds, first, names):
    """Print a table of the passes."""
    names = names or [name for name, known in load().items() if "soak" in known.budgets]
    found = [(name, failing(name, seed)) for name in names for seed in range(first, first + seeds)]
    for line in compare([(name, program) for name, program in found if program]):
        click.echo(line)


if __name__ == "__main__":
    main()
