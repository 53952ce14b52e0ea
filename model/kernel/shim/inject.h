/* SPDX-License-Identifier: MIT */
/* Between the scatterlist's functions and those of memory regions, which call them. */
#ifdef HC_HAS_sg_alloc_append_table_from_pages
#define sg_alloc_append_table_from_pages(...) \
	(hc_append_fails() ? -ENOMEM : sg_alloc_append_table_from_pages(__VA_ARGS__))
#else
#define __sg_alloc_table_from_pages(...) \
	(hc_append_fails() ? ERR_PTR(-ENOMEM) : __sg_alloc_table_from_pages(__VA_ARGS__))
#endif
