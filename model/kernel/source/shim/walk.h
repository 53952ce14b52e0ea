/* SPDX-License-Identifier: MIT */
/* What the walks of mm/gup.c use of pages and mappings, and what needs the tree's own types. */

/* Until 6.16 an entry says that its page is a device's, and is no other page's. */
static inline struct page *vm_normal_page(struct vm_area_struct *vma, unsigned long address, pte_t e)
{
	return pte_devmap(e) || pte_special(e) ? NULL : pte_page(e);
}

/* The entry of a hugetlb page, at the level of its size. */
static inline pte_t *hc_huge_entry(struct mm_struct *mm, unsigned long address, unsigned long size)
{
	p4d_t *p4d = p4d_offset(pgd_offset(mm, address), address);
	pud_t *pud;

	if (p4d_none(*p4d))
		return NULL;
	pud = pud_offset(p4d, address);
	if (size == PUD_SIZE)
		return (pte_t *)pud;
	return pud_none(*pud) || pud_leaf(*pud) ? NULL : (pte_t *)pmd_offset(pud, address);
}
#define huge_pte_offset(mm, address, size) hc_huge_entry(mm, address, size)
#define hugetlb_walk(vma, address, size) hc_huge_entry((vma)->vm_mm, address, size)

#define folio_test_slab(folio) 0
#define ClearPageReferenced(page) ((void)0)
#define SetPageReferenced(page) ((void)0)
#define folio_set_referenced(folio) ((void)0)
#define folio_clear_referenced(folio) ((void)0)
#define folio_mark_accessed(folio) ((void)0)
#define mark_page_accessed(page) ((void)0)
#define page_is_file_lru(page) 0
#define folio_is_file_lru(folio) 0
#define PageSlab(page) 0
#define PageLRU(page) 1

/* Anonymous pages that are shared after a fork, and pages that a long-term pin may not keep. */
bool hc_exclusive(const void *page);
bool hc_pinnable(const void *page);
#define PageAnonExclusive(page) hc_exclusive(page)
#define is_pinnable_page(page) hc_pinnable(page)
#define is_longterm_pinnable_page(page) hc_pinnable(page)
#define folio_is_longterm_pinnable(folio) hc_pinnable(folio)

/* Takes a page off its list, with a reference. Up to 6.2 success is 0. */
bool hc_isolate(void *page);
bool hc_isolate_hugetlb(void *page, struct list_head *to);
#ifdef HC_BOOL_folio_isolate_lru
#define folio_isolate_lru(folio) hc_isolate(folio)
#else
#define folio_isolate_lru(folio) (hc_isolate(folio) ? 0 : -EBUSY)
#endif
#define isolate_lru_page(page) (hc_isolate(page) ? 0 : -EBUSY)
#define isolate_huge_page(page, list) hc_isolate_hugetlb(page, list)
#define isolate_hugetlb(page, list) hc_isolate_hugetlb(page, list)
#define folio_isolate_hugetlb(folio, list) hc_isolate_hugetlb(folio, list)
struct dev_pagemap *hc_pagemap(unsigned long frame, struct dev_pagemap *held);
#define get_dev_pagemap(pfn, held) hc_pagemap(pfn, held)
#define put_dev_pagemap(map) ((void)((map) && (map)->hc_refs--))
