/* SPDX-License-Identifier: MIT */
/*
 * A step, carried out by the kernel's own functions. Read after them, in the same
 * translation unit, so that static ones are within reach. What differs from era to era is
 * in the HC_ macros, which model/kernel/era.py defines by what it finds in the tree.
 */
#define MOST_TOUCHED (1L << 24)
/* So many pages are looked at after each step, whether it says it touched them or not. */
#define MOST_WATCHED 1024
#define MANY_PAGES (1L << 20)
#define MOST_REGIONS 65536

struct hc_task hc_current;
static struct mm_struct process;

static struct page **touched, **list;
static long ntouched, list_room;
static struct watched {
	struct page *page;
	unsigned long flags, head;
	int refcount;
} watched[MOST_WATCHED];
static long nwatched;
static struct region {
	struct ib_umem *umem;
	struct ib_device device;
} regions[MOST_REGIONS];

void *realloc(void *, size_t);
static void hc_lane(void);

/* Pages. */

void hc_make(void *memory, int64_t pfn, const struct hc_seg *extent)
{
	struct page *page = memory, *head = pfn_to_page(pfn & -(1L << extent->order));

	memset(page, 0, sizeof(*page));
	if (head != page) {
		set_compound_head(page, head);
		/* The order is kept in the first tail. */
		if (pfn - 1 == (pfn & -(1L << extent->order)))
			HC_SET_ORDER(head, extent->order);
		return;
	}
	atomic_set(&page->_refcount, extent->refs);
	page->_mapcount.counter = extent->refs;
	if (extent->order)
		hc_set(page, PG_head);
	if (extent->kind)
		*hc_flags(page) |= HC_ZERO;
}

void hc_touch(void *page)
{
	if (ntouched && touched[ntouched - 1] == page)
		return;
	if (ntouched == MOST_TOUCHED)
		hc_end(HC_TROUBLE, "touches more than %ld pages", MOST_TOUCHED);
	touched[ntouched++] = page;
}

bool hc_is_dirty(const void *page) { return hc_test(hc_head(page), PG_dirty); }

/* A count of some page changes: its references, or its exact count of pins. */
void hc_counted(atomic_t *v, int i, bool put)
{
	struct page *page = (struct page *)((unsigned long)v & -(long)HC_PAGE_STRUCT);
	bool stale, refs = (char *)v - (char *)page == hc_refcount_offset;

	if (hc_whose(v) < 0)
		return;
	stale = *hc_flags(hc_head(page)) & HC_FREE;
	hc_touch(refs ? page : hc_head(page));
	if (refs)
		hc_counted_ref(page, i, put, stale);
	else if (stale)
		hc_note(HC_EV_STALE, hc_head(page), 0, hc_is_dirty(page));
}

static int pincount(struct page *head) { return HC_EXACT(head) ? HC_PINCOUNT(head) : 0; }

void hc_freed(void *page)
{
	hc_flush();
	if (hc_recording)
		hc_changed(page, pincount(page), HC_EV_FREE, hc_is_dirty(page), false);
	hc_clear(page, PG_dirty);
	*hc_flags(page) |= HC_FREE;
}

static bool mapped(struct page *page)
{
	page = hc_head(page);
	return page->_mapcount.counter > 0 && !(*hc_flags(page) & HC_FREE);
}

static void drop(struct page *head, int n)
{
	if (atomic_sub_and_test(n, &head->_refcount))
		hc_freed(head);
}

/* Lists of pages. */

static int64_t frames(void)
{
	int64_t n = 0;

	for (int64_t i = 0; i < hc_shared->nsegs; i++)
		n += hc_shared->segs[i].count;
	return n;
}

/* The page at a position of the list; the next one is mostly asked for next. */
static int64_t seg, before;

static struct page *at(int64_t position)
{
	if (position < before || !position)
		seg = before = 0;
	while (position - before >= hc_shared->segs[seg].count)
		before += hc_shared->segs[seg++].count;
	const struct hc_seg *s = &hc_shared->segs[seg];
	int64_t pfn = s->start + (position - before) * s->step;

	return pfn < 0 ? NULL : pfn_to_page(pfn);
}

static struct page **array(int64_t n)
{
	if (n > list_room) {
		list_room = 2 * n;
		list = realloc(list, list_room * sizeof(*list));
		if (!list)
			hc_end(HC_TROUBLE, "there is no memory for a list of %ld pages", (long)n);
	}
	for (int64_t i = 0; i < n; i++)
		list[i] = at(i);
	return list;
}

/* Pinning: what the walks of mm/gup.c do at each entry of the page table. */

/* The head of a frame by its extent, unless that was split since: then itself. */
static const struct hc_seg *extent;

static int64_t known_head(int64_t pfn)
{
	int64_t first;

	if (!extent || pfn < extent->start || pfn >= extent->start + (extent->count << extent->order))
		extent = hc_extent(pfn);
	if (!extent)
		return pfn;
	first = pfn & -(1L << extent->order);
	return compound_order(pfn_to_page(first)) == extent->order ? first : pfn;
}

