// SPDX-License-Identifier: GPL-2.0 OR MIT
/* A driver's pages: compound pages of any order at chosen offsets. */
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/sort.h>

#include "state.h"

/* Maximum order of the buddy allocator. */
#define HC_BLOCK 10
#define HC_BLOCK_PAGES (1U << HC_BLOCK)
#define HC_BLOCKS (HC_MAX_ARENA / HC_BLOCK_PAGES)

static int hc_by_pfn(const void *a, const void *b)
{
	unsigned long x = page_to_pfn(*(struct page **)a), y = page_to_pfn(*(struct page **)b);

	return x < y ? -1 : x > y;
}

/* Allocate `wanted` contiguous blocks of the maximum order; the first page, or NULL. */
static struct page *hc_blocks(u32 wanted)
{
	struct page *found[2 * HC_BLOCKS], *first = NULL;
	u32 n, i, run = 0;

	/* No reclaim: it would move pages of the program. */
	for (n = 0; n < (wanted == 1 ? 1 : 2 * HC_BLOCKS); n++) {
		found[n] = alloc_pages(GFP_NOWAIT | __GFP_NOWARN, HC_BLOCK);
		if (!found[n])
			break;
	}
	sort(found, n, sizeof(*found), hc_by_pfn, NULL);
	for (i = 0; i < n && run < wanted; i++)
		run = run && found[i] == found[i - 1] + HC_BLOCK_PAGES ? run + 1 : 1;
	if (run == wanted)
		first = found[i - wanted];
	for (i = 0; i < n; i++)
		if (!first || found[i] < first || found[i] >= first + wanted * HC_BLOCK_PAGES)
			__free_pages(found[i], HC_BLOCK);
	return first;
}

/*
 * Build the compound pages of the list in a new arena: out of single frames, in the same
 * way as the buddy allocator does for __GFP_COMP.
 */
int hc_arena(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 wanted = DIV_ROUND_UP(ask->arg, HC_BLOCK_PAGES), i, j;
	struct page *first;

	if (!wanted || wanted > HC_BLOCKS)
		return hc_refuse(ask, "an arena cannot have %lld pages", ask->arg);
	first = hc_blocks(wanted);
	if (!first)
		return hc_refuse(ask, "no %u MiB of contiguous memory", 4 * wanted);
	for (i = 0; i < wanted; i++)
		split_page(first + i * HC_BLOCK_PAGES, HC_BLOCK);
	for (i = 0; i < wanted * HC_BLOCK_PAGES; i++)
		hc.arena[i] = first + i;
	hc.narena = wanted * HC_BLOCK_PAGES;
	for (i = 0; i + 3 <= count; i += 3) {
		u32 offset = list[i], number = list[i + 1], order = list[i + 2];
		int err;

		if (order > HC_BLOCK || offset + (1U << order) > hc.narena)
			return hc_refuse(ask, "page %u lies beyond the arena", number);
		for (j = 0; j < 1U << order; j++) {
			clear_highpage(first + offset + j);
			if (j)
				set_page_count(first + offset + j, 0);
			hc.arena[offset + j] = NULL;
		}
		if (order)
			hc_prep_compound_page(first + offset, order);
		err = hc_add(number, first + offset, order, HC_DRIVER, ask);
		if (err)
			return err;
	}
	return 0;
}

/* A page that is not present, in a walk or after it. */
static vm_fault_t hc_fault(struct vm_fault *vmf)
{
	struct page *page = vmf->pgoff < HC_MAX_PAGES ? hc.pages[vmf->pgoff] : NULL;
	struct hc_watched *head = page ? hc_of(compound_head(page)) : NULL;

	if (!head || (hc.walking && head->entries & HC_BUS))
		return VM_FAULT_SIGBUS;
	if (hc.walking && head->entries & HC_OOM)
		return VM_FAULT_OOM;
	if (hc.walking && head->entries & HC_RETRY && fault_flag_allow_retry_first(vmf->flags) &&
	    !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT)) {
		mmap_read_unlock(vmf->vma->vm_mm);
		return VM_FAULT_RETRY;
	}
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct hc_vm_ops = { .fault = hc_fault };

/* Map pages of the arena, each by one page table entry. */
int hc_insert(struct vm_area_struct *vma)
{
	unsigned long at;
	u32 number = vma->vm_pgoff;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, VM_MIXEDMAP);
#else
	vma->vm_flags |= VM_MIXEDMAP;
#endif
	vma->vm_ops = &hc_vm_ops;
	for (at = vma->vm_start; at < vma->vm_end; at += PAGE_SIZE, number++) {
		int err;

		if (number >= HC_MAX_PAGES || !hc.pages[number])
			return -EINVAL;
		err = vm_insert_page(vma, at, hc.pages[number]);
		if (err)
			return err;
	}
	return 0;
}
