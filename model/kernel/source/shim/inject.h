/* SPDX-License-Identifier: MIT */
/*
 * Injects allocation failures, and shows the flags of pins. Included between the functions of
 * lib/scatterlist.c and mm/gup.c and those of umem.c, which call them. In the selected batch an allocation fails inside the tree's
 * function, so that the tree itself cleans up. If the batch needs no allocation, the macro
 * restores the scatterlist table and returns the error.
 */
#define hc_append(call, table, last, error) ({ \
	__typeof__(*(table)) hc_was = *(table); \
	struct scatterlist *hc_last = (last), hc_entry; \
	bool hc_failing = hc_append_fails(); \
	__typeof__(call) hc_done; \
	if (hc_last) \
		hc_entry = *hc_last; \
	hc_done = call; \
	hc_allocs_left = -1; \
	if (hc_failing && !IS_ERR_VALUE(hc_done)) { \
		*(table) = hc_was; \
		if (hc_last) \
			*hc_last = hc_entry; \
		hc_done = (__typeof__(hc_done))(error); \
	} \
	hc_done; })

#ifdef HC_HAS_sg_alloc_append_table_from_pages
#define sg_alloc_append_table_from_pages(table, ...) \
	hc_append(sg_alloc_append_table_from_pages(table, __VA_ARGS__), table, (table)->prv, -ENOMEM)
#else
#define __sg_alloc_table_from_pages(table, pages, n, offset, size, most, prv, ...) \
	hc_append(__sg_alloc_table_from_pages(table, pages, n, offset, size, most, prv, __VA_ARGS__), \
		  table, prv, -ENOMEM)
#endif

/* pin.c, and in measurements measure.c, pins where the tree has no walk, or not for so many pages. */
int hc_pin_addresses(unsigned long start, int npages, unsigned int flags, struct page **pages);
bool hc_walks_here(unsigned int flags);
#if defined(HC_WALK) && !defined(HC_MEASURE)
#define pin_user_pages_fast(start, n, flags, pages) \
	(hc_walks_here(flags) ? hc_pin_addresses(start, n, flags, pages) : \
				pin_user_pages_fast(start, n, flags, pages))
#elif defined(HC_MEASURE)
#define pin_user_pages_fast(start, n, flags, pages) hc_pin_addresses(start, n, flags, pages)
#else
#define pin_user_pages_fast(start, n, flags, pages) \
	((void)hc_walks_here(flags), hc_pin_addresses(start, n, flags, pages))
#endif
