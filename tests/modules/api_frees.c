// SPDX-License-Identifier: GPL-2.0
/*
 * Frees that must be refused, and caches that must not be used: what was asked
 * is reported, what is live stays as it is, and all structures stay in order.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "api.h"
#include "ktap.h"

static const size_t sizes[] = { 8, 100, 192, 1000, 8192, 10000, 1 << 20 };

/* One use of each kind; tests/guest/suite looks for them in the log. */
void destroyed_caches_are_not_used(void)
{
	struct quarry_cache *dead = quarry_cache_create("test-dead", 64, 0, 0, NULL);
	struct quarry_cache *other = quarry_cache_create("test-alive", 64, 0, 0, NULL);
	void *objects[40], *object;

	NEED(dead && other);
	object = quarry_cache_alloc(other, GFP_KERNEL);
	NEED(object);
	memset(object, 0x47, 64);
	CHECK(quarry_cache_alloc_bulk(dead, GFP_KERNEL, ARRAY_SIZE(objects), objects) ==
	      ARRAY_SIZE(objects));
	quarry_cache_free_bulk(dead, ARRAY_SIZE(objects), objects);
	CHECK(quarry_cache_destroy(dead) == 0);

	CHECK(!quarry_cache_alloc(dead, GFP_KERNEL));
	CHECK(quarry_cache_alloc_bulk(dead, GFP_ATOMIC, ARRAY_SIZE(objects), objects) == 0);
	quarry_cache_free(dead, object);
	quarry_cache_free_bulk(dead, 1, &object);
	quarry_cache_free(dead, NULL);
	CHECK(quarry_cache_shrink(dead) == 0);
	quarry_cache_release(dead);
	CHECK(quarry_cache_destroy(dead) == 0);
	CHECK(quarry_validate() == 0);

	CHECK(!memchr_inv(object, 0x47, 64));
	CHECK(quarry_cache_destroy(other) == -EBUSY);
	quarry_cache_free(other, object);
	CHECK(quarry_cache_destroy(other) == 0);
}

void the_last_destroyed_caches_are_known(void)
{
	static struct quarry_cache *caches[64];
	struct quarry_pool *pool;
	unsigned int i, round;

	/* More than are known: the memory of the oldest goes back. */
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(caches); i++) {
			caches[i] = quarry_cache_create("test-dead-many", 8 + 8 * i, 0, 0, NULL);
			NEED(caches[i]);
			quarry_cache_free(caches[i], quarry_cache_alloc(caches[i], GFP_KERNEL));
		}
		for (i = 0; i < ARRAY_SIZE(caches); i++)
			CHECK(quarry_cache_destroy(caches[i]) == 0);
	}
	for (i = 0; i < ARRAY_SIZE(caches); i++)
		CHECK(!quarry_cache_alloc(caches[i], GFP_KERNEL | __GFP_ZERO));

	/* What is known of a cache does not keep its pool. */
	pool = quarry_pool_create("test-dead", &(struct quarry_pool_args){ .limit = 1 << 20 });
	NEED(!IS_ERR(pool));
	caches[0] = quarry_pool_cache_create(pool, "test-dead-pool", 64, 0, 0, NULL);
	caches[1] = quarry_pool_cache_create(pool, "test-dead-pool", 64, 0, 0, NULL);
	NEED(caches[0] && caches[1]);
	quarry_cache_free(caches[0], quarry_cache_alloc(caches[0], GFP_KERNEL));
	CHECK(quarry_cache_destroy(caches[0]) == 0);
	CHECK(quarry_cache_alloc(caches[1], GFP_KERNEL));
	CHECK(quarry_pool_purge(pool) == 0);
	CHECK(!quarry_cache_alloc(caches[0], GFP_KERNEL));
	CHECK(!quarry_cache_alloc(caches[1], GFP_KERNEL));

	/* One that was released has ended too. */
	caches[0] = quarry_cache_create("test-dead-released", 64, 0, 0, NULL);
	NEED(caches[0]);
	quarry_cache_release(caches[0]);
	CHECK(!quarry_cache_alloc(caches[0], GFP_KERNEL));
	quarry_cache_release(caches[0]);
	CHECK(quarry_validate() == 0);
}

