# SPDX-License-Identifier: MIT

"""The situations: coverage points with a name and a description each.

The other coverage points are the combinations in `properties.coverage.matrices`.
"""

#: Maximum number of runs, of heads, or of parts of a list that are examined in one step.
MAX_EXAMINED = 64

#: Maximum number of pages of one step that are examined.
MAX_PAGES_EXAMINED = 1024

SITUATIONS: dict[str, str] = {
    # Ranges.
    "range-from-tail": "a range that starts in a tail",
    "range-across": "a range that starts in a tail and crosses a head",
    "range-stops-short": "a range that ends inside a compound page",
    "range-exact": "a range that covers whole compound pages exactly",
    "range-three-heads": "a range over three heads or more",
    "range-huge-across": "a range from one page of order 9 or more into another",
    # Lists.
    "a-b-a": "a run of one head that another head interrupts",
    "a-b-a-b": "two heads that take turns in a list",
    "repeated-page": "a page that occurs twice in a list",
    "backwards": "a list that goes backwards",
    "falling": "a list in which a head follows a higher one",
    "gap": "a list that skips frames from one head to a higher one",
    "several-handles": "a list of pages of several handles",
    "shared-head": "a list of pages of several handles, all pins of one head",
    "rest-of-handle": "the rest of a handle whose first part was unpinned before",
    "one-call-batches": "an unpin of more than 512 pages",
    "long-run": "a run of more than 1,024 entries",
    "error-npages": "npages that is an error value",
    # What is unpinned.
    "order-0": "an unpin of a single page",
    "order-1": "an unpin of a compound page of order 1",
    "order-2": "an unpin of a compound page of order 2 to 8",
    "order-9": "an unpin of a compound page of order 9 to 17",
    "order-18": "an unpin of a compound page of order 18",
    "device-dax": "an unpin of a device-dax page",
    "bias-and-exact": "pins counted by bias and exactly in one call",
    "partly-unpinned": "a head that keeps some of its pins",
    "last-pin": "the last pin of a head",
    "pinned-and-got": "an unpin of a head of which plain references are held",
    "mapped-twice": "an unpin of a head that is mapped more than once",
    "unpin-frees": "the last pin of a page that nothing else holds",
    "one-of-two-freed": "a head freed while another head of the call stays allocated",
    "unpin-wrapped": "an unpin of a head whose count is past 2^31",
    # Dirty flags.
    "dirty-clean": "a clean head dirtied by an unpin",
    "dirty-dirty": "a dirty head unpinned with make_dirty",
    "dirty-left": "a dirty head unpinned without make_dirty",
    "dirty-again": "a head cleaned while it was pinned, and dirtied by an unpin",
    # Pinning.
    "several-mappings": "a pin of pages of several mappings",
    "partial-pin": "a pin that got only some of the pages",
    "no-pin": "a pin that got none",
    "pin-unmapped": "a pin refused because the page is unmapped, though allocated",
    "pinned-again": "a pin of frames that were freed and allocated again",
    "grab-refused": "a grab that found a count that is not positive",
    "grab-undone": "a grab undone because its page table entry changed",
    "count-at-limit": "a count of exactly 2^31-1",
    "count-wrapped": "a count that went past 2^31",
    # RDMA memory regions.
    "umem-batches": "a region of more than one batch of 512",
    "umem-segments": "a region whose segments are cut by their largest size",
    "umem-pin-fails": "a region whose pinning stops after some pages",
    "umem-map-fails": "a region whose DMA mapping fails",
    "umem-append-fails": "a region whose scatterlist finds no memory",
    "umem-partial-page": "a region with a partial last page",
    "umem-merged": "the release of a region whose entries the IOMMU merged",
    "umem-shared-head": "the release of a region of several entries of one head",
    "umem-read-only": "the release with dirty=True of a region that is not writable",
    # World steps.
    "unmap-pinned": "the last unmapping of a page that is pinned",
    "put-frees": "a put of the last reference",
    "split-refused": "a split refused because the page is held",
    "split-done": "a split that succeeded",
    "split-unpinned": "a split that succeeded after the last unpin",
    "other-order": "free frames allocated again with another order",
}
