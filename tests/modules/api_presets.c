// SPDX-License-Identifier: GPL-2.0
/*
 * What the presets of named pools do to memory.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "api.h"
#include "ktap.h"

#define NR 64

static struct quarry_pool *pool_with(unsigned long flags)
{
	struct quarry_pool_args args = { .limit = 16 << 20, .flags = flags };

	return quarry_pool_create("presets", &args);
}

/* A byte that is changed is found, and is found no more when it is as it was. */
static void check_found(u8 *byte)
{
	u8 was = *byte;

	CHECK(quarry_validate() == 0);
	*byte = 0x41;
	CHECK(quarry_validate() != 0);
	*byte = was;
	CHECK(quarry_validate() == 0);
}

void debug_finds_what_is_overwritten(void)
{
	struct quarry_pool *pool = pool_with(QUARRY_POOL_DEBUG);
	struct quarry_cache *cache;
	u8 *p, *q;

	NEED(!IS_ERR(pool));
	p = quarry_pool_kmalloc(pool, 50, GFP_KERNEL);
	NEED(p);
	CHECK(quarry_ksize(p) == 50);
	memset(p, 0x12, 50);
	check_found(p - 1);
	check_found(p + 64);
	quarry_kfree(p);

	cache = quarry_pool_cache_create(pool, "debug", 50, 0, 0, NULL);
	NEED(cache);
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	q = quarry_cache_alloc(cache, GFP_KERNEL);
	NEED(p && q);
	quarry_cache_free(cache, q);
	/* What lies in a magazine is looked at when it leaves that. */
	quarry_cache_shrink(cache);
	CHECK(!memchr_inv(q, 0x6b, 49) && q[49] == 0xa5);
	check_found(q + 10);
	check_found(q + 49);
	check_found(q + 50);
	quarry_cache_free(cache, p);
	CHECK(quarry_cache_destroy(cache) == 0);
	CHECK(quarry_pool_destroy(pool) == 0);
}

void hardened_clears_what_is_freed(void)
{
	static const size_t sizes[] = { 8, 64, 1000, 8192, 20000 };
	struct quarry_pool *pool = pool_with(QUARRY_POOL_HARDENED);
	struct page *page;
	unsigned int i;
	size_t usable;
	u8 *p;

	NEED(!IS_ERR(pool));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_pool_kmalloc(pool, sizes[i], GFP_KERNEL);
		NEED(p);
		usable = quarry_ksize(p);
		memset(p, 0x77, usable);
		quarry_kfree(p);
		/* It lies in quarantine, so that nobody else has it. */
		CHECK(!memchr_inv(p, 0, usable));
	}
	page = quarry_pool_alloc_pages(pool, GFP_KERNEL, 0);
	NEED(page);
	memset(page_address(page), 0x77, PAGE_SIZE);
	quarry_free_pages(page, 0);
	CHECK(!memchr_inv(page_address(page), 0, PAGE_SIZE));
	CHECK(quarry_pool_destroy(pool) == 0);
}

void hardened_keeps_apart(void)
{
	struct quarry_pool *pool = pool_with(QUARRY_POOL_HARDENED);
	unsigned int i, again = 0, neighbours = 0;
	u8 *p[NR], *freed;

	NEED(!IS_ERR(pool));
	freed = quarry_pool_kmalloc(pool, 64, GFP_KERNEL);
	NEED(freed);
	quarry_kfree(freed);
	for (i = 0; i < NR; i++) {
		p[i] = quarry_pool_kmalloc(pool, 64, GFP_KERNEL);
		NEED(p[i]);
		again += i < 16 && p[i] == freed;
		neighbours += i && p[i] == p[i - 1] + 64;
	}
	CHECK(again == 0);
	/* In random order one or two are; in the order of addresses nearly all. */
	CHECK(neighbours < NR / 4);
	for (i = 0; i < NR; i++)
		quarry_kfree(p[i]);
	freed = quarry_pool_kvmalloc(pool, 3 * PAGE_SIZE, GFP_KERNEL);
	NEED(freed);
	CHECK(is_vmalloc_addr(freed));
	CHECK(!quarry_vmalloc_to_page(freed + 3 * PAGE_SIZE));
	quarry_kvfree(freed);
	CHECK(quarry_pool_destroy(pool) == 0);
}
