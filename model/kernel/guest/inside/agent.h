/* SPDX-License-Identifier: MIT */
/* What the files of the agent share. */
#ifndef AGENT_H
#define AGENT_H

#include <stdint.h>

#include "headcount.h"

#define OUT_SIZE (1 << 18)
#define IN_SIZE (1 << 23)

extern int device;

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void flush(void);
void request(char *line);
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void put_file(const char *path, const char *text);
int module(enum hc_op op, unsigned flags, long long arg, const uint32_t *list, uint32_t count);

void area(char *text);
void quiet_machine(void);
void make_room(char *text);
void place(char *text);
void place_driver(char *text);
void unmap(const uint32_t *numbers, uint32_t count);
void put_back(void);
void refill(void);

#endif
