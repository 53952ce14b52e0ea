// SPDX-License-Identifier: MIT
/* Memory of one kind, for measurements. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/mman.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "pools.h"

static unsigned long mapped;

/* "KIND NPAGES": map NPAGES pages of the kind from number 0 on, and unmap all others. */
void area(char *text)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	char name[24], number[16];
	unsigned long npages, i;
	struct pool *pool;

	if (sscanf(text, "%23s %lu", name, &npages) != 2 || !(pool = named(name))) {
		fail("cannot parse area %s", text);
		return;
	}
	if (mapped)
		munmap(window(0), mapped * PAGE);
	mapped = npages;
	if (pool->kind == HC_HUGETLB || pool->kind == HC_GIGANTIC) {
		flags |= MAP_HUGETLB | (pool->order == 9 ? MAP_HUGE_2MB : MAP_HUGE_1GB);
		snprintf(number, sizeof(number), "%lu", npages >> pool->order);
		if (pool->order == 9)
			put_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", number);
	} else {
		put_file("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "0");
	}
	if (mmap(window(0), npages * PAGE, PROT_READ | PROT_WRITE, flags, -1, 0) != window(0)) {
		fail("no %lu pages of %s: %s", npages, name, strerror(errno));
		mapped = 0;
		return;
	}
	madvise(window(0), npages * PAGE,
		pool->kind == HC_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	for (i = 0; i < npages; i++)
		*(volatile char *)window(i) = 1;
}
