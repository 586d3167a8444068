// SPDX-License-Identifier: GPL-2.0
/*
 * Named pools: limits, reserves, and how they end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "api.h"
#include "ktap.h"

#define QUIET (GFP_KERNEL | __GFP_NOWARN)
#define LIMIT (2UL << 20)

static struct quarry_pool *make(const char *name, unsigned long limit, unsigned long reserve)
{
	struct quarry_pool_args args = { .limit = limit, .reserve = reserve };
	struct quarry_pool *pool = quarry_pool_create(name, &args);

	return IS_ERR(pool) ? NULL : pool;
}

void pools_check_their_arguments(void)
{
	struct quarry_pool_args args = { .limit = LIMIT };
	nodemask_t none = NODE_MASK_NONE;
	struct quarry_pool *pool;

	CHECK(PTR_ERR(quarry_pool_create(NULL, &args)) == -EINVAL);
	CHECK(PTR_ERR(quarry_pool_create("test", NULL)) == -EINVAL);
	CHECK(PTR_ERR(quarry_pool_create("", &args)) == -EINVAL);
	CHECK(PTR_ERR(quarry_pool_create("with blank", &args)) == -EINVAL);
	CHECK(PTR_ERR(quarry_pool_create("sixteen-byte-nam", &args)) == -EINVAL);
	CHECK(PTR_ERR(quarry_pool_create("user", &args)) == -EEXIST);
	args.flags = 1UL << 3;
	CHECK(PTR_ERR(quarry_pool_create("test", &args)) == -EINVAL);
	args.flags = QUARRY_POOL_HARDENED | QUARRY_POOL_DEBUG;
	CHECK(PTR_ERR(quarry_pool_create("test", &args)) == -EINVAL);
	args.flags = 0;
	args.nodes = &none;
	CHECK(PTR_ERR(quarry_pool_create("test", &args)) == -EINVAL);
	args.nodes = NULL;
	args.reserve = LIMIT + PAGE_SIZE;
	CHECK(PTR_ERR(quarry_pool_create("test", &args)) == -EINVAL);
	args.reserve = 0;
	pool = quarry_pool_create("test", &args);
	NEED(!IS_ERR(pool));
	CHECK(PTR_ERR(quarry_pool_create("test", &args)) == -EEXIST);
	CHECK(quarry_pool_used(pool) == 0);
	CHECK(!quarry_pool_alloc_pages(pool, QUIET, 11));
	CHECK(!quarry_pool_kmalloc(pool, SIZE_MAX, QUIET));
	CHECK(quarry_pool_kmalloc(pool, 0, QUIET) == ZERO_SIZE_PTR);
	CHECK(!quarry_pool_kcalloc(pool, SIZE_MAX, 2, QUIET));
	CHECK(!quarry_pool_vmalloc(pool, 0));
	CHECK(quarry_pool_destroy(pool) == 0);
	CHECK(quarry_pool_destroy(NULL) == 0);
	CHECK(quarry_pool_purge(NULL) == 0);
}

/* Takes objects of a size until there are no more; each holds the address of the one before. */
static void *fill(struct quarry_pool *pool, size_t size, gfp_t gfp, unsigned long *count)
{
	void *last = NULL, **next;

	for (*count = 0; (next = quarry_pool_kmalloc(pool, size, gfp)); ++*count) {
		*next = last;
		last = next;
	}
	return last;
}

static void drain(void *last)
{
	while (last) {
		void *before = *(void **)last;

		quarry_kfree(last);
		last = before;
	}
}

void pools_have_limits(void)
{
	static const size_t sizes[] = { 8, 64, 192, 1024, 8192, 16384, 1 << 20 };
	struct quarry_pool *pool = make("limits", LIMIT, 0);
	unsigned long count;
	unsigned int i;
	void *last, *other;

	NEED(pool);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		last = fill(pool, sizes[i], QUIET, &count);
		CHECK(quarry_pool_used(pool) <= LIMIT);
		/* A slab wastes at most an eighth. */
		CHECK(count * sizes[i] >= LIMIT / 8 * 7);
		CHECK(count * sizes[i] <= LIMIT);
		/* It is full, and nobody else. */
		CHECK(!quarry_pool_kmalloc(pool, sizes[i], GFP_ATOMIC | __GFP_NOWARN));
		other = quarry_kmalloc(sizes[i], GFP_KERNEL);
		CHECK(other);
		quarry_kfree(other);
		/* Another size gets what is freed of this one. */
		drain(last);
	}
	CHECK(quarry_pool_destroy(pool) == 0);
}

