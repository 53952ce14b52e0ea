/* SPDX-License-Identifier: MIT */
/*
 * The addresses of struct pages. Address space is reserved for all of them. The struct pages
 * of a section are initialised at the first access to one of them, so that a program on
 * 16 TiB of pages costs only what it touches. An access outside the mappings is a fault.
 *
 * With VMEMMAP the struct pages of all frames are contiguous. Without, only those of each
 * section of 1024 frames are: sections have descending addresses with gaps between them, so
 * that pointer arithmetic across sections always gives a wrong address.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "headcount.h"

/* For 2^38 struct pages: 16 TiB, if each has 64 bytes. On 32 bits for 2^24, as many as PAE has. */
#ifdef __LP64__
#define RESERVED (hc_page_struct << 38)
#else
#define RESERVED (hc_page_struct << 24)
#endif
/*
 * A multiple of GRAIN frames has the struct page of the lowest frame, so that under HVO the struct
 * pages of each compound page begin at a multiple of their size. In front of them LEAD are free.
 */
#ifdef HC_HVO
#define GRAIN (1L << 18)
#define LEAD GRAIN
#else
#define GRAIN HC_SECTION_PAGES
#define LEAD 0
#endif
#define SECTION_BYTES (HC_SECTION_PAGES * hc_page_struct)
/* 2 GiB of struct pages, for 128 GiB of memory. */
#define MOST_SECTIONS (1L << 15)
#define MANY 256

char *hc_base;
int64_t hc_first;
void *hc_nowhere; /* the head of frames outside the mappings */
static char *to_nowhere; /* what their struct pages hold as tails */
static struct hc_seg *extents;
static int64_t nextents, room;
static char *filled[MOST_SECTIONS];
static long nfilled;
static bool filling;

#ifdef HC_VMEMMAP
static int64_t section_at(const char *address) { return (address - hc_base) / SECTION_BYTES; }
static char *section_start(int64_t section) { return hc_base + section * SECTION_BYTES; }
#else
#define STRIDE (2 * SECTION_BYTES)
static int64_t section_at(const char *address)
{
	int64_t fall = hc_base + RESERVED - address - 1;

	/* Above each section there is a gap as large as a section. */
	return fall % STRIDE < SECTION_BYTES ? -1 : fall / STRIDE;
}
static char *section_start(int64_t section)
{
	return hc_base + RESERVED - (section + 1) * STRIDE;
}
struct page *hc_section_page(int64_t pfn)
{
	int64_t section = (pfn - hc_first) >> HC_SECTION_SHIFT;

	return (struct page *)(section_start(section) +
			       (pfn & (HC_SECTION_PAGES - 1)) * hc_page_struct);
}
#endif

int64_t hc_pfn(const void *page)
{
	int64_t section = section_at(page);

	if (section < 0)
		return -1;
	return hc_first + (section << HC_SECTION_SHIFT) +
	       ((const char *)page - section_start(section)) / hc_page_struct;
}

/* Whether an address is in the memmap. */
bool hc_in_memmap(const void *page)
{
	return hc_base && (const char *)page >= hc_base && (const char *)page < hc_base + RESERVED;
}

const struct hc_seg *hc_extent(int64_t pfn)
{
	int64_t low = 0, high = nextents;

	while (low < high) {
		int64_t middle = (low + high) / 2;

		if (extents[middle].start + (extents[middle].count << extents[middle].order) <= pfn)
			low = middle + 1;
		else
			high = middle;
	}
	return low < nextents && extents[low].start <= pfn ? &extents[low] : NULL;
}

static bool fill(int64_t section)
{
	char *start = section_start(section);
	int64_t first = hc_first + (section << HC_SECTION_SHIFT), pfn;
	bool any = false;

	for (pfn = first; pfn < first + HC_SECTION_PAGES && !any; pfn++)
		any = hc_extent(pfn) != NULL;
	if (!any)
		return false;
	if (nfilled == MOST_SECTIONS)
		hc_end(HC_TROUBLE, "accesses more than %ld struct pages",
		       MOST_SECTIONS * HC_SECTION_PAGES);
	if (mprotect(start, SECTION_BYTES, PROT_READ | PROT_WRITE))
		hc_end(HC_SHORT, "not enough memory for struct pages");
	filled[nfilled++] = start;
	memset(start, 0, SECTION_BYTES);
	for (pfn = first; pfn < first + HC_SECTION_PAGES; pfn++) {
		const struct hc_seg *extent = hc_extent(pfn);

		if (extent)
			hc_make(start + (pfn - first) * hc_page_struct, pfn, extent);
		else
			((char **)(start + (pfn - first) * hc_page_struct))[1] = to_nowhere;
	}
	return true;
}

static void faulted(int number, siginfo_t *info, void *context)
{
	char *address = info->si_addr;

	if (address >= (char *)hc_nowhere && address < (char *)hc_nowhere + 4096)
		hc_end(HC_OOPS, "accesses the struct page of a frame that is in no mapping");
	if (hc_in_memmap(address) && !filling) {
		int64_t section = section_at(address);
		bool done;

		filling = true;
		done = section >= 0 && fill(section);
		filling = false;
		if (done)
			return;
		if (section < 0)
			hc_end(HC_OOPS, "accesses a struct page past the end of a section's memmap");
		hc_end(HC_OOPS, "frame %#llx is in no mapping", (long long)hc_pfn(address));
	}
	if ((uintptr_t)address < 1 << 16)
		hc_end(HC_OOPS, "NULL pointer dereference, address: %#lx", (long)address);
	hc_end(HC_OOPS, "unable to handle a page fault for an address without a struct page");
}

/* Map zeroed memory that is allocated when it is used. */
void *hc_map_room(long bytes)
{
	void *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		hc_end(HC_SHORT, "not enough address space");
	return room;
}

void hc_reserve(void)
{
	static char stack[1 << 16];
	stack_t alternative = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction action = {.sa_sigaction = faulted,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	hc_base = mmap(NULL, LEAD ? 2 * RESERVED : RESERVED, PROT_NONE, flags, -1, 0);
	if (hc_base == MAP_FAILED)
		hc_end(HC_SHORT, "not enough address space for struct pages");
	if (LEAD) {
		/* The mask that leads to nowhere leads from every address to the first one. */
		hc_base = (char *)(((uintptr_t)hc_base + RESERVED - 1) & -RESERVED);
		hc_nowhere = hc_base;
		to_nowhere = (char *)(-RESERVED + 1);
	} else {
		hc_nowhere = mmap(NULL, 4096, PROT_NONE, flags, -1, 0);
		if (hc_nowhere == MAP_FAILED)
			hc_end(HC_SHORT, "not enough address space");
		to_nowhere = (char *)hc_nowhere + 1;
	}
	sigaltstack(&alternative, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

/* Set the extents of a new program, and discard the struct pages of the previous one. */
void hc_lay_out(void)
{
	for (long i = 0; i < nfilled; i++) {
		mprotect(filled[i], SECTION_BYTES, PROT_NONE);
		if (nfilled > MANY)
			madvise(filled[i], SECTION_BYTES, MADV_DONTNEED);
	}
	nfilled = 0;
	nextents = hc_shared->nsegs;
	if (nextents > room) {
		free(extents);
		room = 2 * nextents;
		extents = malloc(room * sizeof(*extents));
		if (!extents)
			hc_end(HC_SHORT, "not enough memory for %ld extents", (long)nextents);
	}
	memcpy(extents, hc_shared->segs, nextents * sizeof(*extents));
	hc_first = nextents ? (extents[0].start & -GRAIN) - LEAD : 0;
}
