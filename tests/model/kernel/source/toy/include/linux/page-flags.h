/* SPDX-License-Identifier: MIT */
enum pageflags {
	PG_locked,
	PG_dirty,
	PG_swap_backed,
	PG_head,
};

static inline struct page *compound_head(struct page *page)
{
	return page->compound_head % 2 ? (struct page *)(page->compound_head - 1) : page;
}

static __always_inline void set_compound_head(struct page *page, struct page *head)
{
	page->compound_head = (unsigned long)head + 1;
}
