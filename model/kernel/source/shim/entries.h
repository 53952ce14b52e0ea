/* SPDX-License-Identifier: MIT */
/*
 * Page table entries. All have 64 bits, also on 32 bits, as with PAE: a leaf holds a frame, the
 * entry of a table its address, and the low bits are those below. p4d is folded.
 */
typedef struct {
	u64 pte;
} pte_t;
typedef struct {
	u64 pmd;
} pmd_t;
typedef struct {
	u64 pud;
} pud_t;
typedef struct {
	u64 pgd;
} pgd_t;
typedef struct {
	pgd_t pgd;
} p4d_t;
typedef struct {
	unsigned long pgprot;
} pgprot_t;
typedef struct page *pgtable_t;
typedef u64 pteval_t;
typedef u64 pmdval_t;
typedef u64 pudval_t;
typedef struct {
	unsigned long val;
} swp_entry_t;

#define PMD_SHIFT 21
#define PUD_SHIFT 30
#define P4D_SHIFT PGDIR_SHIFT
#define PTRS_PER_PTE 512
#define PTRS_PER_PMD 512
#ifdef __LP64__
#define PGDIR_SHIFT 39
#define PTRS_PER_PUD 512
#define PTRS_PER_PGD 512
#define PGDIR_SIZE (1UL << PGDIR_SHIFT)
#define TASK_SIZE (1UL << 47)
#else
#define PGDIR_SHIFT 32
#define PTRS_PER_PUD 4
#define PTRS_PER_PGD 1
#define PGDIR_SIZE 0UL /* all addresses: 2^32 wraps */
#define TASK_SIZE ~0UL
#endif
#define TASK_SIZE_MAX TASK_SIZE
#define PMD_SIZE (1UL << PMD_SHIFT)
#define PMD_MASK (~(PMD_SIZE - 1))
#define PUD_SIZE (1UL << PUD_SHIFT)
#define PUD_MASK (~(PUD_SIZE - 1))
#define P4D_SIZE PGDIR_SIZE
#define PGDIR_MASK (~(PGDIR_SIZE - 1))
#define PMD_ORDER (PMD_SHIFT - PAGE_SHIFT)
#define PUD_ORDER (PUD_SHIFT - PAGE_SHIFT)
#define HPAGE_SHIFT PMD_SHIFT
#define HPAGE_SIZE PMD_SIZE
#define p4d_addr_end(address, end) (end)

#define HC_E_PRESENT 1ULL
#define HC_E_WRITE 2ULL
#define HC_E_LEAF 4ULL /* of a PMD or PUD that maps a page */
#define HC_E_DIRTY 8ULL
#define HC_E_YOUNG 16ULL
#define HC_E_SPECIAL 32ULL
#define HC_E_NONE 64ULL /* PROT_NONE */
#define HC_E_HUGETLB 128ULL
#define HC_E_DEVMAP 256ULL
#define HC_E_RACED 512ULL /* set to change an entry under a walk */
#define HC_E_BITS 0xfffULL
#define hc_table(value) ((void *)(unsigned long)((value) & ~HC_E_BITS))
#define hc_frame(value) ((unsigned long)((value) >> PAGE_SHIFT))
#define hc_entry(frame, bits) ((u64)(frame) << PAGE_SHIFT | (bits))
#define hc_is(value, bits) (((value) & (bits)) == (bits))
#define hc_leaf(value) hc_is(value, HC_E_PRESENT | HC_E_LEAF)
/* What a process may do through an entry; that of PROT_NONE is present, and permits nothing. */
#define hc_permitted(value, write) \
	(hc_is(value, HC_E_PRESENT | ((write) ? HC_E_WRITE : 0)) && !((value) & HC_E_NONE))

