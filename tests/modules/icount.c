// SPDX-License-Identifier: GPL-2.0
/*
 * What operations of quarry and of the kernel's own allocators need, side by
 * side: ticks of the TSC, which are instructions in a guest that scripts/vm
 * --icount boots.
 *
 * Pairs are the median of single pairs, batches the median of rounds; what an
 * empty measurement needs is taken off. Meanwhile the kernel does not clear what
 * it allocates; quarry is loaded with init_on_alloc=0. A kernel that booted with
 * init_on_alloc goes on to check each page that it frees: its own numbers for
 * pages are higher by some 60 a page than with init_on_alloc=0.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/timex.h>
#include <linux/vmalloc.h>

#define PAIRS 2048
#define ROUNDS 9
#define LIVE 4096

static u64 *samples;
static void **live;
static u64 empty;

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(unsigned int nr)
{
	u64 middle;

	sort(samples, nr, sizeof(*samples), compare, NULL);
	middle = samples[nr / 2];
	return middle > empty ? middle - empty : 0;
}

static __always_inline u64 now(void)
{
	return get_cycles();
}

static void row(const char *work, const char *unit, unsigned int parameter, u64 kernel, u64 quarry)
{
	u64 percent = kernel ? div64_u64(quarry * 100 + kernel / 2, kernel) : 0;

	pr_info("%-27s %5u %-5s %8llu %8llu %5llu.%02llu\n", work, parameter, unit, kernel, quarry,
		percent / 100, percent % 100);
}

/* The median of what @operation needs, PAIRS times or fewer. */
#define SINGLE(count, operation) ({					\
	unsigned int total = min_t(unsigned int, count, PAIRS), n;	\
									\
	for (n = 0; n < total; n++) {					\
		u64 start = now();					\
									\
		operation;						\
		samples[n] = now() - start;				\
	}								\
	cond_resched();							\
	median(total);							\
})

/* What each of @count operations needs, in batches; @after undoes a batch. */
#define BATCH(before, count, operation, after) ({			\
	unsigned int n, i;						\
									\
	for (n = 0; n < ROUNDS; n++) {					\
		u64 start;						\
									\
		before;							\
		start = now();						\
		for (i = 0; i < (count); i++)				\
			operation;					\
		samples[n] = now() - start;				\
		after;							\
		cond_resched();						\
	}								\
	div64_u64(median(ROUNDS), count);				\
})

#define EACH(count, operation) do {					\
	unsigned int i;							\
									\
	for (i = 0; i < (count); i++)					\
		operation;						\
} while (0)

static void shuffle(unsigned int count)
{
	unsigned int i, j;

	for (i = count - 1; i > 0; i--) {
		j = get_random_u32_below(i + 1);
		swap(live[i], live[j]);
	}
}

#define NOTHING do { } while (0)

/*
 * With @count live: allocation after frees in random order, free in order, and
 * free in random order, in each round.
 */
#define LIVE_COUNTS(result, count, allocation, free) do {			\
	static u64 counts[3][ROUNDS];						\
	unsigned int n, i;							\
	u64 start;								\
										\
	for (n = 0; n < ROUNDS; n++) {						\
		start = now();							\
		for (i = 0; i < (count); i++)					\
			live[i] = allocation;					\
		counts[0][n] = now() - start;					\
		start = now();							\
		for (i = 0; i < (count); i++)					\
			free(live[i]);						\
		counts[1][n] = now() - start;					\
		EACH(count, live[i] = allocation);				\
		shuffle(count);							\
		start = now();							\
		for (i = 0; i < (count); i++)					\
			free(live[i]);						\
		counts[2][n] = now() - start;					\
		cond_resched();							\
	}									\
	for (n = 0; n < 3; n++) {						\
		memcpy(samples, counts[n], sizeof(counts[n]));			\
		result[n] = div64_u64(median(ROUNDS), count);			\
	}									\
} while (0)

static void live_rows(const char *const works[3], const char *unit, unsigned int parameter,
		      const u64 kernel[3], const u64 quarry[3])
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		row(works[i], unit, parameter, kernel[i], quarry[i]);
}

static noinline void kmalloc_rows(void)
{
	static const unsigned int sizes[] = {
		8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 65536
	};
	unsigned int s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		/* As a caller that does not know the size at compile time. */
		unsigned int size = READ_ONCE(sizes[s]);

		row("kmalloc+kfree pair", "B", size,
		    SINGLE(PAIRS, kfree(kmalloc(size, GFP_KERNEL))),
		    SINGLE(PAIRS, quarry_kfree(quarry_kmalloc(size, GFP_KERNEL))));
	}
}

static noinline void kmalloc_live_rows(void)
{
	static const char *const works[] = {
		"kmalloc 4096 live: alloc", "kmalloc 4096 live: free", "kmalloc 4096 live: shuffled"
	};
	static const unsigned int sizes[] = { 64, 256, 1024 };
	u64 kernel[3], quarry[3];
	unsigned int s;

	for (s = 0; s < ARRAY_SIZE(sizes); s++) {
		unsigned int size = READ_ONCE(sizes[s]);

		LIVE_COUNTS(kernel, LIVE, kmalloc(size, GFP_KERNEL), kfree);
		LIVE_COUNTS(quarry, LIVE, quarry_kmalloc(size, GFP_KERNEL), quarry_kfree);
		live_rows(works, "B", size, kernel, quarry);
	}
}

