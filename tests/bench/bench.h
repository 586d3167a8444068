/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Measures the same work on quarry's allocators and on the kernel's own.
 *
 * A single operation is measured with the time stamp counter, and what an empty
 * measurement needs is taken off. A sample during which the CPU took an interrupt
 * or ran another task is counted apart, and is not part of the figures, unless most
 * samples are of that kind: what takes longer than a tick is always interrupted.
 */
#ifndef _QUARRY_BENCH_H
#define _QUARRY_BENCH_H

#include <linux/hardirq.h>
#include <linux/kernel_stat.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/types.h>

#include <asm/msr.h>

/* Most samples of a series: rounds of batches. */
#define BENCH_ROUNDS 9
#define BENCH_LIVE 4096
#define BENCH_SAMPLES (BENCH_ROUNDS * BENCH_LIVE)
/* Single pairs. */
#define BENCH_PAIRS 4096

/* Samples of one kind of operation. */
struct bench_series {
	u32 *ticks;
	unsigned int nr;
	unsigned int interrupted;	/* how many of them were */
	unsigned int round_begin;	/* first sample of the round that runs */
	u64 means[BENCH_ROUNDS];	/* of rounds, in 1/100 tick */
	unsigned int rounds;
};

/* What is measured on one arm: which line it is in the table. */
struct bench_row {
	const char *work;
	const char *arm;
	char parameter[48];
};

/* A group of works, by a name that the parameter "works" knows. */
struct bench_group {
	const char *name;
	void (*run)(void);
	/* Whether its works begin with bench_settle(): not where the state is the point. */
	bool settles;
};

/* Series that works may use: allocation, free, free in shuffled order. */
extern struct bench_series bench_series[3];
/* Of the group that runs. */
extern bool bench_settles;
/* What is live, as many as BENCH_LIVE. */
extern void **bench_live;
/* Parameters: see main.c. */
extern unsigned int bench_chunks;
extern unsigned long bench_operations;
/* Numbers that are the same in each run. */
extern struct rnd_state bench_random;

/* The row of @arm; the parameter is given as for printf(). */
__printf(3, 4) struct bench_row bench_row(const char *work, const char *arm, const char *format, ...);

void bench_series_reset(struct bench_series *series);
void bench_sample(struct bench_series *series, u64 ticks, u64 interruptions);
void bench_round_end(struct bench_series *series);

/* Prints the median of @series, each sample being @divisor operations. */
void bench_report_pairs(const struct bench_row *row, struct bench_series *series, unsigned int divisor);
/* Prints the median of the means of the rounds of @series. */
void bench_report_rounds(const struct bench_row *row, struct bench_series *series);
/* Adds a round of @operations that took @ticks as a whole. */
void bench_add_round(struct bench_series *series, u64 ticks, unsigned long operations);
/* Prints the median of the rounds that bench_add_round() has added. */
void bench_report_totals(const struct bench_row *row, struct bench_series *series);
/* Prints a figure, in 1/100 tick. */
void bench_report_figure(const struct bench_row *row, u64 hundredths);
/* Prints that the row could not be measured. */
void bench_skip(const struct bench_row *row, const char *reason);

/*
 * Has a work begin like in every other run: with a pool that has given back what it
 * can, and right after a tick of quarry's thread, the next of which is a second away.
 * Where instructions are counted; the wait would take time elsewhere.
 */
void bench_settle(void);

void bench_shuffle(void **array, unsigned long nr);

static __always_inline u64 bench_now(void)
{
	return rdtsc_ordered();
}

/* A number that changes whenever this CPU does something else. */
static __always_inline u64 bench_interruptions(void)
{
	return this_cpu_read(irq_stat.counts[IRQ_COUNT_APIC_TIMER]) +
	       this_cpu_read(irq_stat.counts[IRQ_COUNT_IRQ_WORK]) +
	       this_cpu_read(irq_stat.counts[IRQ_COUNT_RESCHEDULE]) +
	       this_cpu_read(irq_stat.counts[IRQ_COUNT_CALL_FUNCTION]) +
	       this_cpu_read(kstat.irqs_sum) + current->nvcsw + current->nivcsw;
}

