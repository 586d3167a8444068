// SPDX-License-Identifier: GPL-2.0
/*
 * What each function of include/linux/quarry.h promises.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cache.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "api.h"
#include "ktap.h"

KTAP_DEFINE_RUN()

static unsigned int limit_mib;
module_param(limit_mib, uint, 0444);
MODULE_PARM_DESC(limit_mib, "limit of the pool, in MiB, if it is to be used up");

#define LARGEST (PAGE_SIZE << 10)
#define QUIET (GFP_KERNEL | __GFP_NOWARN)

static void no_bytes_and_too_many(void)
{
	CHECK(quarry_kmalloc(0, GFP_KERNEL) == ZERO_SIZE_PTR);
	CHECK(quarry_kzalloc(0, GFP_KERNEL) == ZERO_SIZE_PTR);
	quarry_kfree(ZERO_SIZE_PTR);
	quarry_kfree(NULL);
	quarry_kfree_sensitive(NULL);
	quarry_kfree_sensitive(ZERO_SIZE_PTR);
	CHECK(!quarry_kmalloc(LARGEST + 1, QUIET));
	CHECK(!quarry_kmalloc(SIZE_MAX, QUIET));
	CHECK(!quarry_kmalloc_node(SIZE_MAX - PAGE_SIZE, QUIET, NUMA_NO_NODE));
}

static void arrays_do_not_overflow(void)
{
	u8 *p;

	CHECK(!quarry_kmalloc_array(SIZE_MAX / 2, 3, QUIET));
	CHECK(!quarry_kcalloc(SIZE_MAX, SIZE_MAX, QUIET));
	CHECK(!quarry_kcalloc(2, SIZE_MAX / 2 + 1, QUIET));
	CHECK(quarry_kmalloc_array(0, 8, GFP_KERNEL) == ZERO_SIZE_PTR);
	p = quarry_kcalloc(100, 8, GFP_KERNEL);
	NEED(p);
	CHECK(!memchr_inv(p, 0, 800));
	quarry_kfree(p);
}

static void every_size_is_usable(void)
{
	size_t size;

	for (size = 1; size <= 8192; size++) {
		u8 *p = quarry_kmalloc(size, GFP_KERNEL);
		size_t usable = quarry_ksize(p);

		NEED(p);
		CHECK(usable >= size && (size > 8192 || usable <= max(8, 2 * size)));
		CHECK(IS_ALIGNED((unsigned long)p, 8));
		memset(p, size, usable);
		quarry_kfree(p);
	}
	for (size = 8193; size <= LARGEST; size += size / 3) {
		u8 *p = quarry_kmalloc(size, GFP_KERNEL);

		NEED(p);
		CHECK(quarry_ksize(p) >= size);
		memset(p, 0xee, quarry_ksize(p));
		quarry_kfree(p);
	}
	CHECK(quarry_ksize(NULL) == 0);
	CHECK(quarry_ksize(ZERO_SIZE_PTR) == 0);
}

static void zeroed_memory_is_zero(void)
{
	static const size_t sizes[] = { 1, 8, 100, 192, 1024, 4096, 8192, 9000, 65536, LARGEST };
	unsigned int i, round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			u8 *p = quarry_kzalloc(sizes[i], GFP_KERNEL);

			NEED(p);
			CHECK(!memchr_inv(p, 0, sizes[i]));
			memset(p, 0xff, quarry_ksize(p));
			quarry_kfree(p);
		}
	}
}

static void krealloc_keeps_contents(void)
{
	static const size_t sizes[] = {
		1, 8, 9, 16, 65, 100, 129, 192, 500, 4000, 4097, 8192, 8193, 50000, 65537,
		70000, 60000, 9000, 4096, 3000, 200, 8, 1
	};
	u8 *p = NULL, *q;
	size_t old = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		q = quarry_krealloc(p, sizes[i], GFP_KERNEL);
		if (!CHECK(q))
			break;
		p = q;
		CHECK(!memchr_inv(p, 0x42, min(old, sizes[i])));
		CHECK(quarry_ksize(p) >= sizes[i]);
		memset(p, 0x42, sizes[i]);
		old = sizes[i];
	}
	/* A failure leaves the old memory. */
	CHECK(!quarry_krealloc(p, LARGEST + 1, QUIET));
	CHECK(!memchr_inv(p, 0x42, old));
	CHECK(quarry_krealloc(p, 0, GFP_KERNEL) == ZERO_SIZE_PTR);
	p = quarry_krealloc(ZERO_SIZE_PTR, 10, GFP_KERNEL);
	CHECK(p && p != ZERO_SIZE_PTR);
	quarry_kfree(p);
}

