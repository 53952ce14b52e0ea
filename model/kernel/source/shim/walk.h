/* SPDX-License-Identifier: MIT */
/* What the walks of mm/gup.c use of pages and mappings, and what needs the tree's own types. */

/* Until 6.16 an entry says that its page is a device's, and is no other page's. */
static inline struct page *vm_normal_page(struct vm_area_struct *vma, unsigned long address, pte_t e)
{
	return pte_devmap(e) || pte_special(e) ? NULL : pte_page(e);
}
#define vm_normal_page_pmd(vma, address, e) pmd_page(e)

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
#define folio_test_swapbacked(folio) 0
#define folio_test_swapcache(folio) 0
#define ClearPageReferenced(page) ((void)0)
#define SetPageReferenced(page) ((void)0)
#define folio_set_referenced(folio) ((void)0)
#define folio_clear_referenced(folio) ((void)0)
#define folio_mark_accessed(folio) ((void)0)
#define mark_page_accessed(page) ((void)0)
#define page_is_file_lru(page) 0
#define folio_is_file_lru(folio) 0
#define PageMlocked(page) 0
#define PageSlab(page) 0
#define folio_isolate_lru(folio) 0
#define isolate_lru_page(page) 0
#define isolate_huge_page(page, list) 0
#define isolate_hugetlb(page, list) 0
#define folio_isolate_hugetlb(folio, list) 0
struct dev_pagemap *hc_pagemap(struct dev_pagemap *held);
#define get_dev_pagemap(pfn, held) hc_pagemap(held)
#define put_dev_pagemap(map) ((void)((map) && (map)->hc_refs--))
