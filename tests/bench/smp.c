// SPDX-License-Identifier: GPL-2.0
/*
 * Several CPUs at once: each allocates and frees for itself, or one allocates and the
 * others free. The figure is the time of the whole over the number of operations (an
 * allocation and its free), whoever did them.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/semaphore.h>
#include <linux/slab.h>

#include "crew.h"

#define OPERATIONS 65536
/* What a CPU has live at a time. */
#define LIVE 64
#define SIZE 64

/* What is allocated; works of the kernel's and of quarry's. */
struct what {
	const char *name;
	crew_work together[2];
	crew_work handed[2];
};

static const char *const arms[] = { "kernel", "quarry" };

/* Each CPU does OPERATIONS for itself. */
#define TOGETHER(allocation, release) ({					\
	void *live[LIVE];							\
	unsigned int done, i, got = LIVE;					\
										\
	for (done = 0; done < OPERATIONS && got == LIVE; done += LIVE) {	\
		for (got = 0; got < LIVE && (live[got] = allocation); got++)	\
			;							\
		for (i = 0; i < got; i++)					\
			release(live[i]);					\
		cond_resched();							\
	}									\
	got == LIVE;								\
})

/* Objects on their way from the CPU that allocates to one that frees. */
#define BATCH 512
#define BATCHES 4

struct belt {
	void *objects[BATCHES][BATCH];
	/* Batches that may be read, and written. */
	struct semaphore full;
	struct semaphore empty;
};

static struct belt belts[CREW_MOST];
/* CPUs that free. */
static unsigned int nr_belts;

static void init_belts(void)
{
	unsigned int i;

	for (i = 0; i < nr_belts; i++) {
		sema_init(&belts[i].full, 0);
		sema_init(&belts[i].empty, BATCHES);
	}
}

/*
 * The first CPU does OPERATIONS allocations and deals them out in batches; each other
 * one frees its share. Who has nothing to do sleeps: what spins would take host time
 * from the others. An allocation that fails is dealt out like the rest.
 */
#define HANDED(number, allocation, release) ({					\
	bool good = true;							\
	unsigned int n, i;							\
										\
	for (n = 0; n < OPERATIONS / BATCH; n++) {				\
		struct belt *belt = &belts[n % nr_belts];			\
		void **objects = belt->objects[n / nr_belts % BATCHES];		\
										\
		if ((number) == 0) {						\
			down(&belt->empty);					\
			for (i = 0; i < BATCH; i++)				\
				objects[i] = allocation;			\
			up(&belt->full);					\
		} else if (n % nr_belts == (number) - 1) {			\
			down(&belt->full);					\
			for (i = 0; i < BATCH; i++) {				\
				if (objects[i])					\
					release(objects[i]);			\
				else						\
					good = false;				\
			}							\
			up(&belt->empty);					\
		}								\
	}									\
	good;									\
})

#define KERNEL_FREE_PAGE(page) __free_pages(page, 0)
#define QUARRY_FREE_PAGE(page) quarry_free_pages(page, 0)

#define ARM(name, allocation, release)						\
static bool name##_together(unsigned int number, void *data)			\
{										\
	return TOGETHER(allocation, release);					\
}										\
										\
static bool name##_handed(unsigned int number, void *data)			\
{										\
	return HANDED(number, allocation, release);				\
}

ARM(kernel_kmalloc, kmalloc(READ_ONCE(*(unsigned int *)data), GFP_KERNEL), kfree)
ARM(quarry_kmalloc, quarry_kmalloc(READ_ONCE(*(unsigned int *)data), GFP_KERNEL), quarry_kfree)
ARM(kernel_page, alloc_pages(GFP_KERNEL, 0), KERNEL_FREE_PAGE)
ARM(quarry_page, quarry_alloc_pages(GFP_KERNEL, 0), QUARRY_FREE_PAGE)

static const struct what whats[] = {
	{ "kmalloc 64 B",
	  { kernel_kmalloc_together, quarry_kmalloc_together },
	  { kernel_kmalloc_handed, quarry_kmalloc_handed } },
	{ "page",
	  { kernel_page_together, quarry_page_together },
	  { kernel_page_handed, quarry_page_handed } },
};

/*
 * The median of BENCH_ROUNDS, after one round that is not measured. The arms take
 * turns, so that what else the host does falls on both.
 */
static void run(const struct bench_row rows[2], unsigned int cpus, const crew_work works[2],
		unsigned long operations)
{
	bool good[2] = { true, true };
	unsigned int size = SIZE, round, arm;

	for (arm = 0; arm < 2; arm++)
		bench_series_reset(&bench_series[arm]);
	for (round = 0; round <= BENCH_ROUNDS; round++) {
		for (arm = 0; arm < 2; arm++) {
			u64 ticks;

			init_belts();
			ticks = cpus <= num_online_cpus() ? crew_run(cpus, works[arm], &size) : 0;
			good[arm] = good[arm] && ticks;
			if (round)
				bench_add_round(&bench_series[arm], ticks, operations);
		}
	}
	for (arm = 0; arm < 2; arm++) {
		if (good[arm])
			bench_report_totals(&rows[arm], &bench_series[arm]);
		else
			bench_skip(&rows[arm], cpus > num_online_cpus() ?
				   "the guest has too few CPUs" : "no memory for objects or threads");
	}
}

void bench_smp(void)
{
	static const unsigned int cpus[] = { 1, 2, 4 };
	struct bench_row rows[2];
	unsigned int i, k, arm;

	for (i = 0; i < ARRAY_SIZE(whats); i++) {
		for (k = 0; k < ARRAY_SIZE(cpus); k++) {
			for (arm = 0; arm < 2; arm++)
				rows[arm] = bench_row("together", arms[arm], "%s, %u CPU%s", whats[i].name,
						      cpus[k], cpus[k] == 1 ? "" : "s");
			run(rows, cpus[k], whats[i].together, (unsigned long)OPERATIONS * cpus[k]);
		}
		for (nr_belts = 1; nr_belts <= 3; nr_belts += 2) {
			for (arm = 0; arm < 2; arm++)
				rows[arm] = bench_row("handed", arms[arm], "%s, 1 allocates, %u free%s",
						      whats[i].name, nr_belts, nr_belts == 1 ? "s" : "");
			run(rows, nr_belts + 1, whats[i].handed, OPERATIONS);
		}
	}
}
