/* SPDX-License-Identifier: MIT */
/* The journal of a step: changes of page counts, warnings, and memory allocated for regions. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "headcount.h"

struct hc_shared *hc_shared;
int hc_recording;
int64_t hc_stats[2];
int64_t hc_fuel;

/* Maximum number of consecutive puts of one page: a list can repeat a page. */
int64_t hc_most_same;
static int64_t same;
static void *last_put;

/* Subtractions without a test of the result; part of the put that follows. */
static void *pending_page;
static int64_t pending;

#define MOST_ALLOCATED (1L << 29)
static size_t allocated;

void hc_note(enum hc_event_kind kind, const void *page, int64_t refs, bool dirty)
{
	struct hc_shared *s = hc_shared;

	if (s->nevents < HC_MAX_EVENTS)
		s->events[s->nevents++] =
			(struct hc_event){kind, page ? hc_pfn(page) : -1, refs, dirty};
}

void hc_flush(void)
{
	if (pending_page) {
		void *page = pending_page;

		pending_page = NULL;
		hc_shared->puts++;
		hc_note(HC_EV_PUT, page, pending, hc_is_dirty(page));
	}
}

void hc_counted_ref(void *page, int64_t refs, bool put, bool stale)
{
	bool dirty = hc_is_dirty(page);

	if (pending_page && (pending_page != page || refs >= 0))
		hc_flush();
	if (stale)
		hc_note(HC_EV_STALE, page, 0, dirty);
	if (refs >= 0 && !put) {
		hc_note(HC_EV_GRAB, page, refs, dirty);
	} else if (!put) {
		pending = (pending_page ? pending : 0) - refs;
		pending_page = page;
	} else {
		same = page == last_put ? same + 1 : 0;
		last_put = page;
		if (same > hc_most_same)
			hc_spent_all();
		hc_shared->puts++;
		hc_note(HC_EV_PUT, page, (pending_page ? pending : 0) - refs, dirty);
		pending_page = NULL;
	}
}

void hc_changed(void *page, int64_t refs, enum hc_event_kind kind, bool dirty, bool stale)
{
	hc_touch(page);
	if (stale)
		hc_note(HC_EV_STALE, page, 0, dirty);
	hc_note(kind, page, refs, dirty);
}

void hc_warn(const char *file, int line, const char *what)
{
	size_t used = strlen(hc_shared->warnings);
	char place[96] = "";

	if (file)
		snprintf(place, sizeof(place), "%s:%d: ", file, line);
	if (used + 256 < HC_MAX_TEXT)
		snprintf(hc_shared->warnings + used, HC_MAX_TEXT - used, "%s%.140s\n", place, what);
}

/* Called at the start of a step. */
void hc_clear_journal(void)
{
	struct hc_shared *s = hc_shared;

	pending_page = last_put = NULL;
	s->nmap = s->longest = -1;
	s->puts = s->dirty_locks = s->nheads = s->nevents = 0;
	s->warnings[0] = s->trouble[0] = 0;
}

/* Record an error and exit: the state of the process is not reliable afterwards. */
void hc_end(enum hc_status status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(hc_shared->trouble, HC_MAX_TEXT, format, arguments);
	va_end(arguments);
	hc_shared->status = status;
	_exit(1);
}

void hc_spent_all(void)
{
	hc_end(HC_STUCK, "not done after %ld operations on %ld pages", (long)hc_shared->spent,
	       (long)hc_shared->npages);
}

/* Aligned as by the kernel's allocators: scatterlists keep flags in the low pointer bits. */
struct block {
	struct block *next, **here;
	size_t size;
	char pad[64 - 3 * sizeof(void *)];
};
static struct block *blocks;
int64_t hc_allocs_left = -1;

/* Bytes of inaccessible pointers after a block, so that reads past its end are reproducible. */
#define BEHIND 64

/* A byte that makes no valid pointer, and no small number. */
#define POISON 0x5a

void *hc_alloc(size_t size, bool zeroed)
{
	struct block *block;

	if (hc_allocs_left >= 0 && hc_allocs_left-- == 0)
		return NULL;
	if (size >= MOST_ALLOCATED || allocated + size >= MOST_ALLOCATED)
		hc_end(HC_TROUBLE, "allocates %zu bytes, and has %zu already", size, allocated);
	block = aligned_alloc(64, (sizeof(*block) + size + BEHIND + 63) & -64UL);
	if (!block)
		hc_end(HC_SHORT, "there is no memory for %zu bytes beside %zu", size, allocated);
	memset(block, 0, sizeof(*block));
	memset(block + 1, zeroed ? 0 : POISON, size);
	for (size_t i = 0; i < BEHIND; i += sizeof(void *))
		memcpy((char *)(block + 1) + size + i, &hc_nowhere, sizeof(void *));
	block->size = size;
	block->next = blocks;
	block->here = &blocks;
	if (blocks)
		blocks->here = &block->next;
	blocks = block;
	allocated += size;
	return block + 1;
}

void hc_free(const void *pointer)
{
	struct block *block = (struct block *)pointer - 1;

	if (!pointer)
		return;
	*block->here = block->next;
	if (block->next)
		block->next->here = block->here;
	allocated -= block->size;
	free(block);
}

void hc_free_all(void)
{
	hc_allocs_left = -1;
	while (blocks)
		hc_free(blocks + 1);
}
