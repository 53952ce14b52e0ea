// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Before a walk of the page tables: pages that are to be absent are zapped, and pages that may have
 * to move get the references that a move expects. After it all is as before, at a frame that may
 * be another one: the program's frame is only a name.
 */
#include <linux/mman.h>
#include <linux/page_ref.h>

#include "state.h"

/*
 * Counts beyond this are near the overflow, which has to be where the program's is. Such pages are
 * held, so they do not move; and of a fault that ends well nothing shows but the fast path's stop.
 */
#define HC_NEAR (S32_MAX - (1 << 20))

static unsigned long hc_at(const struct hc_watched *head)
{
	return HC_WINDOW + ((unsigned long)head->number << PAGE_SHIFT);
}

static void hc_prepare(struct hc_watched *head, const struct hc_ask *ask)
{
	int count = page_ref_count(head->page);
	bool near = count < -HC_NEAR || count > HC_NEAR;
	bool ends = ask->op == HC_PIN_FAST_ONLY || head->entries & (HC_BUS | HC_OOM);
	bool absent = head->entries & HC_ABSENT && (!near || ends);

	if (!(head->entries & (HC_ABSENT | HC_MOVABLE)) || head->prepared || !head->mapped ||
	    head->gone || (count <= 0 && !near))
		return;
	head->prepared = true;
	head->moving = head->entries & HC_MOVABLE && ask->flags & HC_LONGTERM && !near;
	head->lent = absent || head->moving ? head->aside : 0;
	/* One more for a driver's page, which only its entries hold, and for one that cannot move. */
	head->lent += (absent && head->kind == HC_DRIVER) +
		      (head->moving && head->entries & HC_STAYS);
	page_ref_add(head->page, head->lent);
	head->was_dirty = PageDirty(head->page);
	if (absent)
		hc_do_madvise(current->mm, hc_at(head), PAGE_SIZE << head->order, MADV_DONTNEED);
}

void hc_before_walk(const u32 *list, u32 count, const struct hc_ask *ask)
{
	u32 i;

	for (i = 0; hc.special && i < count; i++) {
		struct hc_watched *head = hc_of(compound_head(hc.pages[list[i]]));

		if (head && head->entries)
			hc_prepare(head, ask);
	}
	hc.walking = true;
}

/* The page may be at another frame now. */
static void hc_follow(struct hc_watched *head)
{
	struct page *page;
	u32 i;

	if (get_user_pages_fast(hc_at(head), 1, 0, &page) != 1)
		return;
	put_page(page);
	page = compound_head(page);
	if (page == head->page)
		return;
	xa_erase(&hc.by_pfn, page_to_pfn(head->page));
	xa_store(&hc.by_pfn, page_to_pfn(page), xa_mk_value(head - hc.heads + 1), GFP_KERNEL);
	head->page = page;
	for (i = 0; i < 1U << head->order; i++)
		hc.pages[head->number + i] = page + i;
}

static void hc_settle_again(struct hc_watched *head)
{
	u32 i;

	if (head->entries & HC_ABSENT) {
		mmap_read_lock(current->mm);
		for (i = 0; i < (head->kind == HC_DRIVER ? 1U << head->order : 1); i++)
			fixup_user_fault(current->mm, hc_at(head) + i * PAGE_SIZE, 0, NULL);
		mmap_read_unlock(current->mm);
	}
	if (head->moving)
		hc_follow(head);
	page_ref_sub(head->page, head->lent);
	/* A program dirties pages by calls only: neither by faults, nor by entries that go. */
	if (head->was_dirty)
		SetPageDirty(head->page);
	else
		ClearPageDirty(head->page);
	head->prepared = false;
	head->moving = false;
}

void hc_after_walk(void)
{
	struct hc_watched *head;

	hc.walking = false;
	for (head = hc.heads; hc.special && head < hc.heads + hc.nheads; head++)
		if (head->prepared)
			hc_settle_again(head);
}
