// SPDX-License-Identifier: MIT
/*
 * The only process of the guest. It reads requests from a port, one per line,
 * maps pages as requested, passes calls to the module, and answers each call with a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

static char *in;
static size_t filled, begun;

static void die(const char *what)
{
	printf("headcount: %s: %s\n", what, strerror(errno));
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
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
			flush_each_second();
		}
		memmove(in, in + begun, filled - begun);
		filled -= begun;
		begun = 0;
		/* Answers are buffered while more requests are waiting: fewer writes. */
		if (poll(&ready, 1, 0) <= 0)
			flush();
		if (filled == IN_SIZE)
			die("request line too long");
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
		return;	/* this kernel has the driver built in */
	if (syscall(SYS_finit_module, fd, parameters, 0) && errno != EEXIST)
		die(name);
	close(fd);
}

int main(void)
{
	const char *mode = getenv("headcount"), *place = getenv("probe");
	char parameters[128] = "";
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
	if (mode && !strcmp(mode, "measure"))
		strcpy(parameters, "probes=0");
	else if (place)
		snprintf(parameters, sizeof(parameters), "probe=%s", place);
	load("/headcount.ko", parameters);
	for (i = 0; i < 500 && (port = open("/dev/vport0p1", O_RDWR)) < 0; i++)
		usleep(10000);
	device = open("/dev/headcount", O_RDWR);
	if (port < 0 || device < 0)
		die(port < 0 ? "no port" : "no module");
	in = malloc(IN_SIZE);
	quiet_machine();
	zone(0);
	say("ready\n");
	serve();
}
