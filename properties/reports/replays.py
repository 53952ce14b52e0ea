# SPDX-License-Identifier: MIT

"""What several replays came to, in a few lines."""

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from properties.judging.judge import Verdict
from properties.reports.labels import TEXT_WIDTH, labelled

#: The kinds of verdicts in words, in the order in which they are told.
KINDS = {
    "diverges": "still diverge",
    "dearer": "agree but dearer",
    "agrees": "agree",
    "odd": "show a known oddity",
    "misuse": "misuse the calls",
    "inapplicable": "not judged",
}


def summary(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Lines on how many *verdicts* there are of each kind, and why some were not judged."""
    yield from labelled("total", _summary(verdicts))


def _summary(verdicts: Sequence[Verdict]) -> Iterator[str]:
    kinds = Counter(verdict.kind for verdict in verdicts)
    told = [f"{kinds[kind]:,} {words}" for kind, words in KINDS.items() if kinds[kind]]
    yield from wrap(f"{len(verdicts):,} replays: {', '.join(told)}", TEXT_WIDTH)
    reasons = Counter(verdict.inapplicable for verdict in verdicts if verdict.inapplicable)
    for reason, count in reasons.most_common():
        yield from wrap(f"{count:,} not judged: {reason}", TEXT_WIDTH, subsequent_indent="  ")
