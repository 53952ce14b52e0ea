// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Keeps track of the pages of a program: from mapping to release. */
#include <linux/page_ref.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "state.h"
#include "unpin.h"

/* Maximum number of tails of a compound page to look at. */
#define HC_TAILS 1024U

/* The value that /proc/vmstat would show after folding in the per-CPU differences. */
s64 hc_stat(enum node_stat_item item)
{
	s64 sum = atomic_long_read(&vm_node_stat[item]);
	int cpu;

	for_each_online_cpu(cpu)
		sum += per_cpu_ptr(NODE_DATA(0)->per_cpu_nodestats, cpu)->vm_node_stat_diff[item];
	return sum;
}

/* Keep track of a compound page whose first page has this number in the program. */
int hc_add(u32 number, struct page *page, u32 order, enum hc_kind kind,
	   struct hc_ask *ask)
{
	struct hc_watched *head;
	u32 i;

	if (hc.nheads == HC_MAX_HEADS || number + (1U << order) > HC_MAX_PAGES)
		return hc_refuse(ask, "too many pages for the module");
	if (order ? !PageHead(page) || compound_order(page) != order : PageCompound(page))
		return hc_refuse(ask, "page %u is of order %u, not %u", number,
				 compound_order(compound_head(page)), order);
	head = &hc.heads[hc.nheads++];
	*head = (struct hc_watched){ .page = page, .number = number, .order = order,
				     .kind = kind, .mapped = true };
	for (i = 0; i < 1U << order; i++)
		hc.pages[number + i] = page + i;
	xa_store(&hc.by_pfn, page_to_pfn(page), xa_mk_value(hc.nheads), GFP_KERNEL);
	return 0;
}

int hc_watch(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 i;

	for (i = 0; i + 6 <= count; i += 6) {
		u64 pfn = list[i + 1] | (u64)list[i + 2] << 32;
		int err;

		if (!pfn_valid(pfn))
			return hc_refuse(ask, "page %u has no frame", list[i]);
		if (is_zone_movable_page(pfn_to_page(pfn)) != list[i + 5])
			return hc_refuse(ask, "page %u is %sin ZONE_MOVABLE", list[i],
					 list[i + 5] ? "not " : "");
		err = hc_add(list[i], pfn_to_page(pfn), list[i + 3], list[i + 4], ask);
		if (err)
			return err;
	}
	return 0;
}

/* What the page table entries of compound pages are like. */
int hc_entries(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 i;

	for (i = 0; i < count; i++)
		hc_of(hc.pages[list[i]])->entries = ask->flags;
	hc.special |= !!(ask->flags & (HC_ABSENT | HC_MOVABLE));
	return 0;
}

/* Number of references that a mapping holds on a compound page. */
static int hc_held(const struct hc_watched *head)
{
	switch (head->kind) {
	case HC_HUGETLB:
	case HC_GIGANTIC:
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
		return (1 << head->order) + 1;	/* page cache: one per page (a08c7193e4f1) */
#endif
	case HC_MEMFD:
		return 2;
	case HC_DRIVER:
		return 1 << head->order;	/* one per page table entry */
	case HC_THP:
		return head->entries & HC_BY_PTES ? 1 << head->order : 1;
	default:
		return 1;
	}
}

/*
 * A program counts one reference for a mapping. The kernel's further references are
 * subtracted from the refcount until the page is unmapped, so that counts agree with the
 * program's, even where they overflow. The zero page is shared with other processes: its
 * other references are subtracted when it is shown.
 */
int hc_settle(struct hc_ask *ask)
{
	struct hc_watched *head;

	hc_lru_add_drain();
	for (head = hc.heads; head < hc.heads + hc.nheads; head++) {
		int count;

		if (head->kind == HC_DRIVER)
			put_page(head->page);	/* the mapping has its own references now */
		count = page_ref_count(head->page);
		if (head->kind == HC_ZERO) {
			head->aside = count - 1;
		} else if (count != hc_held(head)) {
			return hc_refuse(ask, "page %u starts with %d references, not %d",
					 head->number, count, hc_held(head));
		} else {
			head->aside = count - 1;
			page_ref_sub(head->page, head->aside);
		}
		ClearPageDirty(head->page);
		head->shown = (struct hc_head){ head->number, 1, 0, HC_ALLOCATED };
	}
	hc.acquired = hc_stat(NR_FOLL_PIN_ACQUIRED);
	hc.released = hc_stat(NR_FOLL_PIN_RELEASED);
	return 0;
}

/* Before munmap(): return the references that hc_settle() subtracted. */
void hc_unmapping(const u32 *list, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct hc_watched *head = hc_of(hc.pages[list[i]]);

		page_ref_add(head->page, head->aside);
		head->aside = 0;
		head->mapped = false;
		head->was_dirty = PageDirty(head->page);
	}
}

