/* SPDX-License-Identifier: MIT */
/* Executes one step with the kernel's functions. */
static void begin(void)
{
	struct hc_shared *s = hc_shared;

	if (!touched)
		touched = hc_map_room(MOST_TOUCHED * sizeof(*touched));
	hc_current.mm = &process;
	hc_free_all();
	extent = NULL;
	hc_lay_out();
	memset(hc_stats, 0, sizeof(hc_stats));
	nwatched = 0;
	for (int64_t i = 0; i < s->nsegs; i++) {
		const struct hc_seg *e = &s->segs[i];
		int64_t stop = e->start + (e->count << e->order);

		for (int64_t pfn = e->start; pfn < stop; pfn++) {
			if (nwatched == MOST_WATCHED) {
				nwatched = 0; /* too many pages to check them all */
				return;
			}
			watched[nwatched++].page = hc_page(pfn);
		}
	}
	watch(false);
}

static void do_step(void)
{
	struct hc_shared *s = hc_shared;
	const int64_t *arg = s->arg;
	int64_t n = frames(), given = arg[0];

	switch (s->op) {
	case HC_PIN_USER_PAGES:
		s->returned = slow(n, FOLL_PIN | gup_flags(arg[0]));
		return;
	case HC_GET_USER_PAGES:
		/* FOLL_LONGTERM without FOLL_PIN is an error of the caller. */
		s->returned = slow(n, FOLL_GET | gup_flags(arg[0] & 1));
		return;
	case HC_PIN_USER_PAGES_FAST_ONLY:
		s->returned = fast(n, arg[0], arg[2], FOLL_PIN | gup_flags(arg[1]), true);
		return;
	case HC_PIN_USER_PAGES_FAST:
		s->returned = fast(n, arg[0], arg[2], FOLL_PIN | gup_flags(arg[1]), false);
		return;
	case HC_GET_USER_PAGES_FAST_ONLY:
		s->returned = fast(n, arg[0], arg[2], FOLL_GET | gup_flags(arg[1] & 1), true);
		return;
	case HC_GET_USER_PAGES_FAST:
		s->returned = fast(n, arg[0], arg[2], FOLL_GET | gup_flags(arg[1] & 1), false);
		return;
	case HC_UNPIN_USER_PAGE:
	case HC_UNPIN_FOLIO:
		given = 1;
		/* fallthrough */
	default:
		if (!unpin(s->op, n ? at(0) : NULL, array(n), given, given, arg[1]))
			break;
		unchanged(n);
		return;
#ifdef HC_HAS_folio_add_pin
	case HC_FOLIO_ADD_PIN:
		folio_add_pin((struct folio *)at(0));
		return;
#endif
#ifdef HC_HAS_folio_add_pins
	case HC_FOLIO_ADD_PINS:
		s->returned = folio_add_pins((struct folio *)at(0), arg[0]);
		return;
#endif
#ifdef HC_MEMFD
	case HC_MEMFD_PIN_FOLIOS:
		s->returned = memfd_pin(arg[0], arg[1]);
		return;
#endif
	case HC_IB_UMEM_GET:
		s->returned = umem_get(arg);
		return;
	case HC_IB_UMEM:
		s->returned = umem_over(arg);
		return;
	case HC_IB_UMEM_RELEASE:
		umem_release(arg);
		return;
	case HC_MAP:
		each_head(map_one);
		return;
	case HC_UNMAP:
		each_head(unmap_one);
		return;
	case HC_SET_PAGE_DIRTY:
		each_head(write_one);
		return;
	case HC_CLEAN:
		each_head(clean_one);
		return;
	case HC_SPLIT_HUGE_PAGE:
		s->returned = split();
		return;
	case HC_ALLOC_PAGES:
		rebuild(arg[0], s->segs, s->nsegs, false);
		return;
	case HC_GET_PAGE:
		for (int64_t i = 0; i < n; i++)
			atomic_add(arg[0], &hc_head(at(i))->_refcount);
		return;
	case HC_PUT_PAGE:
		for (int64_t i = 0; i < n; i++)
			drop(hc_head(at(i)), arg[0]);
		return;
	}
	hc_end(HC_TROUBLE, "this kernel does not have the call");
}

void hc_act(void)
{
	struct hc_shared *s = hc_shared;
	struct page *last = NULL;

	if (s->op == HC_BEGIN) {
		begin();
		return;
	}
	hc_clear_journal();
	ntouched = seg = before = 0;
	hc_recording = 1;
	do_step();
	hc_flush();
	hc_recording = 0;
	for (long i = 0; i < ntouched; i++) {
		struct page *head = hc_head(touched[i]);

		if (head != touched[i] && atomic_read(&touched[i]->_refcount))
			show(touched[i]);
		if (head != last)
			show(head);
		last = head;
	}
	/* Splits and allocations initialise struct pages again. */
	watch(s->op != HC_SPLIT_HUGE_PAGE && s->op != HC_ALLOC_PAGES);
	s->acquired = hc_stats[0];
	s->released = hc_stats[1];
}
