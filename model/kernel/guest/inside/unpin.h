/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The calls that unpin. */
#ifndef HC_UNPIN_H
#define HC_UNPIN_H

#include <linux/mm.h>

#include "headcount.h"

static inline void hc_unpin_by(enum hc_op op, struct page **pages, unsigned long npages,
			       bool make_dirty)
{
	switch (op) {
	case HC_UNPIN_PAGE:
		unpin_user_page(pages[0]);
		break;
	case HC_UNPIN_LIST:
		unpin_user_pages(pages, npages);
		break;
	case HC_UNPIN_DIRTY:
		unpin_user_pages_dirty_lock(pages, npages, make_dirty);
		break;
	default:
		unpin_user_page_range_dirty_lock(pages[0], npages, make_dirty);
	}
}

#endif
