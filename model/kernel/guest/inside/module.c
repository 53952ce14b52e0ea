// SPDX-License-Identifier: GPL-2.0 OR MIT
/* /dev/headcount: carries out one call of a program and shows its results. */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "state.h"

static bool probes = true;
module_param(probes, bool, 0);
MODULE_PARM_DESC(probes, "whether to install kprobes; off for measurements");

static DEFINE_MUTEX(hc_mutex);
static u32 *hc_list;
static struct hc_head *hc_heads;

static int hc_do(struct hc_ask *ask)
{
	const u32 *list = hc_list;

	switch (ask->op) {
	case HC_WATCH:
		return hc_watch(list, ask->count, ask);
	case HC_ZONE:
		/* Of all memory that this process causes to be allocated, as in GUP for long-term pins. */
		if (ask->arg)
			current->flags &= ~PF_MEMALLOC_PIN;
		else
			current->flags |= PF_MEMALLOC_PIN;
		return 0;
	case HC_ARENA:
		return hc_arena(list, ask->count, ask);
	case HC_ENTRIES:
		return hc_entries(list, ask->count, ask);
	case HC_SETTLE:
		return hc_settle(ask);
	case HC_UNMAPPING:
		hc_unmapping(list, ask->count);
		return 0;
	case HC_UNMAPPED:
		hc_unmapped(list, ask->count);
		return 0;
	case HC_FINISH:
		ask->ret = hc_finish();
		return 0;
	case HC_FORGET:
		hc_forget();
		return 0;
	case HC_BENCH:
		ask->ret = hc_bench(list, ask->count, ask);
		return 0;
	default:
		return hc_call(list, ask->count, ask);
	}
}

static long hc_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct hc_ask *ask;
	long err;

	if (cmd != HC_ASK)
		return -ENOTTY;
	ask = memdup_user((void __user *)arg, sizeof(*ask));
	if (IS_ERR(ask))
		return PTR_ERR(ask);
	mutex_lock(&hc_mutex);
	err = -E2BIG;
	if (ask->count > HC_MAX_LIST)
		goto out;
	err = -EFAULT;
	if (copy_from_user(hc_list, u64_to_user_ptr(ask->list), ask->count * sizeof(u32)))
		goto out;
	ask->ret = 0;
	ask->refused[0] = 0;
	hc.agent = current;
	hc.nevents = 0;
	hc.lost = false;
	hc_do(ask);
	if (hc.lost)
		hc.nevents = 0;	/* an incomplete journal would mislead */
	if (hc.nwarnings)
		hc_clear_once();	/* so that WARN_ON_ONCE() warns again */
	hc_show(ask, hc_heads);
	ask->nevents = hc.nevents;
	/* Includes warnings since the last call, for example from munmap(). */
	ask->nwarnings = hc.nwarnings;
	memcpy(ask->warnings, hc.warnings, sizeof(hc.warnings));
	hc.nwarnings = 0;
	hc.warnings[0] = 0;
	if (copy_to_user(u64_to_user_ptr(ask->heads), hc_heads,
			 ask->nheads * sizeof(*hc_heads)) ||
	    copy_to_user(u64_to_user_ptr(ask->events), hc.events,
			 hc.nevents * sizeof(*hc.events)) ||
	    copy_to_user((void __user *)arg, ask, sizeof(*ask)))
		goto out;
	err = 0;
out:
	mutex_unlock(&hc_mutex);
	kfree(ask);
	return err;
}

static int hc_mmap(struct file *file, struct vm_area_struct *vma)
{
	return hc_insert(vma);
}

static const struct file_operations hc_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = hc_ioctl,
	.mmap = hc_mmap,
};

static struct miscdevice hc_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "headcount",
	.fops = &hc_fops,
};

static int __init hc_init(void)
{
	int err;

	xa_init(&hc.by_pfn);
	hc.pages = vzalloc(array_size(HC_MAX_PAGES, sizeof(*hc.pages)));
	hc.heads = vzalloc(array_size(HC_MAX_HEADS, sizeof(*hc.heads)));
	hc.events = vzalloc(array_size(HC_MAX_EVENTS, sizeof(*hc.events)));
	hc.arena = vzalloc(array_size(HC_MAX_ARENA, sizeof(*hc.arena)));
	hc_list = vzalloc(array_size(HC_MAX_LIST, sizeof(*hc_list)));
	hc_heads = vzalloc(array_size(HC_MAX_HEADS, sizeof(*hc_heads)));
	if (!hc.pages || !hc.heads || !hc.events || !hc.arena || !hc_list || !hc_heads)
		return -ENOMEM;
	err = hc_find_functions();
	if (!err && probes)
		hc_add_probes();
	return err ? err : misc_register(&hc_device);
}
module_init(hc_init);

/* No module_exit(): the guest stops after its last program. */
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("headcount: page refcounts after each pin and unpin");
