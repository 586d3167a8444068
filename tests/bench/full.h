/* SPDX-License-Identifier: GPL-2.0 */
/* Works on an allocator that is more or less full. */
#ifndef _QUARRY_BENCH_FULL_H
#define _QUARRY_BENCH_FULL_H

#include "bench.h"

#define FULL_CHUNK_BYTES (4UL << 20)

/*
 * Sizes of live batches. The first fits into what 99 % of 10 chunks of pages leave
 * free, the second into what 90 % do.
 */
#define FULL_COUNTS { 96, 768, BENCH_LIVE }

/* Whether @count objects may be live as well, with some left where no CPU has them at hand. */
static inline bool full_fits(unsigned int count, unsigned long room)
{
	return count <= room - room / 20;
}

/* How an arm is filled, and measured. */
struct full {
	const char *arm;
	void *(*allocate)(void);
	void (*release)(void *object);
	/* @level: how full it is, in words; @room: how many objects are free */
	void (*measure)(const char *level, unsigned long room);
};

/*
 * Measures the empty allocator; fills it with objects, up to @most; frees some in
 * random order until 99, 90, 50 and 1 % of them are live, and measures at each of
 * these levels. Objects of every age and place stay. Gives whether there was memory
 * for at least nine tenths of @most.
 */
bool bench_fill(const struct full *full, unsigned long most);

#endif /* _QUARRY_BENCH_FULL_H */
