/* SPDX-License-Identifier: MIT */
/* The worker's loop: read a byte, execute a step, write a byte. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <unistd.h>
#include "headcount.h"

/* Maximum number of operations of a step, as model/memory.py for candidates in Python. */
#define FUEL 100000
#define PER_PAGE 48
#define SQUARED 512
/* Pages beyond this number add no operations: a step on 1 TiB needs half of the maximum. */
#define MOST_COUNTED (1L << 25)
/* Pages that add a tenth of a second of processor time to the limit. */
#define PAGES_A_TICK 100000

static volatile int64_t ticks; /* remaining processor time in tenths of a second */

static void tick(int number)
{
	if (hc_shared->status == HC_RUNNING && --ticks < 0)
		hc_end(HC_STUCK, "does not return");
}

/* Make this process end with its parent, even if that is killed; and gain no privileges. */
void hc_follow(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/*
 * Run on the client's processor: the two take turns, and waking another processor takes five
 * times as long as a step.
 */
static void follow_cpu(void)
{
	static int64_t last = -1;
	cpu_set_t one;

	if (hc_shared->cpu == last)
		return;
	last = hc_shared->cpu;
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	sched_setaffinity(0, sizeof(one), &one); /* failure only costs speed */
}

int hc_serve(int memory, int socket)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct itimerval tenth = {{0, 100000}, {0, 100000}};
	int nowhere = open("/dev/null", O_WRONLY);
	char byte;

	hc_follow();
	/* The C library's message about a corrupted heap is dropped: SIGABRT follows. */
	dup2(nowhere, 1);
	dup2(nowhere, 2);
	hc_shared = mmap(NULL, sizeof(*hc_shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (hc_shared == MAP_FAILED)
		return HC_CANNOT_BEGIN;
	hc_shared->pid = getpid();
	hc_shared->status = HC_DONE;
	hc_reserve();
	sigaction(SIGPROF, &action, NULL);
	setitimer(ITIMER_PROF, &tenth, NULL);
	while (read(socket, &byte, 1) == 1) {
		int64_t npages = hc_shared->npages, few = npages < SQUARED ? npages : SQUARED;

		follow_cpu();
		npages = npages < MOST_COUNTED ? npages : MOST_COUNTED;
		ticks = hc_shared->tenths + npages / PAGES_A_TICK;
		hc_fuel = hc_shared->spent = FUEL + PER_PAGE * npages + 8 * few * few;
		/* A range or a region does not repeat pages. */
		hc_most_same = 4L << 18;
		if (!hc_shared->distinct)
			hc_most_same += 4 * npages;
		hc_shared->status = HC_RUNNING;
		if (hc_shared->op == HC_DUMP)
			hc_dump_counts();
		else
			hc_act();
		hc_count();
		hc_shared->status = HC_DONE;
		if (write(socket, "k", 1) != 1)
			break;
	}
	return 0;
}
