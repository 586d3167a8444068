// SPDX-License-Identifier: GPL-2.0
/*
 * Uses of a cache that was destroyed.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "destroyed cache"

static struct quarry_cache *dead(void)
{
	struct quarry_cache *cache = probes_cache(NULL);

	quarry_cache_free(cache, quarry_cache_alloc(cache, GFP_KERNEL));
	end_cache(cache);
	misuse(cache);
	return cache;
}

static void alloc(void)
{
	CHECK(!quarry_cache_alloc(dead(), GFP_KERNEL));
}

static void alloc_bulk(void)
{
	void *objects[4];

	CHECK(!quarry_cache_alloc_bulk(dead(), GFP_KERNEL, 4, objects));
}

static void shrink(void)
{
	CHECK(quarry_cache_shrink(dead()) == 0);
}

static void release(void)
{
	quarry_cache_release(dead());
}

static void destroy(void)
{
	quarry_cache_destroy(dead());
}

static void free_to_it(void)
{
	struct quarry_cache *cache = dead(), *other = probes_cache(NULL);
	void *p = quarry_cache_alloc(other, GFP_KERNEL);

	misuse(p);
	quarry_cache_free(cache, p);
	quarry_cache_free(other, p);
	end_cache(other);
}

static void destroy_with_live(void)
{
	struct quarry_cache *cache = probes_cache(NULL);
	void *p = quarry_cache_alloc(cache, GFP_KERNEL);

	misuse(p);
	CHECK(quarry_cache_destroy(cache) == -EBUSY);
	quarry_cache_free(cache, p);
	end_cache(cache);
}

static const struct probe list[] = {
	USED(FAMILY, "allocation", alloc, "quarry_cache_alloc"),
	USED(FAMILY, "allocation in bulk", alloc_bulk, "quarry_cache_alloc_bulk"),
	USED(FAMILY, "shrinking", shrink, "quarry_cache_shrink"),
	USED(FAMILY, "release", release, "quarry_cache_release"),
	USED(FAMILY, "destruction", destroy, "quarry_cache_destroy"),
	REFUSED(FAMILY, "free to it", free_to_it, "quarry_cache_free",
		"the cache has been destroyed"),
	{ FAMILY, "destruction with a live object", destroy_with_live,
	  "cache probes is not destroyed: 1 objects are live\n" },
};

const struct probes dead_probes = { list, ARRAY_SIZE(list) };
