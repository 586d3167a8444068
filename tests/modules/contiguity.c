// SPDX-License-Identifier: GPL-2.0
/*
 * Where memory lies, by the kernel's own page tables: kmalloc and page blocks
 * are physically contiguous and aligned, areas virtually contiguous over pages
 * that need not be, with nothing mapped behind them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "ktap.h"

KTAP_DEFINE_RUN()

#define LARGEST (PAGE_SIZE << 10)

/* The frame that the page tables hold for an address. */
static unsigned long walked_pfn(const void *address)
{
#ifdef CONFIG_X86_64
	return PHYS_PFN(slow_virt_to_phys((void *)address));
#else
	return page_to_pfn(virt_to_page(address));
#endif
}

/* Whether all pages of a range of the linear mapping follow each other in memory. */
static bool is_contiguous(const void *start, size_t bytes)
{
	unsigned long first = walked_pfn(start);
	size_t page, nr = DIV_ROUND_UP(offset_in_page(start) + bytes, PAGE_SIZE);

	for (page = 0; page < nr; page++) {
		const void *at = start + page * PAGE_SIZE;

		if (page == nr - 1)
			at = start + bytes - 1;
		if (!virt_addr_valid(at) || walked_pfn(at) != first + page ||
		    page_to_pfn(virt_to_page(at)) != first + page)
			return false;
	}
	return true;
}

static bool is_mapped(const void *address)
{
	u8 byte;

	return copy_from_kernel_nofault(&byte, address, 1) == 0;
}

static void check_kmalloc(size_t size)
{
	void *p = quarry_kmalloc(size, GFP_KERNEL);

	NEED(p);
	CHECK(!is_vmalloc_addr(p));
	CHECK(is_contiguous(p, size));
	CHECK(IS_ALIGNED((unsigned long)p, 8));
	CHECK(quarry_ksize(p) >= size);
	if (is_power_of_2(size))
		CHECK(IS_ALIGNED((unsigned long)p, size));
	memset(p, 0x5a, size);
	CHECK(!memchr_inv(p, 0x5a, size));
	quarry_kfree(p);
}

static void kmalloc_is_contiguous_and_aligned(void)
{
	size_t size;

	for (size = 1; size <= LARGEST; size *= 2) {
		check_kmalloc(size);
		if (size > 1) {
			check_kmalloc(size - 1);
			check_kmalloc(size / 2 + size / 4);
		}
		if (size < LARGEST)
			check_kmalloc(size + 1);
	}
}

static void many_objects_do_not_overlap(void)
{
	static const size_t sizes[] = { 8, 24, 96, 192, 700, 4096, 8192, 20000 };
	static void *objects[512];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		objects[i] = quarry_kmalloc(size, GFP_KERNEL);
		if (CHECK(objects[i]))
			memset(objects[i], i * 7, size);
	}
	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		size_t size = sizes[i % ARRAY_SIZE(sizes)];

		if (objects[i]) {
			CHECK(!memchr_inv(objects[i], i * 7, size));
			CHECK(is_contiguous(objects[i], size));
		}
		quarry_kfree(objects[i]);
	}
}

static void blocks_of_every_order_are_contiguous_and_aligned(void)
{
	unsigned int order, i;

	for (order = 0; order <= 10; order++) {
		struct page *page = quarry_alloc_pages(GFP_KERNEL, order);
		unsigned long pfn;

		NEED(page);
		pfn = page_to_pfn(page);
		CHECK(IS_ALIGNED(pfn, 1UL << order));
		CHECK(is_contiguous(page_address(page), PAGE_SIZE << order));
		for (i = 0; i < 1U << order; i++) {
			CHECK(page_count(page + i) == 1);
			CHECK(page_to_pfn(page + i) == pfn + i);
		}
		quarry_free_pages(page, order);
	}
}

/* Checks an area against the page tables. Returns how many runs of adjacent pages it has. */
static unsigned int check_area(const void *area, unsigned int nr)
{
	unsigned long previous = 0;
	unsigned int i, runs = 0;

	for (i = 0; i < nr; i++) {
		const void *at = area + i * PAGE_SIZE;
		struct page *page = vmalloc_to_page(at);

		if (!CHECK(page))
			return 0;
		CHECK(quarry_vmalloc_to_page(at) == page);
		CHECK(quarry_vmalloc_to_page(at + PAGE_SIZE - 1) == page);
		CHECK(walked_pfn(at) == page_to_pfn(page));
		if (page_to_pfn(page) != previous + 1)
			runs++;
		previous = page_to_pfn(page);
	}
	CHECK(!is_mapped(area + nr * PAGE_SIZE));
	CHECK(!quarry_vmalloc_to_page(area + nr * PAGE_SIZE));
	return runs;
}

static void areas_agree_with_the_page_tables(void)
{
	static const unsigned int sizes[] = { 1, 2, 3, 16, 17, 255, 256, 257, 1000 };
	unsigned int i, page;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		unsigned int nr = sizes[i];
		u32 *area = quarry_vmalloc(nr * PAGE_SIZE - (i % 2));
		unsigned int words = PAGE_SIZE / sizeof(u32);

		NEED(area);
		CHECK(is_vmalloc_addr(area));
		CHECK(PAGE_ALIGNED(area));
		check_area(area, nr);
		/* What is written through the area is in the pages, and no page is there twice. */
		for (page = 0; page < nr; page++)
			area[page * words] = page * 3 + 1;
		for (page = 0; page < nr; page++)
			CHECK(*(u32 *)page_address(vmalloc_to_page(area + page * words)) ==
			      page * 3 + 1);
		quarry_vfree(area);
	}
}