#define pte_val(e) ((e).pte)
#define pmd_val(e) ((e).pmd)
#define pud_val(e) ((e).pud)
#define pgd_val(e) ((e).pgd)
#define p4d_val(e) pgd_val((e).pgd)
#define __pte(value) ((pte_t){value})
#define __pmd(value) ((pmd_t){value})
#define __pud(value) ((pud_t){value})
#define pte_none(e) (!pte_val(e))
#define pmd_none(e) (!pmd_val(e))
#define pud_none(e) (!pud_val(e))
#define p4d_none(e) (!p4d_val(e))
#define pgd_none(e) (!pgd_val(e))
#define pte_present(e) (!!(pte_val(e) & HC_E_PRESENT))
#define pmd_present(e) (!!(pmd_val(e) & HC_E_PRESENT))
#define pud_present(e) (!!(pud_val(e) & HC_E_PRESENT))
#define p4d_present(e) (!!(p4d_val(e) & HC_E_PRESENT))
#define pgd_present(e) (!!(pgd_val(e) & HC_E_PRESENT))
/* Every walk must look whether an entry is a leaf before it takes it for a table's. */
#define pmd_bad(e) hc_leaf(pmd_val(e))
#define pud_bad(e) hc_leaf(pud_val(e))
#define p4d_bad(e) 0
#define pgd_bad(e) 0
#define pmd_leaf(e) hc_leaf(pmd_val(e))
#define pud_leaf(e) hc_leaf(pud_val(e))
#define p4d_leaf(e) 0
#define pgd_leaf(e) 0
#define pmd_large(e) pmd_leaf(e)
#define pud_large(e) pud_leaf(e)
#define hc_hugetlb(value) hc_is(value, HC_E_PRESENT | HC_E_LEAF | HC_E_HUGETLB)
#define hc_trans_huge(value) (hc_leaf(value) && !((value) & (HC_E_HUGETLB | HC_E_DEVMAP)))
#define hc_devmap(value) hc_is(value, HC_E_PRESENT | HC_E_DEVMAP)
#define pmd_huge(e) hc_hugetlb(pmd_val(e))
/* On x86-64 pud_huge() is true of each leaf: GUP-fast has no other test. */
#define pud_huge(e) hc_leaf(pud_val(e))
#define p4d_huge(e) 0
#define pgd_huge(e) 0
#define pmd_trans_huge(e) hc_trans_huge(pmd_val(e))
#define pud_trans_huge(e) hc_trans_huge(pud_val(e))
#define pte_devmap(e) hc_devmap(pte_val(e))
#define pmd_devmap(e) hc_devmap(pmd_val(e))
#define pud_devmap(e) hc_devmap(pud_val(e))
#define pgd_devmap(e) 0
#define pte_special(e) (!!(pte_val(e) & HC_E_SPECIAL))
#define pmd_special(e) 0
#define pud_special(e) 0
#define pte_protnone(e) (!!(pte_val(e) & HC_E_NONE))
#define pmd_protnone(e) (!!(pmd_val(e) & HC_E_NONE))
#define pte_write(e) (!!(pte_val(e) & HC_E_WRITE))
#define pmd_write(e) (!!(pmd_val(e) & HC_E_WRITE))
#define pud_write(e) (!!(pud_val(e) & HC_E_WRITE))
#define pgd_write(e) 1
#define pte_dirty(e) (!!(pte_val(e) & HC_E_DIRTY))
#define pmd_dirty(e) (!!(pmd_val(e) & HC_E_DIRTY))
#define pud_dirty(e) (!!(pud_val(e) & HC_E_DIRTY))
#define pte_young(e) (!!(pte_val(e) & HC_E_YOUNG))
#define pte_access_permitted(e, write) hc_permitted(pte_val(e), write)
#define pmd_access_permitted(e, write) hc_permitted(pmd_val(e), write)
#define pud_access_permitted(e, write) hc_permitted(pud_val(e), write)
#define p4d_access_permitted(e, write) 0
#define pgd_access_permitted(e, write) 0
#define pte_pfn(e) hc_frame(pte_val(e))
#define pmd_pfn(e) hc_frame(pmd_val(e))
#define pud_pfn(e) hc_frame(pud_val(e))
#define pte_page(e) pfn_to_page(pte_pfn(e))
#define pmd_page(e) pfn_to_page(pmd_pfn(e))
#define pud_page(e) pfn_to_page(pud_pfn(e))
#define pgd_page(e) pfn_to_page(hc_frame(pgd_val(e)))
#define pte_mkdirty(e) __pte(pte_val(e) | HC_E_DIRTY)
#define pmd_mkdirty(e) __pmd(pmd_val(e) | HC_E_DIRTY)
#define pud_mkdirty(e) __pud(pud_val(e) | HC_E_DIRTY)
#define pte_mkyoung(e) __pte(pte_val(e) | HC_E_YOUNG)
#define pmd_mkyoung(e) __pmd(pmd_val(e) | HC_E_YOUNG)
#define pud_mkyoung(e) __pud(pud_val(e) | HC_E_YOUNG)
#define pte_same(a, b) (pte_val(a) == pte_val(b))
#define pmd_same(a, b) (pmd_val(a) == pmd_val(b))
#define pte_soft_dirty(e) 1
#define pmd_soft_dirty(e) 1
#define is_hugepd(e) 0
#define __hugepd(value) (value)
#define huge_pte_none(e) pte_none(e)
#define huge_pte_write(e) pte_write(e)
#define huge_pte_dirty(e) pte_dirty(e)
#define is_huge_zero_pmd(e) 0
#define is_huge_zero_page(page) 0

