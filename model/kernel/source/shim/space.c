/* SPDX-License-Identifier: MIT */
/*
 * The address space of a step that pins: the positions of its list have consecutive addresses, and
 * entries are as large as that allows. The first address is the first frame's, modulo 2^18 pages.
 */
struct hc_task hc_current;
static struct mm_struct process;

/* The head of a frame, from its extent; the frame itself if its compound page was split. */
static const struct hc_seg *extent;

static int64_t known_head(int64_t pfn)
{
	int64_t first;

	if (!extent || pfn < extent->start || pfn >= extent->start + (extent->count << extent->order))
		extent = hc_extent(pfn);
	if (!extent)
		return pfn;
	first = pfn & -(1L << extent->order);
	return compound_order(hc_page(first)) == extent->order ? first : pfn;
}

/*
 * In bytes; a PUD below the end of what a PGD maps, so that a list from one PUD into the next takes all
 * levels of the walk. On 32 bits there is room for 2 GiB behind the first GiB, REGION_32 in candidate.py.
 */
#ifdef __LP64__
#define FIRST_ADDRESS (0x100000000000UL - (1UL << 30))
#else
#define FIRST_ADDRESS 0x40000000UL
#endif
static unsigned long first_address;
static int64_t first_page; /* first_address in pages */
static int64_t positions;  /* of the list */

/* Tables of 512 entries. Up to 2^25 pages by entries of single pages need 2^16 of them. */
#define MOST_TABLES ((1L << 16) + (1L << 9))
static u64 (*tables)[PTRS_PER_PTE];
static long ntables;

static u64 *new_table(void)
{
	if (!tables)
		/* Aligned, as the low bits of an entry are flags. */
		tables = (void *)(((unsigned long)hc_map_room((MOST_TABLES + 1) * sizeof(*tables)) +
				   PAGE_SIZE - 1) & PAGE_MASK);
	if (ntables == MOST_TABLES)
		hc_end(HC_TROUBLE, "maps more pages than there are page tables for");
	return memset(tables[ntables++], 0, sizeof(*tables));
}

/* The table that an entry leads to; a new one if there is none. */
static u64 *below(u64 *entry)
{
	if (!*entry)
		*entry = (unsigned long)new_table() | HC_E_PRESENT;
	return hc_table(*entry);
}

/* The entry of an address at a level, the shift of the page that it would map. */
static u64 *entry_of(unsigned long address, int shift)
{
	u64 *pud = below((u64 *)pgd_offset(&process, address)) + hc_index(address, PUD_SHIFT, PTRS_PER_PUD), *pmd;

	if (shift == PUD_SHIFT)
		return pud;
	pmd = below(pud) + hc_index(address, PMD_SHIFT, PTRS_PER_PMD);
	return shift == PMD_SHIFT ? pmd : below(pmd) + hc_index(address, PAGE_SHIFT, PTRS_PER_PTE);
}

/* Mappings: one for each stretch of pages that are alike to the walks. */
#define MOST_VMAS (1L << 23)
static struct vm_area_struct *vmas;
static long nvmas;
static const struct vm_operations_struct operations;
static struct file file = {&in_memory};
static struct hstate huge_sizes[] = {{PMD_ORDER, PMD_MASK}, {PUD_ORDER, PUD_MASK}};

/* Extend the last mapping to end, or begin another one if the pages are not alike. */
static void in_vma(unsigned long address, unsigned long end, struct hstate *hstate, bool anonymous,
		   int64_t given)
{
	struct vm_area_struct *last = nvmas ? &vmas[nvmas - 1] : NULL;
	unsigned long flags = VM_READ | VM_MAYREAD | VM_MAYWRITE |
			      (given & HC_A_READ_ONLY ? 0 : VM_WRITE) | (hstate ? VM_HUGETLB : 0) |
			      (anonymous ? 0 : VM_SHARED | VM_MAYSHARE);

	if (last && last->vm_end == address && last->vm_flags == flags && last->hc_hstate == hstate) {
		last->vm_end = end;
		return;
	}
	if (!vmas)
		vmas = hc_map_room(MOST_VMAS * sizeof(*vmas));
	if (nvmas == MOST_VMAS)
		hc_end(HC_TROUBLE, "has more than %ld mappings", MOST_VMAS);
	vmas[nvmas++] = (struct vm_area_struct){
		.vm_start = address, .vm_end = end, .vm_mm = &process, .vm_flags = flags,
		.vm_ops = anonymous && !hstate ? NULL : &operations,
		.vm_file = anonymous ? NULL : &file, .anon_vma = anonymous ? &process : NULL,
		.hc_hstate = hstate};
}

