// SPDX-License-Identifier: GPL-2.0
/*
 * Misuses of the objects of caches.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <linux/quarry.h>
#include <linux/slab.h>

#include "ktap.h"
#include "probes.h"

#define FAMILY "cache"
#define SIZE 50

static void twice(void)
{
	struct quarry_cache *cache = probes_cache(NULL);
	void *p = quarry_cache_alloc(cache, GFP_KERNEL);

	quarry_cache_free(cache, p);
	misuse(p);
	quarry_cache_free(cache, p);
	end_cache(cache);
}

static void twice_with_another_between(void)
{
	struct quarry_cache *cache = probes_cache(NULL);
	void *p = quarry_cache_alloc(cache, GFP_KERNEL), *q = quarry_cache_alloc(cache, GFP_KERNEL);

	quarry_cache_free(cache, p);
	quarry_cache_free(cache, q);
	misuse(p);
	quarry_cache_free(cache, p);
	end_cache(cache);
}

static void bulk_twice(void)
{
	struct quarry_cache *cache = probes_cache(NULL);
	void *objects[2];

	objects[0] = objects[1] = quarry_cache_alloc(cache, GFP_KERNEL);
	misuse(objects[0]);
	quarry_cache_free_bulk(cache, 2, objects);
	end_cache(cache);
}

static void to_another_cache(void)
{
	struct quarry_cache *cache = probes_cache(NULL), *other = probes_cache(NULL);
	void *p = quarry_cache_alloc(cache, GFP_KERNEL);

	misuse(p);
	quarry_cache_free(other, p);
	then("when it is freed");
	quarry_cache_free(cache, p);
	end_cache(cache);
	end_cache(other);
}

static void inside(size_t offset)
{
	struct quarry_cache *cache = probes_cache(NULL);
	u8 *p = quarry_cache_alloc(cache, GFP_KERNEL);

	misuse(p + offset);
	quarry_cache_free(cache, p + offset);
	then("when it is freed");
	quarry_cache_free(cache, p);
	end_cache(cache);
}

static void inside_8(void)
{
	inside(8);
}

static void inside_last(void)
{
	inside(SIZE - 1);
}

static void wrong(void *p)
{
	struct quarry_cache *cache = probes_cache(NULL);

	misuse(p);
	quarry_cache_free(cache, p);
	end_cache(cache);
}

static void of_the_kernel(void)
{
	void *p = kmalloc(SIZE, GFP_KERNEL);

	wrong(p);
	kfree(p);
}

static void of_kmalloc(void)
{
	void *p = quarry_kmalloc(SIZE, GFP_KERNEL);

	wrong(p);
	quarry_kfree(p);
}

static void on_the_stack(void)
{
	char local[SIZE];

	wrong(local);
}

/* Writes a byte beside a live object, which is then freed. */
static void beside(long offset)
{
	struct quarry_cache *cache = probes_cache(NULL);
	u8 *p = quarry_cache_alloc(cache, GFP_KERNEL), *another = quarry_cache_alloc(cache, GFP_KERNEL);

	misuse(p);
	overwrite(max(p, another) + offset);
	then("when it is freed");
	quarry_cache_free(cache, max(p, another));
	then("later");
	quarry_cache_free(cache, min(p, another));
	end_cache(cache);
}

static void overflow(void)
{
	beside(SIZE);
}

static void overflow_end(void)
{
	beside(SIZE + 5);
}

static void underflow(void)
{
	beside(-1);
}

static void underflow_8(void)
{
	beside(-8);
}

static void after(void (*constructor)(void *), long offset, bool shrink)
{
	struct quarry_cache *cache = probes_cache(constructor);
	u8 *one = quarry_cache_alloc(cache, GFP_KERNEL), *two = quarry_cache_alloc(cache, GFP_KERNEL);
	/* What lies before it is of the cache too. */
	u8 *p = max(one, two);

	quarry_cache_free(cache, min(one, two));
	quarry_cache_free(cache, p);
	misuse(p);
	overwrite(p + offset);
	if (shrink) {
		then("when its slab is given back");
		quarry_cache_shrink(cache);
	} else {
		then("when it is allocated");
		p = quarry_cache_alloc(cache, GFP_KERNEL);
		then("later");
		quarry_cache_free(cache, p);
	}
	then("later");
	end_cache(cache);
}

