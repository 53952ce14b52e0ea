# SPDX-License-Identifier: MIT

"""The passes of the reducer, in order, and how to write one.

What a pass is
--------------
A pass is a generator function. It is given a program that fails, and yields
programs that may fail too, its proposals. The reducer drops a proposal that is not smaller than
the best so far (`model.program.Program.size`) or was executed before, and executes
the rest. If one fails with the same signature, the reducer keeps it and sends the
accepted program back; if not, it sends None::

    def drop_last_pages(program: Program) -> Proposals:
        for index in reversed(range(len(program.steps))):
            if index < len(program.steps):
                length = program.steps[index].npages_named
                if length > 1:
                    answer = yield without_entries(program, index, length - 1, length)
                    program = answer or program

The accepted program may have fewer steps than the proposal: it ends with the step
that fails. So a pass checks its indices again after each success, or returns. A pass
is called again until no pass makes progress.

A proposal may break the contract or name pages that are gone: the reducer rejects
such a proposal. A pass raises `CannotRewrite` if it cannot go on.

What makes a good pass
----------------------
* It does one thing that the others cannot do in several proposals that are all accepted.
  Two changes that are only of use together are worth a pass.
* It proposes few programs: at most some tens for a short program, and fewer than n^2 for
  one of n steps. It removes large parts first, and starts at the end, as fewer steps
  use what is removed there. It bounds the size of the programs that it looks at.
* It proposes only what `Program.size` calls smaller, and never undoes a change.
* It uses `remove`, `mappings` and `lists`, which keep handles, positions and
  scatterlists consistent, and gets new steps from functions in `standing`.

The order
---------
Passes that remove much in few tries come first, as each later try is on a smaller
program: passes that guess a whole program, then passes that remove steps. Rare cases are last.

Whether to keep a pass
----------------------
`Reduced.passes` counts the calls, tries, successes and deletions of each pass in one
reduction. ``python -m tests.benchmarks.passes`` sums them over failing programs of
planted bugs, and reduces the same programs without one pass, for each pass. A pass stays if,
without it, more than one program in a thousand ends larger; or if it saves more executions
than it costs; or if it makes the result easier to read.
"""

from properties.reduce.attributes import plain_attributes
from properties.reduce.balance import balance, fewer_of_both, pin_in_vain
from properties.reduce.drop import drop_compound, drop_steps, fewer_pages
from properties.reduce.join import fail_alone, fail_mapped, join, register
from properties.reduce.limit import at_limit, keep_near_limit
from properties.reduce.lower import clamp, lower_neighbours, lower_orders, merge, unite
from properties.reduce.plainer import pin_what_is_unpinned, simplify
from properties.reduce.proposals import Pass
from properties.reduce.repeat import repeat
from properties.reduce.reuse import begin_later, keep_allocated
from properties.reduce.shortcut import shortcut

PASSES: tuple[Pass, ...] = (
    fail_alone,
    fail_mapped,
    plain_attributes,
    at_limit,
    shortcut,
    begin_later,
    drop_steps,
    keep_allocated,
    balance,
    simplify,
    fewer_pages,
    fewer_of_both,
    pin_in_vain,
    drop_compound,
    lower_orders,
    keep_near_limit,
    clamp,
    merge,
    unite,
    lower_neighbours,
    join,
    register,
    repeat,
    pin_what_is_unpinned,
)
