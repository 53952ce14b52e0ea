/* SPDX-License-Identifier: MIT */
/* Pinning: what the page table walks of mm/gup.c do at each entry. */
#define MANY_PAGES (1L << 20)

/* The head of a frame, from its extent; the frame itself if its compound page was split. */
static const struct hc_seg *extent;

static int64_t known_head(int64_t pfn)
{
	int64_t first;

	if (!extent || pfn < extent->start || pfn >= extent->start + (extent->count << extent->order))
		extent = hc_extent(pfn);
	if (!extent)
		return pfn;
	first = pfn & -(1L << extent->order);
	return compound_order(hc_page(first)) == extent->order ? first : pfn;
}

/* Flags of pin calls, as bits of a step's argument (model/step.py), and as the tree has them. */
static int64_t asked(unsigned int flags)
{
	return (flags & FOLL_WRITE ? 1 : 0) | (flags & FOLL_LONGTERM ? 2 : 0);
}

static unsigned int gup_flags(int64_t asked)
{
	return (asked & 1 ? FOLL_WRITE : 0) | (asked & 2 ? FOLL_LONGTERM : 0);
}

static int64_t grab_slow(int64_t from, int64_t n, unsigned int flags, struct page **pages)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		struct page *page = at(from + i);

		/*
		 * In a very long list access only heads, as any tail leads to the same head: a
		 * terabyte has 16 GiB of struct pages.
		 */
		if (n >= MANY_PAGES && hc_shared->segs[seg].step == 1)
			page = hc_page(known_head(hc_pfn(page)));
		if (!mapped(page))
			return i ? i : -EFAULT;
		if (!HC_GRAB_SLOW(page, flags))
			return i ? i : -ENOMEM;
		if (pages)
			pages[i] = page;
	}
	return i;
}

/* Number of entries of the list, from a position on, with frames from first to stop - 1. */
static int64_t neighbours(int64_t position, int64_t n, int64_t first, int64_t stop)
{
	int64_t run = 0;

	while (position + run < n) {
		struct page *page = at(position + run);
		int64_t left = n - position - run, pfn;

		pfn = page ? hc_pfn(page) : -1;
		if (pfn < first || pfn >= stop)
			break;
		if (hc_shared->segs[seg].step == 1) {
			int64_t in_seg = before + hc_shared->segs[seg].count - position - run;

			left = left < in_seg ? left : in_seg;
			run += left < stop - pfn ? left : stop - pfn;
		} else {
			run++;
		}
	}
	return run;
}

static int64_t grab_fast(int64_t n, int64_t changed, unsigned int flags)
{
	int64_t i = 0;

	while (i < n) {
		struct page *page = at(i), *head = hc_head(page);
		int64_t run = 1, first = hc_pfn(head);

		/* The zero page has a special page table entry, so GUP-fast leaves it. */
		if (!mapped(page) || *hc_flags(page) & HC_ZERO)
			return i;
		/* A huge page has one entry: its pages are grabbed together. */
		if (compound_order(head) >= HC_PMD_ORDER)
			run = neighbours(i, n, first, first + (1L << compound_order(head)));
		head = (struct page *)HC_GRAB_FAST(page, run, flags);
		if (!head)
			return i;
		if (changed >= i && changed < i + run) {
			HC_PUT(head, run, FOLL_PIN);
			return i;
		}
		i += run;
	}
	return i;
}
