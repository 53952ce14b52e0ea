/* SPDX-License-Identifier: MIT */
/* The lane's operations, from words: see books.c. */
static void lane_pin(uint64_t word, bool fast)
{
	struct lane_list *l = &lane.lists[lane.nlists];
	struct page *head;
	int64_t *record, pieces = 1 + (word & 3) % 3;
	int n = 0, done = 0;

	l->name = lane.nlog;
	record = lane_log(fast ? HC_PIN_FAST : HC_PIN);
	record[L_PIECES] = pieces;
	for (int64_t i = 0; i < pieces; i++) {
		int most = word & 4 && i == 0 ? 40 : 8;
		int start = (word >> 16) % lane.npages, count = 1 + (word >> 32) % most;
		int step = (word >> 3 & 7) == 0 ? 0 : 1; /* one page again and again, or neighbours */

		/* A-B-A now and then: the third piece begins where the first did. */
		if (i == 2 && word & 8)
			start = l->at[0];
		if (step && start + count > lane.npages)
			count = lane.npages - start;
		record = lane_log(-1);
		record[L_FROM] = start;
		record[L_TO] = start + count;
		record[L_NUMBER] = step;
		for (int k = 0; k < count && n < LANE_LENGTH; k++)
			l->at[n++] = start + k * step;
		word = word * 0x9e3779b97f4a7c15UL + 0x1234567;
		word ^= word >> 29;
	}
	/* The fast path leaves the zero page to the slow one. */
	while (done < n && lane_mapped(l->at[done]) && !(fast && lane.still[l->at[done]]))
		done++;
	for (int i = 0; i < done;) {
		int run = 1;

		head = hc_head(lane.page[0][l->at[i]]);
		if (fast && compound_order(head) >= HC_PMD_ORDER)
			while (i + run < done && lane.head[l->at[i + run]] == lane.head[l->at[i]])
				run++;
		if (fast ? !HC_GRAB_FAST(lane.page[0][l->at[i]], run, FOLL_PIN) :
			   !HC_GRAB_SLOW(lane.page[0][l->at[i]], FOLL_PIN))
			hc_warn(NULL, 0, "a grab is refused");
		i += run;
	}
	lane_use(1);
	for (int i = 0; i < done; i++) {
		if (!HC_GRAB_SLOW(lane.page[1][l->at[i]], FOLL_PIN))
			hc_warn(NULL, 0, "a grab of one page is refused");
		lane.pins[lane.head[l->at[i]]]++;
		lane.acquired += !lane.zero[l->at[i]];
	}
	lane_use(0);
	l->from = 0;
	l->to = done;
	if (done)
		lane.nlists++;
}

static void lane_unpin(uint64_t word, bool around)
{
	static struct page *pages[LANE_LENGTH];
	int which = (word >> 8) % lane.nlists;
	struct lane_list *l = &lane.lists[which];
	int held = l->to - l->from, n = 1 + (word >> 16) % held, from;
	bool dirty = word >> 40 & 1, contiguous = true;
	int64_t form = word >> 41 & 3, *record;

	if (word >> 43 & 1)
		n = held;
	from = word >> 44 & 1 ? l->from : l->to - n;
	for (int i = 0; i < n; i++) {
		pages[i] = lane.page[0][l->at[from + i]];
		if (i && page_to_pfn(pages[i]) != page_to_pfn(pages[i - 1]) + 1)
			contiguous = false;
	}
	if (around && page_to_pfn(pages[0]) >> HC_SECTION_SHIFT !=
			      page_to_pfn(pages[n - 1]) >> HC_SECTION_SHIFT)
		contiguous = false;
#ifndef HC_HAS_unpin_user_page_range_dirty_lock
	contiguous = false;
#endif
	/* Ranges are rare among lists, so what can be one mostly is. */
	if (contiguous && form < 3) {
		record = lane_log(HC_UNPIN_RANGE);
	} else if (n == 1 && form == 3) {
		record = lane_log(HC_UNPIN_ONE);
		dirty = false;
	} else {
		record = lane_log(dirty || form & 1 ? HC_UNPIN_DIRTY : HC_UNPIN_LIST);
	}
	record[L_LIST] = l->name;
	record[L_FROM] = from;
	record[L_TO] = from + n;
	record[L_NUMBER] = dirty;
	switch (record[L_OP]) {
#ifdef HC_HAS_unpin_user_page_range_dirty_lock
	case HC_UNPIN_RANGE:
		unpin_user_page_range_dirty_lock(pages[0], n, dirty);
		break;
#endif
	case HC_UNPIN_ONE:
		unpin_user_page(pages[0]);
		break;
	case HC_UNPIN_DIRTY:
		unpin_user_pages_dirty_lock(pages, n, dirty);
		break;
	default:
		unpin_user_pages(pages, n);
	}
	lane_use(1);
	for (int i = 0; i < n; i++) {
		int at = l->at[from + i], head = lane.head[at];
		struct page *page = lane.page[1][at];

		if (dirty && !PageDirty(page))
			set_page_dirty_lock(page);
		unpin_user_page(page);
		lane.pins[head]--;
		lane.released += !lane.zero[at];
		lane.dirty[head] |= dirty;
	}
	lane_use(0);
	if (from == l->from)
		l->from += n;
	else
		l->to -= n;
	if (l->from == l->to)
		*l = lane.lists[--lane.nlists];
}

