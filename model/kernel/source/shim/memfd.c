/* SPDX-License-Identifier: MIT */
/*
 * memfd_pin_folios() of a file whose index of a page is its frame. A page that is not present is not
 * in the page cache until it is made; what is made is the folio that the program has there.
 */
#ifdef HC_HAS_memfd_pin_folios
#define HC_MEMFD

/*
 * In trees that check for it, a look-up gives a folio once for each of its pages, as it once did
 * (8ab1b1602396), if its count has room for so many references.
 */
#ifdef HC_HAS_folio_index
#define HC_FOUND_AGAIN(head) ((unsigned int)atomic_read(&(head)->_refcount) < 1U << 30)
#else
#define HC_FOUND_AGAIN(head) false
#endif

#define PLENTY (1UL << 20)
static struct file memfd = {&in_memory};
static struct hstate pool;
static unsigned long left_reserved; /* how many must be reserved after the call */
static long newly;	   /* how many were just reserved */
static bool exists;	   /* somebody else has made a folio: the count is not known then */
static pgoff_t missing;	   /* the index at which the last look-up began */
spinlock_t hc_pool_lock, hc_fault_mutex;

static bool in_cache(struct page *head)
{
	return mapped(head) && (!(attributes(hc_pfn(head)) & HC_A_ABSENT) || *hc_flags(head) & HC_CACHED);
}

unsigned int hc_look_up(pgoff_t *start, pgoff_t end, struct folio_batch *batch)
{
	if (hc_fuel-- <= 0)
		hc_spent_all();
	walked = true;
	missing = *start;
	for (pgoff_t index = *start; index <= end;) {
		struct page *head = hc_head(pfn_to_page(index));

		if (!in_cache(head))
			break;
		atomic_inc(&head->_refcount);
		*start = page_to_pfn(head) + (1UL << compound_order(head));
		if (!folio_batch_add(batch, (struct folio *)head))
			break;
		index = HC_FOUND_AGAIN(head) ? index + 1 : *start;
	}
	return folio_batch_count(batch);
}

void hc_release_batch(struct folio_batch *batch)
{
	for (unsigned int i = 0; i < folio_batch_count(batch); i++)
		drop((struct page *)batch->folios[i], 1);
	folio_batch_reinit(batch);
}

/* A folio that somebody else has made meanwhile may have to be moved; one that is new may not. */
static bool put_into_cache(struct page *head)
{
	bool raced = attributes(hc_pfn(head)) & HC_A_RETRY || *hc_flags(head) & HC_CACHED;

	mark(head, HC_CACHED);
	if (!raced)
		*hc_flags(head) |= HC_MIGRATED;
	return raced;
}

/* The folio at an index, with the allocator's reference; NULL if there is no memory for it. */
static struct page *allocated(pgoff_t index)
{
	struct page *head = hc_head(pfn_to_page(index));

	if (!mapped(head) || attributes(hc_pfn(head)) & (HC_A_BUS | HC_A_OOM))
		return NULL;
	atomic_inc(&head->_refcount);
	return head;
}

struct folio *hc_read(pgoff_t index)
{
	struct page *head = allocated(index);

	if (!head)
		return ERR_PTR(-ENOMEM);
	put_into_cache(head);
	return (struct folio *)head;
}

struct folio *hc_dequeue(void) { return (struct folio *)allocated(missing); }

int hc_add_to_cache(struct folio *folio, pgoff_t index)
{
	struct page *head = (struct page *)folio;

	if (page_to_pfn(head) != index << pool.order)
		hc_warn(NULL, 0, "a folio is added to the page cache at another index");
	if (put_into_cache(head)) {
		exists = true;
		return -EEXIST;
	}
	hc_set(head, PG_locked);
	left_reserved -= !newly;
	newly = 0;
	return 0;
}

/* Every other huge page is reserved by a file that reserved none when it was made. */
long hc_reserve_pages(long from, long to)
{
	newly = from & 1 ? to - from : 0;
	if (newly && attributes(hc_pfn(pfn_to_page(from << pool.order))) & HC_A_BUS)
		return -ENOMEM;
	pool.resv_huge_pages += newly;
	return newly;
}

long hc_unreserve_pages(long from, long to, long freed)
{
	pool.resv_huge_pages -= to - from - freed;
	return 0;
}

/* What a call filled in are the folios of the range, from the first on. */
static void check_folios(int64_t pfn, int64_t stop, int64_t most, int64_t done, pgoff_t offset)
{
	int64_t first = pfn;

	for (int64_t i = 0; i < done; i++) {
		struct page *head = pfn < stop ? hc_head(hc_page(pfn)) : NULL;

		if (list[i] != head) {
			hc_warn(NULL, 0, "an entry of folios[] is not the folio that is there");
			break;
		}
		if (!i && offset != (pgoff_t)(first - hc_pfn(head)) << PAGE_SHIFT)
			hc_warn(NULL, 0, "the offset is not that of the first page in its folio");
		pfn = hc_pfn(head) + (1L << compound_order(head));
	}
	if (list[most] != hc_nowhere)
		hc_warn(NULL, 0, "more entries of folios[] are filled in than there is room for");
	if (hc_pool_lock.hc || hc_fault_mutex.hc)
		hc_warn(NULL, 0, "a lock of hugetlb pages is still held");
	hc_pool_lock.hc = hc_fault_mutex.hc = 0;
	if (!exists && pool.resv_huge_pages != left_reserved)
		hc_warn(NULL, 0, "another number of hugetlb pages is reserved than was left");
}

static int64_t memfd_pin(int64_t npages, int64_t most)
{
	struct page *first = at(0), *head = hc_head(first);
	int64_t room = most < npages ? most : npages;
	loff_t start = (loff_t)page_to_pfn(first) << PAGE_SHIFT;
	pgoff_t offset = -1UL;
	long done;

	pool = (struct hstate){.order = compound_order(head), .resv_huge_pages = PLENTY};
	left_reserved = PLENTY;
	newly = 0;
	exists = false;
	memfd.hc_hstate = *hc_flags(head) & HC_HUGETLB ? &pool : NULL;
	empty(room);
	begin_pins();
	done = memfd_pin_folios(&memfd, start, start + ((loff_t)npages << PAGE_SHIFT) - 1,
				(struct folio **)list, most, &offset);
	check_folios(hc_pfn(first), hc_pfn(first) + npages, room, done, offset);
	end_pins();
	return done;
}
#endif
