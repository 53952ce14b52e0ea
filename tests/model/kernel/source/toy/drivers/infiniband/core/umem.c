// SPDX-License-Identifier: MIT
static void __ib_umem_release(struct ib_device *dev, struct ib_umem *umem, int dirty)
{
	struct scatterlist *sg;
	unsigned int i;

	for_each_sg(umem->sg_head.sgl, sg, umem->sg_nents, i) {
		unsigned long npages = DIV_ROUND_UP(sg->length, PAGE_SIZE);

		unpin_user_page_range_dirty_lock(sg_page(sg), npages, umem->writable && dirty);
	}
	kfree(umem->sg_head.sgl);
}

static long toy_fill(struct ib_umem *umem, unsigned long at, long left)
{
	unsigned int most = ib_dma_max_seg_size(umem->ibdev) & PAGE_MASK;
	struct page *batch[512];

	while (left) {
		long n = pin_user_pages_fast(at, left < 512 ? left : 512, FOLL_WRITE | FOLL_LONGTERM, batch);

		if (n < 0)
			return n;
		if (IS_ERR(__sg_alloc_table_from_pages(&umem->sg_head, batch, n, 0, n * PAGE_SIZE,
						       most, NULL, left - n, GFP_KERNEL))) {
			unpin_user_pages(batch, n);
			return -ENOMEM;
		}
		umem->sg_nents = umem->sg_head.nents;
		at += n * PAGE_SIZE;
		left -= n;
	}
	umem->nmap = ib_dma_map_sg(umem->ibdev, umem->sg_head.sgl, umem->sg_nents, 0);
	return umem->nmap ? 0 : -ENOMEM;
}

struct ib_umem *ib_umem_get(struct ib_device *device, unsigned long addr, size_t size, int access)
{
	struct ib_umem *umem;
	long error;

	if (!size)
		return ERR_PTR(-EINVAL);
	umem = kzalloc(sizeof(*umem), GFP_KERNEL);
	umem->ibdev = device;
	umem->owning_mm = current->mm;
	umem->writable = access & IB_ACCESS_LOCAL_WRITE;
	error = toy_fill(umem, addr, size >> PAGE_SHIFT);
	if (!error)
		return umem;
	__ib_umem_release(device, umem, 0);
	kfree(umem);
	return ERR_PTR(error);
}
