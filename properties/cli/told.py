# SPDX-License-Identifier: MIT

"""How commands tell a finding: the counterexample at once, and then how small it is."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from properties.candidates import Spec
from properties.cli.console import Bar, console
from properties.processes.alone import Interrupted
from properties.reduce import Reduced
from properties.reports.failure import Failure
from properties.reports.store import Store
from properties.shrink import failure, proved

#: What is said of a program where reducing was ended.
UNFINISHED = "not wholly reduced, as the time was over: headcount reduce goes on"


def tell(
    result: Reduced,
    spec: Spec,
    store: Store | None,
    made: Callable[[Failure], Failure],
    *,
    prove: int,
    whole: bool = True,
    quiet: bool = False,
    interrupted: Callable[[], bool] = bool,
) -> Failure:
    """Print *result*, then prove it the smallest and print that, or a smaller one.

    An interrupt ends the proof only: what was printed holds.

    :param store: Keeps the program.
    :param made: Adds to the failure what the command knows.
    :param prove: Maximum number of programs to try.
    :param whole: Whether it was reduced to the end.
    :param quiet: Whether nothing is printed.
    """

    def printed(result: Reduced, text: str) -> Failure:
        """Print *result* without *text*, which says how small it is; with it, the failure."""
        found = made(failure(result, spec, store, ""))
        if not quiet:
            console.lines(found.lines(), "bold red")
        return evolve(found, smallest=text)

    found = printed(result, result.text() if whole else UNFINISHED)
    if whole and not interrupted():
        keep = store.keep if store else lambda *_: None
        try:
            with Bar("prove", prove, quiet=quiet) as bar:
                smaller = proved(result, spec, keep, prove, bar.update, interrupted)
        except Interrupted:
            found = evolve(found, smallest=f"{result.text()}; the proof was interrupted")
        else:
            if smaller.program != result.program:
                if not quiet:
                    console.print()
                found = printed(smaller, smaller.text())
            found = evolve(found, smallest=smaller.text())
    if not quiet:
        console.print(found.smallest)
    return found
