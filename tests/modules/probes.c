// SPDX-License-Identifier: GPL-2.0
/*
 * Runs each misuse, compares what quarry says with what it has to say, and lets
 * quarry validate. What this task says in the log is had from a tracepoint.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/sched.h>
#include <linux/tracepoint.h>
#include <trace/events/printk.h>

#include "ktap.h"
#include "probes.h"

unsigned int ktap_failures;
const char *ktap_skipped;

static unsigned int preset;
module_param(preset, uint, 0444);
MODULE_PARM_DESC(preset, "what quarry was loaded with");

#define DEBUG 2
#define ROUNDS 64

static const char PREFIX[] = "quarry: ";
static struct task_struct *listener;
static const char *moment, *first_moment;
static char pointer[24], heard[1024];
static size_t length;

void misuse(const void *p)
{
	snprintf(pointer, sizeof(pointer), "(0x%p)", p);
	moment = "at once";
}

void then(const char *next)
{
	moment = next;
}

/* Whether a line of quarry's belongs to the report, and not to its frame, its stacks, or its dumps. */
static bool counts(const char *line)
{
	return !strncmp(line, "BUG ", 4) || !strncmp(line, "bad ", 4) ||
	       strstr(line, " instead of ") || strstr(line, "is not destroyed");
}

static void hear(void *unused, const char *text, size_t len)
{
	char line[200], *at;

	if (current != listener || in_interrupt() || len >= sizeof(line))
		return;
	memcpy(line, text, len);
	line[len] = 0;
	if (strncmp(line, PREFIX, sizeof(PREFIX) - 1) || !counts(line + sizeof(PREFIX) - 1))
		return;
	at = strstr(line, pointer);
	if (at) {
		memmove(at + 3, at + strlen(pointer), strlen(at + strlen(pointer)) + 1);
		memcpy(at, "(P)", 3);
	}
	if (!first_moment)
		first_moment = moment;
	length += scnprintf(heard + length, sizeof(heard) - length, "%s\n",
			    line + sizeof(PREFIX) - 1);
}

struct quarry_cache *probes_cache(void (*constructor)(void *))
{
	return quarry_cache_create("probes", 50, 0, 0, constructor);
}

void end_cache(struct quarry_cache *cache)
{
	CHECK(quarry_cache_destroy(cache) == 0);
}

void overwrite(void *byte)
{
	WRITE_ONCE(*(u8 *)byte, 0x41);
}

void flush_pages(void)
{
	struct page *pages[40];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i] = quarry_alloc_pages(GFP_KERNEL, 0);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		quarry_free_pages(pages[i], 0);
}

/* Whether quarry says of a probe what it has to say. */
static void check(const struct probe *probe)
{
	const char *expected = probe->refused, *when = "at once", *text;

	if (!expected && probe->debug && preset == DEBUG) {
		text = strstr(probe->debug, ": ");
		CHECK(first_moment && !strncmp(first_moment, probe->debug, text - probe->debug) &&
		      strlen(first_moment) == text - probe->debug);
		expected = text + 2;
		when = first_moment;
	}
	if (!CHECK(!strcmp(heard, expected ?: "")) || !CHECK(!expected || when == first_moment ||
							    !strcmp(when, first_moment)))
		pr_info("# expected: %s# said %s: %s", expected ?: "nothing\n",
			first_moment ?: "never", heard);
}

static void run(const struct probe *probe, unsigned int nr)
{
	ktap_failures = 0;
	first_moment = NULL;
	moment = "before";
	heard[0] = length = 0;
	strscpy(pointer, "none", sizeof(pointer));
	listener = current;
	probe->run();
	listener = NULL;
	check(probe);
	CHECK(quarry_validate() == 0);
	pr_info("# misuse | %s | %s | %s\n", probe->family, probe->what,
		first_moment ?: "not found");
	pr_info("%sok %u - %s: %s\n", ktap_failures ? "not " : "", nr, probe->family, probe->what);
	cond_resched();
}

/*
 * Memory is freed, somebody else allocates, and it is freed again: that it is
 * free already can be seen as long as nobody else has got it.
 */
static void measure_reuse(unsigned int nr)
{
	unsigned int i, found = 0;

	ktap_failures = 0;
	for (i = 0; i < ROUNDS; i++) {
		void *p = quarry_kmalloc(64, GFP_KERNEL), *other;

		quarry_kfree(p);
		other = quarry_kmalloc(64, GFP_KERNEL);
		misuse(p);
		length = heard[0] = 0;
		listener = current;
		quarry_kfree(p);
		listener = NULL;
		CHECK(!length == (p == other));
		found += !!length;
		if (p != other)
			quarry_kfree(other);
	}
	/* Only hardened keeps apart what was freed. */
	CHECK(preset == 1 ? 10 * found >= 9 * ROUNDS : !found);
	CHECK(quarry_validate() == 0);
	pr_info("# misuse | kmalloc | free again after another allocation | %s\n",
		found ? "at once, 9 times of 10 or more" : "not found");
	pr_info("# found in %u of %u\n", found, ROUNDS);
	pr_info("%sok %u - kmalloc: free again after another allocation\n",
		ktap_failures ? "not " : "", nr);
}

static int __init probes_init(void)
{
	static const struct probes *const families[] = {
		&page_probes, &cache_probes, &kmalloc_probes, &vmalloc_probes, &sized_probes,
		&dead_probes,
	};
	unsigned int i, k, nr = 0;

	if (register_trace_console(hear, NULL))
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		nr += families[i]->nr;
	/* What is freed is to be had again on the same CPU. */
	set_cpus_allowed_ptr(current, cpumask_of(0));
	pr_info("KTAP version 1\n");
	pr_info("1..%u\n", nr + 1);
	nr = 0;
	for (i = 0; i < ARRAY_SIZE(families); i++)
		for (k = 0; k < families[i]->nr; k++)
			run(&families[i]->probes[k], ++nr);
	measure_reuse(++nr);
	unregister_trace_console(hear, NULL);
	tracepoint_synchronize_unregister();
	return 0;
}

static void __exit probes_exit(void)
{
}

module_init(probes_init);
module_exit(probes_exit);

MODULE_DESCRIPTION("Tests of quarry: misuses");
MODULE_LICENSE("GPL");
