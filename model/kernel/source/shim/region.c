/* SPDX-License-Identifier: MIT */
/* Memory regions: the tree's ib_umem_get() and __ib_umem_release(), and what they call. */
#define MOST_REGIONS 65536

static struct region {
	struct ib_umem *umem;
	struct ib_device device;
} regions[MOST_REGIONS];

static int64_t append_fails, batches;

bool hc_append_fails(void)
{
	bool fails = batches++ == append_fails;

	/* Fail the first, second or third allocation; the list decides, so it is reproducible. */
	hc_allocs_left = fails ? frames() % 3 : -1;
	return fails;
}

int hc_dma_map(struct ib_device *device, int nents)
{
	return device->hc_nmap < 0 || device->hc_nmap > nents ? nents : device->hc_nmap;
}

static struct region *region(int64_t number) { return &regions[number % MOST_REGIONS]; }

/* Shows what the client compares of a region that was made; returns its number of entries. */
static int64_t made(struct ib_umem *umem)
{
	struct hc_shared *s = hc_shared;
	struct scatterlist *sg;
	unsigned int i;

	s->nmap = HC_UMEM_NMAP(umem);
	s->longest = 0;
	for_each_sg(HC_UMEM_TABLE(umem)->sgl, sg, HC_UMEM_NENTS(umem), i)
		s->longest = sg->length > s->longest ? sg->length : s->longest;
	return HC_UMEM_NENTS(umem);
}

static int64_t umem_get(const int64_t *arg)
{
	struct region *r = region(arg[0]);
	struct ib_umem *umem;

	r->device = (struct ib_device){.hc_max_segment = arg[2], .hc_nmap = arg[3]};
	append_fails = arg[4];
	batches = 0;
	if (walks_here(frames()))
		place(frames());
	else
		lay_out(frames());
	begin_pins();
	umem = HC_UMEM_GET(&r->device, first_address, frames() << PAGE_SHIFT,
			   arg[1] ? IB_ACCESS_LOCAL_WRITE : 0);
	check_locks(false);
	end_pins();
	if (IS_ERR(umem))
		return PTR_ERR(umem);
	r->umem = umem;
	return made(umem);
}

static int64_t umem_over(const int64_t *arg)
{
	struct region *r = region(arg[0]);
	struct scatterlist *sg;
	unsigned int i;

	r->device = (struct ib_device){.hc_max_segment = ~0U, .hc_nmap = arg[2]};
	r->umem = hc_alloc(sizeof(*r->umem), true);
	r->umem->ibdev = &r->device;
	r->umem->owning_mm = &process;
	r->umem->writable = arg[1];
	if (sg_alloc_table(HC_UMEM_TABLE(r->umem), hc_shared->nsegs, GFP_KERNEL))
		return -ENOMEM;
	r->umem->address = FIRST_ADDRESS;
	for_each_sg(HC_UMEM_TABLE(r->umem)->sgl, sg, hc_shared->nsegs, i) {
		sg_set_page(sg, hc_page(hc_shared->segs[i].start), hc_shared->segs[i].count, 0);
		/* Whole pages for all entries but the last. */
		r->umem->length = ALIGN(r->umem->length, PAGE_SIZE) + hc_shared->segs[i].count;
	}
	r->umem->iova = r->umem->address;
	HC_UMEM_MAPPED(r->umem, hc_dma_map(&r->device, hc_shared->nsegs));
	return made(r->umem);
}

static void umem_release(const int64_t *arg)
{
	struct region *r = region(arg[0]);

	__ib_umem_release(&r->device, r->umem, arg[1]);
	hc_free(r->umem);
	r->umem = NULL;
}
