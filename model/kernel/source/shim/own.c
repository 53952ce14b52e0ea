/* SPDX-License-Identifier: MIT */
/*
 * Walks in the place of the tree's, where it has none that headcount knows or can compile, and on
 * lists of MANY_PAGES and more: the tree's walks access each struct page, and a terabyte has 16 GiB
 * of them.
 */
#ifdef __LP64__
#define MANY_PAGES (1L << 20)
#else
#define MANY_PAGES (1L << 19) /* as many as fit behind FIRST_ADDRESS */
#endif

/* Flags of pin calls, as bits of a step's argument (model/step.py), and as the tree has them. */
static int64_t asked(unsigned int flags)
{
	return (flags & FOLL_WRITE ? 1 : 0) | (flags & FOLL_LONGTERM ? 2 : 0);
}

static unsigned int gup_flags(int64_t asked)
{
	return (asked & 1 ? FOLL_WRITE : 0) | (asked & 2 ? FOLL_LONGTERM : 0);
}

/* The error of a page at which the slow path ends, by its attributes. */
static int64_t refused(int64_t pfn, unsigned int flags)
{
	int64_t given = attributes(pfn);

	if (given & HC_A_READ_ONLY && flags & FOLL_WRITE)
		return -EFAULT;
	if (given & HC_A_MOVABLE && flags & FOLL_LONGTERM)
		hc_end(HC_TROUBLE, "a list is too long to be moved");
	return given & HC_A_BUS ? -EFAULT : given & HC_A_OOM ? -ENOMEM : 0;
}

static int64_t own_slow(int64_t from, int64_t n, unsigned int flags, struct page **pages)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		struct page *page = at(from + i);

		if (n >= MANY_PAGES && hc_shared->segs[seg].step == 1)
			page = hc_page(known_head(hc_pfn(page)));
		if (!mapped(page))
			return i ? i : -EFAULT;
		if (refused(hc_pfn(page), flags))
			return i ? i : refused(hc_pfn(page), flags);
		if (!HC_GRAB_SLOW(page, flags))
			return i ? i : -ENOMEM;
		if (pages)
			pages[i] = page;
	}
	return i;
}

/* Whether GUP-fast keeps a page that it grabbed: a copy may be due (gup_must_unshare()). */
static bool own_keeps(u64 entry, struct page *page, unsigned int flags)
{
#ifdef HC_HAS_try_grab_folio_fast
	bool reads = flags & FOLL_LONGTERM; /* of files */
#else
	bool reads = false;
#endif
	if (entry & HC_E_WRITE || !(flags & FOLL_PIN))
		return true;
	return PageAnon(page) ? !(attributes(hc_pfn(page)) & HC_A_SHARED) : !reads;
}

static int64_t own_fast(int64_t n, int64_t changed, unsigned int flags)
{
	int64_t i = 0, stop;

	for (; i < n; i = stop) {
		const u64 *entry = entry_at(i, &stop);
		struct page *head;

		if (!entry || !hc_permitted(*entry, flags & FOLL_WRITE) || *entry & HC_E_SPECIAL)
			return i;
		head = (struct page *)HC_GRAB_FAST(at(i), stop - i, flags);
		if (!head)
			return i;
		if ((changed >= i && changed < stop) || !own_keeps(*entry, at(i), flags)) {
			HC_PUT(head, stop - i, flags & (FOLL_PIN | FOLL_GET));
			return i;
		}
	}
	return i;
}

/* The same, and then the slow path for the rest unless only is true. */
static int64_t own_fast_first(int64_t n, int64_t changed, unsigned int flags, bool only)
{
	int64_t done = own_fast(n, changed, flags), more;

	if (only || done == n)
		return done;
	more = own_slow(done, n - done, flags, NULL);
	return more > 0 ? done + more : done ? done : more;
}

/* Whether a list of n pages is walked here. */
static bool walks_here(int64_t n)
{
#ifdef HC_WALK
	return n >= MANY_PAGES;
#else
	return true;
#endif
}

/* What ib_umem_get() calls: asks for flags that are shown. */
bool hc_walks_here(unsigned int flags)
{
	hc_note(HC_EV_ASK, NULL, asked(flags), false);
	return walks_here(positions);
}

int hc_pin_addresses(unsigned long start, int npages, unsigned int flags, struct page **pages)
{
	return own_slow((start - first_address) >> PAGE_SHIFT, npages,
			FOLL_PIN | (flags & (FOLL_WRITE | FOLL_LONGTERM)), pages);
}
