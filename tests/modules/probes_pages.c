// SPDX-License-Identifier: GPL-2.0
/*
 * Misuses of page blocks.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "pages"
#define FREE "quarry_free_pages"

static void twice(unsigned int order)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, order);

	NEED(page);
	quarry_free_pages(page, order);
	misuse(page);
	quarry_free_pages(page, order);
}

static void page_twice(void)
{
	twice(0);
}

static void block_twice(void)
{
	twice(3);
}

static void largest_twice(void)
{
	twice(10);
}

static void bulk_twice(void)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, 0), *pages[] = { page, page };

	NEED(page);
	misuse(page);
	quarry_free_pages_bulk(2, pages);
}

/* Frees a part of a block of order 3, then the block. */
static void part(unsigned int index, unsigned int order)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, 3);

	NEED(page);
	misuse(page + index);
	quarry_free_pages(page + index, order);
	then("when it is freed");
	quarry_free_pages(page, 3);
}

static void smaller(void)
{
	part(0, 2);
}

static void larger(void)
{
	part(0, 4);
}

static void second_page(void)
{
	part(1, 0);
}

static void upper_half(void)
{
	part(4, 2);
}

static void last_page(void)
{
	part(7, 0);
}

static void of_the_kernel(void)
{
	struct page *page = alloc_pages(GFP_KERNEL, 0);

	NEED(page);
	misuse(page);
	quarry_free_pages(page, 0);
	__free_pages(page, 0);
}

static void of_an_object(void)
{
	void *p = quarry_kmalloc(64, GFP_KERNEL);

	NEED(p);
	misuse(virt_to_page(p));
	quarry_free_pages(virt_to_page(p), 0);
	quarry_kfree(p);
}

static void of_an_area(void)
{
	void *p = quarry_vmalloc(PAGE_SIZE);

	NEED(p);
	misuse(quarry_vmalloc_to_page(p));
	quarry_free_pages(quarry_vmalloc_to_page(p), 0);
	quarry_vfree(p);
}

/* Writes a byte into a block after it was freed. */
static void after(unsigned int order, size_t offset)
{
	struct page *page = quarry_alloc_pages(GFP_KERNEL, order);
	u8 *p;

	NEED(page);
	p = page_address(page);
	quarry_free_pages(page, order);
	misuse(p);
	overwrite(p + offset);
	then("when it leaves the quarantine");
	flush_pages();
}

static void after_first(void)
{
	after(0, 0);
}

static void after_last(void)
{
	after(0, PAGE_SIZE - 1);
}

static void after_block(void)
{
	after(2, 2 * PAGE_SIZE + 7);
}

#define LEAVES "when it leaves the quarantine"
#define FREED "the memory is free already"
#define INSIDE "no allocation begins here"
#define OTHER "allocated by another function, or with another order"

static const struct probe list[] = {
	REFUSED(FAMILY, "free of a page twice", page_twice, FREE, FREED),
	REFUSED(FAMILY, "free of a block twice", block_twice, FREE, FREED),
	REFUSED(FAMILY, "free of the largest block twice", largest_twice, FREE, FREED),
	REFUSED(FAMILY, "free of a page twice in one bulk", bulk_twice, FREE, FREED),
	REFUSED(FAMILY, "free with a smaller order", smaller, FREE, OTHER),
	REFUSED(FAMILY, "free with a larger order", larger, FREE, OTHER),
	REFUSED(FAMILY, "free of a block's second page", second_page, FREE, INSIDE),
	REFUSED(FAMILY, "free of a block's upper half", upper_half, FREE, INSIDE),
	REFUSED(FAMILY, "free of a block's last page", last_page, FREE, INSIDE),
	REFUSED(FAMILY, "free of a page of the kernel's", of_the_kernel, FREE,
		"the memory is not quarry's"),
	REFUSED(FAMILY, "free of an object's page", of_an_object, FREE, OTHER),
	REFUSED(FAMILY, "free of an area's page", of_an_area, FREE, OTHER),
	OVERWRITTEN(FAMILY, "write to a freed page's first byte", after_first, LEAVES, "pages",
		    "Poison", "0..0 @offset=0", "0x6b"),
	OVERWRITTEN(FAMILY, "write to a freed page's last byte", after_last, LEAVES, "pages",
		    "Poison", "4095..4095 @offset=4095", "0xa5"),
	OVERWRITTEN(FAMILY, "write to a freed block", after_block, LEAVES, "pages", "Poison",
		    "8199..8199 @offset=8199", "0x6b"),
};

const struct probes page_probes = { list, ARRAY_SIZE(list) };
