/* SPDX-License-Identifier: MIT */
/*
 * The environment of memory regions: a process, a device, and its DMA mapping. Included before
 * the tree's types.
 */
struct hc_task {
	struct mm_struct *mm;
	char comm[16];
};
extern struct hc_task hc_current;
#define current (&hc_current)
#define mmgrab(mm) ((void)0)
#define mmdrop(mm) ((void)0)
#define can_do_mlock() 1
#define capable(what) 1
#define CAP_IPC_LOCK 14
#define RLIMIT_MEMLOCK 8
#define rlimit(which) (~0UL)

struct device {
	int hc;
};
struct ib_device {
	struct device *dma_device;
	unsigned int hc_max_segment;
	int hc_nmap; /* entries after DMA mapping; below 0: all */
	bool cc_dma_bounce; /* 7.1: DMA goes through bounce buffers; then there are no regions */
};
struct scatterlist;
struct sg_table;
#define ib_uses_virt_dma(device) 0
#define ib_dma_max_seg_size(device) ((device)->hc_max_segment)
#define dma_get_max_seg_size(device) (~0U)
int hc_dma_map(struct ib_device *device, int nents);
#define ib_dma_map_sg_attrs(device, sgl, nents, direction, attrs) hc_dma_map(device, nents)
#define ib_dma_map_sg(device, sgl, nents, direction) hc_dma_map(device, nents)
#define ib_dma_unmap_sg_attrs(device, sgl, nents, direction, attrs) ((void)0)
#define ib_dma_unmap_sg(device, sgl, nents, direction) ((void)0)
#define ib_dma_map_sgtable_attrs(device, sgt, direction, attrs) \
	({ (sgt)->nents = hc_dma_map(device, (sgt)->orig_nents); (sgt)->nents ? 0 : -ENOMEM; })
#define ib_dma_unmap_sgtable_attrs(device, sgt, direction, attrs) ((void)0)
#define DMA_ATTR_WEAK_ORDERING 2UL
#define DMA_ATTR_REQUIRE_COHERENT 4UL

/* ODP and dma-buf regions are not supported. */
#define ib_umem_odp_release(umem) ((void)0)
#define ib_umem_dmabuf_release(umem) ((void)0)
#define to_ib_umem_odp(umem) NULL
#define to_ib_umem_dmabuf(umem) NULL

/*
 * Whether allocations of the next batch of entries fail. If so, sets hc_allocs_left to the
 * number of allocations that succeed first; -1 means that none fails.
 */
bool hc_append_fails(void);
extern int64_t hc_allocs_left;
