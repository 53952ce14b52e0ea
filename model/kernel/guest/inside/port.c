// SPDX-License-Identifier: MIT
/* The virtio port to the host: buffered output. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/reboot.h>
#include <time.h>
#include <unistd.h>

#include "agent.h"

int port = -1;

static char out[OUT_SIZE];
static size_t used;
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
			reboot(RB_POWER_OFF);	/* the host has closed the port */
	}
	used = 0;
	flushed = time(NULL);
}

/* The host takes 20 s of silence for a hang, so output is sent at least every second. */
void flush_each_second(void)
{
	if (used && time(NULL) != flushed)
		flush();
}
