/* SPDX-License-Identifier: MIT */
/* What answers the walks for the rest of the kernel: faults, migration, devices, locks, races. */

/* A page that is not mapped is nowhere: an access to it is an error. */
vm_fault_t hc_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags)
{
	if (hc_fuel-- <= 0)
		hc_spent_all();
	return VM_FAULT_SIGBUS;
}

static struct dev_pagemap device;

struct dev_pagemap *hc_pagemap(struct dev_pagemap *held)
{
	device.hc_refs += !held;
	return &device;
}
int hc_migrate(struct list_head *folios) { return 0; }
void hc_putback(struct list_head *folios) {}

/* Locks. */
static int irqs_off;

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
	if (device.hc_refs)
		hc_warn(NULL, 0, "a reference on a device's pagemap is not dropped");
	process.mmap_lock.hc_readers = process.page_table_lock.hc = irqs_off = device.hc_refs = 0;
}

/*
 * A page table entry that changes under the fast path, once its pages are grabbed. A walk grabs
 * the pages of an entry with one add-unless-zero, those of a device's huge page one by one, up to
 * 6.11 with an addition.
 */
#ifdef HC_HAS_try_grab_folio_fast
#define HC_DEVICE_SPECULATES true
#else
#define HC_DEVICE_SPECULATES false
#endif
int hc_racing, hc_speculative;
static int64_t raced, passed;

static void race(int64_t position)
{
	raced = position;
	passed = 0;
	hc_racing = position >= 0;
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
		*entry ^= HC_E_RACED;
		hc_racing = 0;
	}
	passed = single ? passed + 1 : stop;
}

/* The walk pinned as many pages: a race that did not happen must not be silent. */
static void end_race(int64_t done)
{
	if (hc_racing && done > raced)
		hc_end(HC_TROUBLE, "the entry of position %ld did not change during the walk", (long)raced);
	hc_racing = 0;
}