static void krealloc_zeroes_beyond_the_old_size(void)
{
	size_t size, old;
	u8 *p, *q;

	for (size = 8; size <= 1 << 17; size *= 3) {
		p = quarry_kzalloc(size, GFP_KERNEL);
		NEED(p);
		old = quarry_ksize(p);
		memset(p, 0x77, old);
		q = quarry_krealloc(p, size * 4, GFP_KERNEL | __GFP_ZERO);
		if (!CHECK(q)) {
			quarry_kfree(p);
			return;
		}
		CHECK(!memchr_inv(q, 0x77, size));
		if (size * 4 > old)
			CHECK(!memchr_inv(q + old, 0, size * 4 - old));
		quarry_kfree(q);
	}
}

static void sensitive_memory_is_cleared(void)
{
	u8 *p, *q;

	preempt_disable();
	p = quarry_kmalloc(300, GFP_ATOMIC);
	if (CHECK(p)) {
		memset(p, 0x99, 300);
		quarry_kfree_sensitive(p);
		q = quarry_kmalloc(300, GFP_ATOMIC);
		CHECK(q != p || !memchr_inv(q, 0, 300));
		quarry_kfree(q);
	}
	preempt_enable();
}

static void caches_check_their_arguments(void)
{
	CHECK(!quarry_cache_create(NULL, 8, 0, 0, NULL));
	CHECK(!quarry_cache_create("test", 0, 0, 0, NULL));
	CHECK(!quarry_cache_create("test", 8193, 0, 0, NULL));
	CHECK(!quarry_cache_create("test", 8, 3, 0, NULL));
	CHECK(!quarry_cache_create("test", 8, 2 * PAGE_SIZE, 0, NULL));
	CHECK(!quarry_cache_create("test", 8, 0, 1UL << 31, NULL));
	CHECK(quarry_cache_destroy(NULL) == 0);
}

static void check_cache(unsigned int size, unsigned int align, unsigned long flags)
{
	struct quarry_cache *cache = quarry_cache_create("test-shape", size, align, flags, NULL);
	unsigned int i, real = max(align, 8);
	void *objects[40];

	NEED(cache);
	if (flags & QUARRY_CACHE_HWALIGN)
		real = max(real, L1_CACHE_BYTES);
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = quarry_cache_alloc(cache, GFP_KERNEL | __GFP_ZERO);
		if (!CHECK(objects[i]))
			continue;
		CHECK(IS_ALIGNED((unsigned long)objects[i], real));
		CHECK(!memchr_inv(objects[i], 0, size));
		memset(objects[i], i + 1, size);
	}
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		if (objects[i])
			CHECK(!memchr_inv(objects[i], i + 1, size));
		quarry_cache_free(cache, objects[i]);
	}
	quarry_cache_free(cache, NULL);
	CHECK(quarry_cache_destroy(cache) == 0);
}

static void caches_have_any_size_and_alignment(void)
{
	static const unsigned int sizes[] = { 1, 8, 24, 200, 600, 1024, 4000, 4096, 5000, 8192 };
	unsigned int i, align;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		check_cache(sizes[i], 0, 0);
		for (align = 1; align <= PAGE_SIZE; align *= 8)
			check_cache(sizes[i], align, 0);
		check_cache(sizes[i], PAGE_SIZE, 0);
		check_cache(sizes[i], 0, QUARRY_CACHE_HWALIGN);
	}
}

#define CTOR_MAGIC 0x600df00ddeadbeafULL
static unsigned int constructed;

static void construct(void *object)
{
	u64 *words = object;

	constructed++;
	words[0] = CTOR_MAGIC;
	words[1] = 0;
}

static void constructors_run_once(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-ctor", 120, 0, 0, construct);
	unsigned int i, round, before;
	static u64 *objects[256];

	NEED(cache);
	constructed = 0;
	for (round = 0; round < 4; round++) {
		for (i = 0; i < ARRAY_SIZE(objects); i++) {
			objects[i] = quarry_cache_alloc(cache, GFP_KERNEL |
							(round & 1 ? __GFP_ZERO : 0));
			if (!CHECK(objects[i]))
				continue;
			CHECK(objects[i][0] == CTOR_MAGIC);
			/* The mark of the last user, if there was one, is still there. */
			CHECK(round || !objects[i][1]);
			objects[i][1] = 1;
		}
		CHECK(constructed >= ARRAY_SIZE(objects));
		if (!round)
			before = constructed;
		for (i = 0; i < ARRAY_SIZE(objects); i++)
			quarry_cache_free(cache, objects[i]);
	}
	/* Migration to another CPU may take a few slabs more, not four times as many. */
	CHECK(constructed < 3 * before);
	CHECK(quarry_cache_destroy(cache) == 0);
}

