/* SPDX-License-Identifier: MIT */
/* Shows the pages that a step changed. */
/* Maximum number of pages to compare after each step, touched or not. */
#define MOST_WATCHED 1024

static struct watched {
	struct page *page;
	unsigned long flags, head;
	int refcount;
} watched[MOST_WATCHED];
static long nwatched;

static void show(struct page *page)
{
	struct hc_shared *s = hc_shared;
	bool tail = hc_head(page) != page;

	if (s->nheads == HC_MAX_HEADS)
		hc_end(HC_TROUBLE, "touches more than %ld heads", (long)HC_MAX_HEADS);
	s->heads[s->nheads++] = (struct hc_head){
		hc_pfn(page), atomic_read(&page->_refcount), tail ? 0 : pincount(page),
		hc_test(page, PG_dirty) | !(*hc_flags(page) & HC_FREE) << 1 |
			(!tail && HC_MAYBE_PINNED(page)) << 2};
}

static void look(struct watched *w)
{
	w->flags = *hc_flags(w->page);
	w->head = ((unsigned long *)w->page)[1] & 1 ? ((unsigned long *)w->page)[1] : 0;
	w->refcount = atomic_read(&w->page->_refcount);
}

/* Find pages that changed without a call of the shim: a stray write would do that. */
static void watch(bool report)
{
	for (long i = 0; i < nwatched; i++) {
		struct watched before = watched[i];
		unsigned long changed;

		look(&watched[i]);
		if (!report || (before.flags == watched[i].flags && before.head == watched[i].head &&
				before.refcount == watched[i].refcount))
			continue;
		show(before.page);
		changed = (before.flags ^ watched[i].flags) & ~(1UL << PG_dirty | HC_FREE | HC_MIGRATED);
		if (changed == 1UL << PG_locked)
			hc_warn(NULL, 0, "a page is left locked");
		else if (changed || before.head != watched[i].head)
			hc_warn(NULL, 0, "a field of a struct page other than its counts changed");
	}
}
