/* SPDX-License-Identifier: MIT */
/*
 * Declarations that the agent's files share. Each file calls only files above it:
 * port.c and ask.c, pools.c, area.c and place.c, entries.c, requests.c, agent.c.
 */
#ifndef AGENT_H
#define AGENT_H

#include <stdint.h>

#include "headcount.h"

#define OUT_SIZE (1 << 18)
#define IN_SIZE (1 << 23)

/* port.c */
extern int port;

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void flush(void);
void flush_each_second(void);

/* ask.c */
extern int device;		/* /dev/headcount */
extern struct hc_ask ask;	/* the last call of the module, with its results */
extern struct hc_head heads[HC_MAX_HEADS];
extern struct hc_event events[HC_MAX_EVENTS];
extern char trouble[160];	/* what fail() recorded; empty: nothing */

void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
int module(enum hc_op op, unsigned flags, long long arg, const uint32_t *list, uint32_t count);
void put_file(const char *path, const char *text);

/* pools.c */
void quiet_machine(void);
void make_room(char *text);
void refill(void);
void zone(int movable);

/* area.c */
void area(char *text);

/* place.c */
void place(char *text);
void place_driver(char *text);
void unmap(const uint32_t *numbers, uint32_t count);
void put_back(void);

/* entries.c */
void entries(char *text);

/* requests.c */
void request(char *line);

#endif
