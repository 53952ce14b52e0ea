// SPDX-License-Identifier: GPL-2.0 OR MIT
/* Carries out the calls of a program with the kernel's functions. */
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include "state.h"
#include "unpin.h"

static struct page *hc_got[HC_MAX_LIST];

static long hc_gup(enum hc_op op, const struct hc_ask *ask, unsigned long start, u32 n,
		   bool zero, struct page **got)
{
	/* With FOLL_WRITE the kernel would put a new page in place of the zero page. */
	unsigned int flags = zero ? 0 : (ask->flags & HC_WRITE ? FOLL_WRITE : 0) |
					(ask->flags & HC_LONGTERM ? FOLL_LONGTERM : 0);
	long done;

	if (op == HC_PIN && ask->arg)
		return pin_user_pages_fast(start, n, flags, got);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
	if (op == HC_PIN_FAST_ONLY)
		return pin_user_pages_fast_only(start, n, flags, got);
#endif
	mmap_read_lock(current->mm);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	done = op == HC_GET ? get_user_pages(start, n, flags, got)
			    : pin_user_pages(start, n, flags, got);
#else
	done = op == HC_GET ? get_user_pages(start, n, flags, got, NULL)
			    : pin_user_pages(start, n, flags, got, NULL);
#endif
	mmap_read_unlock(current->mm);
	return done;
}

static bool hc_is_zero(u32 number)
{
	return is_zero_pfn(page_to_pfn(hc.pages[number]));
}

/* Pin or get one stretch of consecutive pages after another; how many were, and the result. */
static u32 hc_take_each(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 at, n;

	for (at = 0; at < count; at += n) {
		bool zero = hc_is_zero(list[at]);
		long done;

		for (n = 1; at + n < count && list[at + n] == list[at] + n; n++)
			if (hc_is_zero(list[at + n]) != zero)
				break;
		done = hc_gup(ask->op, ask, HC_WINDOW + ((unsigned long)list[at] << PAGE_SHIFT),
			      n, zero, hc_got + at);
		if (done > 0)
			ask->ret += done;
		else if (!at)
			ask->ret = done;
		if (done < n)
			break;
	}
	return max(ask->ret, 0LL);
}

static int hc_take(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 taken, i;

	if (!count)
		ask->ret = hc_gup(ask->op, ask, HC_WINDOW, 0, false, hc_got);
	hc_before_walk(list, count, ask);
	hc.task = current;
	taken = hc_take_each(list, count, ask);
	hc.task = NULL;
	hc_after_walk();
	for (i = 0; i < taken; i++) {
		struct page *page = hc.pages[list[i]];
		struct hc_watched *head = page ? hc_of(compound_head(hc_got[i])) : NULL;

		if (hc_got[i] != page || !head)
			return hc_refuse(ask, "page %u is not the page that was mapped", list[i]);
		if (ask->op == HC_GET)
			head->gets++;
		else if (head->kind != HC_ZERO)
			head->pins++;
	}
	return 0;
}

/*
 * The counter of pins (or references, if gets) that the program holds on the page of an
 * entry. NULL and pins of the zero page are not limited; a freed page has none.
 */
static s64 *hc_book(u32 entry, bool gets)
{
	static s64 enough, none;
	struct hc_watched *head;

	enough = S64_MAX / 2;
	none = 0;
	if (entry == HC_NULL)
		return &enough;
	head = hc_of(compound_head(hc.pages[entry]));
	if (!head)
		return &none;
	if (gets)
		return &head->gets;
	return head->kind == HC_ZERO ? &enough : &head->pins;
}

/* Subtract what a call releases from the counters; refuse to release more than is held. */
static int hc_give(const u32 *list, u32 count, s64 each, bool gets, struct hc_ask *ask)
{
	u32 i, lacking = HC_NULL;

	for (i = 0; i < count; i++) {
		s64 *held = hc_book(list[i], gets);

		*held -= each;
		if (*held < 0 && lacking == HC_NULL)
			lacking = list[i];
	}
	if (lacking == HC_NULL || ask->flags & HC_MISUSE)
		return 0;
	for (i = 0; i < count; i++)
		*hc_book(list[i], gets) += each;
	return hc_refuse(ask, "the call releases more than is held of page %u", lacking);
}

