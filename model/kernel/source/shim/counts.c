/* SPDX-License-Identifier: MIT */
/*
 * Which of the compiler's counters a step changed. The extracted functions are compiled with gcov's
 * counters, an array of 64-bit numbers for each function; the client says where they lie.
 */
#include <stdlib.h>
#include <string.h>
#include "headcount.h"

void __gcov_dump(void);
void __gcov_reset(void);

static const uint64_t *counters;
static uint64_t *before;

/*
 * Number of steps of the program that changed each counter. Counters that many steps changed are
 * of no interest to a search, and would take the client longer than the step.
 */
#define MANY 16
static unsigned char *steps;

/* Report in ran[] the counters that changed since the last call, in at most MANY steps. */
void hc_count(void)
{
	struct hc_shared *s = hc_shared;
	int64_t most = s->ncounters;

	s->nran = 0;
	if (!most)
		return;
	if (!counters) {
		counters = (const uint64_t *)((char *)hc_serve + s->counters);
		before = calloc(most, sizeof(*before) + sizeof(*steps));
		if (!before)
			hc_end(HC_SHORT, "no memory for %ld counters", (long)most);
		steps = (unsigned char *)(before + most);
	}
	if (s->op == HC_BEGIN) {
		/* What ran before the first step is no step's, and depends on the process. */
		memset(steps, 0, most);
		memcpy(before, counters, most * sizeof(*before));
		return;
	}
	for (int64_t i = 0; i < most; i++) {
		if (counters[i] == before[i])
			continue;
		before[i] = counters[i];
		if (steps[i] == MANY)
			continue;
		steps[i]++;
		s->ran[s->nran++] = i;
	}
}

/* Add the counters to the file that gcov reads, and start again from 0. */
void hc_dump_counts(void)
{
	__gcov_dump();
	__gcov_reset();
	if (before)
		memset(before, 0, hc_shared->ncounters * sizeof(*before));
}
