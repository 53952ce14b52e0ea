// SPDX-License-Identifier: MIT
/*
 * Pools of pages of each kind, kept from program to program. A program gets pages with
 * consecutive frames where its own frames are consecutive.
 *
 * Anonymous pages move into the window of the program with mremap(); pages of files are
 * mapped there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pools.h"

#define HOME 0x200000000000UL	/* address of unused anonymous pages; 1 TiB for each pool */

struct pool pools[NPOOLS] = {
	{ "base", HC_BASE, 0, 0, 0, -1 },
	{ "thp", HC_THP, 9, 0, 0, -1 },
	{ "hugetlb", HC_HUGETLB, 9, MFD_HUGETLB | MFD_HUGE_2MB, 0, -1 },
	{ "gigantic", HC_GIGANTIC, 18, MFD_HUGETLB | MFD_HUGE_1GB, 0, -1 },
	{ "page-cache", HC_MEMFD, 0, 0, 0, -1 },
	{ "zero", HC_ZERO, 0, 0, 0, -1 },
	{ "base-movable", HC_BASE, 0, 0, 1, -1 },
	{ "thp-movable", HC_THP, 9, 0, 1, -1 },
	{ "hugetlb-movable", HC_HUGETLB, 9, MFD_HUGETLB | MFD_HUGE_2MB, 1, -1 },
	{ "page-cache-movable", HC_MEMFD, 0, 0, 1, -1 },
};

static int pagemap = -1;

int of_file(const struct pool *pool)
{
	return pool->kind == HC_HUGETLB || pool->kind == HC_GIGANTIC || pool->kind == HC_MEMFD;
}

unsigned long size(const struct pool *pool)
{
	return PAGE << pool->order;
}

char *home(const struct pool *pool, uint32_t i)
{
	return (char *)HOME + ((unsigned long)(pool - pools) << 40) + i * size(pool);
}

char *window(uint32_t number)
{
	return (char *)HC_WINDOW + number * PAGE;
}

/* The frame of the page at an address, or 0. */
uint64_t frame(const char *at)
{
	uint64_t entry = 0;

	if (pread(pagemap, &entry, 8, (unsigned long)at / PAGE * 8) != 8 || !(entry >> 63))
		return 0;
	return entry & ((1ULL << 55) - 1);
}