/*
 * After munmap(): restore the dirty flag. A program dirties pages by calls only, so dirty
 * bits from the page table do not count, and truncation must not clean a page.
 */
void hc_unmapped(const u32 *list, u32 count)
{
	u32 i;

	hc_lru_add_drain();
	for (i = 0; i < count; i++) {
		struct hc_watched *head = hc_of(hc.pages[list[i]]);

		if (head->gone || page_ref_count(head->page) == 0)
			continue;
		if (head->was_dirty)
			SetPageDirty(head->page);
		else
			ClearPageDirty(head->page);
	}
}

/* Release all pins and references; the number of pages that differ from before the program. */
s64 hc_finish(void)
{
	struct hc_watched *head;
	s64 unclean = 0;

	for (head = hc.heads; head < hc.heads + hc.nheads; head++) {
		if (head->gone)
			continue;
		if (head->kind == HC_ZERO) {
			page_ref_sub(head->page, head->gets);
			ClearPageDirty(head->page);
			unclean += page_ref_count(head->page) != head->aside + 1;
			continue;
		}
		/* All but one reference in one step, as there may be 2^31; the last put may free. */
		if (head->gets > 1) {
			page_ref_sub(head->page, head->gets - 1);
			head->gets = 1;
		}
		for (; head->pins > 0; head->pins--)
			hc_unpin_by(HC_UNPIN_PAGE, &head->page, 1, false);
		if (!head->gone && head->gets)
			put_page(head->page);
	}
	hc_lru_add_drain();
	for (head = hc.heads; head < hc.heads + hc.nheads; head++) {
		if (head->kind == HC_ZERO)
			continue;
		if (!head->gone && page_ref_count(head->page) == 0 && !head->mapped)
			head->gone = true;
		if (head->gone) {
			unclean += head->mapped;
			continue;
		}
		unclean += !head->mapped || page_ref_count(head->page) != 1 ||
			   (hc_exact(head) && hc_pincount(head->page));
		page_ref_add(head->page, head->aside);
		head->aside = 0;
		ClearPageDirty(head->page);
	}
	return unclean;
}

/* Stop keeping track of pages, and free what is left of the arena. */
void hc_forget(void)
{
	u32 i;

	for (i = 0; i < hc.nheads; i++) {
		struct hc_watched *head = &hc.heads[i];

		xa_erase(&hc.by_pfn, page_to_pfn(head->page));
		memset(&hc.pages[head->number], 0, sizeof(*hc.pages) << head->order);
	}
	hc.nheads = 0;
	hc.special = false;
	for (i = 0; i < hc.narena; i++)
		if (hc.arena[i])
			__free_page(hc.arena[i]);
	hc.narena = 0;
}

static struct hc_head hc_look(struct hc_watched *head)
{
	struct hc_head seen = { head->number };
	int count = page_ref_count(head->page);

	if (!head->gone && count == 0)
		head->gone = true;
	if (head->gone) {
		seen.refcount = count < 0 ? count : 0;
		return seen;
	}
	if (head->kind == HC_ZERO)
		count -= head->aside;
	seen.refcount = count;
	seen.pincount = hc_exact(head) ? hc_pincount(head->page) : 0;
	seen.look = HC_ALLOCATED | (PageDirty(head->page) ? HC_DIRTY : 0);
	if (folio_maybe_dma_pinned(page_folio(head->page)))
		seen.look |= HC_MAYBE_PINNED;
	return seen;
}

/* Write all heads that changed since the last call, and tails with a refcount, to heads. */
void hc_show(struct hc_ask *ask, struct hc_head *heads)
{
	struct hc_watched *head;
	u32 i;

	hc_lru_add_drain();
	ask->acquired = hc_stat(NR_FOLL_PIN_ACQUIRED) - hc.acquired;
	ask->released = hc_stat(NR_FOLL_PIN_RELEASED) - hc.released;
	ask->nheads = 0;
	for (head = hc.heads; head < hc.heads + hc.nheads; head++) {
		struct hc_head seen = hc_look(head);

		if (memcmp(&seen, &head->shown, sizeof(seen)) && ask->nheads < HC_MAX_HEADS)
			heads[ask->nheads++] = head->shown = seen;
		if (head->gone)
			continue;
		for (i = 1; i < min(1U << head->order, HC_TAILS); i++) {
			int count = page_ref_count(head->page + i);

			if (count && ask->nheads < HC_MAX_HEADS)
				heads[ask->nheads++] = (struct hc_head){
					head->number + i, count, 0, HC_ALLOCATED };
		}
	}
}
