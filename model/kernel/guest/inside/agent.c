// SPDX-License-Identifier: MIT
/*
 * The only process of the machine. It reads requests, a line each, from a port,
 * maps pages as they want it, has the module carry out calls, and answers each
 * call with a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

int device = -1;

static int port = -1;
static char *out, *in;
static size_t used, filled, begun;
static struct hc_ask ask;
static struct hc_head *heads;
static struct hc_event *events;
static uint32_t *list;
static uint32_t count;
static char trouble[160];

void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	used += vsnprintf(out + used, OUT_SIZE - used, format, arguments);
	va_end(arguments);
	if (used > OUT_SIZE - 4096)
		flush();
}

void flush(void)
{
	size_t sent = 0;

	while (sent < used) {
		ssize_t n = write(port, out + sent, used - sent);

		if (n > 0)
			sent += n;
		else if (n < 0 && errno != EINTR && errno != EAGAIN)
			reboot(RB_POWER_OFF);	/* nobody listens any more */
	}
	used = 0;
}

/* Why a program cannot go on; the first reason is the one that is told. */
void fail(const char *format, ...)
{
	va_list arguments;

	if (trouble[0])
		return;
	va_start(arguments, format);
	vsnprintf(trouble, sizeof(trouble), format, arguments);
	va_end(arguments);
}

static void die(const char *what)
{
	printf("headcount: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
}

void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("headcount: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Ask the module; whether it did as it was asked. */
int module(enum hc_op op, unsigned flags, long long arg, const uint32_t *numbers, uint32_t n)
{
	ask.op = op;
	ask.flags = flags;
	ask.arg = arg;
	ask.list = (uintptr_t)numbers;
	ask.count = n;
	ask.heads = (uintptr_t)heads;
	ask.events = (uintptr_t)events;
	if (ioctl(device, HC_ASK, &ask)) {
		fail("the module says %s", strerror(errno));
		return 0;
	}
	if (ask.refused[0])
		fail("%s", ask.refused);
	return !ask.refused[0];
}

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

/* "3", "3:2", "3:2:-1", "N", each perhaps "*4": into list. */
static void read_list(char *text)
{
	char *word, *rest = text;

	count = 0;
	while ((word = strtok_r(rest, " ", &rest))) {
		long start = 0, n = 1, step = 1, times = 1, i, j;
		char *star = strchr(word, '*');

		if (star)
			times = atol(star + 1);
		if (*word != 'N')
			sscanf(word, "%ld:%ld:%ld", &start, &n, &step);
		if ((unsigned long)times * n > HC_MAX_LIST - count) {
			fail("a list of more than %u pages", HC_MAX_LIST);
			return;
		}
		for (j = 0; j < times; j++)
			for (i = 0; i < n; i++)
				list[count++] = *word == 'N' ? HC_NULL : start + i * step;
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
	{ "bench", HC_BENCH },
};

/* "call FLAGS ARG LIST" */
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
		fail("%s is not said how", name);
	else
		read_list(rest + length);
	if (!trouble[0])
		module(calls[i].op, flags, arg, list, count);
	answer();
	return 1;
}

static void begin(void)
{
	trouble[0] = 0;
	module(HC_FORGET, 0, 0, NULL, 0);
}

/* Answer with what of the pages is not as it was before. */
static void end(void)
{
	char why[sizeof(trouble)];
	long long unclean;

	memcpy(why, trouble, sizeof(why));
	trouble[0] = 0;
	module(HC_FINISH, 0, 0, NULL, 0);
	unclean = ask.ret;
	put_back();
	module(HC_FORGET, 0, 0, NULL, 0);
	refill();
	say(". %lld %s\n", unclean, trouble[0] ? trouble : "");
}

static void request(char *line)
{
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
	} else if (!strcmp(word, "settle")) {
		if (!trouble[0])
			module(HC_SETTLE, 0, 0, NULL, 0);
		answer();
	} else if (!strcmp(word, "unmap")) {
		read_list(rest);
		if (!trouble[0])
			unmap(list, count);
		answer();
	} else if (!strcmp(word, "end")) {
		end();
	} else if (!strcmp(word, "set")) {
		char *path = strtok_r(rest, " ", &rest);

		put_file(path, rest);
	} else if (!strcmp(word, "room")) {
		make_room(rest);
	} else if (!strcmp(word, "quit")) {
		say("bye\n");
	} else if (!strcmp(word, "ack")) {
		reboot(RB_POWER_OFF);
	} else if (!call(word, rest)) {
		say("! %s is no request\n", word);
	}
}

static void serve(void)
{
	for (;;) {
		struct pollfd ready = { .fd = port, .events = POLLIN };
		char *stop;
		ssize_t n;

		while ((stop = memchr(in + begun, '\n', filled - begun))) {
			char *line = in + begun;

			*stop = 0;
			begun = stop + 1 - in;
			request(line);
		}
		memmove(in, in + begun, filled - begun);
		filled -= begun;
		begun = 0;
		/* Answers wait while there is more to do, so that many go at once. */
		if (used && poll(&ready, 1, 0) <= 0)
			flush();
		if (filled == IN_SIZE)
			die("a line that is too long");
		n = read(port, in + filled, IN_SIZE - filled);
		if (n > 0)
			filled += n;
		else if (n == 0 || (errno != EINTR && errno != EAGAIN))
			reboot(RB_POWER_OFF);
	}
}

static void load(const char *name, const char *parameters)
{
	int fd = open(name, O_RDONLY);

	if (fd < 0)
		return;	/* built into this kernel */
	if (syscall(SYS_finit_module, fd, parameters, 0) && errno != EEXIST)
		die(name);
	close(fd);
}

int main(int argc, char **argv)
{
	int looks = !getenv("headcount") || strcmp(getenv("headcount"), "measure");
	int i;

	mkdir("/dev", 0755);
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, "");
	mount("proc", "/proc", "proc", 0, "");
	mount("sysfs", "/sys", "sysfs", 0, "");
	i = open("/dev/console", O_RDWR);
	if (i >= 0) {
		dup2(i, 0);
		dup2(i, 1);
		dup2(i, 2);
	}
	load("/virtio_ring.ko", "");
	load("/virtio.ko", "");
	load("/virtio_pci_modern_dev.ko", "");
	load("/virtio_pci_legacy_dev.ko", "");
	load("/virtio_pci.ko", "");
	load("/virtio_console.ko", "");
	load("/headcount.ko", looks ? "" : "probes=0");
	for (i = 0; i < 500 && (port = open("/dev/vport0p1", O_RDWR)) < 0; i++)
		usleep(10000);
	device = open("/dev/headcount", O_RDWR);
	if (port < 0 || device < 0)
		die(port < 0 ? "no port" : "no module");
	out = malloc(OUT_SIZE);
	in = malloc(IN_SIZE);
	heads = calloc(HC_MAX_HEADS, sizeof(*heads));
	events = calloc(HC_MAX_EVENTS, sizeof(*events));
	list = calloc(HC_MAX_LIST, sizeof(*list));
	quiet_machine();
	say("ready\n");
	serve();
}