/* Adds a sample of @operation to @series. */
#define BENCH_MEASURE(series, operation) do {					\
	u64 interruptions = bench_interruptions();				\
	u64 start = bench_now();						\
										\
	operation;								\
	bench_sample(series, bench_now() - start, interruptions);		\
} while (0)

/*
 * An allocation and its free, @count times, and before that once without being
 * measured, which also says whether there is memory.
 */
#define BENCH_PAIR(row, count, allocation, release) do {			\
	struct bench_row this_row = row;					\
	typeof(allocation) first;						\
	unsigned int n;								\
										\
	bench_settle();								\
	first = allocation;							\
	if (!first) {								\
		bench_skip(&this_row, "no memory for a first allocation");	\
		break;								\
	}									\
	release(first);								\
	bench_series_reset(&bench_series[0]);					\
	for (n = 0; n < (count); n++)						\
		BENCH_MEASURE(&bench_series[0], release(allocation));		\
	cond_resched();								\
	bench_report_pairs(&this_row, &bench_series[0], 1);				\
} while (0)

/* Fills bench_live, measured. Gives how many there are. */
#define BENCH_ALLOCATE(series, count, allocation) ({				\
	unsigned int i;								\
										\
	for (i = 0; i < (count); i++) {						\
		BENCH_MEASURE(series, bench_live[i] = allocation);		\
		if (!bench_live[i])						\
			break;							\
	}									\
	cond_resched();								\
	i;									\
})

/* Frees what is in bench_live, in its order, measured. */
#define BENCH_RELEASE(series, count, release) do {				\
	unsigned int i;								\
										\
	for (i = 0; i < (count); i++)						\
		BENCH_MEASURE(series, release(bench_live[i]));			\
	cond_resched();								\
} while (0)

/*
 * @count live at a time: allocation in a state that frees in random order have
 * left, free in order, and free in random order; one round unmeasured, then
 * BENCH_ROUNDS. @works: the names of the three rows, the last of which may be NULL.
 */
#define BENCH_LIVE_ROUNDS(works, bench_arm, count, allocation, release, ...) do {	\
	unsigned int round, got = 0, k;						\
										\
	bench_settle();								\
	for (round = 0; round <= BENCH_ROUNDS; round++) {			\
		if (round <= 1)							\
			for (k = 0; k < 3; k++)					\
				bench_series_reset(&bench_series[k]);		\
		got = BENCH_ALLOCATE(&bench_series[0], count, allocation);	\
		bench_round_end(&bench_series[0]);				\
		BENCH_RELEASE(&bench_series[1], got, release);			\
		bench_round_end(&bench_series[1]);				\
		if (got < (count))						\
			break;							\
		got = BENCH_ALLOCATE(NULL, count, allocation);			\
		bench_shuffle(bench_live, got);					\
		BENCH_RELEASE(&bench_series[2], got, release);			\
		bench_round_end(&bench_series[2]);				\
		if (got < (count))						\
			break;							\
	}									\
	for (k = 0; k < 3; k++) {						\
		struct bench_row this_row;					\
										\
		if (!(works)[k])						\
			continue;						\
		this_row = bench_row((works)[k], bench_arm, __VA_ARGS__);	\
		if (got < (count))						\
			bench_skip(&this_row, "no memory for all that is to be live"); \
		else								\
			bench_report_rounds(&this_row, &bench_series[k]);	\
	}									\
} while (0)

void bench_kmalloc(void);
void bench_cache(void);
void bench_pages(void);
void bench_vmalloc(void);
void bench_krealloc(void);
void bench_full_pages(void);
void bench_full_cache(void);
void bench_churn(void);
void bench_burst_pages(void);
void bench_burst_objects(void);
void bench_burst_areas(void);
void bench_shrink(void);
void bench_decay(void);
void bench_remote(void);
void bench_smp(void);

#endif /* _QUARRY_BENCH_H */