static void caches_work_in_bulk(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-bulk", 72, 0, 0, NULL);
	static void *objects[1000];
	unsigned int i;

	NEED(cache);
	CHECK(quarry_cache_alloc_bulk(cache, GFP_KERNEL, 0, objects) == 0);
	CHECK(quarry_cache_alloc_bulk(cache, GFP_KERNEL, ARRAY_SIZE(objects), objects) ==
	      ARRAY_SIZE(objects));
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		memset(objects[i], i, 72);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		CHECK(!memchr_inv(objects[i], i, 72));
	quarry_cache_free_bulk(cache, ARRAY_SIZE(objects), objects);
	CHECK(quarry_cache_alloc_bulk(cache, GFP_KERNEL | __GFP_ZERO, 100, objects) == 100);
	for (i = 0; i < 100; i++)
		CHECK(!memchr_inv(objects[i], 0, 72));
	quarry_cache_free_bulk(cache, 100, objects);
	quarry_cache_free_bulk(cache, 0, NULL);
	CHECK(quarry_cache_destroy(cache) == 0);
}

static void a_cache_with_live_objects_stays(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-busy", 200, 0, 0, NULL);
	void *object, *another;

	NEED(cache);
	object = quarry_cache_alloc(cache, GFP_KERNEL);
	CHECK(object);
	CHECK(quarry_cache_destroy(cache) == -EBUSY);
	another = quarry_cache_alloc(cache, GFP_KERNEL);
	CHECK(another && another != object);
	quarry_cache_free(cache, object);
	CHECK(quarry_cache_destroy(cache) == -EBUSY);
	quarry_cache_free(cache, another);
	CHECK(quarry_cache_destroy(cache) == 0);
}

static void caches_shrink(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-shrink", 1000, 0, 0, NULL);
	static void *objects[200];
	void *last;

	NEED(cache);
	CHECK(quarry_cache_shrink(cache) == 0);
	CHECK(quarry_cache_alloc_bulk(cache, GFP_KERNEL, ARRAY_SIZE(objects), objects));
	last = objects[ARRAY_SIZE(objects) - 1];
	memset(last, 0x11, 1000);
	quarry_cache_free_bulk(cache, ARRAY_SIZE(objects) - 1, objects);
	CHECK(quarry_cache_shrink(cache) == 1);
	CHECK(!memchr_inv(last, 0x11, 1000));
	quarry_cache_free(cache, last);
	CHECK(quarry_cache_shrink(cache) == 0);
	CHECK(quarry_cache_destroy(cache) == 0);
}

static void pages_of_every_order(void)
{
	unsigned int order;

	for (order = 0; order <= 10; order++) {
		struct page *page = quarry_alloc_pages(GFP_KERNEL | __GFP_ZERO, order);

		NEED(page);
		CHECK(!memchr_inv(page_address(page), 0, PAGE_SIZE << order));
		memset(page_address(page), 0xaa, PAGE_SIZE << order);
		quarry_free_pages(page, order);
	}
	CHECK(!quarry_alloc_pages(QUIET, 11));
	CHECK(!quarry_alloc_pages(QUIET, UINT_MAX));
	quarry_free_pages(NULL, 0);
}

static void pages_in_bulk(void)
{
	static struct page *pages[300];
	unsigned long got, i;

	got = quarry_alloc_pages_bulk(GFP_KERNEL | __GFP_ZERO, ARRAY_SIZE(pages), pages);
	CHECK(got == ARRAY_SIZE(pages));
	for (i = 0; i < got; i++) {
		CHECK(!memchr_inv(page_address(pages[i]), 0, PAGE_SIZE));
		CHECK(page_count(pages[i]) == 1);
		memset(page_address(pages[i]), i + 1, PAGE_SIZE);
	}
	for (i = 0; i < got; i++)
		CHECK(!memchr_inv(page_address(pages[i]), i + 1, PAGE_SIZE));
	quarry_free_pages_bulk(got, pages);
	CHECK(quarry_alloc_pages_bulk(GFP_KERNEL, 0, pages) == 0);
	quarry_free_pages_bulk(0, NULL);
}

