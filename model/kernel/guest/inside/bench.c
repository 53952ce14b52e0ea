// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The measurement of the patch series: ways to unpin the same pages, without probes. */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "state.h"
#include "unpin.h"

static const enum hc_op hc_ops[] = {
	[HC_BENCH_ONE] = HC_UNPIN_PAGE,
	[HC_BENCH_LIST] = HC_UNPIN_LIST,
	[HC_BENCH_DIRTY] = HC_UNPIN_DIRTY,
	[HC_BENCH_RANGE] = HC_UNPIN_RANGE,
};

static void hc_by(enum hc_op op, struct page **pages, u32 count, u32 each)
{
	u32 at, n;

	for (at = 0; at < count; at += n) {
		n = min(each, count - at);
		hc_unpin_by(op, pages + at, n, true);
	}
}

/* list: first page, number of pages, their order; arg: pages per call. Returns nanoseconds. */
s64 hc_bench(const u32 *list, u32 count, struct hc_ask *ask)
{
	unsigned long start = HC_WINDOW + ((unsigned long)list[0] << PAGE_SHIFT);
	u32 npages = list[1], done = 0, at;
	struct page **pages = vmalloc(array_size(npages, sizeof(*pages)));
	u64 began;
	s64 took;

	if (!pages)
		return -ENOMEM;
	took = -EINVAL;
	if (ask->flags >= ARRAY_SIZE(hc_ops))
		goto out;
	while (done < npages) {
		int n = pin_user_pages_fast(start + ((unsigned long)done << PAGE_SHIFT),
					    npages - done, FOLL_WRITE, pages + done);
		if (n <= 0)
			break;
		done += n;
	}
	took = -EFAULT;
	if (done < npages) {
		hc_unpin_by(HC_UNPIN_LIST, pages, done, false);
		goto out;
	}
	took = -EINVAL;
	if (compound_order(compound_head(pages[0])) != list[2] ||
	    compound_order(compound_head(pages[npages - 1])) != list[2]) {
		hc_unpin_by(HC_UNPIN_LIST, pages, npages, false);
		goto out;
	}
	/* The range call needs contiguous pages, and the area need not be contiguous. */
	took = -ERANGE;
	if (ask->flags == HC_BENCH_RANGE) {
		for (at = 1; at < npages; at++)
			if (at % ask->arg && page_to_pfn(pages[at]) != page_to_pfn(pages[at - 1]) + 1) {
				hc_unpin_by(HC_UNPIN_LIST, pages, npages, false);
				goto out;
			}
	}
	began = ktime_get_ns();
	hc_by(hc_ops[ask->flags], pages, npages, ask->arg);
	took = ktime_get_ns() - began;
	/* Clean the pages, so that each measurement starts with the same state. */
	for (at = 0; at < npages; at++)
		ClearPageDirty(compound_head(pages[at]));
out:
	vfree(pages);
	return took;
}
