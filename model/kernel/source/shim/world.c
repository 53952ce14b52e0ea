/* SPDX-License-Identifier: MIT */
/* Calls of other kernel code: mapping, writing, splitting. Each acts once per compound page. */

static void each_head(void (*act)(struct page *))
{
	int64_t n = frames();

	for (int64_t i = 0; i < n; i++) {
		struct page *head = hc_head(at(i));

		if (!(*hc_flags(head) & HC_SEEN))
			act(head);
		*hc_flags(head) |= HC_SEEN;
	}
	for (int64_t i = 0; i < n; i++)
		*hc_flags(hc_head(at(i))) &= ~HC_SEEN;
}

static void map_one(struct page *head)
{
	head->_mapcount.counter++;
	atomic_inc(&head->_refcount);
}
static void unmap_one(struct page *head)
{
	head->_mapcount.counter--;
	drop(head, 1);
}
static void write_one(struct page *head)
{
	hc_touch(head);
	hc_set(head, PG_dirty);
}
static void clean_one(struct page *head)
{
	hc_touch(head);
	hc_clear(head, PG_dirty);
}

static int64_t rebuild(int64_t pfn, const struct hc_seg *orders, int64_t n, bool dirty)
{
	/* The new compound pages are of the same kind. */
	unsigned long kind = *hc_flags(hc_page(pfn)) & HC_KIND;

	ntouched = 0;
	for (int64_t i = 0; i < n; i++) {
		int64_t stop = pfn + (orders[i].count << orders[i].order);

		for (; pfn < stop; pfn++) {
			struct page *page = hc_page(pfn);

			hc_make(page, pfn, &orders[i]);
			if (hc_head(page) != page)
				continue;
			hc_touch(page);
			*hc_flags(page) |= kind;
			if (dirty)
				hc_set(page, PG_dirty);
		}
	}
	return 0;
}

static int64_t split(void)
{
	struct page *head = hc_head(at(0));
	int64_t pfn = hc_pfn(head), maps = head->_mapcount.counter;
	struct hc_seg single = {pfn, 1L << compound_order(head), 1, 0, maps, 0};
	unsigned long migrated = *hc_flags(head) & HC_MIGRATED;

	if (atomic_read(&head->_refcount) != maps)
		return -EBUSY;
	rebuild(pfn, &single, 1, hc_is_dirty(head));
	for (int64_t i = 0; i < single.count; i++)
		*hc_flags(hc_page(pfn + i)) |= migrated;
	return 0;
}
