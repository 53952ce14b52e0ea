/* SPDX-License-Identifier: MIT */
#ifndef TOY_MM_TYPES_H
#define TOY_MM_TYPES_H

struct toy_order {
	unsigned int order; /* of the compound page, in its first tail */
	int unused;
};

struct page {
	unsigned long flags;
	unsigned long compound_head;
	struct toy_order first_tail;
	atomic_t pins;
#ifdef CONFIG_TOY_WIDE
	unsigned long wide[8];
#endif
	atomic_t _mapcount;
	atomic_t _refcount;
} __aligned(64);

#endif
