// SPDX-License-Identifier: GPL-2.0
/*
 * Frees with a wrong size.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "sized free"
#define LARGE 10000

static void with(size_t had, size_t size)
{
	void *p = quarry_kmalloc(had, GFP_KERNEL);

	NEED(p);
	misuse(p);
	quarry_kfree_sized(p, size);
	then("when it is freed");
	quarry_kfree_sized(p, had);
}

static void larger(void)
{
	with(64, 65);
}

static void none(void)
{
	with(64, 0);
}

static void negative(void)
{
	with(64, SIZE_MAX);
}

static void large_larger(void)
{
	with(LARGE, 4 * PAGE_SIZE + 1);
}

static void twice(void)
{
	void *p = quarry_kmalloc(64, GFP_KERNEL);

	NEED(p);
	quarry_kfree_sized(p, 64);
	misuse(p);
	quarry_kfree_sized(p, 64);
}

static void inside(void)
{
	u8 *p = quarry_kmalloc(64, GFP_KERNEL);

	NEED(p);
	misuse(p + 8);
	quarry_kfree_sized(p + 8, 56);
	quarry_kfree_sized(p, 64);
}

static void large_inside(void)
{
	u8 *p = quarry_kmalloc(LARGE, GFP_KERNEL);

	NEED(p);
	misuse(p + PAGE_SIZE);
	quarry_kfree_sized(p + PAGE_SIZE, LARGE - PAGE_SIZE);
	quarry_kfree_sized(p, LARGE);
}

static void smaller(void)
{
	void *p = quarry_kmalloc(64, GFP_KERNEL);

	NEED(p);
	misuse(p);
	quarry_kfree_sized(p, 63);
}

static void area_smaller(void)
{
	void *p = quarry_vmalloc(5000);

	NEED(p);
	misuse(p);
	quarry_kvfree_sized(p, 4999);
	quarry_kvfree_sized(p, 5000);
}

#define FREE "quarry_kfree_sized"
#define SIZE "allocated with another size"
#define INSIDE "no allocation begins here"

static const struct probe list[] = {
	REFUSED(FAMILY, "free with a size that is larger", larger, FREE, SIZE),
	REFUSED(FAMILY, "free with no size", none, FREE, SIZE),
	REFUSED(FAMILY, "free with the largest size", negative, FREE, SIZE),
	REFUSED(FAMILY, "free of a large block with a larger size", large_larger, FREE, SIZE),
	REFUSED(FAMILY, "free twice", twice, FREE, "the memory is free already"),
	REFUSED(FAMILY, "free within an object", inside, FREE, INSIDE),
	REFUSED(FAMILY, "free of a large block's second page", large_inside, FREE, INSIDE),
	REFUSED(FAMILY, "free of an area with a smaller size", area_smaller, "quarry_kvfree_sized",
		SIZE),
	/* What shrank in place has a smaller size too. */
	NOT_FOUND(FAMILY, "free of an object with a smaller size", smaller),
};

const struct probes sized_probes = { list, ARRAY_SIZE(list) };
