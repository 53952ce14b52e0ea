/* SPDX-License-Identifier: MIT */
/* What answers the walks for the rest of the kernel: faults, migration, devices, locks, races. */

/* Before 5.19 no page is shared. */
#ifndef HC_HAS_FAULT_FLAG_UNSHARE
#define FAULT_FLAG_UNSHARE 0
#endif

/* Pages with flags that last until the end of the step. */
static struct page **marked;
static long nmarked, marked_room;
static bool pinning; /* in a step that pins */
static int irqs_off;

/* A list of n things, with room for one more. */
static void *one_more(void *things, long n, long *room, size_t size)
{
	if (n < *room)
		return things;
	*room = 2 * *room + 64;
	things = realloc(things, *room * size);
	if (!things)
		hc_end(HC_SHORT, "there is no memory for a list of pages");
	return things;
}

static void mark(struct page *page, unsigned long flag)
{
	marked = one_more(marked, nmarked, &marked_room, sizeof(*marked));
	*hc_flags(page) |= flag;
	marked[nmarked++] = page;
}

/* Page table entries that faults have changed since GUP-fast last began, and what they were. */
static struct {
	u64 *entry, before;
} *faulted;
static long nfaulted, faulted_room;

static void fault_in(u64 *entry, u64 value)
{
	faulted = one_more(faulted, nfaulted, &faulted_room, sizeof(*faulted));
	faulted[nfaulted].entry = entry;
	faulted[nfaulted++].before = *entry;
	*entry = value;
}

static void begin_pins(void)
{
	pinning = true;
	nfaulted = 0;
}
static void end_pins(void)
{
	pinning = false;
	while (nmarked)
		*hc_flags(marked[--nmarked]) &= ~(HC_UNSHARED | HC_CACHED | HC_TRIED | HC_TRIED_BEFORE);
}

/* GUP-fast begins, in a memory region with each batch: all mappings are again as the program says. */
static void as_mapped(void)
{
	for (; nfaulted; nfaulted--)
		*faulted[nfaulted - 1].entry = faulted[nfaulted - 1].before;
	for (long i = 0; i < nmarked; i++)
		*hc_flags(marked[i]) &= ~HC_UNSHARED;
}

static bool exclusive(const void *page)
{
	return !pinning || !(attributes(hc_pfn(page)) & HC_A_SHARED) || *hc_flags(page) & HC_UNSHARED;
}

/* Outside of the walks pins are given back, also those of batches before, and were exclusive. */
bool hc_exclusive(const void *page)
{
	return !(irqs_off || process.mmap_lock.hc_readers) || exclusive(page);
}

/*
 * The page is put where the table has none, written to, or made exclusive. One that is not mapped is
 * nowhere: an access to it is an error.
 */
vm_fault_t hc_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags)
{
	static const int orders[] = {PUD_ORDER, PMD_ORDER, 0};
	int64_t position = (int64_t)(address >> PAGE_SHIFT) - first_page, stop, at_first = position, given;
	struct page *page, *head = NULL;
	bool again = flags & FAULT_FLAG_ALLOW_RETRY && !(flags & FAULT_FLAG_TRIED), shared;
	int order;
	u64 bits, *entry;

	if (hc_fuel-- <= 0)
		hc_spent_all();
	page = position >= 0 && position < positions ? at(position) : NULL;
	if (!page || !mapped(page))
		return VM_FAULT_SIGBUS;
	given = attributes(hc_pfn(page));
	if (flags & FAULT_FLAG_WRITE && !(vma->vm_flags & VM_WRITE) && vma->vm_flags & VM_SHARED) {
		hc_warn(NULL, 0, "a write fault in a shared mapping that may not be written to");
		return VM_FAULT_SIGSEGV;
	}
	if (given & HC_A_RETRY && again && !(position & 1)) {
		hc_mmap_lock(&process, -1);
		return VM_FAULT_RETRY;
	}
	if (given & HC_A_ABSENT && given & (HC_A_BUS | HC_A_OOM))
		return given & HC_A_BUS ? VM_FAULT_SIGBUS : VM_FAULT_OOM;
	if (given & HC_A_GONE)
		return VM_FAULT_SIGBUS;
	for (int i = 0; i < 3; i++) {
		int64_t n = 1L << orders[i];

		at_first = (first_page + position & -n) - first_page;
		if (at_first < 0)
			at_first = 0;
		page = at(at_first);
		head = page ? hc_head(page) : NULL;
		order = head ? order_at(at_first, page, head, &stop) : -1;
		if (order == orders[i])
			break;
	}
	/* A page that is shared becomes this process's own by a write, or to be pinned for reading. */
	shared = given & HC_A_SHARED;
	if (shared && flags & (FAULT_FLAG_WRITE | FAULT_FLAG_UNSHARE))
		mark(order ? head : page, HC_UNSHARED);
	bits = bits_of(head, vma->vm_flags & VM_WRITE && (!shared || flags & FAULT_FLAG_WRITE));
	if (vma->vm_flags & VM_HUGETLB)
		bits |= HC_E_HUGETLB;
	entry = entry_of((unsigned long)(first_page + at_first) << PAGE_SHIFT, PAGE_SHIFT + order);
	fault_in(entry, entry_for(page, order, bits));
#ifdef HC_HAS_VM_FAULT_COMPLETED
	if (given & HC_A_RETRY && again) {
		hc_mmap_lock(&process, -1);
		return VM_FAULT_COMPLETED;
	}
#endif
	return 0;
}

