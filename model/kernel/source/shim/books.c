/* SPDX-License-Identifier: MIT */
/*
 * The lane's two memmaps, and its books. The lane is many operations without leaving C.
 * Each is one word of an array, decoded by what is held at that moment so that none releases
 * more than that. It is done on one memmap as the tree does it, on a second one page at a
 * time by the tree's own unpin_user_page(), and entered in books; then all three are
 * compared. What was decoded is written down, so that a failure can be told as steps.
 */
#define LANE_PAGES 1024
#define LANE_LISTS 64	/* lists of pins that are held at a time */
#define LANE_LENGTH 128 /* pages of one list */
#define LANE_GETS 4

/* What was done: one of enum hc_op, the list, from and to which of its entries, a number. */
enum { L_OP, L_LIST, L_FROM, L_TO, L_NUMBER, L_PIECES };

static struct lane {
	long npages;
	struct page *page[2][LANE_PAGES]; /* of either memmap */
	/* zero: pins of it count for nothing; still: the world leaves it alone. */
	int head[LANE_PAGES], exact[LANE_PAGES], zero[LANE_PAGES], still[LANE_PAGES];
	/* The books, by head. Of one that is free, dirty says nothing: it does not come back. */
	int64_t pins[LANE_PAGES], gets[LANE_PAGES], maps[LANE_PAGES];
	int dirty[LANE_PAGES];
	int64_t acquired, released;
	struct lane_list {
		int64_t name;
		int from, to; /* entries that are still held */
		short at[LANE_LENGTH];
	} lists[LANE_LISTS];
	int nlists;
	int64_t nlog;
} lane;

static int64_t *lane_log(int64_t op)
{
	int64_t *record = (int64_t *)&hc_shared->heads[0] + 6 * lane.nlog++;

	memset(record, 0, 6 * sizeof(*record));
	record[L_OP] = op;
	return record;
}

static void lane_use(int which)
{
	hc_base = hc_bases[which];
}

static void lane_make(int64_t exact_order)
{
	struct hc_shared *s = hc_shared;

	memset(&lane, 0, sizeof(lane));
	for (int64_t i = 0; i < s->nsegs; i++) {
		const struct hc_seg *e = &s->segs[i];
		int64_t stop = e->start + (e->count << e->order);

		for (int64_t pfn = e->start; pfn < stop && lane.npages < LANE_PAGES; pfn++) {
			long n = lane.npages++;
			long inside = (pfn - e->start) & ((1L << e->order) - 1);

			for (int which = 0; which < 2; which++) {
				lane_use(which);
				lane.page[which][n] = pfn_to_page(pfn);
			}
			lane.head[n] = n - inside;
			lane.exact[n] = e->order >= exact_order;
			lane.still[n] = e->kind == HC_KIND_ZERO;
			lane.zero[n] = lane.still[n] && s->arg[3];
			if (!inside)
				lane.maps[n] = e->refs;
		}
	}
	lane_use(0);
}

static int64_t lane_count(int head)
{
	int64_t each = lane.zero[head] ? 0 : lane.exact[head] ? 1 : 1024;

	return lane.maps[head] + lane.gets[head] + lane.pins[head] * each;
}

static bool lane_mapped(int at) { return lane.maps[lane.head[at]] > 0; }

/* Whether the two memmaps and the books say the same; else what does not. */
static const char *lane_differs(void)
{
	for (int i = 0; i < lane.npages; i++) {
		struct page *a = lane.page[0][i], *b = lane.page[1][i];
		bool head = lane.head[i] == i;
		int64_t count;

		if (*hc_flags(a) != *hc_flags(b))
			return "flags";
		if (atomic_read(&a->_refcount) != atomic_read(&b->_refcount))
			return "refcount";
		if (!head) {
			if (atomic_read(&a->_refcount))
				return "refcount of a tail";
			continue;
		}
		if (pincount(a) != pincount(b))
			return "pincount";
		count = lane_count(i);
		if (atomic_read(&a->_refcount) != count)
			return "refcount, by the books";
		if (pincount(a) != (lane.exact[i] ? lane.pins[i] : 0))
			return "pincount, by the books";
		if (!!(*hc_flags(a) & HC_FREE) != !count || hc_test(a, PG_dirty) != (count && lane.dirty[i]))
			return "flags, by the books";
		if (!lane.zero[i] && lane.pins[i] && !HC_MAYBE_PINNED(a))
			return "maybe_dma_pinned";
	}
	if (hc_stats[0][0] != hc_stats[1][0] || hc_stats[0][1] != hc_stats[1][1])
		return "statistics";
	if (hc_stats[0][0] != lane.acquired || hc_stats[0][1] != lane.released)
		return "statistics, by the books";
	return hc_shared->warnings[0] ? "warnings" : NULL;
}