static noinline void cache_rows(void)
{
	struct kmem_cache *kc = kmem_cache_create("icount", 200, 0, SLAB_NO_MERGE, NULL);
	struct quarry_cache *qc = quarry_cache_create("icount", 200, 0, 0, NULL);
	static const unsigned int counts[] = { 1, 4, 8, 32, 128 };
	unsigned int s;

	if (!kc || !qc)
		return;
	row("cache pair", "B", 200,
	    SINGLE(PAIRS, kmem_cache_free(kc, kmem_cache_alloc(kc, GFP_KERNEL))),
	    SINGLE(PAIRS, quarry_cache_free(qc, quarry_cache_alloc(qc, GFP_KERNEL))));
	for (s = 0; s < ARRAY_SIZE(counts); s++) {
		unsigned int nr = counts[s];
		u64 k = SINGLE(PAIRS, ({
			if (kmem_cache_alloc_bulk(kc, GFP_KERNEL, nr, live))
				kmem_cache_free_bulk(kc, nr, live);
		}));
		u64 q = SINGLE(PAIRS, ({
			if (quarry_cache_alloc_bulk(qc, GFP_KERNEL, nr, live))
				quarry_cache_free_bulk(qc, nr, live);
		}));

		row("cache bulk, per object", "objs", nr, div64_u64(k, nr), div64_u64(q, nr));
	}
	kmem_cache_destroy(kc);
	quarry_cache_destroy(qc);
}

static noinline void page_rows(void)
{
	unsigned int order;

	for (order = 0; order <= 10; order++)
		row("page pair", "order", order,
		    SINGLE(order < 9 ? PAIRS : 256,
			   __free_pages(alloc_pages(GFP_KERNEL, order), order)),
		    SINGLE(order < 9 ? PAIRS : 256,
			   quarry_free_pages(quarry_alloc_pages(GFP_KERNEL, order), order)));
}

static void free_page0(void *page)
{
	__free_pages(page, 0);
}

static void quarry_free_page0(void *page)
{
	quarry_free_pages(page, 0);
}

static noinline void page_live_rows(void)
{
	static const char *const works[] = {
		"pages 4096 live: alloc", "pages 4096 live: free", "pages 4096 live: shuffled"
	};
	u64 kernel[3], quarry[3];

	LIVE_COUNTS(kernel, LIVE, alloc_pages(GFP_KERNEL, 0), free_page0);
	LIVE_COUNTS(quarry, LIVE, quarry_alloc_pages(GFP_KERNEL, 0), quarry_free_page0);
	live_rows(works, "order", 0, kernel, quarry);
}

static noinline void vmalloc_rows(void)
{
	static const unsigned int counts[] = { 1, 4, 16, 64, 256 };
	unsigned int s;

	for (s = 0; s < ARRAY_SIZE(counts); s++) {
		unsigned long size = counts[s] * PAGE_SIZE;
		unsigned int nr = 4096 / counts[s] + 16;

		row("vmalloc+vfree pair", "pages", counts[s],
		    SINGLE(nr, vfree(vmalloc(size))),
		    SINGLE(nr, quarry_vfree(quarry_vmalloc(size))));
	}
	row("vmalloc 1024 live: alloc", "pages", 1,
	    BATCH(NOTHING, 1024, live[i] = vmalloc(PAGE_SIZE), EACH(1024, vfree(live[i]))),
	    BATCH(NOTHING, 1024, live[i] = quarry_vmalloc(PAGE_SIZE),
		  EACH(1024, quarry_vfree(live[i]))));
	row("vmalloc 1024 live: free", "pages", 1,
	    BATCH(EACH(1024, live[i] = vmalloc(PAGE_SIZE)), 1024, vfree(live[i]), NOTHING),
	    BATCH(EACH(1024, live[i] = quarry_vmalloc(PAGE_SIZE)), 1024, quarry_vfree(live[i]),
		  NOTHING));
}

#define GROW(realloc, free) do {					\
	size_t size;							\
	void *p = NULL, *q;						\
									\
	for (size = 16; size <= 65536; size += size / 2) {		\
		q = realloc(p, size, GFP_KERNEL);			\
		if (!q)							\
			break;						\
		p = q;							\
	}								\
	free(p);							\
} while (0)

static noinline void krealloc_rows(void)
{
	row("krealloc 16 B to 64 KiB", "KiB", 64,
	    SINGLE(64, GROW(krealloc, kfree)),
	    SINGLE(64, GROW(quarry_krealloc, quarry_kfree)));
}

static int __init icount_init(void)
{
	bool clears;

	samples = kvmalloc_array(PAIRS, sizeof(*samples), GFP_KERNEL);
	live = kvmalloc_array(LIVE, sizeof(*live), GFP_KERNEL);
	if (!samples || !live) {
		kvfree(samples);
		kvfree(live);
		return -ENOMEM;
	}
	clears = static_key_enabled(&init_on_alloc);
	if (clears)
		static_branch_disable(&init_on_alloc);
	empty = SINGLE(PAIRS, NOTHING);
	pr_info("%-27s %11s %8s %8s %8s\n", "work", "parameter", "kernel", "quarry", "ratio");
	kmalloc_rows();
	kmalloc_live_rows();
	cache_rows();
	page_rows();
	page_live_rows();
	vmalloc_rows();
	krealloc_rows();
	if (clears)
		static_branch_enable(&init_on_alloc);
	kvfree(samples);
	kvfree(live);
	return 0;
}

static void __exit icount_exit(void)
{
}

module_init(icount_init);
module_exit(icount_exit);

MODULE_DESCRIPTION("What operations of quarry and of the kernel's allocators need");
MODULE_LICENSE("GPL");