void double_frees_are_refused(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-double", 64, 0, 0, NULL);
	struct page *page;
	unsigned int i;
	void *p, *q;

	NEED(cache);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_kmalloc(sizes[i], GFP_KERNEL);
		NEED(p);
		quarry_kfree(p);
		quarry_kfree(p);
		/* Were it free twice, it would be given twice. */
		p = quarry_kmalloc(sizes[i], GFP_KERNEL);
		q = quarry_kmalloc(sizes[i], GFP_KERNEL);
		CHECK(p && q && p != q);
		quarry_kfree(p);
		quarry_kfree(q);
	}
	for (i = 0; i <= 10; i++) {
		page = quarry_alloc_pages(GFP_KERNEL, i);
		NEED(page);
		quarry_free_pages(page, i);
		quarry_free_pages(page, i);
	}
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	quarry_cache_free(cache, p);
	quarry_cache_free(cache, p);
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	q = quarry_cache_alloc(cache, GFP_KERNEL);
	CHECK(p && q && p != q);
	quarry_cache_free(cache, p);
	quarry_cache_free(cache, q);
	CHECK(quarry_cache_destroy(cache) == 0);

	p = quarry_vmalloc(3 * PAGE_SIZE);
	NEED(p);
	quarry_vfree(p);
	quarry_vfree(p);
	p = quarry_vmalloc(3 * PAGE_SIZE);
	q = quarry_vmalloc(3 * PAGE_SIZE);
	CHECK(p && q && p != q);
	quarry_vfree(p);
	quarry_vfree(q);
	CHECK(quarry_validate() == 0);
}

void foreign_frees_are_refused(void)
{
	static char in_module[64];
	struct quarry_cache *cache = quarry_cache_create("test-foreign", 64, 0, 0, NULL);
	struct page *page = alloc_pages(GFP_KERNEL, 2);
	void *object = kmalloc(100, GFP_KERNEL);
	void *area = vmalloc(PAGE_SIZE);
	char on_stack[16];
	unsigned int i;
	void *wild[] = {
		object, area, on_stack, in_module, page ? page_address(page) : NULL,
		(void *)1, (void *)4096, (void *)0x7fff00000000UL, (void *)(1UL << 63),
		(void *)-1UL, (void *)-4096UL, (void *)PAGE_OFFSET, (void *)VMALLOC_START,
	};

	if (CHECK(cache && page && object && area)) {
		for (i = 0; i < ARRAY_SIZE(wild); i++) {
			quarry_kfree(wild[i]);
			quarry_kfree_sensitive(wild[i]);
			quarry_vfree(wild[i]);
			quarry_kvfree(wild[i]);
			quarry_cache_free(cache, wild[i]);
			CHECK(quarry_ksize(wild[i]) == 0);
		}
		for (i = 0; i <= 11; i++)
			quarry_free_pages(page, i);
		quarry_free_pages_bulk(1, &page);
	}
	CHECK(quarry_cache_destroy(cache) == 0);
	kfree(object);
	vfree(area);
	if (page)
		__free_pages(page, 2);
	CHECK(quarry_validate() == 0);
}

void interior_frees_are_refused(void)
{
	struct page *page;
	unsigned int i;
	u8 *p;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_kmalloc(sizes[i], GFP_KERNEL);
		NEED(p);
		memset(p, 0x3c, sizes[i]);
		quarry_kfree(p + 1);
		quarry_kfree(p + sizes[i] / 2);
		quarry_kfree(p + sizes[i] - 1);
		if (sizes[i] > PAGE_SIZE)
			quarry_kfree(p + PAGE_SIZE);
		CHECK(!memchr_inv(p, 0x3c, sizes[i]));
		quarry_kfree(p);
	}
	p = quarry_vmalloc(4 * PAGE_SIZE);
	NEED(p);
	memset(p, 0x3d, 4 * PAGE_SIZE);
	quarry_vfree(p + 8);
	quarry_vfree(p + PAGE_SIZE);
	quarry_vfree(p + 4 * PAGE_SIZE);
	quarry_vfree(p + 5 * PAGE_SIZE);
	CHECK(!memchr_inv(p, 0x3d, 4 * PAGE_SIZE));
	quarry_vfree(p);

	page = quarry_alloc_pages(GFP_KERNEL, 3);
	NEED(page);
	for (i = 1; i < 8; i++) {
		quarry_free_pages(page + i, 0);
		quarry_free_pages(page + i, 3);
	}
	quarry_free_pages(page, 3);
	CHECK(quarry_validate() == 0);
}