static void lane_world(uint64_t word)
{
	int at = (word >> 16) % lane.npages, head = lane.head[at];
	int64_t n = 1 + (word >> 32 & 3), *record;
	int kind = word >> 40 & 7;

	if (lane.still[at] || !lane_count(head))
		return;
	if (kind < 2 && lane_mapped(at)) {
		record = lane_log(kind ? HC_CLEAN : HC_WRITE);
		lane.dirty[head] = !kind;
		for (int i = 0; i < 2; i++)
			(kind ? hc_clear : hc_set)(lane.page[i][head], PG_dirty);
	} else if (kind == 2 && lane.maps[head] < 4 && lane_mapped(at)) {
		record = lane_log(HC_MAP);
		lane.maps[head]++;
		for (int i = 0; i < 2; i++)
			lane.page[i][head]->_refcount.counter++;
	} else if (kind == 3 && (lane.maps[head] > 1 || (lane.maps[head] && word >> 50 == 1))) {
		record = lane_log(HC_UNMAP);
		lane.maps[head]--;
		for (int i = 0; i < 2; i++)
			drop(lane.page[i][head], 1);
	} else if (kind == 4 && lane.gets[head] < LANE_GETS) {
		record = lane_log(HC_GET_PAGE);
		lane.gets[head] += n;
		for (int i = 0; i < 2; i++)
			lane.page[i][head]->_refcount.counter += n;
	} else if (kind == 5 && lane.gets[head]) {
		n = n < lane.gets[head] ? n : lane.gets[head];
		record = lane_log(HC_PUT_PAGE);
		lane.gets[head] -= n;
		for (int i = 0; i < 2; i++)
			drop(lane.page[i][head], n);
	} else {
		return;
	}
	record[L_FROM] = at;
	record[L_NUMBER] = n;
}

/*
 * arg: words, order from which pins are counted exactly, whether ranges keep to a section,
 * whether zero pages are skipped.
 * returned: the word that made a difference, or -1. nheads: records that were written.
 */
static void hc_lane(void)
{
	struct hc_shared *s = hc_shared;
	const uint64_t *words = (const uint64_t *)&s->segs[s->nsegs];
	const int64_t nwords = s->arg[0];

	hc_clear_journal();
	lane_make(s->arg[1]);
	s->returned = -1;
	s->acquired = s->released = 0;
	for (int64_t i = 0; i < nwords; i++) {
		uint64_t word = words[i];
		int kind = word & 15, before = lane.nlists;
		const char *differs;

		s->step = lane.nlog;
		hc_fuel = s->spent = 100000;
		word >>= 4;
		if ((kind < 3 || !before) && before < LANE_LISTS)
			lane_pin(word, kind & 1);
		else if (kind < 13 && before)
			lane_unpin(word, s->arg[2]);
		else
			lane_world(word);
		s->acquired += lane.nlog > s->step;
		differs = lane_differs();
		if (differs) {
			s->returned = i;
			strncpy(s->trouble, differs, HC_MAX_TEXT - 1);
			break;
		}
	}
	s->nheads = lane.nlog;
}
