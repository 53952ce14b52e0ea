# SPDX-License-Identifier: MIT

"""What a candidate's journal lacks, and what is therefore not judged."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from model.abilities import Unheard
from properties.reports.failure import WIDTH
from properties.reports.labels import labelled

#: What rests on each event of the journal.
NOT_JUDGED = {
    "put": "the number of puts; dirtying before the put",
    "dirty": "the number of dirty locks; page locks for dirtying",
    "free": "pages freed while they are pinned; counts of 0 in between",
    "warning": "WARNs",
    "grab": "counts of 0 in between",
}


def unheard_lines(unheard: Sequence[Unheard]) -> Iterator[str]:
    """For each probe that hears nothing in some calls: these calls, and what is not judged."""
    for probe in dict.fromkeys(one.probe for one in unheard):
        silent = [one for one in unheard if one.probe == probe]
        calls = ", ".join(f"{one.call}()" for one in silent if one.call)
        why = "is absent" if silent[0].absent else "hears nothing"
        text = f"the probe on {probe}() {why}{f' in {calls}' if calls else ''}; not judged: "
        text += NOT_JUDGED[silent[0].event]
        yield from labelled("deaf", wrap(text, WIDTH - 9))