static void construct(void *object)
{
	memset(object, 0x22, SIZE);
}

static void after_first(void)
{
	after(NULL, 0, false);
}

static void after_middle(void)
{
	after(NULL, 20, false);
}

static void after_last(void)
{
	after(NULL, SIZE - 1, false);
}

static void after_beyond(void)
{
	after(NULL, SIZE, false);
}

static void after_before(void)
{
	after(NULL, -1, false);
}

static void after_in_slab(void)
{
	after(NULL, 20, true);
}

static void after_constructed(void)
{
	after(construct, 20, false);
}

#define FREE "quarry_cache_free"
#define FREED "the memory is free already"
#define INSIDE "no allocation begins here"
#define OTHER "the object belongs to another cache"
#define FOREIGN "the memory is not quarry's"
#define AT_FREE "when it is freed"
#define AT_ALLOC "when it is allocated"
#define AT_END "when its slab is given back"

static const struct probe list[] = {
	REFUSED(FAMILY, "free of an object twice", twice, FREE, FREED),
	REFUSED(FAMILY, "free of an object twice, another between", twice_with_another_between,
		FREE, FREED),
	REFUSED(FAMILY, "free of an object twice in one bulk", bulk_twice, FREE, FREED),
	REFUSED(FAMILY, "free to another cache", to_another_cache, FREE, OTHER),
	REFUSED(FAMILY, "free of what kmalloc gave", of_kmalloc, FREE, OTHER),
	REFUSED(FAMILY, "free within an object", inside_8, FREE, INSIDE),
	REFUSED(FAMILY, "free at an object's last byte", inside_last, FREE, INSIDE),
	REFUSED(FAMILY, "free of memory of the kernel's", of_the_kernel, FREE, FOREIGN),
	REFUSED(FAMILY, "free of what lies on the stack", on_the_stack, FREE, FOREIGN),
	OVERWRITTEN(FAMILY, "write to the byte behind an object", overflow, AT_FREE, "probes",
		    "Right Redzone", "50..50 @offset=50", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the sixth byte behind an object", overflow_end, AT_FREE,
		    "probes", "Right Redzone", "55..55 @offset=55", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the byte before an object", underflow, AT_FREE, "probes",
		    "Left Redzone", "-1..-1 @offset=-1", "0xcc"),
	OVERWRITTEN(FAMILY, "write to the eighth byte before an object", underflow_8, AT_FREE,
		    "probes", "Left Redzone", "-8..-8 @offset=-8", "0xcc"),
	OVERWRITTEN(FAMILY, "write to a freed object's first byte", after_first, AT_ALLOC,
		    "probes", "Poison", "0..0 @offset=0", "0x6b"),
	OVERWRITTEN(FAMILY, "write within a freed object", after_middle, AT_ALLOC, "probes",
		    "Poison", "20..20 @offset=20", "0x6b"),
	OVERWRITTEN(FAMILY, "write to a freed object's last byte", after_last, AT_ALLOC, "probes",
		    "Poison", "49..49 @offset=49", "0xa5"),
	OVERWRITTEN(FAMILY, "write to the byte behind a freed object", after_beyond, AT_ALLOC,
		    "probes", "Right Redzone", "50..50 @offset=50", "0xbb"),
	OVERWRITTEN(FAMILY, "write to the byte before a freed object", after_before, AT_ALLOC,
		    "probes", "Left Redzone", "-1..-1 @offset=-1", "0xbb"),
	OVERWRITTEN(FAMILY, "write within a freed object, whose slab goes", after_in_slab, AT_END,
		    "probes", "Poison", "20..20 @offset=20", "0x6b"),
	NOT_FOUND(FAMILY, "write within a freed object with a constructor", after_constructed),
};

const struct probes cache_probes = { list, ARRAY_SIZE(list) };