void frees_by_another_function_are_refused(void)
{
	struct quarry_cache *one = quarry_cache_create("test-one", 64, 0, 0, NULL);
	struct quarry_cache *two = quarry_cache_create("test-two", 64, 0, 0, NULL);
	struct page *page = quarry_alloc_pages(GFP_KERNEL, 4);
	void *object, *small, *large, *area;
	unsigned int order;

	NEED(one && two && page);
	object = quarry_cache_alloc(one, GFP_KERNEL);
	small = quarry_kmalloc(64, GFP_KERNEL);
	large = quarry_kmalloc(1 << 16, GFP_KERNEL);
	area = quarry_vmalloc(PAGE_SIZE);
	NEED(object && small && large && area);
	memset(large, 0x21, 1 << 16);

	for (order = 0; order <= 11; order++) {
		if (order != 4)
			quarry_free_pages(page, order);
		quarry_free_pages(virt_to_page(small), order);
		quarry_free_pages(virt_to_page(object), order);
		quarry_free_pages(vmalloc_to_page(area), order);
	}
	quarry_cache_free(two, object);
	quarry_cache_free(one, small);
	quarry_cache_free(one, large);
	quarry_cache_free(one, area);
	quarry_cache_free(one, page_address(page));
	quarry_vfree(object);
	quarry_vfree(small);
	quarry_vfree(large);
	quarry_kfree(area);
	CHECK(quarry_validate() == 0);

	/* All are still there, and can be freed as they should. */
	CHECK(quarry_ksize(small) == 64);
	CHECK(quarry_ksize(large) == 1 << 16);
	CHECK(!memchr_inv(large, 0x21, 1 << 16));
	CHECK(quarry_cache_destroy(one) == -EBUSY);
	quarry_cache_free(one, object);
	quarry_kfree(small);
	quarry_kfree(large);
	quarry_vfree(area);
	quarry_free_pages(page, 4);
	CHECK(quarry_cache_destroy(one) == 0);
	CHECK(quarry_cache_destroy(two) == 0);
	CHECK(quarry_validate() == 0);
}

/* Frees with sizes that cannot be, then with one that can. */
static void refuse_sizes(void *p, size_t room, size_t right)
{
	if (!CHECK(p))
		return;
	memset(p, 0x5e, right);
	quarry_kfree_sized(p, room + 1);
	quarry_kfree_sized(p, 0);
	quarry_kfree_sized(p, SIZE_MAX);
	quarry_kvfree_sized(p, room + 1);
	/* None of these has freed it. */
	CHECK(quarry_ksize(p) == room);
	CHECK(!memchr_inv(p, 0x5e, right));
	quarry_kfree_sized(p, right);
	CHECK(quarry_ksize(p) == 0);
	/* That was that. */
	quarry_kfree_sized(p, right);
}