static bool walked; /* a walk has looked up a mapping */

struct vm_area_struct *hc_vma(unsigned long address, bool or_above)
{
	long low = 0, high = nvmas;

	walked = true;
	while (low < high) {
		long middle = (low + high) / 2;

		if (vmas[middle].vm_end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nvmas && (or_above || vmas[low].vm_start <= address) ? &vmas[low] : NULL;
}

/*
 * Whether positions first to stop - 1 hold neighbouring frames, so that one entry can map them.
 * The first frame is at(first).
 */
static bool neighbours(int64_t first, int64_t stop)
{
	int64_t pfn = hc_pfn(at(first));

	while (first < stop) {
		struct page *page = at(first);
		const struct hc_seg *s = &hc_shared->segs[seg];
		int64_t left = before + s->count - first;

		if (!page || hc_pfn(page) != pfn)
			return false;
		if (s->step != 1 && left > 1)
			left = 1;
		first += left;
		pfn += left;
	}
	return true;
}

/* Up to 6.16 an entry tells that its page is a device's, which 32 bits do not have. */
#if defined(HC_HAS_follow_devmap_pmd) && defined(__LP64__)
#define HC_DEVMAP HC_E_DEVMAP
#else
#define HC_DEVMAP 0
#endif

/* The attributes of the mapping of a frame. */
static int64_t attributes(int64_t pfn)
{
	known_head(pfn);
	return extent ? extent->step : 0;
}

/* The bits of a present entry. */
static u64 bits_of(struct page *head, bool writable)
{
	return HC_E_PRESENT | HC_E_DIRTY | HC_E_YOUNG | (writable ? HC_E_WRITE : 0) |
	       (*hc_flags(head) & HC_ZERO ? HC_E_SPECIAL : 0) |
	       (*hc_flags(head) & HC_DEVICE ? HC_DEVMAP : 0);
}

/* The entry that maps a position, and the first position after it that it does not map. */
static u64 *entry_at(int64_t position, int64_t *stop)
{
	unsigned long address = (unsigned long)(first_page + position) << PAGE_SHIFT;
	int shift = PUD_SHIFT;
	u64 *entry;

	for (;;) {
		entry = entry_of(address, shift);
		if (shift == PAGE_SHIFT || hc_leaf(*entry))
			break;
		if (!*entry)
			return NULL;
		shift -= PMD_SHIFT - PAGE_SHIFT;
	}
	*stop = (((first_page + position) >> (shift - PAGE_SHIFT)) + 1 << (shift - PAGE_SHIFT)) - first_page;
	if (*stop > positions)
		*stop = positions;
	return entry;
}

/*
 * The order of the entry that maps a position, if its slot begins there or the list does; then stop
 * is the first position that it does not map.
 */
static int order_at(int64_t position, struct page *page, struct page *head, int64_t *stop)
{
	static const int shifts[] = {PUD_SHIFT, PMD_SHIFT};
	int64_t address = first_page + position, pfn = hc_pfn(page), limits = attributes(pfn);
	int order = compound_order(head);

	for (int i = limits & HC_A_PTE ? 2 : limits & HC_A_PMD ? 1 : 0; i < 2; i++) {
		int64_t n = 1L << (shifts[i] - PAGE_SHIFT), slot = address & -n;

		*stop = slot + n - first_page < positions ? slot + n - first_page : positions;
		if (order >= shifts[i] - PAGE_SHIFT && !((pfn - address) & (n - 1)) &&
		    position == (slot < first_page ? 0 : slot - first_page) &&
		    neighbours(position, *stop))
			return shifts[i] - PAGE_SHIFT;
	}
	*stop = position + 1;
	return 0;
}

/* The value of an entry of an order that maps a page and those around it. */
static u64 entry_for(struct page *page, int order, u64 bits)
{
	return hc_entry(page_to_pfn(page) & -(1L << order), bits | (order ? HC_E_LEAF : 0));
}

/*
 * Whether an entry of an order is as those of hugetlb pages. Only these have several entries for
 * one page, as those of 32 MiB on arm64, and in a PUD only these and devices' pages; here other
 * kinds of pages have them, too.
 */
static bool like_hugetlb(struct page *head, int order)
{
	return *hc_flags(head) & HC_HUGETLB || compound_order(head) != order ||
	       (order == PUD_ORDER && !HC_DEVMAP);
}

/* Give the positions of a list of n pages their addresses. */
static void place(int64_t n)
{
	int64_t pfn = n && at(0) ? hc_pfn(at(0)) & ((1L << PUD_ORDER) - 1) : 0;

	first_page = (FIRST_ADDRESS >> PAGE_SHIFT) + pfn;
	first_address = (unsigned long)first_page << PAGE_SHIFT;
	positions = n;
}

/* Any value of an entry whose page is elsewhere; odd positions have it, even ones have none. */
#define SWAPPED hc_entry(1, 0)

/*
 * Behind the list, where no walk may go, a page is mapped that is none of the program's: to access
 * it is told. A huge page entry of the last position maps other pages there, or a hugetlb mapping.
 */
static void lay_out_behind(void)
{
	unsigned long address = (unsigned long)(first_page + positions) << PAGE_SHIFT;
	int64_t pfn = 1, stop;
	u64 *entry = entry_at(positions, &stop);

	if ((entry && *entry) || vmas[nvmas - 1].vm_end != address)
		return;
	while (hc_extent(pfn))
		pfn += hc_extent(pfn)->count << hc_extent(pfn)->order;
	*entry_of(address, PAGE_SHIFT) = hc_entry(pfn, HC_E_PRESENT | HC_E_WRITE | HC_E_DIRTY | HC_E_YOUNG);
	vmas[nvmas - 1].vm_end += PAGE_SIZE;
}

/* Lay out the address space of a step's list of n pages. */
static void lay_out(int64_t n)
{
	int64_t stop;

	place(n);
	ntables = nvmas = 0;
	process.pgd = (pgd_t *)new_table();
	for (int64_t i = 0; i < n; i = stop) {
		struct page *page = at(i), *head;
		unsigned long start = (unsigned long)(first_page + i) << PAGE_SHIFT;
		int64_t given = 0;
		int order = 0;

		/* Access only heads where there are many pages: a terabyte has 16 GiB of them. */
		head = page ? hc_head(hc_page(known_head(hc_pfn(page)))) : NULL;
		stop = i + 1;
		if (head && mapped(head)) {
			bool huge, writable;
			u64 bits, *entry;

			order = order_at(i, page, head, &stop);
			given = attributes(hc_pfn(page));
			writable = !(given & (HC_A_READ_ONLY | HC_A_SHARED));
			huge = order && like_hugetlb(head, order);
			bits = bits_of(head, writable) | (huge ? HC_E_HUGETLB : 0) |
			       (given & HC_A_PROTNONE ? HC_E_NONE : 0);
			entry = entry_of(start, PAGE_SHIFT + order);
			if (!(given & HC_A_ABSENT))
				*entry = entry_for(page, order, bits);
			else if (!order && i & 1)
				*entry = SWAPPED;
			if (huge) {
				/* A mapping of hugetlb pages has whole ones. */
				unsigned long size = PAGE_SIZE << order;

				in_vma(start & -size, (start & -size) + size,
				       &huge_sizes[order == PUD_ORDER], false, given);
				continue;
			}
		}
		in_vma(start, (unsigned long)(first_page + stop) << PAGE_SHIFT, NULL,
		       head && *hc_flags(head) & HC_ANON, given);
	}
	extent = NULL;
	if (n)
		lay_out_behind();
}