void pools_take_back_by_the_usual_functions(void)
{
	struct quarry_pool *pool = make("usual", 64UL << 20, 0);
	struct page *pages[40];
	unsigned int order;
	u8 *p;

	NEED(pool);
	for (order = 0; order <= 10; order++) {
		struct page *page = quarry_pool_alloc_pages(pool, GFP_KERNEL | __GFP_ZERO, order);

		NEED(page);
		CHECK(quarry_pool_used(pool) == PAGE_SIZE << order);
		CHECK(!memchr_inv(page_address(page), 0, PAGE_SIZE << order));
		memset(page_address(page), 1, PAGE_SIZE << order);
		quarry_free_pages(page, order);
		CHECK(quarry_pool_used(pool) == 0);
	}
	CHECK(quarry_pool_alloc_pages_bulk(pool, GFP_KERNEL, 40, pages) == 40);
	CHECK(quarry_pool_used(pool) == 40 * PAGE_SIZE);
	/* Pages of no pool among them. */
	quarry_free_pages(pages[20], 0);
	pages[20] = quarry_alloc_pages(GFP_KERNEL, 0);
	quarry_free_pages_bulk(40, pages);
	CHECK(quarry_pool_used(pool) == 0);
	p = quarry_pool_kzalloc(pool, 50000, GFP_KERNEL);
	NEED(p);
	CHECK(!memchr_inv(p, 0, 50000) && quarry_ksize(p) == 65536);
	CHECK(quarry_pool_used(pool) == 65536);
	quarry_kfree(p);
	p = quarry_pool_vzalloc(pool, 50000);
	NEED(p);
	CHECK(!memchr_inv(p, 0, 50000));
	CHECK(quarry_pool_used(pool) == PAGE_ALIGN(50000));
	quarry_vfree(p);
	p = quarry_pool_kvzalloc(pool, 6UL << 20, GFP_KERNEL);
	NEED(p);
	CHECK(is_vmalloc_addr(p) && quarry_pool_used(pool) == 6UL << 20);
	quarry_kvfree(p);
	p = quarry_pool_krealloc(pool, NULL, 100, GFP_KERNEL);
	NEED(p);
	memset(p, 7, 100);
	p = quarry_krealloc(p, 100000, GFP_KERNEL);
	NEED(p);
	CHECK(!memchr_inv(p, 7, 100));
	CHECK(quarry_pool_used(pool) >= 131072);
	quarry_kfree(p);
	CHECK(quarry_pool_destroy(pool) == 0);
}

void wrong_frees_of_pools_are_refused(void)
{
	struct quarry_pool *pool = make("wrong", LIMIT, 0);
	unsigned long used;
	struct page *page;
	u8 *p;

	NEED(pool);
	page = quarry_pool_alloc_pages(pool, GFP_KERNEL, 2);
	NEED(page);
	p = quarry_pool_kmalloc(pool, 16384, GFP_KERNEL);
	NEED(p);
	used = quarry_pool_used(pool);
	quarry_free_pages(page, 1);
	quarry_free_pages(page + 1, 0);
	quarry_kfree(page_address(page));
	quarry_kfree(p + PAGE_SIZE);
	quarry_kfree(p + 8);
	quarry_vfree(p);
	CHECK(quarry_pool_used(pool) == used);
	quarry_free_pages(page, 2);
	quarry_free_pages(page, 2);
	quarry_kfree(p);
	quarry_kfree(p);
	CHECK(quarry_pool_used(pool) == 0);
	CHECK(quarry_validate() == 0);
	CHECK(quarry_pool_destroy(pool) == 0);
}

void the_reserve_of_a_pool_is_there(void)
{
	struct quarry_pool *pool = make("reserved", LIMIT, LIMIT / 2);
	unsigned long ordinary, atomic;
	void *first, *second;

	NEED(pool);
	first = fill(pool, 4096, QUIET, &ordinary);
	CHECK(ordinary * 4096 <= LIMIT / 2);
	CHECK(!quarry_pool_kmalloc(pool, 4096, GFP_NOWAIT | __GFP_NOWARN));
	local_irq_disable();
	second = fill(pool, 4096, GFP_ATOMIC | __GFP_NOWARN, &atomic);
	local_irq_enable();
	CHECK(atomic * 4096 >= LIMIT / 2 / 8 * 7);
	CHECK(quarry_pool_used(pool) <= LIMIT);
	drain(first);
	drain(second);
	CHECK(quarry_pool_destroy(pool) == 0);
}

void a_pool_in_use_stays(void)
{
	struct quarry_pool *pool = make("stays", LIMIT, 0);
	struct quarry_cache *cache;
	void *p;

	NEED(pool);
	p = quarry_pool_kmalloc(pool, 100, GFP_KERNEL);
	CHECK(quarry_pool_destroy(pool) == -EBUSY);
	quarry_kfree(p);
	p = quarry_pool_vmalloc(pool, 100);
	CHECK(quarry_pool_destroy(pool) == -EBUSY);
	quarry_vfree(p);
	cache = quarry_pool_cache_create(pool, "of-a-pool", 100, 0, 0, NULL);
	NEED(cache);
	CHECK(quarry_pool_destroy(pool) == -EBUSY);
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	CHECK(p && quarry_pool_used(pool) != 0);
	quarry_cache_free(cache, p);
	CHECK(quarry_cache_destroy(cache) == 0);
	CHECK(quarry_pool_destroy(pool) == 0);
}

void purging_frees_everything(void)
{
	unsigned int round, i;

	for (round = 0; round < 3; round++) {
		struct quarry_pool *pool = make("purged", 64UL << 20, PAGE_SIZE * 100);
		struct quarry_cache *cache;

		NEED(pool);
		cache = quarry_pool_cache_create(pool, "purged-too", 200, 0, 0, NULL);
		NEED(cache);
		for (i = 0; i < 1000; i++) {
			CHECK(quarry_cache_alloc(cache, GFP_KERNEL));
			CHECK(quarry_pool_kmalloc(pool, 1 + i * 8, GFP_KERNEL));
			if (i % 10)
				continue;
			CHECK(quarry_pool_alloc_pages(pool, GFP_KERNEL, i / 10 % 4));
			CHECK(quarry_pool_kmalloc(pool, 10000 + i * 10, GFP_KERNEL));
			CHECK(quarry_pool_vmalloc(pool, 1 + i * 40));
		}
		CHECK(quarry_pool_destroy(pool) == -EBUSY);
		CHECK(quarry_pool_purge(pool) == 0);
		CHECK(quarry_validate() == 0);
	}
}
