/* SPDX-License-Identifier: MIT */
/*
 * The calls that unpin: on the list, or on the frames from first on, with `each` pages per call. A
 * call of folios gets a list of folios.
 * Separate loops, so that measurements contain only the call.
 */
#define HC_EACH(call) \
	do { \
		call; \
		i += each; \
	} while (i < npages)

static bool unpin(int64_t op, struct page *first, struct page **list, int64_t npages, int64_t each,
		  bool dirty)
{
	int64_t i = 0;

	switch (op) {
	case HC_UNPIN_USER_PAGE:
		HC_EACH(unpin_user_page(list[i]));
		return true;
	case HC_UNPIN_USER_PAGES:
		HC_EACH(unpin_user_pages(list + i, each));
		return true;
	case HC_UNPIN_USER_PAGES_DIRTY_LOCK:
		HC_EACH(unpin_user_pages_dirty_lock(list + i, each, dirty));
		return true;
#ifdef HC_HAS_unpin_user_page_range_dirty_lock
	case HC_UNPIN_USER_PAGE_RANGE_DIRTY_LOCK:
		HC_EACH(unpin_user_page_range_dirty_lock(first + i, each, dirty));
		return true;
#endif
#ifdef HC_HAS_unpin_folios
	case HC_UNPIN_FOLIO:
		HC_EACH(unpin_folio((struct folio *)list[i]));
		return true;
	case HC_UNPIN_FOLIOS:
		HC_EACH(unpin_folios((struct folio **)list + i, each));
		return true;
#endif
#ifdef HC_HAS_unpin_user_folio
	case HC_UNPIN_USER_FOLIO:
		HC_EACH(unpin_user_folio((struct folio *)first, each));
		return true;
#endif
	}
	return false;
}