static int64_t grab_slow(int64_t from, int64_t n, unsigned int flags, struct page **pages)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		struct page *page = at(from + i);

		/*
		 * Of very many pages only the heads are looked at: a terabyte has 16 GiB of
		 * struct pages, and a tail leads to its head whichever it is.
		 */
		if (n >= MANY_PAGES && hc_shared->segs[seg].step == 1)
			page = pfn_to_page(known_head(hc_pfn(page)));
		if (!mapped(page))
			return i ? i : -EFAULT;
		if (!HC_GRAB_SLOW(page, flags))
			return i ? i : -ENOMEM;
		if (pages)
			pages[i] = page;
	}
	return i;
}

/* How many pages of the list, from a position on, are neighbours of one compound page. */
static int64_t neighbours(int64_t position, int64_t n, int64_t first, int64_t stop)
{
	int64_t run = 0;

	while (position + run < n) {
		struct page *page = at(position + run);
		int64_t left = n - position - run, pfn;

		pfn = page ? hc_pfn(page) : -1;
		if (pfn < first || pfn >= stop)
			break;
		if (hc_shared->segs[seg].step == 1) {
			int64_t in_seg = before + hc_shared->segs[seg].count - position - run;

			left = left < in_seg ? left : in_seg;
			run += left < stop - pfn ? left : stop - pfn;
		} else {
			run++;
		}
	}
	return run;
}

static int64_t grab_fast(int64_t n, int64_t changed)
{
	int64_t i = 0;

	while (i < n) {
		struct page *page = at(i), *head = hc_head(page);
		int64_t run = 1, first = hc_pfn(head);

		if (!mapped(page))
			return i;
		/* A huge page is one entry, which gives all its pages in one go. */
		if (compound_order(head) >= HC_PMD_ORDER)
			run = neighbours(i, n, first, first + (1L << compound_order(head)));
		head = (struct page *)HC_GRAB_FAST(page, run, FOLL_PIN);
		if (!head)
			return i;
		if (changed >= i && changed < i + run) {
			HC_PUT(head, run, FOLL_PIN);
			return i;
		}
		i += run;
	}
	return i;
}

/* Memory regions. */

#define FIRST_ADDRESS 0x100000000UL
static int64_t append_fails, batches;

bool hc_append_fails(void) { return batches++ == append_fails; }

int hc_pin_addresses(unsigned long start, int npages, unsigned int flags, struct page **pages)
{
	return grab_slow((start - FIRST_ADDRESS) >> PAGE_SHIFT, npages, FOLL_PIN, pages);
}

int hc_dma_map(struct ib_device *device, int nents)
{
	return device->hc_nmap < 0 || device->hc_nmap > nents ? nents : device->hc_nmap;
}

static struct region *region(int64_t number) { return &regions[number % MOST_REGIONS]; }

static int64_t umem_get(const int64_t *arg)
{
	struct region *r = region(arg[0]);
	struct ib_umem *umem;

	r->device = (struct ib_device){.hc_max_segment = arg[2], .hc_nmap = arg[3]};
	append_fails = arg[4];
	batches = 0;
	umem = ib_umem_get(&r->device, FIRST_ADDRESS, frames() << PAGE_SHIFT,
			   arg[1] ? IB_ACCESS_LOCAL_WRITE : 0);
	if (IS_ERR(umem))
		return PTR_ERR(umem);
	r->umem = umem;
	return HC_UMEM_NENTS(umem);
}

static int64_t umem_over(const int64_t *arg)
{
	struct region *r = region(arg[0]);
	struct scatterlist *sg;
	unsigned int i;

	r->device = (struct ib_device){.hc_max_segment = ~0U, .hc_nmap = arg[3]};
	r->umem = hc_alloc(sizeof(*r->umem));
	r->umem->ibdev = &r->device;
	r->umem->owning_mm = &process;
	r->umem->writable = arg[1];
	if (sg_alloc_table(HC_UMEM_TABLE(r->umem), hc_shared->nsegs, GFP_KERNEL))
		return -ENOMEM;
	for_each_sg(HC_UMEM_TABLE(r->umem)->sgl, sg, hc_shared->nsegs, i)
		sg_set_page(sg, pfn_to_page(hc_shared->segs[i].start), hc_shared->segs[i].count, 0);
	HC_UMEM_MAPPED(r->umem, hc_dma_map(&r->device, hc_shared->nsegs));
	return hc_shared->nsegs;
}

static void umem_release(const int64_t *arg)
{
	struct region *r = region(arg[0]);

	__ib_umem_release(&r->device, r->umem, arg[1]);
	hc_free(r->umem);
	r->umem = NULL;
}

