/* SPDX-License-Identifier: MIT */
struct ib_umem {
	struct ib_device *ibdev;
	struct mm_struct *owning_mm;
	struct sg_table sg_head;
	unsigned long address, length, iova;
	int writable, nmap;
	unsigned int sg_nents;
};