int map_file(const struct pool *pool, uint32_t i, char *at)
{
	return mmap(at, size(pool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, pool->fd,
		    i * size(pool)) == at;
}

/* Whether pages come from ZONE_MOVABLE from now on: all that are not of a pool of such pages do not. */
void zone(int movable)
{
	static int now = 1;

	if (now != movable && module(HC_ZONE, 0, movable, NULL, 0))
		now = movable;
}

/* Free the page of a file. */
void punch(const struct pool *pool, uint32_t i)
{
	fallocate(pool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, i * size(pool), size(pool));
}

static int map_home(const struct pool *pool, uint32_t i, uint32_t n)
{
	char *at = home(pool, i);

	if (mmap(at, n * size(pool), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		return 0;
	madvise(at, n * size(pool), pool->kind == HC_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	return 1;
}

/* Fill slot i with a page; mapped: its address range is mapped already. */
static void fill(struct pool *pool, uint32_t i, int mapped)
{
	struct slot *slot = &pool->slots[i];
	char *at = home(pool, i);

	slot->state = EMPTY;
	zone(pool->movable);
	if (!mapped && !(of_file(pool) ? map_file(pool, i, at) : map_home(pool, i, 1))) {
		fail("no %s page: %s", pool->name, strerror(errno));
		return;
	}
	/* Write to the page now, so that pinning it with FOLL_WRITE does not dirty it. */
	if (pool->kind == HC_ZERO)
		(void)*(volatile char *)at;
	else
		*(volatile char *)at = 1;
	slot->pfn = frame(at);
	slot->state = WAITING;
	if (of_file(pool))
		munmap(at, size(pool));
	pool->unsorted = 1;
}

static void fill_all(struct pool *pool)
{
	int mapped = !of_file(pool) && map_home(pool, 0, pool->nslots);
	uint32_t i;

	for (i = 0; i < pool->nslots; i++)
		fill(pool, i, mapped);
	if (!pool->order)
		anew(pool);
}

/*
 * Replace all unused pages, for longer stretches of consecutive frames: the page tables exist
 * now, so allocating them does not separate the pages.
 */
void anew(struct pool *pool)
{
	uint32_t i;

	for (i = 0; i < pool->nslots; i++) {
		if (pool->slots[i].state != WAITING)
			continue;
		if (of_file(pool))
			punch(pool, i);
		else
			madvise(home(pool, i), size(pool), MADV_DONTNEED);
		pool->slots[i].state = EMPTY;
	}
	for (i = 0; i < pool->nslots; i++)
		if (pool->slots[i].state == EMPTY)
			fill(pool, i, !of_file(pool));
	zone(0);
}

struct pool *named(const char *name)
{
	size_t i;

	for (i = 0; i < NPOOLS; i++)
		if (!strcmp(pools[i].name, name))
			return &pools[i];
	return NULL;
}

/* Let the kernel have as many hugetlb pages as the pools, less some. */
static void reserve_huge(uint32_t fewer)
{
	uint32_t wanted = 0;
	struct pool *pool;
	char number[16];

	for (pool = pools; pool < pools + NPOOLS; pool++)
		if (pool->kind == HC_HUGETLB)
			wanted += pool->nslots;
	snprintf(number, sizeof(number), "%u", wanted - fewer);
	put_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", number);
}

/* "KIND N": set up the pool of the kind with N compound pages. */
void make_room(char *text)
{
	char name[24];
	struct pool *pool;
	unsigned n;

	if (sscanf(text, "%23s %u", name, &n) != 2 || !(pool = named(name)) || pool->nslots) {
		fail("cannot parse room %s", text);
		return;
	}
	pool->nslots = n;
	pool->slots = calloc(n, sizeof(*pool->slots));
	pool->sorted = calloc(n, sizeof(*pool->sorted));
	zone(pool->movable);
	if (pool->kind == HC_HUGETLB)
		reserve_huge(0);
	if (of_file(pool)) {
		pool->fd = memfd_create(name, pool->huge);
		if (pool->fd < 0 || ftruncate(pool->fd, n * size(pool)))
			fail("no %s file: %s", name, strerror(errno));
	}
	fill_all(pool);
	zone(0);
}

static struct pool *comparing;

static int by_frame(const void *a, const void *b)
{
	uint64_t x = comparing->slots[*(const uint32_t *)a].pfn;
	uint64_t y = comparing->slots[*(const uint32_t *)b].pfn;

	return x < y ? -1 : x > y;
}

static void sort(struct pool *pool)
{
	uint32_t i;

	if (!pool->unsorted)
		return;
	for (i = 0; i < pool->nslots; i++)
		pool->sorted[i] = i;
	comparing = pool;
	qsort(pool->sorted, pool->nslots, sizeof(*pool->sorted), by_frame);
	pool->unsorted = 0;
}

/* Index in pool->sorted of the first of `wanted` unused pages with consecutive frames, or -1. */
long stretch(struct pool *pool, uint32_t wanted)
{
	uint32_t i, run = 0;
	uint64_t before = 0;

	sort(pool);
	for (i = 0; i < pool->nslots; i++) {
		struct slot *slot = &pool->slots[pool->sorted[i]];

		if (slot->state != WAITING || !slot->pfn) {
			run = 0;
			continue;
		}
		run = run && slot->pfn == before + (1UL << pool->order) ? run + 1 : 1;
		before = slot->pfn;
		if (run == wanted)
			return i + 1 - wanted;
	}
	return -1;
}

static int missing(const struct slot *slot)
{
	return slot->state == LOST || slot->state == EMPTY;
}

/* Replace hugetlb pages that have moved: the kernel keeps the ones that they have moved to. */
static void renew_huge(struct pool *pool)
{
	uint32_t i, n = 0;

	for (i = 0; i < pool->nslots; i++)
		n += missing(&pool->slots[i]);
	if (!n)
		return;
	reserve_huge(n);
	zone(1);
	reserve_huge(0);
}

/* Replace the pages that the program unmapped or moved. */
void refill(void)
{
	struct pool *pool;
	uint32_t i;

	for (pool = pools; pool < pools + NPOOLS; pool++) {
		if (pool->kind == HC_HUGETLB && pool->movable)
			renew_huge(pool);
		for (i = 0; i < pool->nslots; i++)
			if (missing(&pool->slots[i]))
				fill(pool, i, 0);
	}
	zone(0);
}

/* Turn off what moves pages or takes references in the background. */
void quiet_machine(void)
{
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	put_file("/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	put_file("/sys/kernel/mm/transparent_hugepage/khugepaged/defrag", "0");
	put_file("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "4000000");
	put_file("/proc/sys/vm/compaction_proactiveness", "0");
}
