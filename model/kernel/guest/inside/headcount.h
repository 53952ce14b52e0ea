/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/* The interface between the agent and the module: one ioctl, one structure. */
#ifndef HEADCOUNT_H
#define HEADCOUNT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Pages of a program are numbered; the agent maps page i at HC_WINDOW + i * 4096. */
#define HC_WINDOW 0x100000000000ULL
#define HC_MAX_PAGES (1U << 20)
#define HC_MAX_HEADS (1U << 13)
#define HC_MAX_LIST (1U << 19)
#define HC_MAX_EVENTS (1U << 14)
#define HC_MAX_ARENA (1U << 14)
#define HC_WARNINGS 1024

/* A NULL entry of a list. */
#define HC_NULL ((__u32)-1)

enum hc_op {
	HC_WATCH,	/* list: number, pfn (low, high), order, kind, movable of each compound page */
	HC_ZONE,	/* arg: whether the agent's pages may come from ZONE_MOVABLE from now on */
	HC_ARENA,	/* list: offset, number, order of each; arg: pages */
	HC_ENTRIES,	/* list: number of each head whose entries are as flags say: enum hc_entries */
	HC_SETTLE,	/* all is mapped: count one reference for each mapping */
	HC_PIN,		/* list of pages, flags; arg: 1 for pin_user_pages_fast() */
	HC_PIN_FAST_ONLY,
	HC_GET,
	HC_UNPIN_PAGE,
	HC_UNPIN_LIST,	/* arg: npages, or 0 for the length of the list */
	HC_UNPIN_DIRTY,	/* likewise; flags: make_dirty */
	HC_UNPIN_RANGE,	/* likewise; refused if the list is not contiguous */
	HC_GET_PAGE,	/* arg: references per page */
	HC_PUT_PAGE,
	HC_SET_DIRTY,
	HC_CLEAN,
	HC_WARN,	/* causes a WARN */
	HC_UNMAPPING,	/* list of heads, before munmap() */
	HC_UNMAPPED,	/* likewise, after munmap() */
	HC_FINISH,	/* release what is held; ret: pages that differ from before */
	HC_FORGET,
	HC_BENCH,	/* flags: enum hc_bench; arg: pages per call; ret: nanoseconds */
};

enum hc_kind { HC_BASE, HC_THP, HC_HUGETLB, HC_GIGANTIC, HC_MEMFD, HC_ZERO, HC_DRIVER };

/* How the page table entries of a compound page differ from the usual (attributes of mappings). */
enum hc_entries {
	HC_BY_PTES = 1,		/* PTEs map a page that a PMD could map */
	HC_READ_ONLY = 2,
	HC_ABSENT = 4,		/* until a walk faults the page in */
	HC_BUS = 8,		/* such faults of a driver's pages end so */
	HC_OOM = 16,
	HC_RETRY = 32,
	HC_MOVABLE = 64,	/* long-term pins have to move the page */
	HC_STAYS = 128,		/* it can never be moved */
};

/* Flags of HC_PIN. */
#define HC_WRITE 1
#define HC_LONGTERM 2

/* Flag of unpins: the list has only the page with which a range of no pages begins. */
#define HC_EMPTY 4

/* Flag of unpins: the program breaks the contract on purpose, so releases are not checked. */
#define HC_MISUSE 16

enum hc_bench { HC_BENCH_ONE, HC_BENCH_LIST, HC_BENCH_DIRTY, HC_BENCH_RANGE };

/* hc_head.look */
#define HC_DIRTY 1
#define HC_ALLOCATED 2
#define HC_MAYBE_PINNED 4

struct hc_head {
	__u32 number;
	__s32 refcount;
	__s32 pincount;
	__u32 look;
};

enum hc_event_kind { HC_EV_GRAB, HC_EV_PUT, HC_EV_MARK_DIRTY, HC_EV_FREE };

struct hc_event {
	__u32 kind;
	__u32 number;
	__s32 refs;
	__u32 dirty;
	__u32 times;
};

struct hc_ask {
	__u32 op;
	__u32 flags;
	__s64 arg;
	__u64 list;		/* __u32 each */
	__u32 count;
	__u32 nheads;		/* out: heads that changed since the last call */
	__u32 nevents;
	__u32 nwarnings;
	__s64 ret;
	__s64 acquired;		/* since HC_SETTLE */
	__s64 released;
	__u64 heads;		/* struct hc_head[HC_MAX_HEADS] */
	__u64 events;		/* struct hc_event[HC_MAX_EVENTS] */
	char refused[96];	/* why the module refused the call, or empty */
	char warnings[HC_WARNINGS];
};

#define HC_ASK _IOWR('H', 1, struct hc_ask)

#endif
