// SPDX-License-Identifier: MIT
/* What the agent asks of the kernel: calls of the module, and settings in /proc and /sys. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "agent.h"

int device = -1;
struct hc_ask ask;
struct hc_head heads[HC_MAX_HEADS];
struct hc_event events[HC_MAX_EVENTS];
char trouble[160];

/* Record why the program cannot continue. Only the first reason is kept. */
void fail(const char *format, ...)
{
	va_list arguments;

	if (trouble[0])
		return;
	va_start(arguments, format);
	vsnprintf(trouble, sizeof(trouble), format, arguments);
	va_end(arguments);
}

/* Send one operation to the module; whether the module accepted it. */
int module(enum hc_op op, unsigned flags, long long arg, const uint32_t *list, uint32_t count)
{
	ask.op = op;
	ask.flags = flags;
	ask.arg = arg;
	ask.list = (uintptr_t)list;
	ask.count = count;
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

/* Write text to a file of /proc or /sys. A kernel without the file only causes a message. */
void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("headcount: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}