/* Entries are read once, and an access through a pointer is one. */
#define ptep_get(ptep) READ_ONCE(*(ptep))
#define pmdp_get(pmdp) READ_ONCE(*(pmdp))
#define pudp_get(pudp) READ_ONCE(*(pudp))
#define p4dp_get(p4dp) READ_ONCE(*(p4dp))
#define pgdp_get(pgdp) READ_ONCE(*(pgdp))
#define ptep_get_lockless(ptep) READ_ONCE(*(ptep))
#define pmdp_get_lockless(pmdp) READ_ONCE(*(pmdp))
#define gup_get_pte(ptep) READ_ONCE(*(ptep))
#define pmd_read_atomic(pmdp) READ_ONCE(*(pmdp))
#define hc_first_of(pointer, ...) READ_ONCE(*(pointer))
#define hc_third_of(one, two, pointer, ...) READ_ONCE(*(pointer))
/* huge_ptep_get(ptep), and since 6.11 huge_ptep_get(mm, address, ptep). */
#define hc_huge_get(one, two, three, name, ...) name
#define huge_ptep_get(...) \
	hc_huge_get(__VA_ARGS__, hc_third_of, , hc_first_of, )(__VA_ARGS__)
#define set_pte_at(mm, address, ptep, e) ((void)(*(ptep) = (e)))
#define set_pmd_at(mm, address, pmdp, e) ((void)(*(pmdp) = (e)))
#define pmdp_set_access_flags(vma, address, pmdp, e, dirty) (*(pmdp) = (e), 1)
#define pudp_set_access_flags(vma, address, pudp, e, dirty) (*(pudp) = (e), 1)
#define update_mmu_cache(vma, address, ptep) ((void)0)
#define update_mmu_cache_pmd(vma, address, pmdp) ((void)0)
#define update_mmu_cache_pud(vma, address, pudp) ((void)0)

#define hc_index(address, shift, n) ((address) >> (shift) & ((n)-1))
#ifdef __LP64__
#define pgd_index(address) hc_index(address, PGDIR_SHIFT, PTRS_PER_PGD)
#else
#define pgd_index(address) 0
#endif
#define pgd_offset_pgd(pgd, address) ((pgd) + pgd_index(address))
static inline p4d_t *p4d_offset(pgd_t *pgd, unsigned long address) { return (p4d_t *)pgd; }
static inline pud_t *pud_offset(p4d_t *p4d, unsigned long address)
{
	return (pud_t *)hc_table(p4d_val(*p4d)) + hc_index(address, PUD_SHIFT, PTRS_PER_PUD);
}
static inline pmd_t *pmd_offset(pud_t *pud, unsigned long address)
{
	return (pmd_t *)hc_table(pud_val(*pud)) + hc_index(address, PMD_SHIFT, PTRS_PER_PMD);
}
static inline pte_t *pte_offset_kernel(pmd_t *pmd, unsigned long address)
{
	return (pte_t *)hc_table(pmd_val(*pmd)) + hc_index(address, PAGE_SHIFT, PTRS_PER_PTE);
}
/* The entry that was read may be a copy on the stack: it leads to the same table. */
#define p4d_offset_lockless(pgdp, pgd, address) p4d_offset(&(pgd), address)
#define pud_offset_lockless(p4dp, p4d, address) pud_offset(&(p4d), address)
#define pmd_offset_lockless(pudp, pud, address) pmd_offset(&(pud), address)
#define pte_offset_map(pmd, address) pte_offset_kernel(pmd, address)
#define pte_unmap(ptep) ((void)(ptep))
