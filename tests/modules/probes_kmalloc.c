// SPDX-License-Identifier: GPL-2.0
/*
 * Misuses of kmalloc, and frees with a size.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/slab.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "kmalloc"
#define LARGE 10000

static void twice(size_t size)
{
	void *p = quarry_kmalloc(size, GFP_KERNEL);

	NEED(p);
	quarry_kfree(p);
	misuse(p);
	quarry_kfree(p);
}

static void small_twice(void)
{
	twice(50);
}

static void full_twice(void)
{
	twice(4096);
}

static void large_twice(void)
{
	twice(LARGE);
}

static void sensitive_twice(void)
{
	void *p = quarry_kmalloc(50, GFP_KERNEL);

	NEED(p);
	quarry_kfree_sensitive(p);
	misuse(p);
	quarry_kfree(p);
}

static void kvfree_twice(void)
{
	void *p = quarry_kmalloc(50, GFP_KERNEL);

	NEED(p);
	quarry_kvfree(p);
	misuse(p);
	quarry_kvfree(p);
}

static void reallocated(size_t size)
{
	void *p = quarry_kmalloc(size, GFP_KERNEL);

	NEED(p);
	quarry_kfree(p);
	misuse(p);
	CHECK(!quarry_krealloc(p, 2 * size, GFP_KERNEL));
}

static void small_reallocated(void)
{
	reallocated(50);
}

static void large_reallocated(void)
{
	reallocated(LARGE);
}

static void inside(size_t size, size_t offset)
{
	u8 *p = quarry_kmalloc(size, GFP_KERNEL);

	NEED(p);
	misuse(p + offset);
	quarry_kfree(p + offset);
	then("when it is freed");
	quarry_kfree(p);
}

static void small_inside(void)
{
	inside(50, 8);
}

static void small_last(void)
{
	inside(50, 49);
}

static void large_inside(void)
{
	inside(LARGE, 8);
}

static void large_page(void)
{
	inside(LARGE, PAGE_SIZE);
}

static void large_last(void)
{
	inside(LARGE, LARGE - 1);
}

static void wrong(const void *p)
{
	misuse(p);
	quarry_kfree(p);
}

static void of_the_kernel(void)
{
	void *p = kmalloc(50, GFP_KERNEL);

	wrong(p);
	kfree(p);
}

static void on_the_stack(void)
{
	char local[50];

	wrong(local);
}

static void in_the_module(void)
{
	static char data[50];

	wrong(data);
}

static void of_user_space(void)
{
	wrong((void *)0x7fff00000000UL);
}

static void of_pages(void)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, 1);

	NEED(page);
	wrong(page_address(page));
	quarry_free_pages(page, 1);
}

/* Writes a byte behind or before what was asked for, in a block or beside another object. */
static void beside(size_t size, long offset)
{
	u8 *one = quarry_kmalloc(size, GFP_KERNEL), *two = quarry_kmalloc(size, GFP_KERNEL), *p;

	NEED(one && two);
	p = max(one, two);
	misuse(p);
	overwrite(p + offset);
	then("when it is freed");
	quarry_kfree(p);
	then("later");
	quarry_kfree(min(one, two));
}

static void overflow(void)
{
	beside(50, 50);
}

static void overflow_end(void)
{
	beside(50, 63);
}

static void large_overflow(void)
{
	beside(LARGE, LARGE);
}

static void after(size_t size, size_t offset)
{
	u8 *p = quarry_kmalloc(size, GFP_KERNEL);

	NEED(p);
	quarry_kfree(p);
	misuse(p);
	overwrite(p + offset);
	if (size > PAGE_SIZE) {
		then("when it leaves the quarantine");
		flush_pages();
		return;
	}
	then("when it is allocated");
	p = quarry_kmalloc(size, GFP_KERNEL);
	then("later");
	quarry_kfree(p);
}

static void after_first(void)
{
	after(50, 0);
}

static void after_middle(void)
{
	after(50, 20);
}

static void large_after(void)
{
	after(LARGE, LARGE / 2);
}

#define FREE "quarry_kfree"
#define FREED "the memory is free already"
#define INSIDE "no allocation begins here"
#define OTHER "allocated by another function, or with another order"
#define FOREIGN "the memory is not quarry's"
#define AT_FREE "when it is freed"
#define AT_ALLOC "when it is allocated"
#define LEAVES "when it leaves the quarantine"

static const struct probe list[] = {
	REFUSED(FAMILY, "free of an object twice", small_twice, FREE, FREED),
	REFUSED(FAMILY, "free of 4096 bytes twice", full_twice, FREE, FREED),
	REFUSED(FAMILY, "free of a large block twice", large_twice, FREE, FREED),
	REFUSED(FAMILY, "free after kfree_sensitive", sensitive_twice, FREE, FREED),
	REFUSED(FAMILY, "kvfree twice", kvfree_twice, FREE, FREED),
	REFUSED(FAMILY, "krealloc of a freed object", small_reallocated, "quarry_krealloc", FREED),
	REFUSED(FAMILY, "krealloc of a freed large block", large_reallocated, "quarry_krealloc",
		FREED),
	REFUSED(FAMILY, "free within an object", small_inside, FREE, INSIDE),
	REFUSED(FAMILY, "free at an object's last byte", small_last, FREE, INSIDE),
	REFUSED(FAMILY, "free within a large block's first page", large_inside, FREE, INSIDE),
	REFUSED(FAMILY, "free of a large block's second page", large_page, FREE, INSIDE),
	REFUSED(FAMILY, "free at a large block's last byte", large_last, FREE, INSIDE),
	REFUSED(FAMILY, "free of memory of the kernel's", of_the_kernel, FREE, FOREIGN),
	REFUSED(FAMILY, "free of what lies on the stack", on_the_stack, FREE, FOREIGN),
	REFUSED(FAMILY, "free of a module's data", in_the_module, FREE, FOREIGN),
	REFUSED(FAMILY, "free of a program's address", of_user_space, FREE, FOREIGN),
	REFUSED(FAMILY, "free of what the page API gave", of_pages, FREE, OTHER),
	OVERWRITTEN(FAMILY, "write to the byte behind what was asked for", overflow, AT_FREE,
		    "kmalloc-64", "Right Redzone", "50..50 @offset=50", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the last byte of the class", overflow_end, AT_FREE,
		    "kmalloc-64", "Right Redzone", "63..63 @offset=63", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the byte behind a large allocation", large_overflow, AT_FREE,
		    "kmalloc", "Right Redzone", "10000..10000 @offset=10000", "0xcc"),
	OVERWRITTEN(FAMILY, "write to a freed object's first byte", after_first, AT_ALLOC,
		    "kmalloc-64", "Poison", "0..0 @offset=0", "0x6b"),
	OVERWRITTEN(FAMILY, "write within a freed object", after_middle, AT_ALLOC, "kmalloc-64",
		    "Poison", "20..20 @offset=20", "0x6b"),
	OVERWRITTEN(FAMILY, "write within a freed large block", large_after, LEAVES, "pages",
		    "Poison", "5000..5000 @offset=5000", "0x6b"),
};

const struct probes kmalloc_probes = { list, ARRAY_SIZE(list) };
