// SPDX-License-Identifier: MIT
int sg_alloc_table(struct sg_table *table, unsigned int nents, gfp_t gfp)
{
	table->sgl = kcalloc(nents, sizeof(*table->sgl), gfp);
	table->nents = nents;
	return table->sgl ? 0 : -ENOMEM;
}

/* One more table each time, as long as needed: a toy may. */
struct scatterlist *__sg_alloc_table_from_pages(struct sg_table *table, struct page **pages,
						unsigned int n, unsigned int offset,
						unsigned long size, unsigned int most,
						struct scatterlist *prv, unsigned int left,
						gfp_t gfp)
{
	struct scatterlist *sgl = kcalloc(table->nents + n, sizeof(*sgl), gfp);
	unsigned int i, nents = table->nents;

	if (!sgl)
		return ERR_PTR(-ENOMEM);
	if (nents)
		memcpy(sgl, table->sgl, nents * sizeof(*sgl));
	for (i = 0; i < n; i++) {
		struct scatterlist *last = nents ? &sgl[nents - 1] : NULL;

		if (last && page_to_pfn(last->page) + last->length / PAGE_SIZE == page_to_pfn(pages[i]) &&
		    last->length + PAGE_SIZE <= most)
			last->length += PAGE_SIZE;
		else
			sg_set_page(&sgl[nents++], pages[i], PAGE_SIZE, 0);
	}
	/* The table before this one stays: a failure after the call goes back to it. */
	kfree(table->before);
	table->before = table->sgl;
	table->sgl = sgl;
	table->nents = nents;
	return sgl;
}
