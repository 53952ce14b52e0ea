/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* What the files of the module share. */
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
	bool mapped;
	bool gone;		/* freed since: what is in its frames now is somebody else's */
	bool was_dirty;
	int aside;		/* references of its mapping that were put aside */
	s64 pins;		/* what this module holds of it */
	s64 gets;
	struct hc_head shown;
};

struct hc_state {
	struct page **pages;	/* by number */
	struct hc_watched *heads;
	u32 nheads;
	struct xarray by_pfn;	/* by the frame of a head: its place in heads, plus one */
	struct page **arena;	/* frames that no compound page was made of */
	u32 narena;
	s64 acquired;		/* the statistics as the program began */
	s64 released;
	/* What the step that is under way does. */
	struct task_struct *agent;
	struct task_struct *task;	/* the agent, while what it does is heard */
	bool lost;			/* more happened than there is room for */
	struct hc_event *events;
	u32 nevents;
	u32 nwarnings;
	char warnings[HC_WARNINGS];
};

extern struct hc_state hc;

/* Functions that the kernel does not export, found by the probes' own look-up. */
extern void (*hc_prep_compound_page)(struct page *page, unsigned int order);
extern void (*hc_lru_add_drain)(void);
extern void (*hc_clear_once)(void);

int hc_find_functions(void);
int hc_add_probes(void);

int hc_add(u32 number, struct page *page, u32 order, enum hc_kind kind, struct hc_ask *ask);
int hc_watch(const u32 *list, u32 count, struct hc_ask *ask);
int hc_arena(const u32 *list, u32 count, struct hc_ask *ask);
int hc_insert(struct vm_area_struct *vma);
int hc_settle(struct hc_ask *ask);
void hc_unmapping(const u32 *list, u32 count);
void hc_unmapped(const u32 *list, u32 count);
s64 hc_finish(void);
void hc_forget(void);
void hc_show(struct hc_ask *ask, struct hc_head *heads);
struct hc_watched *hc_of(struct page *page);
s64 hc_stat(enum node_stat_item item);

int hc_call(const u32 *list, u32 count, struct hc_ask *ask);
s64 hc_bench(const u32 *list, u32 count, struct hc_ask *ask);

static inline int hc_pincount(struct page *head)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	return atomic_read(&page_folio(head)->_pincount);
#else
	return atomic_read(folio_pincount_ptr(page_folio(head)));
#endif
}

/* Whether pins of it have a counter of their own. */
static inline bool hc_exact(const struct hc_watched *head)
{
	return head->order > 0;
}

#define hc_refuse(ask, ...) \
	({ snprintf((ask)->refused, sizeof((ask)->refused), __VA_ARGS__); -EINVAL; })

#endif
