// SPDX-License-Identifier: MIT
/* Maps the pages of a program into its window, unmaps them, and returns them to the pools. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pools.h"

/* Mapped ranges of a driver's pages. */
static struct {
	uint32_t number, npages;
} stretches[1024];
static unsigned nstretches;

static int move(struct pool *pool, uint32_t i, uint32_t number)
{
	char *at = window(number);

	if (of_file(pool)) {
		if (!map_file(pool, i, at))
			return 0;
		*(volatile char *)at = 1;
	} else if (mremap(home(pool, i), size(pool), size(pool), MREMAP_MAYMOVE | MREMAP_FIXED,
			  at) != at) {
		return 0;
	}
	pool->slots[i].number = number;
	pool->slots[i].state = PLACED;
	pool->slots[i].entries = 0;
	return 1;
}

/*
 * "KIND COUNT N:COUNT N:COUNT ...": COUNT compound pages with consecutive frames. Each word
 * gives the number of the first page of some of them, in the order of their frames.
 */
void place(char *text)
{
	char *word, *rest = text;
	struct pool *pool;
	uint32_t wanted, watched[6];
	long at;

	word = strtok_r(rest, " ", &rest);
	pool = word ? named(word) : NULL;
	word = strtok_r(rest, " ", &rest);
	if (!pool || !pool->nslots || !word) {
		fail("no pool for such pages");
		return;
	}
	wanted = atoi(word);
	at = stretch(pool, wanted);
	if (at < 0) {
		anew(pool);
		at = stretch(pool, wanted);
	}
	if (at < 0) {
		fail("no %u %s pages with consecutive frames", wanted, pool->name);
		return;
	}
	while ((word = strtok_r(rest, " ", &rest))) {
		unsigned number, n = 1;

		sscanf(word, "%u:%u", &number, &n);
		for (; n; n--, at++, number += 1U << pool->order) {
			uint32_t i = pool->sorted[at];

			if (!move(pool, i, number)) {
				fail("page %u cannot be mapped: %s", number, strerror(errno));
				return;
			}
			watched[0] = number;
			watched[1] = pool->slots[i].pfn;
			watched[2] = pool->slots[i].pfn >> 32;
			watched[3] = pool->order;
			watched[4] = pool->kind;
			watched[5] = pool->movable;
			if (!module(HC_WATCH, 0, 0, watched, 6))
				return;
		}
	}
}

/* "NPAGES OFFSET:NUMBER:ORDER:COUNT ...": an arena, and the compound pages to build in it. */
void place_driver(char *text)
{
	static uint32_t made[3 * HC_MAX_HEADS];
	char *word, *rest = text;
	uint32_t n = 0, i, npages;

	word = strtok_r(rest, " ", &rest);
	npages = word ? atoi(word) : 0;
	while ((word = strtok_r(rest, " ", &rest))) {
		unsigned offset, number, order, count;

		if (sscanf(word, "%u:%u:%u:%u", &offset, &number, &order, &count) != 4)
			continue;
		for (; count && n + 3 <= sizeof(made) / sizeof(*made); count--, n += 3) {
			made[n] = offset;
			made[n + 1] = number;
			made[n + 2] = order;
			offset += 1U << order;
			number += 1U << order;
		}
	}
	if (!module(HC_ARENA, 0, npages, made, n))
		return;
	/* Compound pages with consecutive numbers share one mmap(). */
	for (i = 0; i < n;) {
		uint32_t first = made[i + 1], stop = first;

		for (; i < n && made[i + 1] == stop; i += 3)
			stop += 1U << made[i + 2];
		if (nstretches == sizeof(stretches) / sizeof(*stretches)) {
			fail("more than %zu ranges of a driver's pages",
			     sizeof(stretches) / sizeof(*stretches));
			return;
		}
		if (mmap(window(first), (stop - first) * PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, device, first * PAGE) != window(first)) {
			fail("page %u cannot be mapped: %s", first, strerror(errno));
			return;
		}
		stretches[nstretches].number = first;
		stretches[nstretches++].npages = stop - first;
		for (; first < stop; first++)
			*(volatile char *)window(first) = 1;
	}
}

/* The slot whose page has this number in the program, and its pool; NULL: a driver's page. */
struct slot *placed(uint32_t number, struct pool **pool)
{
	uint32_t i;

	for (*pool = pools; *pool < pools + NPOOLS; ++*pool)
		for (i = 0; i < (*pool)->nslots; i++)
			if ((*pool)->slots[i].state == PLACED &&
			    (*pool)->slots[i].number == number)
				return &(*pool)->slots[i];
	return NULL;
}

/* Unmap compound pages; numbers: pairs of head and order. */
void unmap(const uint32_t *numbers, uint32_t count)
{
	static uint32_t heads[HC_MAX_HEADS];
	uint32_t i;

	for (i = 0; i + 2 <= count; i += 2)
		heads[i / 2] = numbers[i];
	count /= 2;
	if (!module(HC_UNMAPPING, 0, 0, heads, count))
		return;
	for (i = 0; i < count; i++) {
		struct pool *pool;
		struct slot *slot = placed(heads[i], &pool);
		unsigned long length = PAGE << numbers[2 * i + 1];

		munmap(window(heads[i]), length);
		if (!slot)
			continue;
		slot->state = LOST;
		if (of_file(pool))
			punch(pool, slot - pool->slots);
	}
	module(HC_UNMAPPED, 0, 0, heads, count);
}

/* Return a page of the program to its pool, or let it go if it cannot be as it was. */
static void return_slot(struct pool *pool, uint32_t i)
{
	struct slot *slot = &pool->slots[i];
	char *at = window(slot->number);

	int keep = !(slot->entries & HC_BY_PTES) && frame(at) == slot->pfn;

	slot->state = keep ? WAITING : LOST;
	if (slot->entries & HC_READ_ONLY)
		mprotect(at, size(pool), PROT_READ | PROT_WRITE);
	if (of_file(pool) || !keep) {
		munmap(at, size(pool));
		if (of_file(pool) && !keep)
			punch(pool, i);
	} else if (mremap(at, size(pool), size(pool), MREMAP_MAYMOVE | MREMAP_FIXED,
			  home(pool, i)) != home(pool, i)) {
		slot->state = LOST;
	}
}

/* Return the pages of the program to the pools. */
void put_back(void)
{
	struct pool *pool;
	uint32_t i;

	for (pool = pools; pool < pools + NPOOLS; pool++)
		for (i = 0; i < pool->nslots; i++) {
			if (pool->slots[i].state != PLACED)
				continue;
			return_slot(pool, i);
		}
	for (i = 0; i < nstretches; i++)
		munmap(window(stretches[i].number), stretches[i].npages * PAGE);
	nstretches = 0;
}
