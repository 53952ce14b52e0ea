/* SPDX-License-Identifier: MIT */
/*
 * Struct pages: initialisation, changes of their counts, and lists of them. This file and the
 * ones after it are included after the kernel's functions, in one translation unit, so that
 * they can call static functions. era.h covers differences between kernel versions.
 */
#define MOST_TOUCHED (1L << 24)

static struct page **touched, **list;
static long ntouched, list_room;

void *realloc(void *, size_t);

#ifdef HC_HAS___NR_PAGEFLAGS
_Static_assert(__NR_PAGEFLAGS <= HC_OWN_FLAGS, "the kernel has more page flags than headcount leaves it");
#endif

static const unsigned long kinds[] = {
	[HC_KIND_ZERO] = HC_ZERO,
	[HC_KIND_HUGETLB] = HC_HUGETLB,
	[HC_KIND_ANON] = HC_ANON,
	[HC_KIND_DEVICE] = HC_DEVICE,
};

/* What a page is of: anonymous memory, which the low bit says, or a file in memory. */
#define ANONYMOUS 0x1001UL
static struct address_space in_memory;

void hc_make(void *memory, int64_t pfn, const struct hc_seg *extent)
{
	struct page *page = memory, *head = hc_page(pfn & -(1L << extent->order));

	memset(page, 0, sizeof(*page));
	if (head != page) {
		HC_SET_HEAD(page, head, extent->order);
		/* The first tail stores the order. */
		if (pfn - 1 == (pfn & -(1L << extent->order)))
			HC_SET_ORDER(head, extent->order);
		return;
	}
	atomic_set(&page->_refcount, extent->refs);
	page->_mapcount.counter = extent->refs;
	if (extent->order)
		hc_set(page, PG_head);
	*hc_flags(page) |= kinds[extent->kind];
#ifdef HC_WALK
	HC_MAPPING(page) = extent->kind == HC_KIND_ANON ? (void *)ANONYMOUS : &in_memory;
#ifdef HC_HAS_memfd_pin_folios
	((struct folio *)page)->index = pfn - HC_BELOW;
#endif
#endif
}

void hc_touch(void *page)
{
	if (ntouched && touched[ntouched - 1] == page)
		return;
	if (ntouched == MOST_TOUCHED)
		hc_end(HC_TROUBLE, "touches more than %ld pages", MOST_TOUCHED);
	touched[ntouched++] = page;
}

bool hc_is_dirty(const void *page) { return hc_test(hc_head(page), PG_dirty); }

/* Called before i is added to a page's refcount or pincount; put: the result is tested. */
void hc_counted(atomic_t *v, int i, bool put)
{
	struct page *page;
	bool stale, refs;

	if (!hc_in_memmap(v))
		return;
	page = HC_PAGE_STRUCT_IS_ROUND ? (struct page *)((unsigned long)v & -HC_PAGE_STRUCT) :
					 hc_page(hc_pfn(v));
	refs = (char *)v - (char *)page == hc_refcount_offset;
	stale = *hc_flags(hc_head(page)) & HC_FREE;
	hc_touch(refs ? page : hc_head(page));
	if (refs)
		hc_counted_ref(page, i, put, stale);
	else if (stale)
		hc_note(HC_EV_STALE, hc_head(page), 0, hc_is_dirty(page));
}

static int pincount(struct page *head) { return HC_EXACT(head) ? HC_PINCOUNT(head) : 0; }

void hc_freed(void *page)
{
	hc_flush();
	if (hc_recording)
		hc_changed(page, pincount(page), HC_EV_FREE, hc_is_dirty(page), false);
	hc_clear(page, PG_dirty);
	*hc_flags(page) |= HC_FREE;
}

static bool mapped(struct page *page)
{
	page = hc_head(page);
	return page->_mapcount.counter > 0 && !(*hc_flags(page) & HC_FREE);
}

static void drop(struct page *head, int n)
{
	if (atomic_sub_and_test(n, &head->_refcount))
		hc_freed(head);
}

/* Lists of pages. */

static int64_t frames(void)
{
	int64_t n = 0;

	for (int64_t i = 0; i < hc_shared->nsegs; i++)
		n += hc_shared->segs[i].count;
	return n;
}

/* The page at a position of the list. Starts at the last segment: access is mostly in order. */
static int64_t seg, before;

static struct page *at(int64_t position)
{
	if (position < before || !position)
		seg = before = 0;
	while (position - before >= hc_shared->segs[seg].count)
		before += hc_shared->segs[seg++].count;
	const struct hc_seg *s = &hc_shared->segs[seg];
	int64_t pfn = s->start + (position - before) * s->step;

	if (pfn < 0)
		return NULL;
	return hc_shared->folios ? hc_head(hc_page(pfn)) : hc_page(pfn);
}

/*
 * Inaccessible entries after a list, so that reading past its end faults. Folios are compared, and
 * not read: behind these is the last one again, so that reading past the end puts too many pins.
 */
#define BEHIND 64

/* Make room for n entries of a list, and those behind it. */
static void make_room(int64_t n)
{
	if (n + BEHIND <= list_room)
		return;
	list_room = 2 * (n + BEHIND);
	list = realloc(list, list_room * sizeof(*list));
	if (!list)
		hc_end(HC_SHORT, "there is no memory for a list of %ld pages", (long)n);
}

static struct page **array(int64_t n)
{
	make_room(n);
	for (int64_t i = 0; i < n; i++)
		list[i] = at(i);
	for (int64_t i = n; i < n + BEHIND; i++)
		list[i] = n && hc_shared->folios ? list[n - 1] : hc_nowhere;
	return list;
}

/* Maximum number of entries to check after a call, which must not change the caller's list. */
#define MOST_LOOKED_AT 4096

static void unchanged(int64_t n)
{
	for (int64_t i = 0; i < n && i < MOST_LOOKED_AT; i++)
		if (list[i] != at(i)) {
			hc_warn(NULL, 0, "the caller's list of pages was changed");
			return;
		}
}