static int hc_known(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (list[i] != HC_NULL && (list[i] >= HC_MAX_PAGES || !hc.pages[list[i]]))
			return hc_refuse(ask, "the program has no page %u", list[i]);
	return 0;
}

/* Number of pages from hc_got[at] on whose frames are consecutive, of count. */
static u32 hc_stretch(u32 at, u32 count)
{
	u32 n;

	for (n = 1; at + n < count; n++)
		if (page_to_pfn(hc_got[at + n]) != page_to_pfn(hc_got[at]) + n)
			break;
	return n;
}

/* Whether a page of the list may have moved: then a range of the program may be several. */
static bool hc_may_have_moved(const u32 *list, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		struct hc_watched *head = hc_of(compound_head(hc.pages[list[i]]));

		if (head && head->entries & HC_MOVABLE)
			return true;
	}
	return false;
}

static int hc_unpin(const u32 *list, u32 count, struct hc_ask *ask)
{
	unsigned long npages;
	bool noticed = ask->op == HC_UNPIN_LIST || !(ask->flags & 1);
	bool pieces = false;
	u32 i, n;

	for (i = 0; i < count; i++)
		hc_got[i] = list[i] == HC_NULL ? NULL : hc.pages[list[i]];
	if (ask->flags & HC_EMPTY)
		count = 0;
	npages = ask->arg ? (unsigned long)ask->arg : count;
	if (ask->op == HC_UNPIN_RANGE && count && !ask->arg && hc_stretch(0, count) < count) {
		pieces = hc_may_have_moved(list, count);
		if (!pieces && !(ask->flags & HC_MISUSE))
			return hc_refuse(ask, "the frames of a range are not consecutive");
	}
	/* A call with an error value for npages releases nothing. */
	if (!(ask->arg && noticed) && hc_give(list, count, 1, false, ask))
		return -EINVAL;
	hc.single = ask->op == HC_UNPIN_PAGE ? hc_got[0] : NULL;
	hc.task = current;
	for (i = 0; pieces && i < count; i += n) {
		n = hc_stretch(i, count);
		hc_unpin_by(ask->op, hc_got + i, n, ask->flags & 1);
	}
	if (!pieces)
		hc_unpin_by(ask->op, hc_got, npages, ask->flags & 1);
	hc.task = NULL;
	return 0;
}

/* Plain references. */
static int hc_plain(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 i;

	if (ask->op == HC_PUT_PAGE && hc_give(list, count, ask->arg, true, ask))
		return -EINVAL;
	for (i = 0; i < count; i++) {
		struct page *head = compound_head(hc.pages[list[i]]);

		if (ask->op == HC_GET_PAGE) {
			hc_of(head)->gets += ask->arg;
			page_ref_add(head, ask->arg);
		} else {
			folio_put_refs(page_folio(head), ask->arg);
		}
	}
	return 0;
}

/* A WARN for a test of the probe, without its text on the console. */
static void hc_warn_here(void)
{
	int level = console_loglevel;

	console_loglevel = 0;
	barrier();	/* a WARN is an instruction that the compiler takes for harmless */
	WARN_ON(1);
	barrier();
	console_loglevel = level;
}

int hc_call(const u32 *list, u32 count, struct hc_ask *ask)
{
	u32 i;
	int err = hc_known(list, count, ask);

	if (err)
		return err;
	switch (ask->op) {
	case HC_PIN:
	case HC_PIN_FAST_ONLY:
	case HC_GET:
		return hc_take(list, count, ask);
	case HC_UNPIN_PAGE:
	case HC_UNPIN_LIST:
	case HC_UNPIN_DIRTY:
	case HC_UNPIN_RANGE:
		return hc_unpin(list, count, ask);
	case HC_GET_PAGE:
	case HC_PUT_PAGE:
		return hc_plain(list, count, ask);
	case HC_SET_DIRTY:
		for (i = 0; i < count; i++)
			set_page_dirty_lock(hc.pages[list[i]]);
		return 0;
	case HC_CLEAN:
		for (i = 0; i < count; i++)
			ClearPageDirty(compound_head(hc.pages[list[i]]));
		return 0;
	case HC_WARN:
		hc_warn_here();
		return 0;
	default:
		return hc_refuse(ask, "no operation %u", ask->op);
	}
}
