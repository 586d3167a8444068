// SPDX-License-Identifier: GPL-2.0
/* Memory that is freed on another CPU than the one that allocated it, and on the same one. */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "bench.h"

/* Goes to the @nth CPU that is online. */
static void move_to(unsigned int nth)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);

	while (nth--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	set_cpus_allowed_ptr(current, cpumask_of(cpu));
}

/*
 * @count allocated on the first CPU and freed in random order on CPU @where; one
 * round unmeasured, then BENCH_ROUNDS.
 */
#define ROUNDS(place, where, arm, what, count, allocation, release) do {	\
	struct bench_row alloc_row = bench_row(place "-alloc", arm, what);	\
	struct bench_row free_row = bench_row(place "-free", arm, what);	\
	unsigned int round, got = count;					\
										\
	if ((where) >= num_online_cpus()) {					\
		bench_skip(&alloc_row, "the guest has one CPU");		\
		bench_skip(&free_row, "the guest has one CPU");			\
		break;								\
	}									\
	for (round = 0; round <= BENCH_ROUNDS && got == (count); round++) {	\
		if (round <= 1) {						\
			bench_series_reset(&bench_series[0]);			\
			bench_series_reset(&bench_series[1]);			\
		}								\
		move_to(0);							\
		got = BENCH_ALLOCATE(&bench_series[0], count, allocation);	\
		bench_round_end(&bench_series[0]);				\
		bench_shuffle(bench_live, got);					\
		move_to(where);							\
		BENCH_RELEASE(&bench_series[1], got, release);			\
		bench_round_end(&bench_series[1]);				\
	}									\
	if (got < (count)) {							\
		bench_skip(&alloc_row, "no memory for all that is to be live");	\
		bench_skip(&free_row, "no memory for all that is to be live");	\
	} else {								\
		bench_report_rounds(&alloc_row, &bench_series[0]);		\
		bench_report_rounds(&free_row, &bench_series[1]);		\
	}									\
} while (0)

#define BOTH(arm, what, count, allocation, release) do {			\
	ROUNDS("local", 0, arm, what, count, allocation, release);		\
	ROUNDS("remote", 1, arm, what, count, allocation, release);		\
} while (0)

#define KERNEL_FREE_PAGE(page) __free_pages(page, 0)
#define QUARRY_FREE_PAGE(page) quarry_free_pages(page, 0)

static noinline void objects(unsigned int size)
{
	BOTH("kernel", "kmalloc 64 B", BENCH_LIVE, kmalloc(size, GFP_KERNEL), kfree);
	BOTH("quarry", "kmalloc 64 B", BENCH_LIVE, quarry_kmalloc(size, GFP_KERNEL), quarry_kfree);
}

static noinline void pages(void)
{
	BOTH("kernel", "page", BENCH_LIVE, alloc_pages(GFP_KERNEL, 0), KERNEL_FREE_PAGE);
	BOTH("quarry", "page", BENCH_LIVE, quarry_alloc_pages(GFP_KERNEL, 0), QUARRY_FREE_PAGE);
}

static noinline void areas(void)
{
	BOTH("kernel", "vmalloc 1 page", 512, vmalloc(PAGE_SIZE), vfree);
	BOTH("quarry", "vmalloc 1 page", 512, quarry_vmalloc(PAGE_SIZE), quarry_vfree);
}

void bench_remote(void)
{
	static const unsigned int size = 64;

	objects(READ_ONCE(size));
	pages();
	areas();
	set_cpus_allowed_ptr(current, cpu_possible_mask);
}
