// SPDX-License-Identifier: GPL-2.0
/*
 * Sizes that change with alignment and node, and caches that are released.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/align.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "api.h"
#include "ktap.h"

#define QUIET (GFP_KERNEL | __GFP_NOWARN)

void krealloc_aligns(void)
{
	size_t align;
	u8 *p, *q;

	for (align = 8; align <= 1 << 16; align *= 2) {
		/* 96 and 192 are classes that are aligned to less than what they hold. */
		p = quarry_kmalloc(96, GFP_KERNEL);
		NEED(p);
		memset(p, 0x42, 96);
		q = quarry_krealloc_node_align(p, ALIGN(90, align), align, GFP_KERNEL, NUMA_NO_NODE);
		NEED(q);
		CHECK(IS_ALIGNED((unsigned long)q, align));
		CHECK(!memchr_inv(q, 0x42, 90));
		quarry_kfree(q);
	}
	CHECK(quarry_krealloc_node_align(NULL, 0, 8, GFP_KERNEL, NUMA_NO_NODE) == ZERO_SIZE_PTR);
	CHECK(!quarry_krealloc_node_align(NULL, SIZE_MAX, 8, QUIET, NUMA_NO_NODE));
}

void krealloc_keeps_the_rest_clear(void)
{
	u8 *p = quarry_kzalloc(1000, GFP_KERNEL), *q;

	NEED(p);
	memset(p, 0x55, 1000);
	q = quarry_krealloc(p, 520, GFP_KERNEL | __GFP_ZERO);
	CHECK(q == p);
	q = quarry_krealloc(q, 1000, GFP_KERNEL | __GFP_ZERO);
	CHECK(q == p);
	CHECK(!memchr_inv(q, 0x55, 520));
	CHECK(!memchr_inv(q + 520, 0, 480));
	quarry_kfree(q);
}

void reallocation_honours_nodes(void)
{
	int nid;

	if (num_node_state(N_MEMORY) < 2)
		SKIP("one node");
	for_each_node_state(nid, N_MEMORY) {
		int other = next_node_in(nid, node_states[N_MEMORY]);
		gfp_t gfp = GFP_KERNEL | __GFP_THISNODE;
		u8 *p;
		int i;

		p = quarry_krealloc_node_align(NULL, 3000, 8, gfp, nid);
		NEED(p);
		CHECK(page_to_nid(virt_to_page(p)) == nid);
		memset(p, nid + 1, 3000);
		/* In place, but for the node. */
		p = quarry_krealloc_node_align(p, 2500, 8, gfp, other);
		NEED(p);
		CHECK(page_to_nid(virt_to_page(p)) == other);
		CHECK(!memchr_inv(p, nid + 1, 2500));
		quarry_kfree(p);

		p = quarry_vrealloc_node_align(NULL, 40 * PAGE_SIZE, 8, gfp, nid);
		NEED(p);
		p = quarry_vrealloc_node_align(p, 80 * PAGE_SIZE, 8, gfp, other);
		NEED(p);
		for (i = 0; i < 80; i++)
			CHECK(page_to_nid(quarry_vmalloc_to_page(p + i * PAGE_SIZE)) ==
			      (i < 40 ? nid : other));
		quarry_vfree(p);

		p = quarry_kvrealloc_node_align(NULL, 2 * PAGE_SIZE, 8, gfp, nid);
		NEED(p);
		CHECK(page_to_nid(virt_to_page(p)) == nid);
		quarry_kvfree(p);
	}
}

void vrealloc_checks_alignment(void)
{
	u8 *p = quarry_vrealloc_node_align(NULL, 5000, PAGE_SIZE, GFP_KERNEL, NUMA_NO_NODE);

	NEED(p);
	memset(p, 0x66, 5000);
	CHECK(!quarry_vrealloc_node_align(p, 100000, 2 * PAGE_SIZE, QUIET, NUMA_NO_NODE));
	CHECK(!quarry_kvrealloc_node_align(p, 100000, 2 * PAGE_SIZE, QUIET, NUMA_NO_NODE));
	CHECK(!memchr_inv(p, 0x66, 5000));
	CHECK(!quarry_vrealloc_node_align(p, 0, 2 * PAGE_SIZE, GFP_KERNEL, NUMA_NO_NODE));
	CHECK(!quarry_vmalloc_to_page(p));
}

void kvrealloc_changes_sides(void)
{
	const size_t large = (PAGE_SIZE << 10) + PAGE_SIZE;
	u8 *p = quarry_kvmalloc(3000, GFP_KERNEL), *q;

	NEED(p);
	CHECK(!quarry_vmalloc_to_page(p));
	memset(p, 0x31, 3000);
	q = quarry_kvrealloc(p, large, GFP_KERNEL | __GFP_ZERO);
	NEED(q);
	CHECK(quarry_vmalloc_to_page(q));
	CHECK(!memchr_inv(q, 0x31, 3000));
	CHECK(!memchr_inv(q + PAGE_SIZE, 0, large - PAGE_SIZE));
	memset(q, 0x32, large);
	/* An area that is still large stays one. */
	p = quarry_kvrealloc(q, 3 * PAGE_SIZE, GFP_KERNEL);
	NEED(p);
	CHECK(quarry_vmalloc_to_page(p));
	q = quarry_kvrealloc(p, 2000, GFP_KERNEL);
	NEED(q);
	CHECK(!quarry_vmalloc_to_page(q));
	CHECK(quarry_ksize(q) >= 2000);
	CHECK(!memchr_inv(q, 0x32, 2000));
	CHECK(quarry_kvrealloc(q, 0, GFP_KERNEL) == ZERO_SIZE_PTR);
}

void released_caches_end(void)
{
	struct quarry_cache *c = quarry_cache_create("test-released", 200, 0, 0, NULL);
	static void *objects[500];
	int i;

	NEED(c);
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		objects[i] = quarry_cache_alloc(c, GFP_KERNEL);
		if (CHECK(objects[i]))
			memset(objects[i], i, 200);
	}
	quarry_cache_release(c);
	CHECK(quarry_validate() == 0);
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		CHECK(!memchr_inv(objects[i], i, 200));
		quarry_kfree(objects[i]);
	}
	CHECK(quarry_validate() == 0);

	/* One without objects is gone at once. */
	c = quarry_cache_create("test-released", 200, 0, 0, NULL);
	NEED(c);
	quarry_cache_free(c, quarry_cache_alloc(c, GFP_KERNEL));
	quarry_cache_release(c);
	quarry_cache_release(NULL);
}
