/* SPDX-License-Identifier: MIT */
/*
 * The address space of a process: what the walks of mm/gup.c read of it, and its locks, which are
 * only counted. Its mappings, faults and migrations are answered by space.c.
 */
typedef unsigned int vm_fault_t;
typedef unsigned long vm_flags_t;
typedef struct {
	unsigned long __vma_flags[1];
} vma_flags_t;
#define bitmap_intersects(a, b, n) (!!(*(a) & *(b)))
#define bitmap_weight(a, n) __builtin_popcountl(*(a))
#define EMPTY_VMA_FLAGS ((vma_flags_t){})
typedef long long loff_t;
typedef struct {
	unsigned int sequence;
} seqcount_t;
struct rw_semaphore {
	int hc_readers;
};
struct folio;
struct hstate;
struct file;
struct vm_operations_struct {
	void *fault, *huge_fault, *page_mkwrite, *pfn_mkwrite;
};
/* The object of a file; all pages but anonymous ones are of one in memory. */
struct address_space {
	int hc;
};
struct mm_struct {
	pgd_t *pgd;
	atomic64_t pinned_vm;
	unsigned long flags;
	atomic_t has_pinned; /* 5.11 to 5.13 */
	seqcount_t write_protect_seq;
	struct rw_semaphore mmap_lock;
	spinlock_t page_table_lock;
};
struct vm_area_struct {
	unsigned long vm_start, vm_end;
	struct mm_struct *vm_mm;
	union {
		vm_flags_t vm_flags;
		vma_flags_t flags; /* since 7.0 the same as a bitmap */
	};
	pgprot_t vm_page_prot;
	const struct vm_operations_struct *vm_ops;
	struct file *vm_file;
	void *anon_vma;
	struct hstate *hc_hstate;
};
struct dev_pagemap {
	int hc_refs;
};
struct migration_target_control {
	int nid, reason;
	gfp_t gfp_mask;
	void *nmask;
};

#define VMA_SHARED_BIT 3
#define VMA_MAYWRITE_BIT 5
#define VMA_UFFD_RWP EMPTY_VMA_FLAGS
#define VM_READ 0x1UL
#define VM_WRITE 0x2UL
#define VM_EXEC 0x4UL
#define VM_SHARED 0x8UL
#define VM_MAYREAD 0x10UL
#define VM_MAYWRITE 0x20UL
#define VM_MAYSHARE 0x80UL
#define VM_GROWSDOWN 0x100UL
#define VM_PFNMAP 0x400UL
#define VM_LOCKED 0x2000UL
#define VM_IO 0x4000UL
#define VM_HUGETLB 0x400000UL
#define VM_SHADOW_STACK 0UL
#define MMF_HAS_PINNED 28

/* Locks. All tables have one; one that is taken twice or not taken is never given. */
#define hc_ptl(mm) (&(mm)->page_table_lock)
void hc_spin(spinlock_t *lock, int by);
#define spin_lock(lock) hc_spin(lock, 1)
#define spin_unlock(lock) hc_spin(lock, -1)
#define spin_lock_irq(lock) hc_spin(lock, 1)
#define spin_unlock_irq(lock) hc_spin(lock, -1)
#define assert_spin_locked(lock) WARN_ON((lock)->hc != 1)
#define pte_lockptr(mm, pmd) hc_ptl(mm)
#define pmd_lockptr(mm, pmd) hc_ptl(mm)
#define pud_lockptr(mm, pud) hc_ptl(mm)
#define pmd_lock(mm, pmd) (spin_lock(hc_ptl(mm)), hc_ptl(mm))
#define pud_lock(mm, pud) pmd_lock(mm, pud)
#define huge_pte_lock(h, mm, pte) pmd_lock(mm, pte)
#define huge_pte_lockptr(h, mm, pte) hc_ptl(mm)
/* Since 6.5 there is no table under an entry that is none or a leaf. */
static inline pte_t *hc_map_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long address,
				 spinlock_t **ptlp)
{
	if (!pmd_present(*pmd) || pmd_leaf(*pmd))
		return NULL;
	*ptlp = pmd_lock(mm, pmd);
	return pte_offset_kernel(pmd, address);
}
#define pte_offset_map_lock(mm, pmd, address, ptlp) hc_map_lock(mm, pmd, address, ptlp)
#define pte_unmap_unlock(ptep, ptl) spin_unlock(ptl)
void hc_mmap_lock(struct mm_struct *mm, int by);
#define mmap_read_lock(mm) hc_mmap_lock(mm, 1)
#define mmap_read_lock_killable(mm) (hc_mmap_lock(mm, 1), 0)
#define mmap_read_trylock(mm) (hc_mmap_lock(mm, 1), 1)
#define mmap_read_unlock(mm) hc_mmap_lock(mm, -1)
#define mmap_assert_locked(mm) WARN_ON((mm)->mmap_lock.hc_readers != 1)
#define might_lock_read(lock) ((void)0)
#define might_fault() ((void)0)
void hc_irqs(int by);
#define local_irq_save(flags) ((flags) = 0, hc_irqs(1))
#define local_irq_restore(flags) ((void)(flags), hc_irqs(-1))
#define local_irq_disable() hc_irqs(1)
#define local_irq_enable() hc_irqs(-1)
#define raw_read_seqcount(s) READ_ONCE((s)->sequence)
#define read_seqcount_retry(s, was) (READ_ONCE((s)->sequence) != (was))
#define raw_seqcount_try_begin(s, start) ((start) = READ_ONCE((s)->sequence), !((start) & 1))

