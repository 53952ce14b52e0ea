/* SPDX-License-Identifier: MIT */
/* The loop of a worker: a byte comes in, a step is done, a byte goes out. */
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

/* Operations that a step may take, as model/memory.py has it for candidates in Python. */
#define FUEL 100000
#define PER_PAGE 48
#define SQUARED 512
/* More pages than these no step goes through one by one: 1 TiB takes half as many operations. */
#define MOST_COUNTED (1L << 25)
/* Pages that a tenth of a second of processor time is surely enough for. */
#define PAGES_A_TICK 100000

static volatile int64_t ticks; /* tenths of a second of processor time that are left */

static void tick(int number)
{
	if (hc_shared->status == HC_RUNNING && --ticks < 0)
		hc_end(HC_STUCK, "does not return");
}

/* This process ends with the one that started it, however that ends. */
void hc_follow(void) { prctl(PR_SET_PDEATHSIG, SIGKILL); }

/*
 * On the processor of who asks: the two take turns, and to wake another processor takes
 * five times as long as the step.
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
	sched_setaffinity(0, sizeof(one), &one); /* where that is not allowed it is slower */
}

int hc_serve(int memory, int socket)
{
	struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct itimerval tenth = {{0, 100000}, {0, 100000}};
	int nowhere = open("/dev/null", O_WRONLY);
	char byte;

	hc_follow();
	/* What the C library has to say of a heap that is broken comes with the signal. */
	dup2(nowhere, 1);
	dup2(nowhere, 2);
	hc_shared = mmap(NULL, sizeof(*hc_shared), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (hc_shared == MAP_FAILED)
		return 1;
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
		/* A range, or an entry of a region, has no page twice. */
		hc_most_same = 4L << 18;
		if (hc_shared->op != HC_UNPIN_RANGE && hc_shared->op != HC_UMEM_GET &&
		    hc_shared->op != HC_UMEM_RELEASE)
			hc_most_same += 4 * npages;
		hc_shared->status = HC_RUNNING;
		hc_act();
		hc_shared->status = HC_DONE;
		if (write(socket, "k", 1) != 1)
			break;
	}
	return 0;
}