/* Every four frames are of another one of two devices, whose references are not each other's. */
static struct dev_pagemap devices[2];

struct dev_pagemap *hc_pagemap(unsigned long frame, struct dev_pagemap *held)
{
	struct dev_pagemap *its = &devices[frame >> 2 & 1];

	/* Other pages are no device's. */
	if (!(*hc_flags(hc_head(pfn_to_page(frame))) & HC_DEVICE) ||
	    attributes(hc_pfn(pfn_to_page(frame))) & HC_A_GONE)
		its = NULL;
	if (held && held != its)
		held->hc_refs--;
	if (its && held != its)
		its->hc_refs++;
	return its;
}

/*
 * Long-term pins. What may not stay is isolated and moved; headcount's names for frames move with
 * it, so that a page has the same struct page after that, and is just free to be pinned. If one
 * cannot move, none is.
 */
bool hc_pinnable(const void *page)
{
	const struct page *head = hc_head(page);

	return !(attributes(hc_pfn(head)) & HC_A_MOVABLE) || *hc_flags(head) & HC_MIGRATED;
}
bool hc_isolate(void *page)
{
	struct page *head = hc_head(page);

	/* Pages are collected after a walk: a round of tries ends with the next walk. */
	for (long i = 0; i < nmarked && walked; i++)
		if (*hc_flags(marked[i]) & HC_TRIED)
			*hc_flags(marked[i]) |= HC_TRIED_BEFORE;
	walked = false;
	if (attributes(hc_pfn(head)) & HC_A_LATER && !(*hc_flags(head) & HC_TRIED_BEFORE)) {
		mark(head, HC_TRIED);
		return false;
	}
	if (head->lru.next) /* is isolated already: a list may name a page twice */
		return false;
	atomic_inc(&head->_refcount);
	return true;
}
bool hc_isolate_hugetlb(void *page, struct list_head *to)
{
	if (!hc_isolate(page))
		return false;
	list_add_tail(&hc_head(page)->lru, to);
	return true;
}
void hc_putback(struct list_head *list)
{
	while (!list_empty(list)) {
		struct page *page = container_of(list->next, struct page, lru);

		list_del(&page->lru);
		page->lru = (struct list_head){NULL, NULL};
		drop(page, 1);
	}
}
int hc_migrate(struct list_head *list)
{
	struct list_head moved = {&moved, &moved};
	int stay = 0;

	if (hc_fuel-- <= 0)
		hc_spent_all();
	for (struct list_head *at = list->next, *next; at != list; at = next) {
		struct page *page = container_of(at, struct page, lru);

		next = at->next;
		if (attributes(hc_pfn(page)) & HC_A_STAYS ||
		    atomic_read(&page->_refcount) != page->_mapcount.counter + 1) {
			stay++;
			continue;
		}
		*hc_flags(page) |= HC_MIGRATED;
		list_del(at);
		list_add_tail(at, &moved);
	}
	hc_putback(&moved);
	return stay;
}

/*
 * A page table entry that changes under the fast path once its pages are grabbed, its table that
 * becomes a huge page, a fork, or a split that was between the look-up of a page and its grab. A
 * walk grabs the pages of an entry with one add-unless-zero, those of a device's huge page one by
 * one, up to 6.11 with an addition.
 */
