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
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

int device = -1;

static int port = -1;
static char *out, *in;
static size_t used, filled, begun;
static time_t flushed;

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
	flushed = time(NULL);
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
			/* Whoever waits hears now and then that it goes on. */
			if (used && time(NULL) != flushed)
				flush();
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

int main(void)
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
	quiet_machine();
	say("ready\n");
	serve();
}
