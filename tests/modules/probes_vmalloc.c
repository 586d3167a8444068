// SPDX-License-Identifier: GPL-2.0
/*
 * Misuses of areas.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "vmalloc"
#define SIZE 5000

static void twice(size_t size)
{
	void *p = quarry_vmalloc(size);

	NEED(p);
	quarry_vfree(p);
	misuse(p);
	quarry_vfree(p);
}

static void page_twice(void)
{
	twice(PAGE_SIZE);
}

static void some_twice(void)
{
	twice(SIZE);
}

static void kvfree_twice(void)
{
	void *p = quarry_vmalloc(SIZE);

	NEED(p);
	quarry_kvfree(p);
	misuse(p);
	quarry_kvfree(p);
}

static void reallocated(void)
{
	void *p = quarry_vmalloc(SIZE);

	NEED(p);
	quarry_vfree(p);
	misuse(p);
	CHECK(!quarry_vrealloc(p, 10 * SIZE, GFP_KERNEL));
}

static void inside(size_t offset)
{
	u8 *p = quarry_vmalloc(SIZE);

	NEED(p);
	misuse(p + offset);
	quarry_vfree(p + offset);
	then("when it is freed");
	quarry_vfree(p);
}

static void inside_8(void)
{
	inside(8);
}

static void second_page(void)
{
	inside(PAGE_SIZE);
}

static void last_byte(void)
{
	inside(SIZE - 1);
}

static void of_the_kernel(void)
{
	void *p = vmalloc(SIZE);

	NEED(p);
	misuse(p);
	quarry_vfree(p);
	vfree(p);
}

static void of_kmalloc(void)
{
	void *p = kmalloc(50, GFP_KERNEL);

	misuse(p);
	quarry_vfree(p);
	kfree(p);
}

static void of_user_space(void)
{
	misuse((void *)0x7fff00000000UL);
	quarry_vfree((void *)0x7fff00000000UL);
}

static void beyond(size_t offset)
{
	u8 *p = quarry_vmalloc(SIZE);

	NEED(p);
	misuse(p);
	overwrite(p + offset);
	then("when it is freed");
	quarry_vfree(p);
}

static void overflow(void)
{
	beyond(SIZE);
}

static void overflow_end(void)
{
	beyond(2 * PAGE_SIZE - 1);
}

static void after(size_t offset)
{
	u8 *p = quarry_vmalloc(SIZE);

	NEED(p);
	quarry_vfree(p);
	/* It is kept, and mapped still, or its address is nobody's. */
	if (!quarry_vmalloc_to_page(p) && !vmalloc_to_page(p))
		return;
	misuse(p);
	overwrite(p + offset);
	then("when it is allocated");
	p = quarry_vmalloc(SIZE);
	then("later");
	quarry_vfree(p);
}

static void after_first(void)
{
	after(0);
}

static void after_last(void)
{
	after(2 * PAGE_SIZE - 1);
}

#define FREE "quarry_vfree"
#define FREED "the memory is free already"
#define INSIDE "no allocation begins here"
#define FOREIGN "the memory is not quarry's"
#define AT_FREE "when it is freed"
#define AT_ALLOC "when it is allocated"

static const struct probe list[] = {
	REFUSED(FAMILY, "free of an area of a page twice", page_twice, FREE, FREED),
	REFUSED(FAMILY, "free of an area twice", some_twice, FREE, FREED),
	REFUSED(FAMILY, "kvfree of an area twice", kvfree_twice, FREE, FREED),
	REFUSED(FAMILY, "vrealloc of a freed area", reallocated, "quarry_vrealloc", FREED),
	REFUSED(FAMILY, "free within an area's first page", inside_8, FREE, INSIDE),
	REFUSED(FAMILY, "free of an area's second page", second_page, FREE, INSIDE),
	REFUSED(FAMILY, "free at an area's last byte", last_byte, FREE, INSIDE),
	REFUSED(FAMILY, "free of an area of the kernel's", of_the_kernel, FREE, FOREIGN),
	REFUSED(FAMILY, "free of an object of the kernel's", of_kmalloc, FREE, FOREIGN),
	REFUSED(FAMILY, "free of a program's address", of_user_space, FREE, FOREIGN),
	OVERWRITTEN(FAMILY, "write to the byte behind what was asked for", overflow, AT_FREE,
		    "vmalloc", "Right Redzone", "5000..5000 @offset=5000", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the last byte of the last page", overflow_end, AT_FREE,
		    "vmalloc", "Right Redzone", "8191..8191 @offset=8191", "0xcc"),
	OVERWRITTEN(FAMILY, "write to a freed area's first byte", after_first, AT_ALLOC,
		    "vmalloc", "Poison", "0..0 @offset=0", "0x6b"),
	OVERWRITTEN(FAMILY, "write to a freed area's last byte", after_last, AT_ALLOC, "vmalloc",
		    "Poison", "8191..8191 @offset=8191", "0xa5"),
};

const struct probes vmalloc_probes = { list, ARRAY_SIZE(list) };
