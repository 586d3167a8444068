// SPDX-License-Identifier: GPL-2.0
/* vmalloc and vfree: pairs of one size, pairs of random sizes, and many live. */
#include <linux/quarry.h>
#include <linux/vmalloc.h>

#include "bench.h"

static const unsigned int counts[] = { 1, 4, 16, 64, 256 };
static const char *const live_works[] = { "vmalloc-live-alloc", "vmalloc-live-free", NULL };

#define PAIRS 1024
#define LIVE 1024
#define LARGEST 100

static u8 sizes[PAIRS];

static noinline void pair(unsigned int pages)
{
	unsigned long size = pages * PAGE_SIZE;

	BENCH_PAIR(bench_row("vmalloc-pair", "kernel", "%u pages", pages), PAIRS,
		   vmalloc(size), vfree);
	BENCH_PAIR(bench_row("vmalloc-pair", "quarry", "%u pages", pages), PAIRS,
		   quarry_vmalloc(size), quarry_vfree);
}

static noinline void random_pairs(void)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++)
		sizes[i] = 1 + prandom_u32_state(&bench_random) % LARGEST;
	i = 0;
	BENCH_PAIR(bench_row("vmalloc-pair", "kernel", "1-%u pages", LARGEST), PAIRS,
		   vmalloc(sizes[i++ % PAIRS] * PAGE_SIZE), vfree);
	i = 0;
	BENCH_PAIR(bench_row("vmalloc-pair", "quarry", "1-%u pages", LARGEST), PAIRS,
		   quarry_vmalloc(sizes[i++ % PAIRS] * PAGE_SIZE), quarry_vfree);
}

static noinline void live(void)
{
	BENCH_LIVE_ROUNDS(live_works, "kernel", LIVE, vmalloc(PAGE_SIZE), vfree, "%u", LIVE);
	BENCH_LIVE_ROUNDS(live_works, "quarry", LIVE, quarry_vmalloc(PAGE_SIZE), quarry_vfree, "%u",
			  LIVE);
}

void bench_vmalloc(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(counts); i++)
		pair(READ_ONCE(counts[i]));
	random_pairs();
	live();
}