static void areas_come_and_go(void)
{
	u8 *p, *q;

	CHECK(!quarry_vmalloc(0));
	CHECK(!quarry_vzalloc(0));
	CHECK(!quarry_vmalloc(ULONG_MAX));
	CHECK(!quarry_vmalloc(ULONG_MAX - PAGE_SIZE));
	quarry_vfree(NULL);

	p = quarry_vmalloc(2 * PAGE_SIZE);
	NEED(p);
	memset(p, 0x12, 2 * PAGE_SIZE);
	quarry_vfree(p);
	/* The kept area is dirty. */
	p = quarry_vzalloc(5000);
	NEED(p);
	CHECK(!memchr_inv(p, 0, 5000));
	memset(p, 0x34, 5000);
	q = quarry_vrealloc(p, 100 * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	if (CHECK(q)) {
		p = q;
		CHECK(!memchr_inv(p, 0x34, 5000));
		CHECK(!memchr_inv(p + 2 * PAGE_SIZE, 0, 98 * PAGE_SIZE));
	}
	CHECK(!quarry_vrealloc(p, SIZE_MAX, QUIET));
	CHECK(!memchr_inv(p, 0x34, 5000));
	CHECK(!quarry_vrealloc(p, 0, GFP_KERNEL));
	p = quarry_vrealloc(NULL, 10, GFP_KERNEL);
	CHECK(p);
	quarry_vfree(p);
}

static void kvmalloc_of_any_size(void)
{
	size_t size;

	for (size = 1; size <= 2 * LARGEST; size *= 4) {
		u8 *p = quarry_kvzalloc(size, GFP_KERNEL);

		NEED(p);
		CHECK(!memchr_inv(p, 0, size));
		memset(p, 0xfe, size);
		quarry_kvfree(p);
	}
	quarry_kvfree(NULL);
	CHECK(!quarry_kvmalloc(SIZE_MAX, QUIET));
}

static void nodes_are_honoured(void)
{
	struct page *page;
	void *p;
	int nid, i;

	if (num_node_state(N_MEMORY) < 2)
		SKIP("one node");
	for_each_node_state(nid, N_MEMORY) {
		for (i = 0; i < 11; i++) {
			page = quarry_alloc_pages_node(nid, GFP_KERNEL | __GFP_THISNODE, i);
			NEED(page);
			CHECK(page_to_nid(page) == nid);
			quarry_free_pages(page, i);
		}
		for (i = 8; i <= 1 << 16; i *= 2) {
			p = quarry_kmalloc_node(i, GFP_KERNEL | __GFP_THISNODE, nid);
			NEED(p);
			CHECK(page_to_nid(virt_to_page(p)) == nid);
			quarry_kfree(p);
		}
		p = quarry_vmalloc_node(20 * PAGE_SIZE, nid);
		NEED(p);
		for (i = 0; i < 20; i++)
			CHECK(page_to_nid(vmalloc_to_page(p + i * PAGE_SIZE)) == nid);
		quarry_vfree(p);
	}
}

/* Takes blocks until there are no more, each of which leads to the one before. */
static void **take_all(gfp_t gfp, unsigned int order, void **last, unsigned long *count)
{
	struct page *page;

	while ((page = quarry_alloc_pages(gfp, order))) {
		void **block = page_address(page);

		*block = last;
		last = block;
		(*count)++;
		cond_resched();
	}
	return last;
}

static void free_all(void **last, unsigned int order)
{
	while (last) {
		void **before = *last;

		quarry_free_pages(virt_to_page(last), order);
		last = before;
	}
}

static void the_pool_can_be_used_up(void)
{
	unsigned long pages = (limit_mib << 20) >> PAGE_SHIFT;
	unsigned int order;

	if (!limit_mib)
		SKIP("no limit_mib");
	quarry_shrink();
	for (order = 0; order <= 10; order++) {
		unsigned long count = 0, reserve = 0;
		void **last = take_all(QUIET | __GFP_NORETRY, order, NULL, &count);

		/* All but the reserve and what is cut off at ends. */
		CHECK(count << order <= pages);
		CHECK(count << order >= pages - pages / 4);
		if (order == 0) {
			last = take_all(GFP_ATOMIC | __GFP_NOWARN, order, last, &reserve);
			CHECK(reserve > 0);
			CHECK(!quarry_kmalloc(100000, QUIET | __GFP_NORETRY));
		}
		pr_info("# order %u: %lu blocks of %lu pages, then %lu for atomic callers\n", order,
			count, pages, reserve);
		CHECK(quarry_validate() == 0);
		free_all(last, order);
	}
	CHECK(quarry_validate() == 0);
}

static void memory_goes_back_to_the_kernel(void)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, 10);

	NEED(page);
	quarry_free_pages(page, 10);
	CHECK(quarry_shrink() >= 1024);
	page = quarry_alloc_pages(GFP_KERNEL, 0);
	CHECK(page);
	quarry_free_pages(page, 0);
}

