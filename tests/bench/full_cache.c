// SPDX-License-Identifier: GPL-2.0
/* Objects of a cache, while 1 to 99 % of a number of chunks' objects are in use. */
#include <linux/quarry.h>
#include <linux/slab.h>

#include "full.h"

#define GFP (GFP_KERNEL | __GFP_NOWARN)
/* The kernel's slabs have links in their objects: more would have the guest touch all of its memory. */
#define MOST_CHUNKS_OF_KERNEL 256

static const char *const live_works[] = {
	"full-cache-live-alloc", "full-cache-live-free", "full-cache-live-shuffled"
};
static const unsigned int live_counts[] = FULL_COUNTS;

static struct kmem_cache *kernel_cache;
static struct quarry_cache *quarry_cache;
static unsigned int size;

static void *kernel_allocate(void)
{
	return kmem_cache_alloc(kernel_cache, GFP);
}

static void kernel_release(void *object)
{
	kmem_cache_free(kernel_cache, object);
}

static void *quarry_allocate(void)
{
	return quarry_cache_alloc(quarry_cache, GFP);
}

static void quarry_release(void *object)
{
	quarry_cache_free(quarry_cache, object);
}

#define KERNEL_FREE(object) kmem_cache_free(kernel_cache, object)
#define QUARRY_FREE(object) quarry_cache_free(quarry_cache, object)

#define MEASURE(arm, level, room, allocation, release) do {				\
	unsigned int k;								\
										\
	BENCH_PAIR(bench_row("full-cache-pair", arm, "%u B, %u chunks, %s", size,	\
			     bench_chunks, level),				\
		   BENCH_PAIRS, allocation, release);				\
	for (k = 0; k < ARRAY_SIZE(live_counts); k++) {				\
		unsigned int count = READ_ONCE(live_counts[k]);			\
										\
		if (!full_fits(count, room))					\
			break;							\
		BENCH_LIVE_ROUNDS(live_works, arm, count, allocation, release,	\
				  "%u B, %u chunks, %s, %u live", size, bench_chunks, level, count); \
	}									\
} while (0)

static void kernel_measure(const char *level, unsigned long room)
{
	MEASURE("kernel", level, room, kmem_cache_alloc(kernel_cache, GFP), KERNEL_FREE);
}

static void quarry_measure(const char *level, unsigned long room)
{
	MEASURE("quarry", level, room, quarry_cache_alloc(quarry_cache, GFP), QUARRY_FREE);
}

static const struct full kernel_arm = {
	"kernel", kernel_allocate, kernel_release, kernel_measure
};
static const struct full quarry_arm = {
	"quarry", quarry_allocate, quarry_release, quarry_measure
};

static void run(unsigned int object_size)
{
	unsigned long most = bench_chunks * (FULL_CHUNK_BYTES / object_size);
	struct bench_row row;

	size = object_size;
	row = bench_row("full-cache-pair", "quarry", "%u B, %u chunks, 99 %%", size, bench_chunks);
	kernel_cache = kmem_cache_create("quarry_bench", size, 0, SLAB_NO_MERGE, NULL);
	quarry_cache = quarry_cache_create("bench", size, 0, 0, NULL);
	if (kernel_cache && bench_chunks <= MOST_CHUNKS_OF_KERNEL)
		bench_fill(&kernel_arm, most);
	if (!quarry_cache || !bench_fill(&quarry_arm, most))
		bench_skip(&row, "no memory for so many chunks");
	kmem_cache_destroy(kernel_cache);
	quarry_cache_destroy(quarry_cache);
}

void bench_full_cache(void)
{
	if (bench_chunks <= MOST_CHUNKS_OF_KERNEL)
		run(200);
	run(4096);
}
