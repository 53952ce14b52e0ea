/* SPDX-License-Identifier: MIT */
/*
 * One name for functions that have other names in other kernel versions. HC_HAS_name is
 * defined if the tree has the function. 5.11 to 5.17 use compound pages, 5.18 and later
 * folios; try_grab_folio() of 6.12 differs from that of 6.1.
 */
#ifdef HC_HAS_try_grab_folio_fast
#define HC_GRAB_FAST(page, refs, flags) try_grab_folio_fast(page, refs, flags)
#elif defined(HC_HAS_try_grab_compound_head)
#define HC_GRAB_FAST(page, refs, flags) try_grab_compound_head(page, refs, flags)
#else
#define HC_GRAB_FAST(page, refs, flags) try_grab_folio(page, refs, flags)
#endif

/* try_grab_page() returns true on success up to 6.1, and 0 since 6.2. */
#ifdef HC_HAS_try_grab_page
#define HC_GRAB_SLOW(page, flags) \
	(__builtin_types_compatible_p(__typeof__(try_grab_page(page, flags)), bool) ? \
		 try_grab_page(page, flags) : !try_grab_page(page, flags))
#else
#define HC_GRAB_SLOW(page, flags) (!try_grab_folio(page_folio(page), 1, flags))
#endif

#ifdef HC_HAS_put_compound_head
#define HC_PUT(head, refs, flags) put_compound_head(head, refs, flags)
#else
#define HC_PUT(head, refs, flags) gup_put_folio((struct folio *)(head), refs, flags)
#endif

#ifdef HC_HAS_hpage_pincount_available
#define HC_EXACT(head) hpage_pincount_available(head)
#elif defined(HC_HAS_folio_has_pincount)
#define HC_EXACT(head) folio_has_pincount((struct folio *)(head))
#else
#define HC_EXACT(head) folio_test_large((struct folio *)(head))
#endif

#ifdef HC_HAS_folio_pincount_ptr
#define HC_PINCOUNT(head) atomic_read(folio_pincount_ptr((struct folio *)(head)))
#elif defined(HC_HAS_compound_pincount_ptr)
#define HC_PINCOUNT(head) atomic_read(compound_pincount_ptr(head))
#else
#define HC_PINCOUNT(head) atomic_read(&((struct folio *)(head))->_pincount)
#endif

#ifdef HC_HAS_folio_pincount_ptr
#define HC_SET_PINCOUNT(head, n) atomic_set(folio_pincount_ptr((struct folio *)(head)), n)
#elif defined(HC_HAS_compound_pincount_ptr)
#define HC_SET_PINCOUNT(head, n) atomic_set(compound_pincount_ptr(head), n)
#else
#define HC_SET_PINCOUNT(head, n) atomic_set(&((struct folio *)(head))->_pincount, n)
#endif

#ifdef HC_HAS_page_folio
#define HC_MAPPING(head) (((struct folio *)(head))->mapping)
#else
#define HC_MAPPING(head) ((head)->mapping)
#endif

#ifdef HC_HAS_folio_maybe_dma_pinned
#define HC_MAYBE_PINNED(page) folio_maybe_dma_pinned((struct folio *)(page))
#else
#define HC_MAYBE_PINNED(page) page_maybe_dma_pinned(page)
#endif

#ifdef HC_HAS_folio_set_order
#define HC_SET_ORDER(head, order) folio_set_order((struct folio *)(head), order)
#else
#define HC_SET_ORDER(head, order) set_compound_order(head, order)
#endif

/* Since 7.1 tails hold what leads to the head, made from the order. */
#ifdef HC_HAS_compound_info_has_mask
#define HC_SET_HEAD(page, head, order) set_compound_head(page, head, order)
#else
#define HC_SET_HEAD(page, head, order) set_compound_head(page, head)
#endif

/* 7.2 has no function for a region by address alone: ib_umem_get_desc() calls this one. */
#ifdef HC_HAS___ib_umem_get_va
#define HC_UMEM_GET(...) __ib_umem_get_va(__VA_ARGS__)
#else
#define HC_UMEM_GET(...) ib_umem_get(__VA_ARGS__)
#endif

#ifdef HC_HAS_sg_alloc_append_table_from_pages
#define HC_APPEND_TABLE
#define HC_UMEM_TABLE(umem) (&(umem)->sgt_append.sgt)
#define HC_UMEM_NENTS(umem) ((umem)->sgt_append.sgt.orig_nents)
#define HC_UMEM_MAPPED(umem, n) ((umem)->sgt_append.sgt.nents = (n))
#define HC_UMEM_NMAP(umem) ((umem)->sgt_append.sgt.nents)
#else
#define HC_UMEM_TABLE(umem) (&(umem)->sg_head)
#define HC_UMEM_NENTS(umem) ((umem)->sg_nents)
#define HC_UMEM_MAPPED(umem, n) ((umem)->sg_nents = hc_shared->nsegs, (umem)->nmap = (n))
#define HC_UMEM_NMAP(umem) ((umem)->nmap)
#endif

/* Compound pages of at least this order are mapped by one page table entry. */
#define HC_PMD_ORDER 9
