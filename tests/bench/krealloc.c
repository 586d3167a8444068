// SPDX-License-Identifier: GPL-2.0
/* An allocation that grows from 16 bytes to 64 KiB in steps of a half, and its free. */
#include <linux/quarry.h>
#include <linux/slab.h>

#include "bench.h"

#define FIRST 16
#define LAST 65536
#define TIMES 256

/* Gives whether all went well. */
#define GROW(realloc, release) ({						\
	void *p = NULL, *q;							\
	size_t size;								\
										\
	for (size = FIRST; size <= LAST; size += size / 2) {			\
		q = realloc(p, size, GFP_KERNEL);				\
		if (!q)								\
			break;							\
		p = q;								\
	}									\
	release(p);								\
	size > LAST;								\
})

static noinline bool kernel_grow(void)
{
	return GROW(krealloc, kfree);
}

static noinline bool quarry_grow(void)
{
	return GROW(quarry_krealloc, quarry_kfree);
}

#define RUN(arm, grow) do {							\
	struct bench_row row = bench_row("krealloc-growth", arm, "16 B to 64 KiB"); \
	bool whole = true;							\
	unsigned int n;								\
										\
	bench_settle();								\
	bench_series_reset(&bench_series[0]);					\
	for (n = 0; n < TIMES && whole; n++)					\
		BENCH_MEASURE(&bench_series[0], whole = grow());		\
	if (whole)								\
		bench_report_pairs(&row, &bench_series[0], 1);			\
	else									\
		bench_skip(&row, "no memory to grow");				\
	cond_resched();								\
} while (0)

void bench_krealloc(void)
{
	RUN("kernel", kernel_grow);
	RUN("quarry", quarry_grow);
}
