// SPDX-License-Identifier: MIT
/* Changes the page table entries of a program's pages, as the attributes of its mappings say. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "pools.h"

/*
 * Let PTEs map what a PMD maps. To change the protection of a part splits the PMD; the compound
 * page stays one. The PTEs are dirty then, so that pinning with FOLL_WRITE does not dirty the page.
 */
static int by_ptes(char *at, unsigned long length)
{
	unsigned long i;

	if (mprotect(at, PAGE, PROT_READ) || mprotect(at, PAGE, PROT_READ | PROT_WRITE))
		return 0;
	for (i = 0; i < length; i += PAGE)
		*(volatile char *)(at + i) = 1;
	return 1;
}

static int change(unsigned flags, uint32_t number, unsigned order)
{
	char *at = window(number);
	struct pool *pool;
	struct slot *slot = placed(number, &pool);

	if (slot)
		slot->entries = flags;
	if (flags & HC_BY_PTES && !by_ptes(at, PAGE << order))
		return 0;
	return !(flags & HC_READ_ONLY && mprotect(at, PAGE << order, PROT_READ));
}

/* "FLAGS NUMBER:ORDER:COUNT": entries of COUNT compound pages; FLAGS are of enum hc_entries. */
void entries(char *text)
{
	static uint32_t heads[HC_MAX_HEADS];
	unsigned flags, number, order, count, i;

	if (sscanf(text, "%u %u:%u:%u", &flags, &number, &order, &count) != 4 ||
	    count > HC_MAX_HEADS) {
		fail("cannot parse entries %s", text);
		return;
	}
	for (i = 0; i < count; i++) {
		heads[i] = number + (i << order);
		if (!change(flags, heads[i], order)) {
			fail("the entries of page %u cannot be changed: %s", heads[i],
			     strerror(errno));
			return;
		}
	}
	module(HC_ENTRIES, flags, 0, heads, count);
}
