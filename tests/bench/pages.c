// SPDX-License-Identifier: GPL-2.0
/* Blocks of pages: pairs of each order, and many live. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/quarry.h>

#include "bench.h"

static const char *const live_works[] = {
	"page-live-alloc", "page-live-free", "page-live-shuffled"
};
static const struct {
	unsigned int order;
	unsigned int count;
} live_blocks[] = { { 0, BENCH_LIVE }, { 3, 512 }, { 9, 32 } };

#define KERNEL_FREE(page) __free_pages(page, order)
#define QUARRY_FREE(page) quarry_free_pages(page, order)

static noinline void pair(unsigned int order)
{
	/* Clearing large blocks takes long. */
	unsigned int nr = BENCH_PAIRS >> (order > 4 ? order - 4 : 0);

	BENCH_PAIR(bench_row("page-pair", "kernel", "order %u", order), nr,
		   alloc_pages(GFP_KERNEL, order), KERNEL_FREE);
	BENCH_PAIR(bench_row("page-pair", "quarry", "order %u", order), nr,
		   quarry_alloc_pages(GFP_KERNEL, order), QUARRY_FREE);
}

static noinline void live(unsigned int order, unsigned int count)
{
	BENCH_LIVE_ROUNDS(live_works, "kernel", count, alloc_pages(GFP_KERNEL, order), KERNEL_FREE,
			  "%u order %u", count, order);
	BENCH_LIVE_ROUNDS(live_works, "quarry", count, quarry_alloc_pages(GFP_KERNEL, order),
			  QUARRY_FREE, "%u order %u", count, order);
}

void bench_pages(void)
{
	unsigned int i;

	for (i = 0; i <= 10; i++)
		pair(i);
	for (i = 0; i < ARRAY_SIZE(live_blocks); i++)
		live(live_blocks[i].order, live_blocks[i].count);
}
