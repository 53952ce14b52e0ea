// SPDX-License-Identifier: MIT
#include <linux/mm.h>

static int toy_each(struct page *head)
{
	return hpage_pincount_available(head) ? 1 : GUP_PIN_COUNTING_BIAS;
}

struct page *try_grab_compound_head(struct page *page, int refs, unsigned int flags)
{
	struct page *head = compound_head(page);

	if (WARN_ON_ONCE(atomic_read(&head->_refcount) < 1))
		return NULL;
	if (flags & FOLL_GET) {
		atomic_add(refs, &head->_refcount);
		return head;
	}
	if (hpage_pincount_available(head))
		atomic_add(refs, compound_pincount_ptr(head));
	atomic_add(refs * toy_each(head), &head->_refcount);
	mod_node_page_state(page_pgdat(head), NR_FOLL_PIN_ACQUIRED, refs);
	return head;
}

bool __must_check try_grab_page(struct page *page, unsigned int flags)
{
	return try_grab_compound_head(page, 1, flags) != NULL;
}

static void put_compound_head(struct page *page, int refs, unsigned int flags)
{
	int all = flags == FOLL_PIN ? refs * toy_each(page) : refs;

	if (flags == FOLL_PIN) {
		mod_node_page_state(page_pgdat(page), NR_FOLL_PIN_RELEASED, refs);
		if (hpage_pincount_available(page))
			atomic_sub(refs, compound_pincount_ptr(page));
	}
	if (atomic_sub_and_test(all, &page->_refcount))
		__put_page(page);
}

void unpin_user_page(struct page *page)
{
	put_compound_head(compound_head(page), 1, FOLL_PIN);
}
EXPORT_SYMBOL(unpin_user_page);

static unsigned long compound_range_next(struct page *from, unsigned long left)
{
	struct page *head = compound_head(from);
	unsigned long rest = head + compound_nr(head) - from;

	return rest < left ? rest : left;
}

#define toy_dirty(head, wanted)                      \
	do {                                         \
		if ((wanted) && !PageDirty(head))    \
			set_page_dirty_lock(head);   \
	} while (0)

void unpin_user_page_range_dirty_lock(struct page *page, unsigned long npages, bool make_dirty)
{
	while (npages) {
		unsigned long run = compound_range_next(page, npages);

		toy_dirty(compound_head(page), make_dirty);
		put_compound_head(compound_head(page), run, FOLL_PIN);
		page += run;
		npages -= run;
	}
}

static void toy_unpin(struct page **pages, unsigned long npages, bool make_dirty)
{
	unsigned long i = 0, first;

	while (i < npages) {
		struct page *head = compound_head(pages[i]);

		for (first = i; i < npages && compound_head(pages[i]) == head;)
			i++;
		toy_dirty(head, make_dirty);
		put_compound_head(head, i - first, FOLL_PIN);
	}
}

void unpin_user_pages(struct page **pages, unsigned long npages)
{
	if (!WARN_ON(IS_ERR_VALUE(npages)))
		toy_unpin(pages, npages, false);
}

void unpin_user_pages_dirty_lock(struct page **pages, unsigned long npages, bool make_dirty)
{
	if (make_dirty)
		toy_unpin(pages, npages, true);
	else
		unpin_user_pages(pages, npages);
}
