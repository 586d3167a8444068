// SPDX-License-Identifier: GPL-2.0
/*
 * What giving back by decay costs those who work on: thousands of objects come and
 * go for some seconds, while quarry's thread ticks. The figure with decay is the mean
 * of all operations, with the thread's own time spread over them; the one without is
 * the median of the rounds, most of which no tick falls into.
 */
#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/sched/task.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>

#include "bench.h"
#include "thread.h"

/* The thread ticks once a second. */
#define DURATION (5 * HZ / 2)
#define MOST_ROUNDS 20000

/* Sums over rounds. */
struct sums {
	u64 ticks;		/* in 1/100 */
	u64 operations;
	u32 *means;		/* of each round, in 1/100 tick */
	unsigned int rounds;
};

/* Time that a thread has run, in ns: what it has since it was last scheduled is missing. */
static u64 runtime(struct task_struct *task)
{
	return READ_ONCE(task->se.sum_exec_runtime);
}

static int compare(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

/* Adds a round: what both series have from their start on. */
static void add_round(struct sums *sums)
{
	u64 ticks, operations = 2 * BENCH_LIVE;

	bench_round_end(&bench_series[0]);
	bench_round_end(&bench_series[1]);
	ticks = (bench_series[0].means[0] + bench_series[1].means[0]) * BENCH_LIVE;
	sums->ticks += ticks;
	sums->operations += operations;
	sums->means[sums->rounds++] = div64_u64(ticks, operations);
}

/* Allocates, and frees in shuffled order, until the time is over. Gives whether there was memory. */
#define WORK(sums, allocation, release) ({					\
	unsigned long end = jiffies + DURATION;					\
	unsigned int got = BENCH_LIVE;						\
										\
	while (got == BENCH_LIVE && time_before(jiffies, end) &&		\
	       (sums)->rounds < MOST_ROUNDS) {					\
		bench_series_reset(&bench_series[0]);				\
		bench_series_reset(&bench_series[1]);				\
		got = BENCH_ALLOCATE(&bench_series[0], BENCH_LIVE, allocation);	\
		bench_shuffle(bench_live, got);					\
		BENCH_RELEASE(&bench_series[1], got, release);			\
		add_round(sums);						\
	}									\
	got == BENCH_LIVE;							\
})

#define QUARRY_FREE(page) quarry_free_pages(page, 0)

static noinline bool objects(struct sums *sums)
{
	return WORK(sums, quarry_kmalloc(64, GFP_KERNEL), quarry_kfree);
}

static noinline bool pages(struct sums *sums)
{
	return WORK(sums, quarry_alloc_pages(GFP_KERNEL, 0), QUARRY_FREE);
}

static void run(const char *what, bool (*work)(struct sums *sums), u32 *means)
{
	struct bench_row without = bench_row("decay-without", "quarry", "%s", what);
	struct bench_row with = bench_row("decay-with", "quarry", "%s", what);
	struct bench_row each_second = bench_row("decay-thread", "quarry", "%s", what);
	struct task_struct *thread = bench_find_thread();
	struct sums sums = { .means = means };
	u64 before, spent;
	bool good;

	if (!thread) {
		bench_skip(&with, "there is no thread " BENCH_THREAD);
		return;
	}
	before = runtime(thread);
	good = work(&sums);
	spent = runtime(thread) - before;
	if (!good) {
		bench_skip(&with, "no memory for all that is to be live");
	} else if (!spent) {
		bench_skip(&with, BENCH_THREAD " did not run");
	} else {
		sort(means, sums.rounds, sizeof(*means), compare, NULL);
		bench_report_figure(&without, means[sums.rounds / 2]);
		bench_report_figure(&with, div64_u64(sums.ticks + spent * 100, sums.operations));
		bench_report_figure(&each_second, div64_u64(spent * 100 * HZ, DURATION));
	}
	put_task_struct(thread);
}

void bench_decay(void)
{
	u32 *means = vmalloc_array(MOST_ROUNDS, sizeof(*means));

	if (!means) {
		struct bench_row row = bench_row("decay-with", "quarry", "4096 live");

		bench_skip(&row, "no memory for the rounds");
		return;
	}
	run("4096 live of 64 B", objects, means);
	run("4096 live pages", pages, means);
	vfree(means);
}
