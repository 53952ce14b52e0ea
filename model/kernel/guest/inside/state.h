/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * Declarations that the module's files share. Each file calls only files above it: state.c,
 * pages.c, arena.c and walk.c, calls.c and probes.c and bench.c, module.c.
 */
#ifndef HC_STATE_H
#define HC_STATE_H

#include <linux/mm.h>
#include <linux/version.h>
#include <linux/xarray.h>

#include "headcount.h"

/* A compound page of the program. */
struct hc_watched {
	struct page *page;
	u32 number;
	u32 order;
	enum hc_kind kind;
	u32 entries;		/* enum hc_entries */
	bool mapped;
	bool gone;		/* freed: its frames may have another user now */
	bool was_dirty;
	int aside;		/* references that hc_settle() subtracted */
	int lent;		/* what hc_before_walk() added again */
	bool prepared;		/* between hc_before_walk() and hc_after_walk() */
	bool moving;		/* so, and the walk may move it */
	s64 pins;		/* held by the program */
	s64 gets;		/* references that the program holds */
	struct hc_head shown;	/* as hc_show() saw it last */
};

struct hc_state {
	struct page **pages;	/* by number */
	struct hc_watched *heads;
	u32 nheads;
	bool special;		/* some are to be absent, or may move */
	struct xarray by_pfn;	/* frame of a head -> its index in heads, plus one */
	struct page **arena;	/* frames without a compound page */
	u32 narena;
	s64 acquired;		/* the statistics when the program started */
	s64 released;
	/* The current call. */
	struct task_struct *agent;
	struct task_struct *task;	/* the agent, while events are recorded */
	bool lost;			/* some events did not fit */
	bool walking;		/* page table entries are as the program's attributes say */
	struct page *single;		/* the page of unpin_user_page(), until its put is heard */
	struct hc_event *events;
	u32 nevents;
	u32 nwarnings;
	char warnings[HC_WARNINGS];
};

extern struct hc_state hc;

/* state.c; the functions are not exported, their addresses come from kprobes. */
extern void (*hc_prep_compound_page)(struct page *page, unsigned int order);
extern void (*hc_lru_add_drain)(void);
extern void (*hc_clear_once)(void);
extern int (*hc_do_madvise)(struct mm_struct *mm, unsigned long start, size_t length, int advice);

int hc_find_functions(void);
struct hc_watched *hc_of(struct page *page);

/* pages.c */
int hc_add(u32 number, struct page *page, u32 order, enum hc_kind kind, struct hc_ask *ask);
int hc_watch(const u32 *list, u32 count, struct hc_ask *ask);
int hc_entries(const u32 *list, u32 count, struct hc_ask *ask);
int hc_settle(struct hc_ask *ask);
void hc_unmapping(const u32 *list, u32 count);
void hc_unmapped(const u32 *list, u32 count);
s64 hc_finish(void);
void hc_forget(void);
void hc_show(struct hc_ask *ask, struct hc_head *heads);
s64 hc_stat(enum node_stat_item item);

/* walk.c */
void hc_before_walk(const u32 *list, u32 count, const struct hc_ask *ask);
void hc_after_walk(void);

/* arena.c, calls.c, bench.c, probes.c */
int hc_arena(const u32 *list, u32 count, struct hc_ask *ask);
int hc_insert(struct vm_area_struct *vma);
int hc_call(const u32 *list, u32 count, struct hc_ask *ask);
s64 hc_bench(const u32 *list, u32 count, struct hc_ask *ask);
void hc_add_probes(void);

static inline int hc_pincount(struct page *head)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return atomic_read(&page_folio(head)->_pincount);
#else
	return atomic_read(folio_pincount_ptr(page_folio(head)));
#endif
}

/* Whether its pins are counted in the pincount, not as a bias on the refcount. */
static inline bool hc_exact(const struct hc_watched *head)
{
	return head->order > 0;
}

#define hc_refuse(ask, ...) \
	({ snprintf((ask)->refused, sizeof((ask)->refused), __VA_ARGS__); -EINVAL; })

#endif
