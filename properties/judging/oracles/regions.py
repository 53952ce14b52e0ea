# SPDX-License-Identifier: MIT

"""What must hold of a memory region when it is made, beside the counts of its pages."""

from model.regions import Register
from model.step import FLAGS, FOLL_LONGTERM, FOLL_WRITE
from properties.judging.finding import Finding, Row
from properties.judging.oracles.record import Record


def pinned_for_device(record: Record) -> Finding | None:
    """``ib_umem_get()`` pins with FOLL_LONGTERM, and with FOLL_WRITE if the region is writable.

    Without FOLL_LONGTERM pages stay where memory must be movable, or in a file system that cannot
    wait for a device; without FOLL_WRITE the device writes to pages that are shared copy-on-write.
    """
    step = record.step
    if not isinstance(step, Register):
        return None
    needed = FOLL_LONGTERM | (FOLL_WRITE if step.writable else 0)
    for what, _, asked, _ in record.candidate.events:
        lacking = needed & ~asked if what == "ask" else 0
        if lacking:
            names = [name for name, bit in FLAGS.items() if bit & lacking]
            summary = f"{step.call} pins without {' and '.join(names)}"
            return record.finding("invariants", names[0], summary)
    return None


def entry_lengths(record: Record) -> Finding | None:
    """No scatterlist entry is longer than the device can take (``ib_dma_max_seg_size()``)."""
    step, longest = record.step, record.candidate.longest
    if not isinstance(step, Register) or longest is None or longest <= step.max_segment:
        return None
    rows = [Row("longest entry", None, "bytes", step.max_segment, longest)]
    summary = f"{step.call} makes an entry of {longest:,} bytes, above max_segment"
    return record.finding("invariants", "max_segment", summary, rows, ("max_segment", "candidate"))