/* Mappings. */
struct vm_area_struct *hc_vma(unsigned long address, bool or_above);
#define vma_lookup(mm, address) hc_vma(address, false)
#define find_vma(mm, address) hc_vma(address, true)
#define find_extend_vma(mm, address) hc_vma(address, false)
#define vma_is_anonymous(vma) (!(vma)->vm_ops)
#define is_vm_hugetlb_page(vma) (!!((vma)->vm_flags & VM_HUGETLB))
#define hstate_sizelog(shift) NULL
#define hstate_vma(vma) ((vma)->hc_hstate)
#define vma_is_secretmem(vma) 0
#define vma_is_fsdax(vma) 0
#define vma_needs_dirty_tracking(vma) 0
#define vma_pgtable_walk_begin(vma) ((void)0)
#define vma_pgtable_walk_end(vma) ((void)0)
#define hugetlb_vma_lock_read(vma) ((void)0)
#define hugetlb_vma_unlock_read(vma) ((void)0)
#define vma_soft_dirty_enabled(vma) 0
#define pte_needs_soft_dirty_wp(vma, e) 0
#define pmd_needs_soft_dirty_wp(vma, e) 0
#define userfaultfd_pte_wp(vma, e) 0
#define userfaultfd_huge_pmd_wp(vma, e) 0
#define arch_vma_access_permitted(vma, write, execute, foreign) 1
#define in_gate_area(mm, address) 0
#define get_gate_vma(mm) ((struct vm_area_struct *)NULL)
#define pgd_offset(mm, address) pgd_offset_pgd((mm)->pgd, address)
#define pgd_offset_k(address) pgd_offset(current->mm, address)
#define pgd_offset_gate(mm, address) pgd_offset(mm, address)
#define untagged_addr(address) (address)
#define untagged_addr_remote(mm, address) (address)
#define access_ok(address, length) 1
#define pfn_valid(pfn) 1
#define shmem_mapping(mapping) ((mapping) != NULL)
#define secretmem_mapping(mapping) 0
#define page_is_secretmem(page) 0
#define mm_flags_test(bit, mm) test_bit(bit, &(mm)->flags)
#define mm_flags_set(bit, mm) set_bit(bit, &(mm)->flags)

/* Faults. */
vm_fault_t hc_fault(struct vm_area_struct *vma, unsigned long address, unsigned int flags);
#define handle_mm_fault(vma, address, flags, regs) hc_fault(vma, address, flags)
#define hugetlb_fault(mm, vma, address, flags) hc_fault(vma, address, flags)
#define hugetlbfs_pagecache_present(h, vma, address) 0
#define fatal_signal_pending(task) 0
#define signal_pending(task) 0
#define flush_anon_page(vma, page, address) ((void)0)
#define flush_dcache_page(page) ((void)0)
#define flush_dcache_folio(folio) ((void)0)
#define arch_make_page_accessible(page) 0
#define arch_make_folio_accessible(folio) 0

/* Entries of pages on the move or in swap: there are none, nor other forms of huge pages. */
#define is_swap_pte(e) 0
#define is_pmd_migration_entry(e) 0
#define is_migration_entry(e) 0
#define is_hugetlb_entry_migration(e) 0
#define pte_to_swp_entry(e) ((swp_entry_t){0})
#define migration_entry_wait(mm, pmd, address) ((void)0)
#define pmd_migration_entry_wait(mm, pmd) ((void)0)
#define __migration_entry_wait_huge(...) ((void)0)
#define thp_migration_supported() 0
#define pmd_trans_unstable(pmd) 0
#define pte_alloc(mm, pmd) 0
#define split_huge_pmd(vma, pmd, address) hc_end(HC_TROUBLE, "a walk splits an entry")
#define split_huge_page(page) (hc_end(HC_TROUBLE, "a walk splits a page"), 0)
#define follow_huge_addr(mm, address, write) ((struct page *)ERR_PTR(-EINVAL))
#define follow_huge_pgd(mm, address, pgd, flags) ((struct page *)NULL)
#define follow_huge_pd(vma, address, pd, flags, shift) ((struct page *)NULL)
#define gup_huge_pd(...) 0

/* Long-term pins. */
#define memalloc_nocma_save() 0U
#define memalloc_nocma_restore(flags) ((void)(flags))
#define memalloc_pin_save() 0U
#define memalloc_pin_restore(flags) ((void)(flags))
#define lru_add_drain() ((void)0)
#define lru_add_drain_all() ((void)0)
enum lru_cache_drained { LRU_CACHE_NOT_DRAINED };
#define lru_cache_drain_for_folio(folio, refs, drained) ((void)(drained))
#define mlock_vma_page(page) ((void)0)
#define folio_may_be_lru_cached(folio) 0
#define folio_expected_ref_count(folio) 1
#define NUMA_NO_NODE (-1)
#define GFP_USER 0U
#define __GFP_NOWARN 0U
#define MR_LONGTERM_PIN 0
#define MIGRATE_SYNC 0
#define LIST_POISON1 NULL
#define LIST_POISON2 NULL
int hc_migrate(struct list_head *folios);
void hc_putback(struct list_head *folios);
#define migrate_pages(folios, ...) hc_migrate(folios)
#define putback_movable_pages(folios) hc_putback(folios)
#define alloc_migration_target 0
#define migrate_device_coherent_page(page) 1
#define migrate_device_coherent_folio(folio) 1