static void areas_use_scattered_pages(void)
{
	const unsigned int nr = 2048, wanted = 512;
	struct page **pages = kvcalloc(nr, sizeof(*pages), GFP_KERNEL);
	unsigned int i, runs;
	void *area;

	NEED(pages);
	for (i = 0; i < nr; i++)
		pages[i] = quarry_alloc_pages(GFP_KERNEL, 0);
	for (i = 0; i < nr; i += 2)
		quarry_free_pages(pages[i], 0);
	area = quarry_vmalloc(wanted * PAGE_SIZE);
	if (CHECK(area)) {
		runs = check_area(area, wanted);
		pr_info("# an area of %u pages lies in %u places\n", wanted, runs);
		CHECK(runs > wanted / 4);
		quarry_vfree(area);
	}
	for (i = 1; i < nr; i += 2)
		quarry_free_pages(pages[i], 0);
	kvfree(pages);
}

static void areas_agree_after_reallocation(void)
{
	static const unsigned int sizes[] = { 3, 4, 40, 300, 301, 1200, 600, 599, 30, 2 };
	unsigned int i, page, words = PAGE_SIZE / sizeof(u32);
	unsigned int previous = 0;
	u32 *area = NULL;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		u32 *moved = quarry_vrealloc(area, sizes[i] * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);

		if (!CHECK(moved))
			break;
		area = moved;
		for (page = 0; page < sizes[i]; page++) {
			CHECK(vmalloc_to_page(area + page * words) ==
			      quarry_vmalloc_to_page(area + page * words));
			CHECK(area[page * words] == (page < previous ? page + 17 : 0));
			area[page * words] = page + 17;
		}
		previous = sizes[i];
	}
	quarry_vfree(area);
}

static void kvmalloc_is_contiguous_or_mapped(void)
{
	void *p = quarry_kvmalloc(3 * PAGE_SIZE, GFP_KERNEL);

	NEED(p);
	CHECK(!is_vmalloc_addr(p) && is_contiguous(p, 3 * PAGE_SIZE));
	quarry_kvfree(p);

	p = quarry_kvmalloc(LARGEST + PAGE_SIZE, GFP_KERNEL);
	NEED(p);
	CHECK(is_vmalloc_addr(p));
	check_area(p, (LARGEST + PAGE_SIZE) / PAGE_SIZE);
	quarry_kvfree(p);

	CHECK(!quarry_kvmalloc(LARGEST + 1, GFP_NOWAIT | __GFP_NOWARN));
}

static void kvrealloc_goes_from_contiguous_to_mapped(void)
{
	u8 *p = quarry_kvmalloc(100, GFP_KERNEL), *q;

	NEED(p);
	memset(p, 0x31, 100);
	q = quarry_kvrealloc(p, LARGEST + PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);
	if (!CHECK(q)) {
		quarry_kvfree(p);
		return;
	}
	CHECK(is_vmalloc_addr(q));
	CHECK(!memchr_inv(q, 0x31, 100));
	CHECK(!memchr_inv(q + LARGEST, 0, PAGE_SIZE));
	p = quarry_kvrealloc(q, 50, GFP_KERNEL);
	if (CHECK(p)) {
		CHECK(!memchr_inv(p, 0x31, 50));
		quarry_kvfree(p);
	} else {
		quarry_kvfree(q);
	}
}

static void foreign_addresses_have_no_page(void)
{
	void *kernels = vmalloc(PAGE_SIZE);
	int on_stack;

	CHECK(!quarry_vmalloc_to_page(NULL));
	CHECK(!quarry_vmalloc_to_page(&on_stack));
	CHECK(!quarry_vmalloc_to_page(kernels));
	CHECK(!quarry_vmalloc_to_page((void *)-8UL));
	vfree(kernels);
}

static void nothing_is_wrong_afterwards(void)
{
	CHECK(quarry_validate() == 0);
}

static const struct ktap_test tests[] = {
	KTAP_TEST(kmalloc_is_contiguous_and_aligned),
	KTAP_TEST(many_objects_do_not_overlap),
	KTAP_TEST(blocks_of_every_order_are_contiguous_and_aligned),
	KTAP_TEST(areas_agree_with_the_page_tables),
	KTAP_TEST(areas_use_scattered_pages),
	KTAP_TEST(areas_agree_after_reallocation),
	KTAP_TEST(kvmalloc_is_contiguous_or_mapped),
	KTAP_TEST(kvrealloc_goes_from_contiguous_to_mapped),
	KTAP_TEST(foreign_addresses_have_no_page),
	KTAP_TEST(nothing_is_wrong_afterwards),
};

static int __init contiguity_init(void)
{
	ktap_run(tests, ARRAY_SIZE(tests));
	return 0;
}

static void __exit contiguity_exit(void)
{
}

module_init(contiguity_init);
module_exit(contiguity_exit);

MODULE_DESCRIPTION("Tests of quarry: where memory lies");
MODULE_LICENSE("GPL");
