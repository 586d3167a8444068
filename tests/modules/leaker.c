// SPDX-License-Identifier: GPL-2.0
/*
 * A module that forgets to free: what quarry says of it is the test, in
 * tests/guest/suite.
 */
#include <linux/module.h>
#include <linux/quarry.h>

static struct quarry_cache *cache;

static noinline void forget_objects(void)
{
	unsigned int i;

	for (i = 0; i < 3; i++)
		quarry_cache_alloc(cache, GFP_KERNEL);
}

static noinline void forget_memory(void)
{
	quarry_kmalloc(1000, GFP_KERNEL);
	quarry_vmalloc(50000);
}

static int __init leaker_init(void)
{
	cache = quarry_cache_create("forgotten", 200, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	forget_objects();
	forget_memory();
	return 0;
}

static void __exit leaker_exit(void)
{
	/* Refused, with a report; the cache stays. */
	quarry_cache_destroy(cache);
}

module_init(leaker_init);
module_exit(leaker_exit);

MODULE_DESCRIPTION("Test of quarry: leaks on purpose");
MODULE_LICENSE("GPL");
