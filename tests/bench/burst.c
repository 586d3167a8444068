// SPDX-License-Identifier: GPL-2.0
/*
 * A burst of 1 GiB, and its free in random order. How much of it quarry keeps then is
 * for the caller to see, in debugfs: tests/bench/burst.
 */
#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/vmalloc.h>

#include "bench.h"

#define BURST (1UL << 30)

/* One way to allocate. */
struct kind {
	const char *name;
	unsigned long bytes;
	void *(*allocate)(void);
	void (*release)(void *object);
};

static void *page_allocate(void)
{
	return quarry_alloc_pages(GFP_KERNEL | __GFP_NOWARN, 0);
}

static void page_release(void *page)
{
	quarry_free_pages(page, 0);
}

static void *object_allocate(void)
{
	return quarry_kmalloc(1024, GFP_KERNEL | __GFP_NOWARN);
}

static void object_release(void *object)
{
	quarry_kfree(object);
}

static void *area_allocate(void)
{
	return quarry_vmalloc(64 * PAGE_SIZE);
}

static void area_release(void *area)
{
	quarry_vfree(area);
}

static const struct kind pages = { "pages", PAGE_SIZE, page_allocate, page_release };
static const struct kind objects = { "objects", 1024, object_allocate, object_release };
static const struct kind areas = { "areas", 64 * PAGE_SIZE, area_allocate, area_release };

static void burst(const struct kind *kind)
{
	struct bench_row row = bench_row("burst", "quarry", "%s", kind->name);
	unsigned long nr = 0, most = BURST / kind->bytes;
	void **list = vmalloc_array(most, sizeof(*list));

	while (list && nr < most && (list[nr] = kind->allocate())) {
		nr++;
		if (nr % 1024 == 0)
			cond_resched();
	}
	if (nr < most)
		bench_skip(&row, "no memory for 1 GiB");
	bench_shuffle(list, nr);
	while (nr) {
		kind->release(list[--nr]);
		if (nr % 1024 == 0)
			cond_resched();
	}
	vfree(list);
}

void bench_burst_pages(void)
{
	burst(&pages);
}

void bench_burst_objects(void)
{
	burst(&objects);
}

void bench_burst_areas(void)
{
	burst(&areas);
}

void bench_shrink(void)
{
	quarry_shrink();
}
