/* SPDX-License-Identifier: MIT */
/* Pools of pages that programs can use. */
#ifndef POOLS_H
#define POOLS_H

#include "agent.h"

#define PAGE 4096UL
#define NPOOLS 10

/* EMPTY: not filled yet; WAITING: free to use; PLACED: in a program; LOST: unmapped by it. */
enum state { EMPTY, WAITING, PLACED, LOST };

struct slot {
	uint64_t pfn;
	uint32_t number;	/* of its first page in the program, if PLACED */
	enum state state;
	unsigned entries;	/* enum hc_entries, while it is PLACED */
};

struct pool {
	const char *name;
	enum hc_kind kind;
	unsigned order;
	unsigned huge;		/* flags of memfd_create() */
	int movable;		/* its pages lie in ZONE_MOVABLE */
	int fd;
	uint32_t nslots;
	struct slot *slots;
	uint32_t *sorted;	/* indices of slots, by frame */
	int unsorted;
};

extern struct pool pools[NPOOLS];

int of_file(const struct pool *pool);
unsigned long size(const struct pool *pool);
uint64_t frame(const char *at);
char *home(const struct pool *pool, uint32_t i);
char *window(uint32_t number);
int map_file(const struct pool *pool, uint32_t i, char *at);
struct pool *named(const char *name);
void punch(const struct pool *pool, uint32_t i);
void anew(struct pool *pool);
long stretch(struct pool *pool, uint32_t wanted);

/* place.c */
struct slot *placed(uint32_t number, struct pool **pool);

#endif