static void nothing_is_wrong_afterwards(void)
{
	CHECK(quarry_validate() == 0);
	quarry_shrink();
	CHECK(quarry_validate() == 0);
}

static const struct ktap_test tests[] = {
	KTAP_TEST(no_bytes_and_too_many),
	KTAP_TEST(arrays_do_not_overflow),
	KTAP_TEST(every_size_is_usable),
	KTAP_TEST(zeroed_memory_is_zero),
	KTAP_TEST(krealloc_keeps_contents),
	KTAP_TEST(krealloc_zeroes_beyond_the_old_size),
	KTAP_TEST(sensitive_memory_is_cleared),
	KTAP_TEST(caches_check_their_arguments),
	KTAP_TEST(caches_have_any_size_and_alignment),
	KTAP_TEST(constructors_run_once),
	KTAP_TEST(caches_work_in_bulk),
	KTAP_TEST(a_cache_with_live_objects_stays),
	KTAP_TEST(caches_shrink),
	KTAP_TEST(pages_of_every_order),
	KTAP_TEST(pages_in_bulk),
	KTAP_TEST(areas_come_and_go),
	KTAP_TEST(kvmalloc_of_any_size),
	KTAP_TEST(nodes_are_honoured),
	KTAP_TEST(krealloc_aligns),
	KTAP_TEST(krealloc_keeps_the_rest_clear),
	KTAP_TEST(reallocation_honours_nodes),
	KTAP_TEST(vrealloc_checks_alignment),
	KTAP_TEST(kvrealloc_changes_sides),
	KTAP_TEST(released_caches_end),
	KTAP_TEST(destroyed_caches_are_not_used),
	KTAP_TEST(the_last_destroyed_caches_are_known),
	KTAP_TEST(double_frees_are_refused),
	KTAP_TEST(foreign_frees_are_refused),
	KTAP_TEST(interior_frees_are_refused),
	KTAP_TEST(frees_by_another_function_are_refused),
	KTAP_TEST(frees_with_another_size_are_refused),
	KTAP_TEST(frees_in_bulk_are_refused_one_by_one),
	KTAP_TEST(pools_check_their_arguments),
	KTAP_TEST(pools_have_limits),
	KTAP_TEST(pools_take_back_by_the_usual_functions),
	KTAP_TEST(wrong_frees_of_pools_are_refused),
	KTAP_TEST(the_reserve_of_a_pool_is_there),
	KTAP_TEST(a_pool_in_use_stays),
	KTAP_TEST(purging_frees_everything),
	KTAP_TEST(debug_finds_what_is_overwritten),
	KTAP_TEST(hardened_clears_what_is_freed),
	KTAP_TEST(hardened_keeps_apart),
	KTAP_TEST(works_with_preemption_off),
	KTAP_TEST(works_with_interrupts_off),
	KTAP_TEST(works_in_hardirq),
	KTAP_TEST(works_in_softirq),
	KTAP_TEST(works_when_interrupted_by_itself),
	KTAP_TEST(another_cpu_may_free),
	KTAP_TEST(nolock_gives_and_takes),
	KTAP_TEST(nolock_honours_nodes),
	KTAP_TEST(nolock_frees_are_finished_later),
	KTAP_TEST(nolock_refuses_what_it_must),
	KTAP_TEST(the_pool_can_be_used_up),
	KTAP_TEST(memory_goes_back_to_the_kernel),
	KTAP_TEST(nothing_is_wrong_afterwards),
};

static int __init api_init(void)
{
	ktap_run(tests, ARRAY_SIZE(tests));
	return 0;
}

static void __exit api_exit(void)
{
}

module_init(api_init);
module_exit(api_exit);

MODULE_DESCRIPTION("Tests of quarry: the in-kernel API");
MODULE_LICENSE("GPL");
