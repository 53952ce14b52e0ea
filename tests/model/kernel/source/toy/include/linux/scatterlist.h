/* SPDX-License-Identifier: MIT */
struct scatterlist {
	struct page *page;
	unsigned int length;
};

struct sg_table {
	struct scatterlist *sgl, *before;
	unsigned int nents;
};

#define for_each_sg(list, sg, nr, i) for (i = 0, sg = (list); i < (nr); i++, sg++)

static inline struct page *sg_page(struct scatterlist *sg)
{
	return sg->page;
}

static inline void sg_set_page(struct scatterlist *sg, struct page *page, unsigned int len,
			       unsigned int offset)
{
	sg->page = page;
	sg->length = len;
}
