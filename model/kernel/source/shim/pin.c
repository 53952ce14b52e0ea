/* SPDX-License-Identifier: MIT */
/*
 * The calls that pin. They are the tree's own with its own walks of the page tables; in a tree
 * without them, and on lists of MANY_PAGES and more, what is here walks in their place: the tree's
 * walks access each struct page, and a terabyte has 16 GiB of them.
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

/* The walks in the place of the tree's. */

static int64_t own_slow(int64_t from, int64_t n, unsigned int flags, struct page **pages)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		struct page *page = at(from + i);

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

static int64_t own_fast(int64_t n, int64_t changed, unsigned int flags)
{
	int64_t i = 0, stop;

	for (; i < n; i = stop) {
		const u64 *entry = entry_at(i, &stop);
		struct page *head;

		if (!entry || !(*entry & HC_E_PRESENT) || *entry & HC_E_SPECIAL)
			return i;
		head = (struct page *)HC_GRAB_FAST(at(i), stop - i, flags);
		if (!head)
			return i;
		if (changed >= i && changed < stop) {
			HC_PUT(head, stop - i, flags & (FOLL_PIN | FOLL_GET));
			return i;
		}
	}
	return i;
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

#ifdef HC_WALK
#ifdef HC_HAS_gup_fast_fallback
#define HC_FAST(...) gup_fast_fallback(__VA_ARGS__)
#else
#define HC_FAST(...) internal_get_user_pages_fast(__VA_ARGS__)
#endif

/* Up to 6.4 the calls have a fifth argument, which is NULL. */
long hc_pin_user_pages(unsigned long start, unsigned long n, unsigned int flags,
		       struct page **pages, void *vmas) __asm__("pin_user_pages");
long hc_get_user_pages(unsigned long start, unsigned long n, unsigned int flags,
		       struct page **pages, void *vmas) __asm__("get_user_pages");

static struct page **empty(int64_t n)
{
	make_room(n);
	for (int64_t i = 0; i < n + BEHIND; i++)
		list[i] = hc_nowhere;
	return list;
}

/* What a call filled in are the pages that the tables map there. */
static int64_t filled(int64_t n)
{
	for (int64_t i = 0; i < n; i++)
		if (list[i] != at(i)) {
			hc_warn(NULL, 0, "an entry of pages[] is not the page that is mapped there");
			break;
		}
	if (n > positions)
		hc_warn(NULL, 0, "more pages are pinned than were asked for");
	return n;
}
#endif

static int64_t slow(int64_t n, unsigned int flags)
{
	long done;

	if (walks_here(n))
		return own_slow(0, n, flags, NULL);
#ifdef HC_WALK
	lay_out(n);
	empty(n);
	mmap_read_lock(&process);
	/* The call itself sets the other flag. */
	if (flags & FOLL_PIN)
		done = hc_pin_user_pages(first_address, n, flags & ~FOLL_PIN, list, NULL);
	else
		done = hc_get_user_pages(first_address, n, flags & ~FOLL_GET, list, NULL);
	check_locks(true);
	return filled(done);
#endif
}

static int64_t fast(int64_t n, int64_t changed, unsigned int flags)
{
	long done;

	lay_out(n);
	if (walks_here(n))
		return own_fast(n, changed, flags);
#ifdef HC_WALK
	empty(n);
	race(changed);
	done = HC_FAST(first_address, n, flags | FOLL_FAST_ONLY, list);
	end_race(done);
	check_locks(false);
	return filled(done);
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
