// SPDX-License-Identifier: GPL-2.0
/* A cache of objects: pairs, and arrays of objects in one call. */
#include <linux/quarry.h>
#include <linux/slab.h>

#include "bench.h"

#define SIZE 200

static const unsigned int counts[] = { 1, 2, 3, 4, 8, 16, 32, 64, 128 };

static struct kmem_cache *kernel_cache;
static struct quarry_cache *quarry_cache;

static void kernel_free(void *object)
{
	kmem_cache_free(kernel_cache, object);
}

static void quarry_free(void *object)
{
	quarry_cache_free(quarry_cache, object);
}

static noinline void pairs(void)
{
	BENCH_PAIR(bench_row("cache-pair", "kernel", "%u B", SIZE), BENCH_PAIRS,
		   kmem_cache_alloc(kernel_cache, GFP_KERNEL), kernel_free);
	BENCH_PAIR(bench_row("cache-pair", "quarry", "%u B", SIZE), BENCH_PAIRS,
		   quarry_cache_alloc(quarry_cache, GFP_KERNEL), quarry_free);
}

/* @alloc fills bench_live with @nr, which is more than 0, and @release frees them. */
#define BULK(arm, nr, alloc, release) do {					\
	struct bench_row row = bench_row("cache-bulk", arm, "%u", nr);		\
	struct bench_series *series = &bench_series[0];				\
	unsigned int n;								\
										\
	bench_settle();								\
	if (!(alloc)) {								\
		bench_skip(&row, "no memory for a first allocation");		\
		break;								\
	}									\
	release;								\
	bench_series_reset(series);						\
	for (n = 0; n < BENCH_PAIRS; n++)					\
		BENCH_MEASURE(series, ({					\
			if (alloc)						\
				release;					\
		}));								\
	bench_report_pairs(&row, series, nr);					\
	cond_resched();								\
} while (0)

static noinline void bulk(unsigned int nr)
{
	BULK("kernel", nr, kmem_cache_alloc_bulk(kernel_cache, GFP_KERNEL, nr, bench_live),
	     kmem_cache_free_bulk(kernel_cache, nr, bench_live));
	BULK("quarry", nr, quarry_cache_alloc_bulk(quarry_cache, GFP_KERNEL, nr, bench_live),
	     quarry_cache_free_bulk(quarry_cache, nr, bench_live));
}

void bench_cache(void)
{
	unsigned int i;

	kernel_cache = kmem_cache_create("quarry_bench", SIZE, 0, SLAB_NO_MERGE, NULL);
	quarry_cache = quarry_cache_create("bench", SIZE, 0, 0, NULL);
	if (kernel_cache && quarry_cache) {
		pairs();
		for (i = 0; i < ARRAY_SIZE(counts); i++)
			bulk(READ_ONCE(counts[i]));
	} else {
		struct bench_row row = bench_row("cache-pair", "quarry", "%u B", SIZE);

		bench_skip(&row, "no memory for the caches");
	}
	kmem_cache_destroy(kernel_cache);
	quarry_cache_destroy(quarry_cache);
}