/* What the world does. A compound page that is named often is meant once. */

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
	ntouched = 0;
	for (int64_t i = 0; i < n; i++) {
		int64_t stop = pfn + (orders[i].count << orders[i].order);

		for (; pfn < stop; pfn++) {
			struct page *page = pfn_to_page(pfn);

			hc_make(page, pfn, &orders[i]);
			if (hc_head(page) != page)
				continue;
			hc_touch(page);
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

	if (atomic_read(&head->_refcount) != maps)
		return -EBUSY;
	return rebuild(pfn, &single, 1, hc_is_dirty(head));
}

/* What is shown after a step. */

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

/* Pages that changed though no primitive says so: a stray write would do that. */
static void watch(bool report)
{
	for (long i = 0; i < nwatched; i++) {
		struct watched before = watched[i];

		look(&watched[i]);
		if (!report || (before.flags == watched[i].flags && before.head == watched[i].head &&
				before.refcount == watched[i].refcount))
			continue;
		show(before.page);
		if ((before.flags ^ watched[i].flags) & ~(1UL << PG_dirty | HC_FREE) ||
		    before.head != watched[i].head)
			hc_warn("memmap", 0, "a struct page changed beside its counts");
	}
}

static void begin(void)
{
	struct hc_shared *s = hc_shared;

	if (!touched)
		touched = hc_map_room(MOST_TOUCHED * sizeof(*touched));
	hc_current.mm = &process;
	hc_free_all();
	extent = NULL;
	hc_lay_out();
	memset(hc_stats, 0, sizeof(hc_stats));
	nwatched = 0;
	for (int64_t i = 0; i < s->nsegs; i++) {
		const struct hc_seg *e = &s->segs[i];
		int64_t stop = e->start + (e->count << e->order);

		for (int64_t pfn = e->start; pfn < stop; pfn++) {
			if (nwatched == MOST_WATCHED) {
				nwatched = 0; /* too many to look at them all */
				return;
			}
			watched[nwatched++].page = pfn_to_page(pfn);
		}
	}
	watch(false);
}

static void do_step(void)
{
	struct hc_shared *s = hc_shared;
	const int64_t *arg = s->arg;
	int64_t n = frames();

	switch (s->op) {
	case HC_PIN:
		s->returned = grab_slow(0, n, FOLL_PIN, NULL);
		return;
	case HC_GET:
		s->returned = grab_slow(0, n, FOLL_GET, NULL);
		return;
	case HC_PIN_FAST:
		s->returned = grab_fast(n, arg[0]);
		return;
	case HC_UNPIN_ONE:
		unpin_user_page(at(0));
		return;
	case HC_UNPIN_LIST:
		unpin_user_pages(array(n), arg[0]);
		return;
	case HC_UNPIN_DIRTY:
		unpin_user_pages_dirty_lock(array(n), arg[0], arg[1]);
		return;
#ifdef HC_HAS_unpin_user_page_range_dirty_lock
	case HC_UNPIN_RANGE:
		unpin_user_page_range_dirty_lock(n ? at(0) : NULL, arg[0], arg[1]);
		return;
#endif
	case HC_UMEM_GET:
		s->returned = umem_get(arg);
		return;
	case HC_UMEM:
		s->returned = umem_over(arg);
		return;
	case HC_UMEM_RELEASE:
		umem_release(arg);
		return;
	case HC_MAP:
		each_head(map_one);
		return;
	case HC_UNMAP:
		each_head(unmap_one);
		return;
	case HC_WRITE:
		each_head(write_one);
		return;
	case HC_CLEAN:
		each_head(clean_one);
		return;
	case HC_SPLIT:
		s->returned = split();
		return;
	case HC_ALLOC:
		rebuild(arg[0], s->segs, s->nsegs, false);
		return;
	case HC_GET_PAGE:
		for (int64_t i = 0; i < n; i++)
			atomic_add(arg[0], &hc_head(at(i))->_refcount);
		return;
	case HC_PUT_PAGE:
		for (int64_t i = 0; i < n; i++)
			drop(hc_head(at(i)), arg[0]);
		return;
	}
	hc_end(HC_TROUBLE, "is no step that this kernel has");
}

void hc_act(void)
{
	struct hc_shared *s = hc_shared;
	struct page *last = NULL;

	if (s->op == HC_BEGIN) {
		begin();
		return;
	}
	if (s->op == HC_LANE) {
		hc_lane();
		return;
	}
	hc_clear_journal();
	ntouched = seg = before = 0;
	hc_recording = 1;
	do_step();
	hc_flush();
	hc_recording = 0;
	for (long i = 0; i < ntouched; i++) {
		struct page *head = hc_head(touched[i]);

		if (head != touched[i] && atomic_read(&touched[i]->_refcount))
			show(touched[i]);
		if (head != last)
			show(head);
		last = head;
	}
	/* Those two make struct pages anew. */
	watch(s->op != HC_SPLIT && s->op != HC_ALLOC);
	s->acquired = hc_stats[0][0];
	s->released = hc_stats[0][1];
}
