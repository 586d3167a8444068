// SPDX-License-Identifier: GPL-2.0
/* Series of samples, and the lines that tell of them. */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/sort.h>
#include <linux/utsname.h>

#include <asm/tsc.h>

#include "report.h"

/* A sample is its ticks, and whether it was interrupted. */
#define INTERRUPTED (1U << 31)
#define TICKS_MASK (~INTERRUPTED)

/* Ticks of an empty measurement. */
static unsigned int empty;
/* Whether ticks are instructions. */
static bool instructions;
/* What ticks are multiplied by and divided by for the unit. */
static u64 factor = 1, divisor = 1;

struct bench_row bench_row(const char *work, const char *arm, const char *format, ...)
{
	struct bench_row row = { .work = work, .arm = arm };
	va_list args;

	va_start(args, format);
	vsnprintf(row.parameter, sizeof(row.parameter), format, args);
	va_end(args);
	return row;
}

void bench_series_reset(struct bench_series *series)
{
	series->nr = 0;
	series->interrupted = 0;
	series->round_begin = 0;
	series->rounds = 0;
}

noinline void bench_sample(struct bench_series *series, u64 ticks, u64 interruptions)
{
	bool interrupted = bench_interruptions() != interruptions;

	if (!series || series->nr >= BENCH_SAMPLES)
		return;
	ticks = ticks > empty ? min_t(u64, ticks - empty, TICKS_MASK) : 0;
	series->ticks[series->nr++] = ticks | (interrupted ? INTERRUPTED : 0);
	series->interrupted += interrupted;
}

/*
 * The mean of the samples from the last round's end on, in 1/100 tick: of those
 * without interruption, or, where most were interrupted, of all.
 */
static u64 round_mean(const struct bench_series *series)
{
	u64 clean_sum = 0, sum = 0;
	unsigned int i, clean = 0, nr = series->nr - series->round_begin;

	for (i = series->round_begin; i < series->nr; i++) {
		u32 ticks = series->ticks[i] & TICKS_MASK;

		sum += ticks;
		if (!(series->ticks[i] & INTERRUPTED)) {
			clean_sum += ticks;
			clean++;
		}
	}
	if (clean >= nr / 2 && clean)
		return div_u64(clean_sum * 100, clean);
	return nr ? div_u64(sum * 100, nr) : 0;
}

void bench_round_end(struct bench_series *series)
{
	if (series->rounds < BENCH_ROUNDS)
		series->means[series->rounds++] = round_mean(series);
	series->round_begin = series->nr;
}

/* Leaves the samples without interruption, unless most were interrupted, in their order. */
static void keep_clean(struct bench_series *series)
{
	bool all = series->interrupted > series->nr / 2;
	unsigned int i, kept = 0;

	for (i = 0; i < series->nr; i++)
		if (all || !(series->ticks[i] & INTERRUPTED))
			series->ticks[kept++] = series->ticks[i] & TICKS_MASK;
	series->nr = kept;
}

void bench_add_round(struct bench_series *series, u64 ticks, unsigned long operations)
{
	/* In 1/100 tick, like the means of rounds. */
	series->ticks[series->nr++] = min_t(u64, div64_u64(ticks * 100, operations), TICKS_MASK);
}

static int compare_u32(const void *a, const void *b)
{
	u32 x = *(const u32 *)a, y = *(const u32 *)b;

	return x < y ? -1 : x > y;
}

