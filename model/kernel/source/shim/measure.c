/* SPDX-License-Identifier: MIT */
/*
 * Time measurements of the tree's functions: with the processor's atomics, and struct pages of
 * 64 bytes in one array. Included in place of driver.c if HC_MEASURE is defined.
 */
long clock_gettime(int clock, long *when);

struct page *hc_pages;
long hc_measured[2];
int64_t hc_allocs_left;
struct hc_task hc_current;
static struct mm_struct process;
static struct ib_device device = {.hc_max_segment = ~0U, .hc_nmap = -1};
static struct page **list;
static long npages;
static int order;

void *aligned_alloc(size_t, size_t);

void *hc_alloc(size_t size, bool zeroed)
{
	void *block = aligned_alloc(64, (size + 63) & -64UL);

	memset(block, 0, size);
	return block;
}
void hc_free(const void *pointer) { free((void *)pointer); }
void hc_warn(const char *file, int line, const char *what) {}
void hc_end(enum hc_status status, const char *format, ...) { __builtin_trap(); }
bool hc_append_fails(void) { return false; }
int hc_dma_map(struct ib_device *device, int nents) { return nents; }

static long now(void)
{
	long when[2];

	clock_gettime(1, when);
	return when[0] * 1000000000 + when[1];
}

/* Set counts as if every page were pinned once, and every head dirty. */
static void pinned(void)
{
	for (long i = 0; i < npages; i += 1L << order) {
		struct page *head = &hc_pages[i];

		head->_refcount.counter = 1 + (HC_EXACT(head) ? 1 << order : 1024 << order);
		if (HC_EXACT(head))
			HC_SET_PINCOUNT(head, 1 << order);
		hc_set(head, PG_dirty);
	}
}

/* Set up n pages in compound pages of one order; 1 if there is not enough memory. */
int hc_measure_on(long n, int of)
{
	if (npages != n) {
		free(hc_pages);
		free(list);
		hc_pages = aligned_alloc(4096, n * HC_PAGE_STRUCT);
		list = aligned_alloc(4096, n * sizeof(*list));
		if (!hc_pages || !list)
			return 1;
		npages = n;
	}
	order = of;
	hc_current.mm = &process;
	memset(hc_pages, 0, n * HC_PAGE_STRUCT);
	for (long i = 0; i < n; i++) {
		struct page *head = &hc_pages[i & -(1L << of)];

		list[i] = &hc_pages[i];
		if (head != list[i])
			HC_SET_HEAD(list[i], head, order);
		else if (of)
			hc_set(head, PG_head);
		if (i == (i & -(1L << of)) + 1)
			HC_SET_ORDER(head, of);
	}
	pinned();
	return 0;
}

/* GUP-fast without the page table walk: one grab for each entry. */
int hc_pin_addresses(unsigned long start, int n, unsigned int flags, struct page **pages)
{
	long at = start >> PAGE_SHIFT, i = 0;

	while (i < n) {
		long left = (1L << order) - (at + i) % (1L << order);
		long run = order < HC_PMD_ORDER ? 1 : left < n - i ? left : n - i;

		HC_GRAB_FAST(&hc_pages[at + i], run, FOLL_PIN);
		for (long k = 0; k < run; k++)
			pages[i + k] = &hc_pages[at + i + k];
		i += run;
	}
	return i;
}

/* The functions from here on to hc_region() return nanoseconds. */

/* Unpin with the operation op, each pages per call; __ib_umem_release() once used calls of one
 * page. 0 if the tree does not have the operation.
 */
long hc_unpinned(long op, long each)
{
	long began;
	bool has;

	pinned();
	began = now();
	has = unpin(op, hc_pages, list, npages, each, true);
	return has ? now() - began : 0;
}

/* HC_UMEM_GET() and __ib_umem_release() of the tree; *get: the time of ib_umem_get(). */
long hc_region(long segment, long *get)
{
	struct ib_umem *umem;
	long began, between;

	pinned();
	began = now();
	device.hc_max_segment = segment > 0xfffff ? 0xfffff000 : segment << PAGE_SHIFT;
	umem = HC_UMEM_GET(&device, 0, npages << PAGE_SHIFT, IB_ACCESS_LOCAL_WRITE);
	between = now();
	*get = between - began;
	__ib_umem_release(&device, umem, 1);
	between = now();
	hc_free(umem);
	return between - began;
}

/* Number of heads with other counts than one reference and no pin. */
long hc_left(void)
{
	long left = 0;

	for (long i = 0; i < npages; i += 1L << order) {
		struct page *head = &hc_pages[i];

		left += atomic_read(&head->_refcount) != 1 || (HC_EXACT(head) && HC_PINCOUNT(head));
	}
	return left;
}

/* Lower bounds: one locked subtraction per head, and reading each struct page. */
long hc_bound_heads(void)
{
	long began = now();

	for (long i = 0; i < npages; i += 1L << order)
		__atomic_sub_fetch(&hc_pages[i]._refcount.counter, 1, __ATOMIC_SEQ_CST);
	return now() - began;
}

long hc_bound_walk(void)
{
	unsigned long sum = 0;
	long began = now();

	for (long i = 0; i < npages; i++)
		sum += ((volatile unsigned long *)list[i])[1];
	return now() - began + (sum == 1);
}
