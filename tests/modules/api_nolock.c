// SPDX-License-Identifier: GPL-2.0
/*
 * quarry_kmalloc_nolock() and quarry_kfree_nolock(), one step after the other.
 * contexts.c calls them from NMIs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "api.h"
#include "ktap.h"

static DEFINE_RAW_SPINLOCK(lock);

/*
 * With a lock held that nothing which sleeps may be called under, and an object
 * of that size at hand. In the hardened preset that may have been the last, and
 * is not given out again yet: then others are brought, when interrupts are on.
 */
static void *nolock_at_hand(size_t size, gfp_t gfp, int node)
{
	unsigned long flags;
	unsigned int tries;
	void *p = NULL;

	for (tries = 0; !p && tries < 100; tries++) {
		local_irq_save(flags);
		p = quarry_kmalloc(size, GFP_NOWAIT);
		if (p)
			memset(p, 0xa5, size);
		quarry_kfree(p);
		raw_spin_lock(&lock);
		p = quarry_kmalloc_nolock(size, gfp, node);
		if (p && !(gfp & __GFP_ZERO))
			memset(p, 0x5a, size);
		raw_spin_unlock(&lock);
		local_irq_restore(flags);
	}
	return p;
}

void nolock_gives_and_takes(void)
{
	unsigned long flags;
	size_t size;
	u8 *p;

	CHECK(quarry_kmalloc_nolock(0, 0, NUMA_NO_NODE) == ZERO_SIZE_PTR);
	CHECK(!quarry_kmalloc_nolock(8193, 0, NUMA_NO_NODE));
	CHECK(!quarry_kmalloc_nolock(SIZE_MAX, 0, NUMA_NO_NODE));
	quarry_kfree_nolock(NULL);
	quarry_kfree_nolock(ZERO_SIZE_PTR);
	/* Of more than a page there may be none at hand, in the debug preset. */
	for (size = 1; size <= PAGE_SIZE; size += 1 + size / 7) {
		/* So that there is a slab. */
		quarry_kfree(quarry_kmalloc(size, GFP_KERNEL));
		p = nolock_at_hand(size, 0, NUMA_NO_NODE);
		NEED(p);
		CHECK(quarry_ksize(p) >= size);
		quarry_kfree(p);

		p = nolock_at_hand(size, __GFP_ZERO, NUMA_NO_NODE);
		NEED(p);
		CHECK(!memchr_inv(p, 0, quarry_ksize(p)));
		raw_spin_lock_irqsave(&lock, flags);
		quarry_kfree_nolock(p);
		raw_spin_unlock_irqrestore(&lock, flags);
	}
	CHECK(quarry_validate() == 0);
}

void nolock_honours_nodes(void)
{
	unsigned long flags;
	int nid;
	void *p;

	for_each_node_state(nid, N_MEMORY) {
		p = quarry_kmalloc_node(100, GFP_KERNEL | __GFP_THISNODE, nid);
		NEED(p);
		local_irq_save(flags);
		quarry_kfree(p);
		p = quarry_kmalloc_nolock(100, __GFP_THISNODE, nid);
		local_irq_restore(flags);
		NEED(p);
		CHECK(page_to_nid(virt_to_page(p)) == nid);
		quarry_kfree_nolock(p);
	}
}

#define MANY 512
static void *many[MANY], *again[MANY];

/* More than magazines take, with interrupts off: an interrupt has to free most. */
void nolock_frees_are_finished_later(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-nolock", 64, 0, 0, NULL);
	unsigned int i, j, same = 0;
	unsigned long flags;

	NEED(cache);
	NEED(quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, many));
	local_irq_save(flags);
	for (i = 0; i < MANY; i++)
		quarry_kfree_nolock(many[i]);
	/* Refused, whatever became of the first ones. */
	for (i = 0; i < MANY; i++)
		quarry_kfree_nolock(many[i]);
	for (i = 0; i < MANY; i++)
		quarry_kfree(many[i]);
	local_irq_restore(flags);
	/* What is not free by now cannot be had: it would be new ones. */
	NEED(quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, again));
	for (i = 0; i < MANY; i++) {
		for (j = 0; j < MANY && again[j] != many[i]; j++)
			;
		same += j < MANY;
		/* Were it free twice, it would be given twice. */
		for (j = 0; j < i; j++)
			CHECK(again[i] != again[j]);
	}
	pr_info("# %u of %u objects came again\n", same, MANY);
	CHECK(same > MANY / 2);
	quarry_cache_free_bulk(cache, MANY, again);
	CHECK(quarry_validate() == 0);

	/* What is left to do does not keep a cache. */
	NEED(quarry_cache_alloc_bulk(cache, GFP_KERNEL, MANY, many));
	local_irq_save(flags);
	for (i = 0; i < MANY; i++)
		quarry_kfree_nolock(many[i]);
	local_irq_restore(flags);
	CHECK(quarry_cache_destroy(cache) == 0);
	CHECK(quarry_validate() == 0);
}

static void construct(void *object)
{
	memset(object, 0xc0, 64);
}

void nolock_refuses_what_it_must(void)
{
	struct quarry_cache *cache = quarry_cache_create("test-made", 64, 0, 0, construct);
	struct page *page;
	void *p, *large;
	int local;

	NEED(cache);
	p = quarry_cache_alloc(cache, GFP_KERNEL);
	large = quarry_kmalloc(10000, GFP_KERNEL);
	page = quarry_alloc_pages(GFP_KERNEL, 0);
	NEED(p && large && page);
	quarry_kfree_nolock(p);
	CHECK(!memchr_inv(p, 0xc0, 64));
	quarry_kfree_nolock(large);
	CHECK(quarry_ksize(large) >= 10000);
	quarry_kfree_nolock(page_address(page));
	quarry_kfree_nolock(&local);
	quarry_cache_free(cache, p);
	quarry_kfree(large);
	quarry_free_pages(page, 0);
	CHECK(quarry_cache_destroy(cache) == 0);

	p = quarry_kmalloc(64, GFP_KERNEL);
	NEED(p);
	quarry_kfree_nolock(p + 8);
	CHECK(quarry_ksize(p) == 64);
	quarry_kfree(p);
	CHECK(quarry_validate() == 0);
}