#ifdef HC_HAS_try_grab_folio_fast
#define HC_DEVICE_SPECULATES true
#else
#define HC_DEVICE_SPECULATES false
#endif
int hc_racing, hc_speculative;
static int64_t raced, passed, kind_of_race, pins_before, walked_pins;
static bool missed;

/*
 * A tail that is a page of its own for the rest of the walk, and free: its refcount is 0. A head
 * stays its own.
 */
static unsigned long *parted, parted_from;

static void split_off(struct page *page)
{
	if (hc_head(page) == page)
		return;
	parted = (unsigned long *)page + 1;
	parted_from = *parted;
	*parted = 0;
}

static void race(int64_t position, int64_t kind)
{
	raced = position;
	passed = 0;
	kind_of_race = kind;
	hc_racing = position >= 0;
	pins_before = hc_stats[0] - hc_stats[1];
}

void hc_grabbed(const void *refcount)
{
	int64_t stop;
	u64 *entry = entry_at(passed, &stop);
	bool single = entry && hc_is(*entry, HC_E_LEAF | HC_E_DEVMAP);

	if (!entry || hc_speculative != (!single || HC_DEVICE_SPECULATES) ||
	    refcount != &hc_head(pfn_to_page(hc_frame(*entry)))->_refcount)
		return;
	if (raced < stop) {
		if (kind_of_race == HC_RACE_FORK)
			process.write_protect_seq.sequence += 2;
		else if (kind_of_race == HC_RACE_SPLIT && !hc_leaf(*entry))
			split_off(at(raced));
		else if (kind_of_race == HC_RACE_COLLAPSE && !hc_leaf(*entry))
			*entry_of((unsigned long)(first_page + passed) << PAGE_SHIFT, PMD_SHIFT) ^= HC_E_RACED;
		else
			*entry ^= HC_E_RACED;
		hc_racing = 0;
	}
	passed = single ? passed + 1 : stop;
}

/* The slow path comes next, if any: nothing changes under it. */
static void end_fast_walk(void)
{
	if (parted)
		*parted = parted_from;
	parted = NULL;
	missed = hc_racing;
	walked_pins = hc_stats[0] - hc_stats[1] - pins_before;
	hc_racing = 0;
}

/*
 * A walk without locks pinned or got as many pages, if that is known: a race that did not happen
 * must not be silent.
 */
static void end_race(int64_t done)
{
	if (missed && (done > raced || walked_pins > raced))
		hc_end(HC_TROUBLE, "the entry of position %ld did not change during the walk", (long)raced);
	hc_racing = missed = 0;
}

/* Locks. */
void hc_spin(spinlock_t *lock, int by)
{
	lock->hc += by;
	if (lock->hc != (by > 0))
		hc_end(HC_STUCK, by > 0 ? "takes a lock that it holds" : "gives a lock that it does not hold");
}
void hc_mmap_lock(struct mm_struct *mm, int by)
{
	mm->mmap_lock.hc_readers += by;
	if (mm->mmap_lock.hc_readers != (by > 0))
		hc_end(HC_STUCK, by > 0 ? "takes mmap_lock, which it holds" :
					  "gives mmap_lock, which it does not hold");
}
void hc_irqs(int by)
{
	irqs_off += by;
	if (by > 0)
		as_mapped();
	else
		end_fast_walk();
	if (irqs_off != (by > 0))
		hc_warn(NULL, 0, "interrupts are disabled or enabled twice");
}

/* After a call all locks are as before. */
static void check_locks(bool held)
{
	if (process.mmap_lock.hc_readers != held)
		hc_warn(NULL, 0, held ? "mmap_lock, which the caller held, was given" :
					"mmap_lock is still held");
	if (process.page_table_lock.hc)
		hc_warn(NULL, 0, "the lock of the page tables is still held");
	if (irqs_off)
		hc_warn(NULL, 0, "interrupts are still disabled");
	if (devices[0].hc_refs || devices[1].hc_refs)
		hc_warn(NULL, 0, "a reference on a device's pagemap is not dropped");
	process.mmap_lock.hc_readers = process.page_table_lock.hc = irqs_off = 0;
	devices[0].hc_refs = devices[1].hc_refs = 0;
}
