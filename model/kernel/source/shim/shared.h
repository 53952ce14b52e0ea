/* SPDX-License-Identifier: MIT */
/*
 * The memory that a worker shares with its client. Read by the compiler and by cffi, so it
 * contains only declarations and plain numbers.
 */
/* HC_DUMP writes the counts of executed lines. HC_CALLS: an enumerator for each call of a step, HC_PIN_USER_PAGES. segments.py lists them. */
enum hc_op { HC_BEGIN, HC_DUMP, HC_CALLS };

/* How a step ended. HC_SHORT: this machine has too little memory for it. */
enum hc_status { HC_RUNNING, HC_DONE, HC_OOPS, HC_STUCK, HC_TROUBLE, HC_SHORT };

enum hc_event_kind { HC_EV_GRAB, HC_EV_PUT, HC_EV_DIRTY, HC_EV_FREE, HC_EV_STAT, HC_EV_STALE, HC_EV_ASK };

/* Kinds of pages that the kernel treats differently. */
enum hc_kind { HC_KIND_PLAIN, HC_KIND_ZERO, HC_KIND_HUGETLB, HC_KIND_ANON, HC_KIND_DEVICE };

/* Attributes of a mapping (model/attributes.py): what its page table entries are like. */
enum hc_attribute {
	HC_A_PTE = 1, HC_A_PMD = 2, HC_A_READ_ONLY = 4, HC_A_ABSENT = 8, HC_A_BUS = 16, HC_A_OOM = 32,
	HC_A_RETRY = 64, HC_A_SHARED = 128, HC_A_PROTNONE = 256, HC_A_MOVABLE = 512, HC_A_STAYS = 1024,
	HC_A_LATER = 2048, HC_A_GONE = 4096
};

/* What happens while GUP-fast walks, in the order of RACES in model/step.py. */
enum hc_race { HC_RACE_ENTRY, HC_RACE_COLLAPSE, HC_RACE_FORK, HC_RACE_SPLIT };

/*
 * Pages: start, start + step, ..., count in all. For HC_BEGIN: an extent of compound pages, whose
 * attributes are in step.
 */
struct hc_seg {
	int64_t start, count, step, order, refs, kind;
};

struct hc_head {
	int64_t pfn, refcount, pincount, look; /* look: 1 dirty, 2 allocated, 4 maybe pinned */
};

struct hc_event {
	int64_t kind, pfn, refs, dirty;
};

/* Exit status of a process that cannot get what it needs to begin. */
#define HC_CANNOT_BEGIN 3
#define HC_MAX_TEXT 4096
#define HC_MAX_EVENTS 16384
#define HC_MAX_HEADS 8388608
#define HC_MAX_SEGS 8388608
#define HC_MAX_COUNTERS 16384

/* Sparse: only the pages that are used take memory. */
struct hc_shared {
	/*
	 * The request, written by the client. distinct: no page is visited twice. folios: the pages
	 * stand for their folios. counters: distance
	 * in bytes from hc_serve() to the first of ncounters counters of executed code.
	 */
	int64_t op, nsegs, npages, arg[6], distinct, folios, tenths, cpu, counters, ncounters;
	/* The results, written by the worker. */
	int64_t status, pid, returned, acquired, released, puts, dirty_locks;
	int64_t nheads, nevents, spent, nran;
	/* Of the region that the step made, or -1: entries for the device, bytes of the longest. */
	int64_t nmap, longest;
	char warnings[HC_MAX_TEXT], trouble[HC_MAX_TEXT];
	int64_t ran[HC_MAX_COUNTERS]; /* indices of counters that the step changed */
	struct hc_event events[HC_MAX_EVENTS];
	struct hc_head heads[HC_MAX_HEADS];
	struct hc_seg segs[HC_MAX_SEGS];
};
