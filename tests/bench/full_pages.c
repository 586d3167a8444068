// SPDX-License-Identifier: GPL-2.0
/* Pages, while 1 to 99 % of a number of chunks are in use. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/quarry.h>

#include "full.h"

#define GFP (GFP_KERNEL | __GFP_NOWARN)

static const char *const live_works[] = {
	"full-page-live-alloc", "full-page-live-free", "full-page-live-shuffled"
};
static const unsigned int live_counts[] = FULL_COUNTS;

static void *kernel_allocate(void)
{
	return alloc_pages(GFP, 0);
}

static void kernel_release(void *page)
{
	__free_page(page);
}

static void *quarry_allocate(void)
{
	return quarry_alloc_pages(GFP, 0);
}

static void quarry_release(void *page)
{
	quarry_free_pages(page, 0);
}

#define QUARRY_FREE(page) quarry_free_pages(page, 0)

#define MEASURE(arm, level, room, allocation, release) do {				\
	unsigned int k;								\
										\
	BENCH_PAIR(bench_row("full-page-pair", arm, "%u chunks, %s", bench_chunks, level), \
		   BENCH_PAIRS, allocation, release);				\
	for (k = 0; k < ARRAY_SIZE(live_counts); k++) {				\
		unsigned int count = READ_ONCE(live_counts[k]);			\
										\
		if (!full_fits(count, room))					\
			break;							\
		BENCH_LIVE_ROUNDS(live_works, arm, count, allocation, release,	\
				  "%u chunks, %s, %u live", bench_chunks, level, count); \
	}									\
} while (0)

static void kernel_measure(const char *level, unsigned long room)
{
	MEASURE("kernel", level, room, alloc_pages(GFP, 0), __free_page);
}

static void quarry_measure(const char *level, unsigned long room)
{
	MEASURE("quarry", level, room, quarry_alloc_pages(GFP, 0), QUARRY_FREE);
}

static const struct full arms[] = {
	{ "kernel", kernel_allocate, kernel_release, kernel_measure },
	{ "quarry", quarry_allocate, quarry_release, quarry_measure },
};

void bench_full_pages(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(arms); i++) {
		struct bench_row row = bench_row("full-page-pair", arms[i].arm, "%u chunks, 99 %%",
						 bench_chunks);

		if (!bench_fill(&arms[i], bench_chunks * (FULL_CHUNK_BYTES / PAGE_SIZE)))
			bench_skip(&row, "no memory for so many chunks");
	}
}
