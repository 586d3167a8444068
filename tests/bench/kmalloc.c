// SPDX-License-Identifier: GPL-2.0
/* kmalloc and kfree: pairs, and with thousands live. */
#include <linux/quarry.h>
#include <linux/slab.h>

#include "bench.h"

static const unsigned int sizes[] = {
	8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536
};
static const unsigned int live_sizes[] = { 64, 256, 1024 };
static const char *const live_works[] = {
	"kmalloc-live-alloc", "kmalloc-live-free", "kmalloc-live-shuffled"
};

static noinline void pair(unsigned int size)
{
	BENCH_PAIR(bench_row("kmalloc-pair", "kernel", "%u B", size), BENCH_PAIRS,
		   kmalloc(size, GFP_KERNEL), kfree);
	BENCH_PAIR(bench_row("kmalloc-pair", "quarry", "%u B", size), BENCH_PAIRS,
		   quarry_kmalloc(size, GFP_KERNEL), quarry_kfree);
}

static noinline void live(unsigned int size)
{
	BENCH_LIVE_ROUNDS(live_works, "kernel", BENCH_LIVE, kmalloc(size, GFP_KERNEL), kfree,
			  "%u B", size);
	BENCH_LIVE_ROUNDS(live_works, "quarry", BENCH_LIVE, quarry_kmalloc(size, GFP_KERNEL),
			  quarry_kfree, "%u B", size);
}

void bench_kmalloc(void)
{
	unsigned int i;

	/* Sizes are read at run time, as by a caller that does not know them when compiled. */
	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		pair(READ_ONCE(sizes[i]));
	for (i = 0; i < ARRAY_SIZE(live_sizes); i++)
		live(READ_ONCE(live_sizes[i]));
}
