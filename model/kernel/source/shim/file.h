/* SPDX-License-Identifier: MIT */
/*
 * Files in memory: what memfd_pin_folios() reads of them, and their locks, which are only counted.
 * The page cache, and where its folios come from, are answered by memfd.c.
 */
struct inode;
struct folio;
struct folio_batch;
typedef unsigned long nodemask_t;
struct hstate {
	unsigned int order;
	unsigned long mask, resv_huge_pages;
};
struct file {
	struct address_space *f_mapping;
	struct hstate *hc_hstate; /* of a file of hugetlb pages */
};

#define file_inode(file) ((struct inode *)(file))
#define i_size_read(inode) ((loff_t)(~0ULL >> 1))
#define shmem_file(file) (!(file)->hc_hstate)
#define is_file_hugepages(file) (!!(file)->hc_hstate)
#define hstate_file(file) ((file)->hc_hstate)
#define subpool_inode(inode) NULL

/* The page cache. */
unsigned int hc_look_up(pgoff_t *start, pgoff_t end, struct folio_batch *batch);
void hc_release_batch(struct folio_batch *batch);
struct folio *hc_read(pgoff_t index);
int hc_add_to_cache(struct folio *folio, pgoff_t index);
#define filemap_get_folios_contig(mapping, start, end, batch) hc_look_up(start, end, batch)
#define __folio_batch_release(batch) hc_release_batch(batch)
#define shmem_read_folio(mapping, index) hc_read(index)
#define hugetlb_add_to_page_cache(folio, mapping, index) hc_add_to_cache(folio, index)
#define folio_test_swapcache(folio) 0
#define __folio_swap_cache_index(folio) 0UL

/* The pool of hugetlb pages, and its count of those that files have reserved. */
extern spinlock_t hc_pool_lock, hc_fault_mutex;
struct folio *hc_dequeue(void);
long hc_reserve_pages(long from, long to);
long hc_unreserve_pages(long from, long to, long freed);
#define hugetlb_lock hc_pool_lock
#define hugetlb_fault_mutex_table (&hc_fault_mutex)
#define hugetlb_fault_mutex_hash(mapping, index) 0
#define mutex_lock(lock) hc_spin(lock, 1)
#define mutex_unlock(lock) hc_spin(lock, -1)
#define dequeue_hugetlb_folio_nodemask(hstate, ...) hc_dequeue()
#define alloc_hugetlb_folio_nodemask(hstate, ...) hc_dequeue()
#define hugetlb_reserve_pages(inode, from, to, ...) hc_reserve_pages(from, to)
#define hugetlb_unreserve_pages(inode, from, to, freed) hc_unreserve_pages(from, to, freed)
#define hugetlb_set_folio_subpool(folio, subpool) ((void)(folio))
#define lruvec_stat_mod_folio(folio, item, n) ((void)(folio))
#define htlb_alloc_mask(hstate) 0U
#define __GFP_HIGHMEM 0U
#define __GFP_MOVABLE 0U
#define numa_node_id() 0
#define folio_zero_user(folio, hint) ((void)(folio))
#define __folio_mark_uptodate(folio) ((void)(folio))
