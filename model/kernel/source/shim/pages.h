/* SPDX-License-Identifier: MIT */
/*
 * Replacements for kernel functions on pages: flags, locks, dirtying, freeing, statistics.
 * Included after the tree's types.
 */
_Static_assert(offsetof(struct page, flags) == 0, "a struct page does not begin with its flags");

/* A power of two: then a mask leads from a field to its struct page. */
#define HC_PAGE_STRUCT_IS_ROUND (!(HC_PAGE_STRUCT & (HC_PAGE_STRUCT - 1)))
#ifdef HC_HVO
_Static_assert(HC_PAGE_STRUCT_IS_ROUND, "the size of a struct page is no power of two, which hvo needs");
#endif

#ifndef HC_MEASURE
const long hc_page_struct = HC_PAGE_STRUCT;
#endif
const unsigned int hc_refcount_offset = offsetof(struct page, _refcount);

/* The first word of a struct page holds the flags in all versions. */
static inline unsigned long *hc_flags(const void *page) { return (unsigned long *)page; }

/* A tail holds the address of its head or, under HVO, a mask that makes it of its own. */
static inline struct page *hc_head(const void *page)
{
	unsigned long word = ((const unsigned long *)page)[1], at = (unsigned long)page;

#ifdef HC_HVO
	return (struct page *)(word & 1 ? at & word : at);
#else
	return (struct page *)(word & 1 ? word - 1 : at);
#endif
}

static inline bool hc_test(const void *page, int flag) { return *hc_flags(page) >> flag & 1; }

#ifdef HC_MEASURE
static inline void hc_set(const void *page, int flag)
{
	__atomic_fetch_or(hc_flags(page), 1UL << flag, __ATOMIC_SEQ_CST);
}
static inline void hc_clear(const void *page, int flag)
{
	__atomic_fetch_and(hc_flags(page), ~(1UL << flag), __ATOMIC_SEQ_CST);
}
#define hc_lock(page) hc_set(hc_head(page), PG_locked)
#define hc_unlock(page) hc_clear(hc_head(page), PG_locked)
#define hc_mark_dirty(page, file, line) hc_set(hc_head(page), PG_dirty)
#define hc_freed(page) hc_clear(page, PG_dirty)
extern long hc_measured[2];
/* Per-CPU in a kernel: an addition without a lock. */
#define hc_stat(item, refs) \
	((void)(*(volatile long *)&hc_measured[(item) == NR_FOLL_PIN_RELEASED] += (refs)))
#define is_zero_pfn(pfn) ((pfn) == ~0UL)
#else
static inline void hc_set(const void *page, int flag) { *hc_flags(page) |= 1UL << flag; }
static inline void hc_clear(const void *page, int flag) { *hc_flags(page) &= ~(1UL << flag); }

static inline void hc_lock(const void *page)
{
	page = hc_head(page);
	if (hc_test(page, PG_locked))
		hc_end(HC_STUCK, "waits for a page lock that it holds itself");
	hc_set(page, PG_locked);
	hc_shared->dirty_locks += hc_recording;
}
static inline void hc_unlock(const void *page) { hc_clear(hc_head(page), PG_locked); }

static inline void hc_mark_dirty(const void *page, const char *file, int line)
{
	bool dirty = hc_test(page = hc_head(page), PG_dirty);

	if (!hc_test(page, PG_locked))
		hc_warn(file, line, "a page is dirtied without its lock");
	if (hc_fuel-- <= 0)
		hc_spent_all();
	if (hc_recording)
		hc_changed((void *)page, 0, HC_EV_DIRTY, dirty, *hc_flags(page) & HC_FREE);
	hc_set(page, PG_dirty);
}

/* The last reference is dropped: the allocator frees the page and clears its flags. */
void hc_freed(void *page);

static inline void hc_stat(int item, long refs)
{
	if (item != NR_FOLL_PIN_ACQUIRED && item != NR_FOLL_PIN_RELEASED)
		return;
	hc_stats[item == NR_FOLL_PIN_RELEASED] += refs;
	if (hc_recording)
		hc_note(HC_EV_STAT, NULL, refs, false);
}

/* The kind of mapping sets HC_ZERO in the struct page of a zero page. */
#define is_zero_pfn(pfn) (!!(*hc_flags(pfn_to_page(pfn)) & HC_ZERO))
#endif

#define PageHead(page) hc_test(page, PG_head)
#define PageDirty(page) hc_test(hc_head(page), PG_dirty)
#define PageLocked(page) hc_test(hc_head(page), PG_locked)
#define folio_test_head(folio) hc_test(folio, PG_head)
#define folio_test_dirty(folio) hc_test(folio, PG_dirty)
#define folio_test_locked(folio) hc_test(folio, PG_locked)
#define folio_test_hugetlb(folio) (!!(*hc_flags(folio) & HC_HUGETLB))
#define PageHuge(page) (!!(*hc_flags(hc_head(page)) & HC_HUGETLB))
#define folio_test_anon(folio) (!!(*hc_flags(folio) & HC_ANON))
#define PageAnon(page) (!!(*hc_flags(hc_head(page)) & HC_ANON))
#define PagePoisoned(page) 0
#define page_poison_check(page) ((void)0)

#define trylock_page(page) (!PageLocked(page) && (hc_lock(page), true))
#define folio_trylock(folio) (!folio_test_locked(folio) && (hc_lock(folio), true))
#define lock_page(page) hc_lock(page)
#define unlock_page(page) hc_unlock(page)
#define folio_lock(folio) hc_lock(folio)
#define folio_unlock(folio) hc_unlock(folio)
#define set_page_dirty(page) (hc_mark_dirty(page, __FILE__, __LINE__), 1)
#define folio_mark_dirty(folio) (hc_mark_dirty(folio, __FILE__, __LINE__), 1)
#define set_page_dirty_lock(page) \
	(hc_lock(page), hc_mark_dirty(page, __FILE__, __LINE__), hc_unlock(page), 1)

#define __put_page(page) hc_freed(hc_head(page))
#define __folio_put(folio) hc_freed(folio)
#define __put_compound_page(page) hc_freed(page)
#define free_zone_device_page(page) hc_freed(page)

#define mod_node_page_state(node, item, refs) hc_stat(item, refs)
#define node_stat_mod_folio(folio, item, refs) hc_stat(item, refs)
#define node_stat_add_folio(folio, item) hc_stat(item, 1)
#define inc_node_page_state(page, item) hc_stat(item, 1)
#define count_vm_event(item) ((void)0)
#define count_vm_events(item, n) ((void)0)
#define page_pgdat(page) NULL
#define folio_pgdat(folio) NULL

#define is_migrate_cma_page(page) 0
#define is_pci_p2pdma_page(page) 0
#define folio_is_pci_p2pdma(folio) 0
#define folio_is_device_coherent(folio) 0
#define folio_is_device_private(folio) 0
#define folio_is_fsdax(folio) 0
#define is_zone_device_page(page) (!!(*hc_flags(hc_head(page)) & HC_DEVICE))
#define folio_is_zone_device(folio) (!!(*hc_flags(folio) & HC_DEVICE))
#define zone_device_pages_have_same_pgmap(a, b) 1
