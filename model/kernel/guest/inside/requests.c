// SPDX-License-Identifier: MIT
/* Parses the requests of the host and writes the answers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

static uint32_t list[HC_MAX_LIST];
static uint32_t count;

static void answer(void)
{
	static const char kinds[] = "gpdf";
	uint32_t i;

	if (trouble[0]) {
		say("! %s\n", trouble);
		return;
	}
	say("= %lld %lld %lld", (long long)ask.ret, (long long)ask.acquired,
	    (long long)ask.released);
	if (ask.nheads)
		say(" h");
	for (i = 0; i < ask.nheads; i++)
		say(" %u:%d:%d:%u", heads[i].number, heads[i].refcount, heads[i].pincount,
		    heads[i].look);
	if (ask.nevents)
		say(" e");
	for (i = 0; i < ask.nevents; i++)
		say(" %c%u:%d:%u*%u", kinds[events[i].kind], events[i].number, events[i].refs,
		    events[i].dirty, events[i].times);
	if (ask.nwarnings)
		say(" w %s", ask.warnings);
	say("\n");
}

/* Parse words "START", "START:COUNT", "START:COUNT:STEP" and "N" (NULL) into list. */
static void read_list(char *text)
{
	char *word, *rest = text;

	count = 0;
	while ((word = strtok_r(rest, " ", &rest))) {
		long start = HC_NULL, n = 1, step = 1, i;

		if (*word != 'N')
			sscanf(word, "%ld:%ld:%ld", &start, &n, &step);
		if ((unsigned long)n > HC_MAX_LIST - count) {
			fail("a list of more than %u pages", HC_MAX_LIST);
			return;
		}
		for (i = 0; i < n; i++)
			list[count++] = start + i * step;
	}
}

static const struct {
	const char *name;
	enum hc_op op;
} calls[] = {
	{ "pin", HC_PIN },
	{ "pin-fast-only", HC_PIN_FAST_ONLY },
	{ "get", HC_GET },
	{ "unpin-page", HC_UNPIN_PAGE },
	{ "unpin-list", HC_UNPIN_LIST },
	{ "unpin-dirty", HC_UNPIN_DIRTY },
	{ "unpin-range", HC_UNPIN_RANGE },
	{ "get-page", HC_GET_PAGE },
	{ "put-page", HC_PUT_PAGE },
	{ "set-dirty", HC_SET_DIRTY },
	{ "clean", HC_CLEAN },
	{ "warn", HC_WARN },
	{ "bench", HC_BENCH },
};

/* Carry out "FLAGS ARG LIST"; 0 if there is no call of this name. */
static int call(const char *name, char *rest)
{
	unsigned flags;
	long long arg;
	int length;
	size_t i;

	for (i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		if (!strcmp(calls[i].name, name))
			break;
	if (i == sizeof(calls) / sizeof(*calls))
		return 0;
	if (sscanf(rest, "%u %lld%n", &flags, &arg, &length) < 2)
		fail("%s without flags and argument", name);
	else
		read_list(rest + length);
	if (!trouble[0])
		module(calls[i].op, flags, arg, list, count);
	answer();
	return 1;
}

/* The pin counters of /proc/vmstat, after folding in the per-CPU differences. */
static struct pins {
	long long acquired, released;
} vmstat(void)
{
	static char text[1 << 15];
	struct pins found = { 0, 0 };
	char *at;
	int fd;
	ssize_t n;

	put_file("/proc/sys/vm/stat_refresh", "1");
	fd = open("/proc/vmstat", O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	at = strstr(text, "nr_foll_pin_acquired ");
	if (!at || sscanf(at, "nr_foll_pin_acquired %lld\nnr_foll_pin_released %lld",
			  &found.acquired, &found.released) != 2)
		fail("/proc/vmstat has no nr_foll_pin_acquired and nr_foll_pin_released");
	return found;
}

/* The functions that the module should have probed, and that the kernel does not have. */
static const char *absent_probes(void)
{
	static char text[256];
	int fd = open("/sys/module/headcount/parameters/absent", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	return text;
}

static struct pins before;

static void begin(void)
{
	trouble[0] = 0;
	module(HC_FORGET, 0, 0, NULL, 0);
}

static void settle(void)
{
	if (!trouble[0] && module(HC_SETTLE, 0, 0, NULL, 0))
		before = vmstat();
	answer();
}

/* Answer with the number of pages that differ from before the program. */
static void end(int settled)
{
	long long unclean;

	trouble[0] = 0;
	if (settled) {
		struct pins now = vmstat();

		module(HC_CLEAN, 0, 0, NULL, 0);	/* an empty list: only reads the statistics again */
		if (now.acquired - before.acquired != ask.acquired ||
		    now.released - before.released != ask.released)
			fail("/proc/vmstat counts %lld pins acquired and %lld released",
			     now.acquired - before.acquired, now.released - before.released);
	}
	module(HC_FINISH, 0, 0, NULL, 0);
	unclean = ask.ret;
	if (ask.nwarnings)
		fail("a WARN at %s", ask.warnings);
	put_back();
	module(HC_FORGET, 0, 0, NULL, 0);
	if (ask.nwarnings)
		fail("a WARN at %s", ask.warnings);
	say(". %lld %s\n", unclean, trouble);
	/* A page that cannot be replaced shows when a later program requests it. */
	refill();
}

void request(char *line)
{
	static int settled;
	char *rest = line, *word = strtok_r(rest, " ", &rest);

	if (!word)
		return;
	if (!rest)
		rest = "";
	if (!strcmp(word, "begin")) {
		begin();
	} else if (!strcmp(word, "place")) {
		if (!trouble[0])
			place(rest);
	} else if (!strcmp(word, "driver")) {
		if (!trouble[0])
			place_driver(rest);
	} else if (!strcmp(word, "entries")) {
		if (!trouble[0])
			entries(rest);
	} else if (!strcmp(word, "settle")) {
		settled = !trouble[0];
		settle();
	} else if (!strcmp(word, "unmap")) {
		read_list(rest);
		if (!trouble[0])
			unmap(list, count);
		answer();
	} else if (!strcmp(word, "end")) {
		end(settled);
		settled = 0;
	} else if (!strcmp(word, "set")) {
		char *path = strtok_r(rest, " ", &rest);

		put_file(path, rest);
	} else if (!strcmp(word, "absent")) {
		say(". 0 %s\n", absent_probes());
	} else if (!strcmp(word, "room")) {
		trouble[0] = 0;
		make_room(rest);
		say(". 0 %s\n", trouble);
	} else if (!strcmp(word, "area")) {
		trouble[0] = 0;
		area(rest);
	} else if (!call(word, rest)) {
		say("! %s is no request\n", word);
	}
}
