// SPDX-License-Identifier: GPL-2.0
/* Works of quarry's before and after very many operations of all kinds, which leave some live. */
#include <linux/mm.h>
#include <linux/quarry.h>

#include "bench.h"

#define SLOTS BENCH_LIVE
/* The kind of what a slot names is in the lowest bits of the pointer. */
#define KIND_MASK 7UL
#define KIND_KMALLOC 0
#define KIND_CACHE 1
#define KIND_PAGES 2	/* and the order */
#define NR_KINDS 6

static const char *const page_works[] = {
	"churn-page-live-alloc", "churn-page-live-free", "churn-page-live-shuffled"
};
static const char *const kmalloc_works[] = {
	"churn-kmalloc-live-alloc", "churn-kmalloc-live-free", "churn-kmalloc-live-shuffled"
};

static struct quarry_cache *cache;
static unsigned long slots[SLOTS];

#define QUARRY_FREE(page) quarry_free_pages(page, 0)

static noinline void measure(const char *when)
{
	unsigned int size = READ_ONCE(*(const unsigned int *)&(const unsigned int){ 64 });

	BENCH_PAIR(bench_row("churn-kmalloc-pair", "quarry", "%s", when), BENCH_PAIRS,
		   quarry_kmalloc(size, GFP_KERNEL), quarry_kfree);
	BENCH_PAIR(bench_row("churn-page-pair", "quarry", "%s", when), BENCH_PAIRS,
		   quarry_alloc_pages(GFP_KERNEL, 0), QUARRY_FREE);
	BENCH_PAIR(bench_row("churn-vmalloc-pair", "quarry", "%s", when), 1024,
		   quarry_vmalloc(PAGE_SIZE), quarry_vfree);
	BENCH_LIVE_ROUNDS(kmalloc_works, "quarry", BENCH_LIVE, quarry_kmalloc(size, GFP_KERNEL),
			  quarry_kfree, "%s", when);
	BENCH_LIVE_ROUNDS(page_works, "quarry", BENCH_LIVE, quarry_alloc_pages(GFP_KERNEL, 0),
			  QUARRY_FREE, "%s", when);
}

static unsigned long allocate(void)
{
	u32 random = prandom_u32_state(&bench_random);
	unsigned long kind = random % NR_KINDS;
	void *object;

	switch (kind) {
	case KIND_KMALLOC:
		/* As many of each class: a size below a random power of two, 8 bytes to 8 KiB. */
		object = quarry_kmalloc(1 + (random >> 8) % (8U << (random >> 4) % 11), GFP_KERNEL);
		break;
	case KIND_CACHE:
		object = quarry_cache_alloc(cache, GFP_KERNEL);
		break;
	default:
		object = quarry_alloc_pages(GFP_KERNEL, kind - KIND_PAGES);
	}
	return object ? (unsigned long)object | kind : 0;
}

static void release(unsigned long slot)
{
	unsigned long kind = slot & KIND_MASK;
	void *object = (void *)(slot & ~KIND_MASK);

	switch (kind) {
	case KIND_KMALLOC:
		quarry_kfree(object);
		break;
	case KIND_CACHE:
		quarry_cache_free(cache, object);
		break;
	default:
		quarry_free_pages(object, kind - KIND_PAGES);
	}
}

static void churn(void)
{
	unsigned long n;

	for (n = 0; n < bench_operations; n++) {
		unsigned long *slot = &slots[prandom_u32_state(&bench_random) % SLOTS];

		if (*slot) {
			release(*slot);
			*slot = 0;
		} else {
			*slot = allocate();
		}
		if (n % 4096 == 0)
			cond_resched();
	}
}

void bench_churn(void)
{
	char after[40];
	unsigned int i;

	cache = quarry_cache_create("bench", 200, 0, 0, NULL);
	if (!cache) {
		struct bench_row row = bench_row("churn-kmalloc-pair", "quarry", "before");

		bench_skip(&row, "no memory for a cache");
		return;
	}
	measure("before");
	churn();
	snprintf(after, sizeof(after), "after %lu operations", bench_operations);
	measure(after);
	for (i = 0; i < SLOTS; i++)
		if (slots[i])
			release(slots[i]);
	memset(slots, 0, sizeof(slots));
	quarry_cache_destroy(cache);
}
