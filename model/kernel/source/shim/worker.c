/* SPDX-License-Identifier: MIT */
/*
 * The worker process: WORKER MEMORY SOCKET PARENT. It forks a child for every byte that it receives,
 * so that a new child takes a millisecond. The child executes steps until it exits, crashes or is
 * killed; then this process sends its exit status on the socket. Both end with the process PARENT,
 * even if that is killed. HC_CANNOT_BEGIN is the exit status of the one that lacks what it needs.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "headcount.h"

int main(int argc, char **argv)
{
	int memory = atoi(argv[1]), channel = atoi(argv[2]), status;
	char byte, answer[1 + sizeof(status)] = "d";

	hc_follow();
	if (getppid() != atoi(argv[3]))
		_exit(0);
	/* What the user interrupts is the client, which ends this process. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	while (read(channel, &byte, 1) == 1) {
		pid_t child = fork();

		if (!child)
			_exit(hc_serve(memory, channel));
		if (child < 0)
			_exit(HC_CANNOT_BEGIN);
		if (waitpid(child, &status, 0) != child)
			break;
		memcpy(answer + 1, &status, sizeof(status));
		if (send(channel, answer, sizeof(answer), 0) < 0)
			break;
	}
	/* The counts of executed lines are the child's. */
	_exit(0);
}
