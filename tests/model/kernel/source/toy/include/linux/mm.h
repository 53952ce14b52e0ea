/* SPDX-License-Identifier: MIT */
#define GUP_PIN_COUNTING_BIAS 1024
#define FOLL_GET 1
#define FOLL_PIN 2
#define FOLL_WRITE 4
#define FOLL_LONGTERM 8

#ifndef CONFIG_TOY_WIDE
static inline void set_compound_order(struct page *page, unsigned int order)
{
	page[1].first_tail.order = order;
}
#else
#error not this one
#endif

static inline unsigned int compound_order(struct page *page)
{
	return PageHead(page) ? page[1].first_tail.order : 0;
}

static inline unsigned long compound_nr(struct page *page)
{
	return 1UL << compound_order(page);
}

static inline atomic_t *compound_pincount_ptr(struct page *page)
{
	return &page[1].pins;
}

static inline bool hpage_pincount_available(struct page *page)
{
	page = compound_head(page);
	return compound_order(page) >= 2;
}

static inline bool page_maybe_dma_pinned(struct page *page)
{
	page = compound_head(page);
	if (hpage_pincount_available(page))
		return atomic_read(compound_pincount_ptr(page)) > 0;
	return (unsigned int)atomic_read(&page->_refcount) >= GUP_PIN_COUNTING_BIAS;
}
