/* SPDX-License-Identifier: MIT */
/* Pinning: what the walks of mm/gup.c do at each entry of the page table. */
#define MANY_PAGES (1L << 20)

/* The head of a frame by its extent, unless that was split since: then itself. */
static const struct hc_seg *extent;

static int64_t known_head(int64_t pfn)
{
	int64_t first;

	if (!extent || pfn < extent->start || pfn >= extent->start + (extent->count << extent->order))
		extent = hc_extent(pfn);
	if (!extent)
		return pfn;
	first = pfn & -(1L << extent->order);
	return compound_order(pfn_to_page(first)) == extent->order ? first : pfn;
}

static int64_t grab_slow(int64_t from, int64_t n, unsigned int flags, struct page **pages)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		struct page *page = at(from + i);

		/*
		 * Of very many pages only the heads are looked at: a terabyte has 16 GiB of
		 * struct pages, and a tail leads to its head whichever it is.
		 */
		if (n >= MANY_PAGES && hc_shared->segs[seg].step == 1)
			page = pfn_to_page(known_head(hc_pfn(page)));
		if (!mapped(page))
			return i ? i : -EFAULT;
		if (!HC_GRAB_SLOW(page, flags))
			return i ? i : -ENOMEM;
		if (pages)
			pages[i] = page;
	}
	return i;
}

/* How many pages of the list, from a position on, are neighbours of one compound page. */
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

static int64_t grab_fast(int64_t n, int64_t changed)
{
	int64_t i = 0;

	while (i < n) {
		struct page *page = at(i), *head = hc_head(page);
		int64_t run = 1, first = hc_pfn(head);

		/* The entry of the zero page is special: the slow path's. */
		if (!mapped(page) || *hc_flags(page) & HC_ZERO)
			return i;
		/* A huge page is one entry, which gives all its pages in one go. */
		if (compound_order(head) >= HC_PMD_ORDER)
			run = neighbours(i, n, first, first + (1L << compound_order(head)));
		head = (struct page *)HC_GRAB_FAST(page, run, FOLL_PIN);
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
