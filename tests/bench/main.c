// SPDX-License-Identifier: GPL-2.0
/*
 * Runs the works that the parameter names when it is loaded. Results are lines
 * of JSON in the kernel log, behind the module's name; tools/bench reads them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

#include "report.h"

#define SEED 1

static const struct bench_group groups[] = {
	{ "kmalloc", bench_kmalloc, true },
	{ "cache", bench_cache, true },
	{ "pages", bench_pages, true },
	{ "vmalloc", bench_vmalloc, true },
	{ "krealloc", bench_krealloc, true },
	{ "full-pages", bench_full_pages },
	{ "full-cache", bench_full_cache },
	{ "churn", bench_churn },
	{ "burst-pages", bench_burst_pages },
	{ "burst-objects", bench_burst_objects },
	{ "burst-areas", bench_burst_areas },
	{ "shrink", bench_shrink },
	{ "decay", bench_decay },
	{ "remote", bench_remote },
	{ "smp", bench_smp },
};

static char *works = "kmalloc,cache,pages,vmalloc,krealloc";
module_param(works, charp, 0444);
MODULE_PARM_DESC(works, "Groups of works to run, with commas between them");

unsigned int bench_chunks = 10;
module_param_named(chunks, bench_chunks, uint, 0444);
MODULE_PARM_DESC(chunks, "full-*: the memory that is filled, in chunks of 4 MiB; quarry wants limit_mib=4*chunks");

unsigned long bench_operations = 100000000;
module_param_named(operations, bench_operations, ulong, 0444);
MODULE_PARM_DESC(operations, "churn: operations");

struct bench_series bench_series[3];
bool bench_settles;
void **bench_live;
struct rnd_state bench_random;

void bench_shuffle(void **array, unsigned long nr)
{
	unsigned long i, j;

	for (i = nr; i > 1; i--) {
		j = prandom_u32_state(&bench_random) % i;
		swap(array[i - 1], array[j]);
	}
}

static const struct bench_group *find(const char *name, size_t length)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++)
		if (strlen(groups[i].name) == length && !strncmp(groups[i].name, name, length))
			return &groups[i];
	return NULL;
}

static void say_unknown(const char *name, size_t length)
{
	char known[256] = "";
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(groups); i++) {
		strlcat(known, i ? ", " : "", sizeof(known));
		strlcat(known, groups[i].name, sizeof(known));
	}
	pr_err("works: there is no '%.*s'; there are %s\n", (int)length, name, known);
}

/* Calls @visit for each name in "works"; stops where one is unknown. */
static int for_each_work(void (*visit)(const struct bench_group *group))
{
	const char *name = works;

	for (;;) {
		size_t length = strcspn(name, ",\n");
		const struct bench_group *group = find(name, length);

		if (!group) {
			say_unknown(name, length);
			return -EINVAL;
		}
		visit(group);
		name += length;
		if (*name != ',')
			return 0;
		name++;
	}
}

static void nothing(const struct bench_group *group)
{
}

static void run(const struct bench_group *group)
{
	/* What a work does depends on no other that ran before it. */
	prandom_seed_state(&bench_random, SEED);
	bench_settles = group->settles;
	group->run();
}

static void free_buffers(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bench_series); i++)
		vfree(bench_series[i].ticks);
	vfree(bench_live);
}

static int alloc_buffers(void)
{
	unsigned int i;

	bench_live = vzalloc(array_size(BENCH_LIVE, sizeof(*bench_live)));
	if (!bench_live)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(bench_series); i++) {
		bench_series[i].ticks = vzalloc(array_size(BENCH_SAMPLES, sizeof(u32)));
		if (!bench_series[i].ticks)
			return -ENOMEM;
	}
	return 0;
}

static int __init bench_init(void)
{
	int error = for_each_work(nothing);

	if (error)
		return error;
	error = alloc_buffers();
	if (!error) {
		bench_report_start();
		for_each_work(run);
	}
	free_buffers();
	return error;
}

static void __exit bench_exit(void)
{
}

module_init(bench_init);
module_exit(bench_exit);

MODULE_DESCRIPTION("The same work on quarry's allocators and on the kernel's own");
MODULE_LICENSE("GPL");
