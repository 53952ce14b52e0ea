// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * Journal of a call: kprobes on grabs, puts, dirtying and WARNs; a tracepoint on frees.
 *
 * A kprobe hears nothing of a function that the compiler has inlined. So the host makes each
 * call once after a boot (hearing.py), and learns from the journals which probes are deaf.
 */
#include <linux/kprobes.h>
#include <linux/moduleparam.h>
#include <linux/tracepoint.h>
#include <linux/version.h>

#include "state.h"

static char hc_place[96];
module_param_string(probe, hc_place, sizeof(hc_place), 0);
MODULE_PARM_DESC(probe, "FROM:TO: install the probe on FROM at TO, to test that this is noticed");

static char hc_absent[256];
module_param_string(absent, hc_absent, sizeof(hc_absent), 0444);
MODULE_PARM_DESC(absent, "what the kernel does not have of the functions to probe");

/* Add an event, unless the page is not the program's or no call is running. */
static void hc_note(enum hc_event_kind kind, struct page *page, int refs)
{
	struct page *top = compound_head(page);
	struct hc_watched *head;
	struct hc_event *last;
	u32 dirty;

	if (hc.task != current)
		return;
	head = hc_of(top);
	if (!head)
		return;
	dirty = PageDirty(top);
	last = hc.nevents ? &hc.events[hc.nevents - 1] : NULL;
	if (last && last->kind == kind && last->number == head->number && last->refs == refs &&
	    last->dirty == dirty)
		last->times++;
	else if (hc.nevents < HC_MAX_EVENTS)
		hc.events[hc.nevents++] =
			(struct hc_event){ kind, head->number, refs, dirty, 1 };
	else
		hc.lost = true;
}

/* try_grab_folio(page or folio, refs, flags), and try_grab_folio_fast() */
static int hc_grab(struct kprobe *probe, struct pt_regs *regs)
{
	hc_note(HC_EV_GRAB, (struct page *)regs->di, regs->si);
	return 0;
}

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
/* try_grab_page(page, flags) */
static int hc_grab_one(struct kprobe *probe, struct pt_regs *regs)
{
	hc_note(HC_EV_GRAB, (struct page *)regs->di, 1);
	return 0;
}
#endif

/* gup_put_folio(folio, refs, flags) */
static int hc_put(struct kprobe *probe, struct pt_regs *regs)
{
	hc.single = NULL;
	hc_note(HC_EV_PUT, (struct page *)regs->di, regs->si);
	return 0;
}

/*
 * mod_node_page_state(node, item, delta). gcc 14 inlines gup_put_folio() into unpin_user_page()
 * alone. Its put is heard here, where it counts what it releases.
 */
static int hc_count(struct kprobe *probe, struct pt_regs *regs)
{
	if (hc.single && hc.task == current && regs->si == NR_FOLL_PIN_RELEASED)
		hc_note(HC_EV_PUT, hc.single, regs->dx);
	return 0;
}

/* folio_mark_dirty(folio) */
static int hc_mark(struct kprobe *probe, struct pt_regs *regs)
{
	if (!hc.walking)	/* what pins dirty, programs do not know */
		hc_note(HC_EV_MARK_DIRTY, (struct page *)regs->di, 0);
	return 0;
}

/* __warn(file, line, ...) */
static int hc_warn(struct kprobe *probe, struct pt_regs *regs)
{
	size_t used = strlen(hc.warnings);
	const char *file = (const char *)regs->di;

	if (current != hc.agent || !in_task())
		return 0;	/* not caused by a program */
	hc.nwarnings++;
	snprintf(hc.warnings + used, sizeof(hc.warnings) - used, "%s%s:%d", used ? "|" : "",
		 file ? file : "?", (int)regs->si);
	return 0;
}

static struct kprobe hc_probes[] = {
	{ .symbol_name = "try_grab_folio", .pre_handler = hc_grab },
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	{ .symbol_name = "try_grab_folio_fast", .pre_handler = hc_grab },
#else
	{ .symbol_name = "try_grab_page", .pre_handler = hc_grab_one },
#endif
	{ .symbol_name = "gup_put_folio", .pre_handler = hc_put },
	{ .symbol_name = "mod_node_page_state", .pre_handler = hc_count },
	{ .symbol_name = "folio_mark_dirty", .pre_handler = hc_mark },
	{ .symbol_name = "__warn", .pre_handler = hc_warn },
};

/* mm_page_free: from now on the page may belong to another user. */
static void hc_freed(void *data, struct page *page, unsigned int order)
{
	struct hc_watched *head = hc.nheads ? hc_of(page) : NULL;

	/* A page that moves leaves its frame; hc_after_walk() finds it again. */
	if (!head || head->gone || head->moving)
		return;
	hc_note(HC_EV_FREE, page, hc_exact(head) && PageHead(page) ? hc_pincount(page) : 0);
	head->gone = true;
}

static struct tracepoint *hc_tracepoint;

static void hc_is_free(struct tracepoint *point, void *found)
{
	if (!strcmp(point->name, "mm_page_free"))
		hc_tracepoint = point;
}

static void hc_lacks(const char *name)
{
	size_t used = strlen(hc_absent);

	snprintf(hc_absent + used, sizeof(hc_absent) - used, "%s%s", used ? " " : "", name);
}

void hc_add_probes(void)
{
	char *to = strchr(hc_place, ':');
	int i;

	if (to)
		*to++ = 0;
	for (i = 0; i < ARRAY_SIZE(hc_probes); i++) {
		const char *name = hc_probes[i].symbol_name;

		if (to && !strcmp(name, hc_place))
			hc_probes[i].symbol_name = to;
		if (register_kprobe(&hc_probes[i]))
			hc_lacks(name);
	}
	for_each_kernel_tracepoint(hc_is_free, NULL);
	if (!hc_tracepoint || tracepoint_probe_register(hc_tracepoint, hc_freed, NULL))
		hc_lacks("mm_page_free");
}
