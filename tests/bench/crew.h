/* SPDX-License-Identifier: GPL-2.0 */
/* Threads on CPUs of their own that start at the same moment. */
#ifndef _QUARRY_BENCH_CREW_H
#define _QUARRY_BENCH_CREW_H

#include <linux/completion.h>

#include "bench.h"

#define CREW_MOST 8

/* Gives whether there was memory. @number: 0 for the thread on the first CPU, and so on. */
typedef bool (*crew_work)(unsigned int number, void *data);

/*
 * Runs @work on @nr CPUs at once. Gives the ticks from the first start to the last
 * end; 0 if a thread could not be made or had no memory.
 */
u64 crew_run(unsigned int nr, crew_work work, void *data);

#endif /* _QUARRY_BENCH_CREW_H */
