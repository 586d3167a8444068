// SPDX-License-Identifier: GPL-2.0
/* Fills an allocator, and measures it at several levels. */
#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/vmalloc.h>

#include "full.h"

/* What is to be left to the guest. */
#define SPARE_PAGES ((64UL << 20) / PAGE_SIZE)

static const unsigned int levels[] = { 99, 90, 50, 1 };

static unsigned long chunk_pages(void)
{
	return bench_chunks * (FULL_CHUNK_BYTES / PAGE_SIZE);
}

static void release_down_to(const struct full *full, void **objects, unsigned long *nr,
			    unsigned long left)
{
	while (*nr > left) {
		full->release(objects[--*nr]);
		if (*nr % 1024 == 0)
			cond_resched();
	}
}

bool bench_fill(const struct full *full, unsigned long most)
{
	void **objects = vmalloc_array(most, sizeof(*objects));
	unsigned long nr = 0, all;
	char level[8];
	unsigned int i;

	/* The kernel would rather end processes than fail. */
	if (!objects || totalram_pages() < chunk_pages() + SPARE_PAGES) {
		vfree(objects);
		return false;
	}
	full->measure("empty", most);
	while (nr < most && (objects[nr] = full->allocate())) {
		nr++;
		if (nr % 1024 == 0)
			cond_resched();
	}
	all = nr;
	/* Slabs do not use all of their memory, and magazines hold some. */
	if (all < most / 10 * 9) {
		release_down_to(full, objects, &nr, 0);
		vfree(objects);
		return false;
	}
	bench_shuffle(objects, all);
	for (i = 0; i < ARRAY_SIZE(levels); i++) {
		release_down_to(full, objects, &nr, all / 100 * levels[i]);
		snprintf(level, sizeof(level), "%u %%", levels[i]);
		full->measure(level, all - nr);
	}
	release_down_to(full, objects, &nr, 0);
	vfree(objects);
	quarry_shrink();
	return true;
}
