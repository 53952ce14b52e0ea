/* SPDX-License-Identifier: MIT */
/* The calls that pin: the tree's own, with its own walks of the page tables, except as own.c says. */
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

/* umem.c's calls of this are macros by now. */
int hc_pin_user_pages_fast(unsigned long start, int n, unsigned int flags,
			   struct page **pages) __asm__("pin_user_pages_fast");
int hc_get_user_pages_fast(unsigned long start, int n, unsigned int flags,
			   struct page **pages) __asm__("get_user_pages_fast");
int hc_get_user_pages_fast_only(unsigned long start, int n, unsigned int flags,
				struct page **pages) __asm__("get_user_pages_fast_only");

static struct page **empty(int64_t n)
{
	make_room(n);
	for (int64_t i = 0; i < n + BEHIND; i++)
		list[i] = hc_nowhere;
	return list;
}

/* What a call filled in are the pages that the tables map there. */
static int64_t filled(int64_t n, unsigned int flags)
{
	for (int64_t i = 0; i < n; i++)
		if (list[i] != at(i)) {
			hc_warn(NULL, 0, "an entry of pages[] is not the page that is mapped there");
			break;
		}
	for (int64_t i = 0; i < n && flags & FOLL_PIN; i++)
		if (PageAnon(list[i]) && !exclusive(list[i]) && !exclusive(hc_head(list[i]))) {
			hc_warn(NULL, 0, "an anonymous page is pinned that is not exclusive");
			break;
		}
	if (n > positions)
		hc_warn(NULL, 0, "more pages are pinned than were asked for");
	end_pins();
	return n;
}

static int64_t slow(int64_t n, unsigned int flags)
{
	long done;

	if (walks_here(n))
		return own_slow(0, n, flags, NULL);
	lay_out(n);
	empty(n);
	begin_pins();
	mmap_read_lock(&process);
	/* The call itself sets the other flag. */
	if (flags & FOLL_PIN)
		done = hc_pin_user_pages(first_address, n, flags & ~FOLL_PIN, list, NULL);
	else
		done = hc_get_user_pages(first_address, n, flags & ~FOLL_GET, list, NULL);
	check_locks(true);
	return filled(done, flags);
}

/* only: without the slow path. */
static int64_t fast(int64_t n, int64_t changed, int64_t kind, unsigned int flags, bool only)
{
	long done;

	lay_out(n);
	if (walks_here(n))
		return own_fast_first(n, changed, flags, only);
	empty(n);
	begin_pins();
	race(changed, kind);
	/* The calls themselves set the other flags. */
	if (only && flags & FOLL_GET)
		done = hc_get_user_pages_fast_only(first_address, n, flags & ~FOLL_GET, list);
	else if (only)
		done = HC_FAST(first_address, n, flags | FOLL_FAST_ONLY, list);
	else if (flags & FOLL_PIN)
		done = hc_pin_user_pages_fast(first_address, n, flags & ~FOLL_PIN, list);
	else
		done = hc_get_user_pages_fast(first_address, n, flags & ~FOLL_GET, list);
	end_race(only ? done : 0);
	check_locks(false);
	return filled(done, flags);
}
