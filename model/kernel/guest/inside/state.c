// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The state of the module, and kernel functions that are not exported. */
#include <linux/kprobes.h>

#include "state.h"

struct hc_state hc;

void (*hc_prep_compound_page)(struct page *page, unsigned int order);
void (*hc_lru_add_drain)(void);
void (*hc_clear_once)(void);
int (*hc_do_madvise)(struct mm_struct *mm, unsigned long start, size_t length, int advice);

static unsigned long hc_address(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	unsigned long found;

	if (register_kprobe(&probe))
		return 0;
	found = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return found;
}

int hc_find_functions(void)
{
	hc_prep_compound_page = (void *)hc_address("prep_compound_page");
	hc_lru_add_drain = (void *)hc_address("lru_add_drain");
	hc_clear_once = (void *)hc_address("generic_bug_clear_once");
	hc_do_madvise = (void *)hc_address("do_madvise");
	return hc_prep_compound_page && hc_lru_add_drain && hc_clear_once && hc_do_madvise ?
		       0 : -ENOENT;
}

/* The compound page of the program whose head is `page`, or NULL. */
struct hc_watched *hc_of(struct page *page)
{
	void *found = xa_load(&hc.by_pfn, page_to_pfn(page));

	return found ? &hc.heads[xa_to_value(found) - 1] : NULL;
}