void frees_with_another_size_are_refused(void)
{
	struct quarry_pool *pool;
	struct quarry_cache *cache;
	unsigned int i;
	void *p, *q;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_kmalloc(sizes[i], GFP_KERNEL);
		refuse_sizes(p, quarry_ksize(p), sizes[i]);
	}

	/* What shrinks stays in place, down to a byte; what grows may move. */
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_krealloc(quarry_kmalloc(sizes[i], GFP_KERNEL), 1, GFP_KERNEL);
		refuse_sizes(p, quarry_ksize(p), 1);
		p = quarry_krealloc(quarry_kmalloc(8, GFP_KERNEL), sizes[i], GFP_KERNEL);
		refuse_sizes(p, quarry_ksize(p), sizes[i]);
	}

	pool = quarry_pool_create("sized", &(struct quarry_pool_args){ .limit = 8 << 20 });
	NEED(!IS_ERR(pool));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = quarry_pool_kmalloc(pool, sizes[i], GFP_KERNEL);
		refuse_sizes(p, quarry_ksize(p), sizes[i]);
	}
	p = quarry_pool_vmalloc(pool, 5000);
	NEED(p);
	quarry_kvfree_sized(p, 5001);
	CHECK(quarry_vmalloc_to_page(p));
	quarry_kvfree_sized(p, 5000);
	CHECK(!quarry_vmalloc_to_page(p));
	CHECK(quarry_pool_destroy(pool) == 0);

	/* No bytes, and nothing. */
	quarry_kfree_sized(ZERO_SIZE_PTR, 0);
	quarry_kfree_sized(ZERO_SIZE_PTR, 1);
	quarry_kvfree_sized(ZERO_SIZE_PTR, 1);
	quarry_kfree_sized(NULL, 100);
	quarry_kvfree_sized(NULL, 100);

	/* An object of a cache goes back to that, as by quarry_kfree(). */
	cache = quarry_cache_create("test-sized", 100, 0, 0, NULL);
	NEED(cache);
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	refuse_sizes(p, quarry_ksize(p), 100);
	CHECK(quarry_cache_destroy(cache) == 0);

	/* Interior, foreign. */
	p = quarry_kmalloc(100, GFP_KERNEL);
	NEED(p);
	quarry_kfree_sized(p + 8, 92);
	quarry_kfree_sized(&pool, sizeof(pool));
	CHECK(quarry_ksize(p));
	quarry_kfree_sized(p, 100);

	/* An area has the one size that it was given last. */
	p = quarry_vmalloc(3 * PAGE_SIZE - 5);
	NEED(p);
	quarry_kvfree_sized(p, 3 * PAGE_SIZE);
	quarry_kvfree_sized(p, 3 * PAGE_SIZE - 6);
	quarry_kvfree_sized(p, 0);
	quarry_kfree_sized(p, 3 * PAGE_SIZE - 5);
	CHECK(quarry_vmalloc_to_page(p));
	q = quarry_vrealloc(p, 2 * PAGE_SIZE + 1, GFP_KERNEL);
	NEED(q);
	quarry_kvfree_sized(q, 3 * PAGE_SIZE - 5);
	CHECK(quarry_vmalloc_to_page(q));
	p = quarry_vrealloc(q, 100 * PAGE_SIZE + 1, GFP_KERNEL);
	NEED(p);
	quarry_kvfree_sized(p, 2 * PAGE_SIZE + 1);
	CHECK(quarry_vmalloc_to_page(p));
	quarry_kvfree_sized(p, 100 * PAGE_SIZE + 1);
	CHECK(!quarry_vmalloc_to_page(p));
	quarry_kvfree_sized(p, 100 * PAGE_SIZE + 1);
	CHECK(quarry_validate() == 0);
}

void frees_in_bulk_are_refused_one_by_one(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-bulk-free", 64, 0, 0, NULL);
	struct page *pages[6];
	void *objects[6];

	NEED(cache);
	CHECK(quarry_cache_alloc_bulk(cache, GFP_KERNEL, 3, objects) == 3);
	objects[3] = objects[0];
	objects[4] = NULL;
	objects[5] = objects[1] + 8;
	quarry_cache_free_bulk(cache, ARRAY_SIZE(objects), objects);
	CHECK(quarry_cache_destroy(cache) == 0);

	CHECK(quarry_alloc_pages_bulk(GFP_KERNEL, 3, pages) == 3);
	pages[3] = pages[0];
	pages[4] = virt_to_page(pages);
	pages[5] = pages[1];
	quarry_free_pages_bulk(ARRAY_SIZE(pages), pages);
	CHECK(quarry_validate() == 0);
}