static int compare_u64(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* In the unit of the run. */
static u64 in_unit(u64 ticks)
{
	return mul_u64_u64_div_u64(ticks, factor, divisor);
}

static u64 percentile(const struct bench_series *series, unsigned int percent, unsigned int each)
{
	return in_unit(series->ticks[(u64)(series->nr - 1) * percent / 100]) / each;
}

/* Where in sorted samples those begin that took far longer than the median: the slow path. */
static unsigned int first_slow(const struct bench_series *series)
{
	u32 bound = 2 * series->ticks[series->nr / 2];
	unsigned int low = series->nr / 2, high = series->nr;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (series->ticks[middle] > bound)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static void report_slow(const struct bench_series *series, unsigned int each)
{
	unsigned int first = first_slow(series), nr = series->nr - first;
	const u32 *slow = series->ticks + first;

	if (nr)
		pr_cont(",\"slow\":%u,\"slow_p50\":%llu,\"slow_p99\":%llu", nr,
			in_unit(slow[nr / 2]) / each, in_unit(slow[(u64)(nr - 1) * 99 / 100]) / each);
	pr_cont("}\n");
}

/*
 * @hundredths: the value, in 1/100 tick
 * @each: what the value and a sample are divided by
 * @scale: what samples are divided by, besides
 */
static void report(const struct bench_row *row, const struct bench_series *series, u64 hundredths,
		   unsigned int each, unsigned int scale)
{
	u64 value = in_unit(hundredths) / each;

	each *= scale;

	pr_info("{\"work\":\"%s\",\"parameter\":\"%s\",\"arm\":\"%s\",\"value\":%llu.%02llu,\"min\":%llu,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"max\":%llu,\"samples\":%u,\"interrupted\":%u",
		row->work, row->parameter, row->arm, value / 100, value % 100,
		percentile(series, 0, each), percentile(series, 50, each),
		percentile(series, 90, each), percentile(series, 99, each),
		percentile(series, 100, each), series->nr, series->interrupted);
	report_slow(series, each);
}

void bench_report_pairs(const struct bench_row *row, struct bench_series *series, unsigned int each)
{
	if (!series->nr) {
		bench_skip(row, "nothing was measured");
		return;
	}
	keep_clean(series);
	sort(series->ticks, series->nr, sizeof(*series->ticks), compare_u32, NULL);
	report(row, series, (u64)series->ticks[series->nr / 2] * 100, each, 1);
}

void bench_report_rounds(const struct bench_row *row, struct bench_series *series)
{
	if (!series->nr || !series->rounds) {
		bench_skip(row, "nothing was measured");
		return;
	}
	keep_clean(series);
	sort(series->ticks, series->nr, sizeof(*series->ticks), compare_u32, NULL);
	sort(series->means, series->rounds, sizeof(*series->means), compare_u64, NULL);
	report(row, series, series->means[series->rounds / 2], 1, 1);
}

void bench_report_totals(const struct bench_row *row, struct bench_series *series)
{
	sort(series->ticks, series->nr, sizeof(*series->ticks), compare_u32, NULL);
	report(row, series, series->ticks[series->nr / 2], 1, 100);
}

void bench_report_figure(const struct bench_row *row, u64 hundredths)
{
	hundredths = in_unit(hundredths);
	pr_info("{\"work\":\"%s\",\"parameter\":\"%s\",\"arm\":\"%s\",\"value\":%llu.%02llu}\n",
		row->work, row->parameter, row->arm, hundredths / 100, hundredths % 100);
}

void bench_skip(const struct bench_row *row, const char *reason)
{
	pr_info("{\"work\":\"%s\",\"parameter\":\"%s\",\"arm\":\"%s\",\"skipped\":\"%s\"}\n",
		row->work, row->parameter, row->arm, reason);
}

/* Whether the time stamp counter counts instructions: a loop of known length tells. */
static bool counts_instructions(void)
{
	unsigned int i;

	for (i = 0; i < 8; i++) {
		unsigned long left = 100;
		u64 start = bench_now();

		asm volatile("1: dec %0\n\tjnz 1b" : "+r" (left));
		/* The compiler may place a few instructions within. */
		if (bench_now() - start - empty - 200 > 4)
			return false;
	}
	return true;
}

bool bench_counts_instructions(void)
{
	return instructions;
}

void bench_report_start(void)
{
	struct bench_series *series = &bench_series[0];
	unsigned int i;

	bench_series_reset(series);
	for (i = 0; i < BENCH_PAIRS; i++)
		BENCH_MEASURE(series, barrier());
	keep_clean(series);
	sort(series->ticks, series->nr, sizeof(*series->ticks), compare_u32, NULL);
	empty = series->nr ? series->ticks[series->nr / 2] : 0;
	instructions = counts_instructions();
	if (!instructions) {
		factor = 1000000;
		divisor = tsc_khz;
	}
	pr_info("{\"schema\":\"quarry.bench-raw/1\",\"metric\":\"%s\",\"release\":\"%s\",\"cpus\":%u,\"kernel_init_on_alloc\":%s,\"empty\":%u}\n",
		instructions ? "instructions" : "ns", init_utsname()->release, num_online_cpus(),
		static_key_enabled(&init_on_alloc) ? "true" : "false", empty);
}
