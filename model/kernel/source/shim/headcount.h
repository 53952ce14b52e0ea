/* SPDX-License-Identifier: MIT */
/*
 * Interfaces between the files of the shim. Names that are not the kernel's begin with hc_.
 */
#ifndef HEADCOUNT_H
#define HEADCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Number of pages in a section. */
#define HC_SECTION_SHIFT 10
#define HC_SECTION_PAGES (1L << HC_SECTION_SHIFT)

/*
 * headcount's own bits of page->flags: HC_FREE freed, HC_SEEN visited in this step; the others
 * give the kind of page. They begin above the kernel's flags, which heads.c checks.
 */
#ifdef __LP64__
#define HC_OWN_FLAGS 40
#else
#define HC_OWN_FLAGS 26
#endif
#define HC_FREE (1UL << HC_OWN_FLAGS)
#define HC_ZERO (2UL << HC_OWN_FLAGS)
#define HC_SEEN (4UL << HC_OWN_FLAGS)
#define HC_HUGETLB (8UL << HC_OWN_FLAGS)
#define HC_ANON (16UL << HC_OWN_FLAGS)
#define HC_DEVICE (32UL << HC_OWN_FLAGS)
#ifdef __LP64__
#define HC_MIGRATED (64UL << HC_OWN_FLAGS) /* moved to where a long-term pin may keep it */
#define HC_UNSHARED (128UL << HC_OWN_FLAGS) /* made exclusive in this step */
#define HC_TRIED (256UL << HC_OWN_FLAGS) /* could not be isolated in a round of this step */
#define HC_TRIED_BEFORE (512UL << HC_OWN_FLAGS) /* in a round before */
#define HC_CACHED (1024UL << HC_OWN_FLAGS) /* put into the page cache in this step */
#else
#define HC_CACHED 0UL
#define HC_TRIED 0UL
#define HC_TRIED_BEFORE 0UL
#define HC_MIGRATED 0UL /* no attributes: 32 bits have no room for these flags */
#define HC_UNSHARED 0UL
#endif
#define HC_KIND (HC_ZERO | HC_HUGETLB | HC_ANON | HC_DEVICE)

#include "shared.h"

extern struct hc_shared *hc_shared;

/* memmap.c: the addresses of struct pages. */
extern const long hc_page_struct; /* size of a struct page in bytes: 64, in some trees another */
extern char *hc_base;	 /* start of the memmap */
extern int64_t hc_first; /* frame of the struct page at hc_base */
int64_t hc_pfn(const void *page);
bool hc_in_memmap(const void *page);
extern void *hc_nowhere; /* an inaccessible address in place of a struct page */
void *hc_map_room(long bytes);
void hc_reserve(void);
void hc_lay_out(void);
const struct hc_seg *hc_extent(int64_t pfn);

/* journal.c: records events, and limits the number of operations. */
extern int hc_recording;
extern int64_t hc_stats[2]; /* NR_FOLL_PIN_ACQUIRED, NR_FOLL_PIN_RELEASED */
extern int64_t hc_allocs_left;
extern int64_t hc_fuel, hc_most_same;
void hc_changed(void *page, int64_t refs, enum hc_event_kind kind, bool dirty, bool stale);
void hc_touch(void *page);
void hc_counted_ref(void *page, int64_t refs, bool put, bool stale);
void hc_flush(void);
void hc_clear_journal(void);
void hc_free_all(void);
bool hc_is_dirty(const void *page);
void hc_note(enum hc_event_kind kind, const void *page, int64_t refs, bool dirty);
void hc_warn(const char *file, int line, const char *what);
__attribute__((noreturn)) void hc_end(enum hc_status status, const char *format, ...);
__attribute__((noreturn)) void hc_spent_all(void);

/* driver.c and heads.c, called by serve.c and memmap.c. */
void hc_act(void);
void hc_make(void *page, int64_t pfn, const struct hc_seg *extent);
extern const unsigned int hc_refcount_offset;

/* counts.c, called by serve.c: counters of executed lines, if the compiler has them. */
#ifdef HC_COUNTED
void hc_count(void);
void hc_dump_counts(void);
#else
static inline void hc_count(void) {}
static inline void hc_dump_counts(void) {}
#endif

void hc_follow(void);
int hc_serve(int memory, int socket);

#endif
