/* SPDX-License-Identifier: GPL-2.0 */
/*
 * In-kernel interface of quarry: page blocks, slab caches, kmalloc and vmalloc
 * from quarry's own pool.
 *
 * Every function has the shape of the kernel function of the same name without
 * the prefix, so that "#define kmalloc quarry_kmalloc" retargets existing code.
 * Memory must be freed by the function that belongs to the one it came from;
 * quarry_kfree() and the kernel's kfree() do not know each other's memory.
 *
 * Contexts. "Any" means process, softirq and hardirq context, also with
 * preemption or interrupts off, but not NMI; and, as with the kernel's own
 * kmalloc(), not under a raw spinlock or in what stays in hardirq context on a
 * real-time kernel (IRQ_WORK_INIT_HARD, HRTIMER_MODE_HARD). Whether an allocation may sleep is
 * said by its gfp argument: GFP_KERNEL may sleep, GFP_NOWAIT and GFP_ATOMIC
 * never do, and GFP_ATOMIC may use the reserve. A zone modifier is ignored:
 * the pool holds memory that the kernel can address. quarry_kmalloc_nolock() and
 * quarry_kfree_nolock() are for all other contexts.
 */
#ifndef _LINUX_QUARRY_H
#define _LINUX_QUARRY_H

#include <linux/gfp_types.h>
#include <linux/nodemask_types.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <linux/types.h>

struct page;
struct quarry_cache;
struct quarry_pool;

/* Page blocks */

/**
 * quarry_alloc_pages() - Allocates 2^@order physically contiguous pages.
 * @gfp: as for alloc_pages(); __GFP_ZERO clears the block
 * @order: 0 to 10
 *
 * Each page of the block has a reference count of one, as after split_page().
 *
 * Context: Any, as @gfp allows.
 * Return: The first page, aligned to its size; NULL if there is no memory or
 * @order is too large.
 */
struct page *quarry_alloc_pages(gfp_t gfp, unsigned int order);

/**
 * quarry_alloc_pages_node() - Like quarry_alloc_pages(), from one NUMA node.
 * @nid: the node, or NUMA_NO_NODE; the nearest node with memory if it has none
 * @gfp: as for alloc_pages_node(); with __GFP_THISNODE no other node is tried
 * @order: 0 to 10
 *
 * Context: Any, as @gfp allows.
 * Return: The first page, or NULL.
 */
struct page *quarry_alloc_pages_node(int nid, gfp_t gfp, unsigned int order);

/**
 * quarry_free_pages() - Frees a block.
 * @page: what the allocation returned, or NULL
 * @order: the same order
 *
 * A block that is not live, not quarry's, or of another order is reported and
 * left alone.
 *
 * Context: Any.
 */
void quarry_free_pages(struct page *page, unsigned int order);

/**
 * quarry_alloc_pages_bulk() - Allocates single pages into an array.
 * @gfp: as for alloc_pages()
 * @nr: length of @pages
 * @pages: receives the pages, from its start
 *
 * Context: Any, as @gfp allows.
 * Return: Number of pages allocated, at most @nr.
 */
unsigned long quarry_alloc_pages_bulk(gfp_t gfp, unsigned long nr, struct page **pages);

/**
 * quarry_free_pages_bulk() - Frees single pages.
 * @nr: length of @pages
 * @pages: pages of order 0
 *
 * Context: Any.
 */
void quarry_free_pages_bulk(unsigned long nr, struct page **pages);

/* Slab caches */

/* Flags of quarry_cache_create(). */
#define QUARRY_CACHE_HWALIGN	(1UL << 0)	/* align objects to cache lines */

/**
 * quarry_cache_create() - Creates a cache of equal objects.
 * @name: shown in the stats; copied, at most 31 bytes
 * @size: bytes of an object, 1 to 8192
 * @align: alignment, a power of two up to the page size, or 0 for 8 bytes
 * @flags: QUARRY_CACHE_*
 * @ctor: called once for each object when its slab is made, or NULL. With a
 *	constructor, objects keep their contents from free to allocation, and
 *	must be freed in the state that @ctor leaves
 *
 * Caches are never merged.
 *
 * Context: Process context. May sleep.
 * Return: The cache, or NULL for an argument out of range or no memory.
 */
struct quarry_cache *quarry_cache_create(const char *name, unsigned int size, unsigned int align,
					 unsigned long flags, void (*ctor)(void *));

/**
 * quarry_cache_destroy() - Ends a cache and gives its memory back to the pool.
 * @c: the cache, or NULL
 *
 * A later use of the cache by any function is reported, as long as it is among
 * the last 64 that modules have ended. It has no effect: allocations give NULL or
 * 0, and what was to be freed to the cache is left alone.
 *
 * Context: Process context, not in CPU hotplug. May sleep.
 * Return: 0, or -EBUSY if objects are live: the cache then stays as it is, and
 * what is live is reported.
 */
int quarry_cache_destroy(struct quarry_cache *c);

/**
 * quarry_cache_release() - Ends a cache as soon as its last object is free.
 * @c: the cache, or NULL
 *
 * For those who cannot tell when that is, as where objects have owners of their
 * own. Nobody may allocate from the cache any more, and what is live goes back
 * by quarry_kfree(). A cache without live objects ends at once, others within a
 * second or two of the last free.
 *
 * Context: Process context. May sleep.
 */
void quarry_cache_release(struct quarry_cache *c);

/**
 * quarry_cache_alloc() - Allocates an object.
 * @c: the cache
 * @gfp: as for kmem_cache_alloc(); __GFP_ZERO is not for caches with a
 *	constructor and is ignored there
 *
 * Context: Any, as @gfp allows.
 * Return: The object, or NULL.
 */
void *quarry_cache_alloc(struct quarry_cache *c, gfp_t gfp);

/**
 * quarry_cache_free() - Frees an object.
 * @c: the cache that it came from
 * @obj: the object, or NULL
 *
 * An object that is not live, or not of @c, is reported and left alone.
 *
 * Context: Any.
 */
void quarry_cache_free(struct quarry_cache *c, void *obj);

/**
 * quarry_cache_alloc_bulk() - Allocates objects into an array.
 * @c: the cache
 * @gfp: as for quarry_cache_alloc()
 * @nr: length of @objs
 * @objs: receives the objects
 *
 * Context: Any, as @gfp allows.
 * Return: @nr, or 0 with nothing allocated.
 */
int quarry_cache_alloc_bulk(struct quarry_cache *c, gfp_t gfp, size_t nr, void **objs);

/**
 * quarry_cache_free_bulk() - Frees objects.
 * @c: the cache that they came from
 * @nr: length of @objs
 * @objs: the objects
 *
 * Context: Any.
 */
void quarry_cache_free_bulk(struct quarry_cache *c, size_t nr, void **objs);

/**
 * quarry_cache_shrink() - Gives empty slabs and cached objects back to the pool.
 * @c: the cache
 *
 * Context: Process context. May sleep.
 * Return: 0 if the cache holds no slab any more, 1 otherwise.
 */
int quarry_cache_shrink(struct quarry_cache *c);

/* kmalloc */

/**
 * quarry_kmalloc() - Allocates physically contiguous memory.
 * @size: bytes, up to 4 MiB with 4 KiB pages; 0 gives ZERO_SIZE_PTR
 * @gfp: as for kmalloc()
 *
 * Aligned to 8 bytes; to its size if that is a power of two.
 *
 * Context: Any, as @gfp allows.
 * Return: The memory, or NULL.
 */
void *quarry_kmalloc(size_t size, gfp_t gfp);

/**
 * quarry_kmalloc_node() - Like quarry_kmalloc(), from one NUMA node.
 * @size: bytes
 * @gfp: as for kmalloc_node()
 * @node: the node, or NUMA_NO_NODE
 *
 * Context: Any, as @gfp allows.
 * Return: The memory, or NULL.
 */
void *quarry_kmalloc_node(size_t size, gfp_t gfp, int node);

/**
 * quarry_krealloc() - Changes the size of an allocation.
 * @p: what quarry_kmalloc() or quarry_krealloc() returned, or NULL
 * @size: new size in bytes; 0 frees @p and gives ZERO_SIZE_PTR
 * @gfp: as for krealloc(). With __GFP_ZERO at the allocation and each change
 *	of size, bytes that are added are zero
 *
 * Stays in place where the class has room. Contents are kept up to the smaller
 * of both sizes. On failure @p stays valid.
 *
 * Context: Any, as @gfp allows.
 * Return: The memory, or NULL.
 */
void *quarry_krealloc(const void *p, size_t size, gfp_t gfp);

/**
 * quarry_krealloc_node_align() - Like quarry_krealloc(), with alignment and node.
 * @p: as for quarry_krealloc()
 * @size: new size in bytes; a multiple of @align, for what moves to be aligned
 * @align: a power of two
 * @gfp: as for quarry_krealloc(). With __GFP_THISNODE, what lies on another
 *	node than @nid moves
 * @nid: the node for what moves, or NUMA_NO_NODE
 *
 * Context: Any, as @gfp allows.
 * Return: The memory, or NULL.
 */
void *quarry_krealloc_node_align(const void *p, size_t size, unsigned long align, gfp_t gfp,
				 int nid);

/**
 * quarry_kfree() - Frees memory of quarry_kmalloc() and its variants.
 * @p: the memory, NULL or ZERO_SIZE_PTR
 *
 * An object of a cache goes back to that, as with the kernel's kfree().
 *
 * A pointer that is not quarry's, not live, or not the start of an allocation
 * is reported and left alone.
 *
 * Context: Any.
 */
void quarry_kfree(const void *p);

/**
 * quarry_kfree_sensitive() - Clears memory, then frees it.
 * @p: as for quarry_kfree()
 *
 * Context: Any.
 */
void quarry_kfree_sensitive(const void *p);

/**
 * quarry_kfree_sized() - Frees memory whose size is known.
 * @p: as for quarry_kfree()
 * @size: the size that it was allocated with, or was last reallocated to
 *
 * If the memory cannot have that size, this is reported, and the memory is left
 * alone: 0 is wrong, and so is more than quarry_ksize() gives. Less is right, as
 * memory that quarry_krealloc() makes smaller stays in place. ZERO_SIZE_PTR has
 * size 0, and NULL any size.
 *
 * Context: Any.
 */
void quarry_kfree_sized(const void *p, size_t size);

/**
 * quarry_ksize() - Returns the usable size of an allocation.
 * @p: memory of quarry_kmalloc(), NULL or ZERO_SIZE_PTR
 *
 * Context: Any.
 * Return: Bytes; 0 for NULL, ZERO_SIZE_PTR and what is not quarry's.
 */
size_t quarry_ksize(const void *p);

/**
 * quarry_kmalloc_nolock() - Allocates memory where nothing can be waited for.
 * @size: bytes, up to 8192
 * @gfp: __GFP_ZERO clears the memory, __GFP_THISNODE insists on @node; what else
 *	is there is ignored
 * @node: the node, or NUMA_NO_NODE
 *
 * Takes what this CPU has at hand, or what nobody else is about to take: it
 * neither spins nor calls the kernel's allocator, and fails sooner than others.
 * A failure is often that of one moment: an interrupt soon afterwards sees to it
 * that this CPU has some. With the parameter track=1 there is no record of where
 * the memory was allocated.
 *
 * The memory is freed by quarry_kfree_nolock() or quarry_kfree().
 *
 * Context: Any, also NMI, under a raw spinlock, and in what stays in hardirq
 * context on a real-time kernel.
 * Return: The memory; ZERO_SIZE_PTR for no bytes; NULL, which must be expected.
 */
void *quarry_kmalloc_nolock(size_t size, gfp_t gfp, int node);

/**
 * quarry_kfree_nolock() - Frees memory where nothing can be waited for.
 * @p: memory of quarry_kmalloc_nolock(), memory up to 8192 bytes of
 *	quarry_kmalloc(), NULL or ZERO_SIZE_PTR
 *
 * What this CPU has no room for is freed by an interrupt soon afterwards; until
 * then the first word of the memory is in use. An object of a cache without
 * constructor goes back to that.
 *
 * What cannot be freed is left alone, counted, and reported by that interrupt:
 * wrong pointers as for quarry_kfree(), larger memory, and objects with a
 * constructor.
 *
 * Context: As quarry_kmalloc_nolock().
 */
void quarry_kfree_nolock(const void *p);

static inline void *quarry_kzalloc(size_t size, gfp_t gfp)
{
	return quarry_kmalloc(size, gfp | __GFP_ZERO);
}

static inline void *quarry_kmalloc_array(size_t n, size_t size, gfp_t gfp)
{
	size_t bytes;

	if (unlikely(check_mul_overflow(n, size, &bytes)))
		return NULL;
	return quarry_kmalloc(bytes, gfp);
}

static inline void *quarry_kcalloc(size_t n, size_t size, gfp_t gfp)
{
	return quarry_kmalloc_array(n, size, gfp | __GFP_ZERO);
}

/* vmalloc */

/**
 * quarry_vmalloc() - Allocates virtually contiguous memory from single pages.
 * @size: bytes, not 0; rounded up to whole pages
 *
 * An unmapped guard page follows the area.
 *
 * Context: Process context. May sleep.
 * Return: The memory, aligned to a page, or NULL.
 */
void *quarry_vmalloc(unsigned long size);

/**
 * quarry_vmalloc_node() - Like quarry_vmalloc(), from one NUMA node.
 * @size: bytes
 * @node: the node, or NUMA_NO_NODE
 *
 * Context: Process context. May sleep.
 * Return: The memory, or NULL.
 */
void *quarry_vmalloc_node(unsigned long size, int node);

/**
 * quarry_vzalloc() - Like quarry_vmalloc(), cleared.
 * @size: bytes
 *
 * Context: Process context. May sleep.
 * Return: The memory, or NULL.
 */
void *quarry_vzalloc(unsigned long size);

/**
 * quarry_vrealloc() - Changes the size of an area.
 * @p: what quarry_vmalloc() or its variants returned, or NULL
 * @size: new size in bytes; 0 frees @p and gives NULL
 * @gfp: GFP_KERNEL, with __GFP_ZERO to have new bytes zero
 *
 * Context: Process context. May sleep.
 * Return: The memory, or NULL with @p unchanged.
 */
void *quarry_vrealloc(const void *p, size_t size, gfp_t gfp);

/**
 * quarry_vrealloc_node_align() - Like quarry_vrealloc(), with alignment and node.
 * @p: as for quarry_vrealloc()
 * @size: new size in bytes; 0 frees @p and gives NULL
 * @align: a power of two, up to the page size
 * @gfp: as for quarry_vrealloc(). Without __GFP_DIRECT_RECLAIM only an area that
 *	is kept mapped already is taken
 * @nid: the node for what is added, or NUMA_NO_NODE
 *
 * Context: Process context. May sleep.
 * Return: The memory, or NULL with @p unchanged.
 */
void *quarry_vrealloc_node_align(const void *p, size_t size, unsigned long align, gfp_t gfp,
				 int nid);

/**
 * quarry_vfree() - Frees memory of quarry_vmalloc() and its variants.
 * @p: the memory, or NULL
 *
 * Context: Process context. May sleep.
 */
void quarry_vfree(const void *p);

/**
 * quarry_vmalloc_to_page() - Returns the page behind an address in an area.
 * @p: any address in a live area
 *
 * Context: Any.
 * Return: The page, or NULL if @p lies in no area of quarry's.
 */
struct page *quarry_vmalloc_to_page(const void *p);

/* kvmalloc: contiguous if it can be had, mapped otherwise */

/**
 * quarry_kvmalloc() - Allocates contiguous memory, or an area if there is none.
 * @size: bytes
 * @gfp: as for kvmalloc(); without __GFP_DIRECT_RECLAIM only contiguous memory
 *	is tried
 *
 * Context: Process context for large sizes; any, as @gfp allows, otherwise.
 * Return: The memory, or NULL.
 */
void *quarry_kvmalloc(size_t size, gfp_t gfp);

/**
 * quarry_kvrealloc() - Changes the size of kvmalloc memory.
 * @p: memory of quarry_kvmalloc() or quarry_kvrealloc(), or NULL
 * @size: new size
 * @gfp: as for quarry_kvmalloc()
 *
 * An area that shrinks to a page or less becomes contiguous memory.
 *
 * Context: As quarry_kvmalloc().
 * Return: The memory, or NULL with @p unchanged.
 */
void *quarry_kvrealloc(const void *p, size_t size, gfp_t gfp);

/**
 * quarry_kvrealloc_node_align() - Like quarry_kvrealloc(), with alignment and node.
 * @p: as for quarry_kvrealloc()
 * @size: new size in bytes; a multiple of @align, for what moves to be aligned
 * @align: a power of two, up to the page size
 * @gfp: as for quarry_kvmalloc()
 * @nid: the node for what moves or is added, or NUMA_NO_NODE
 *
 * Context: As quarry_kvmalloc().
 * Return: The memory, or NULL with @p unchanged.
 */
void *quarry_kvrealloc_node_align(const void *p, size_t size, unsigned long align, gfp_t gfp,
				  int nid);

/**
 * quarry_kvfree() - Frees memory of quarry_kvmalloc().
 * @p: the memory, or NULL
 *
 * Context: Process context if the memory is an area, any otherwise.
 */
void quarry_kvfree(const void *p);

/**
 * quarry_kvfree_sized() - Frees kvmalloc memory whose size is known.
 * @p: as for quarry_kvfree()
 * @size: the size that it was allocated with, or was last reallocated to
 *
 * Contiguous memory is checked as by quarry_kfree_sized(). An area knows its size,
 * and every other is wrong.
 *
 * Context: As quarry_kvfree().
 */
void quarry_kvfree_sized(const void *p, size_t size);

static inline void *quarry_kvzalloc(size_t size, gfp_t gfp)
{
	return quarry_kvmalloc(size, gfp | __GFP_ZERO);
}

/* Named pools: memory with a limit, a reserve, and an account of its own */

/* quarry_pool_args.flags: who finds the pool full waits, if the flags allow. */
#define QUARRY_POOL_WAITS	(1UL << 0)
/*
 * quarry_pool_args.flags: how much is done against misuse. Neither: wrong frees
 * are found. Hardened: memory comes in random order, is cleared when it is freed
 * and not given out again at once. Debug: memory is filled with what shows when
 * it is overwritten, and checked; see Documentation/hardening.rst.
 */
#define QUARRY_POOL_HARDENED	(1U << 1)
#define QUARRY_POOL_DEBUG	(1U << 2)

/**
 * struct quarry_pool_args - what a pool is made of
 * @limit: most bytes of pages that it may have, rounded up to pages; 0 for as
 *	many as there are. Blocks, slabs and areas count as the pages that they
 *	take; what lies free in a slab or a magazine of the pool is still the pool's
 * @reserve: bytes of those that are set aside at once, in blocks of up to 8
 *	pages, and that only callers with __GFP_HIGH (GFP_ATOMIC) get
 * @nodes: where its pages may come from; NULL for all nodes
 * @flags: QUARRY_POOL_WAITS, and QUARRY_POOL_HARDENED or QUARRY_POOL_DEBUG
 */
struct quarry_pool_args {
	unsigned long limit;
	unsigned long reserve;
	const nodemask_t *nodes;
	unsigned long flags;
};

/**
 * quarry_pool_create() - Makes a named pool.
 * @name: 1 to 15 bytes of [A-Za-z0-9_.-], which no other pool has
 * @args: its terms
 *
 * A pool has caches of its own for the classes of quarry_pool_kmalloc(), so that
 * no two pools share a slab. A full pool first gives back what lies free in it;
 * if that is not enough, the allocation fails, or, with QUARRY_POOL_WAITS and
 * flags that hold __GFP_DIRECT_RECLAIM, __GFP_IO and __GFP_FS but not
 * __GFP_NORETRY, waits until there is room or the task is killed.
 *
 * Context: Process context. May sleep.
 * Return: The pool; or as ERR_PTR(): -EINVAL for an impossible name, a reserve
 * beyond the limit, unknown flags, or nodes without memory; -EEXIST if the name
 * is taken; -ENOSPC if there are 64; -ENOMEM if there is no memory for it or
 * its reserve.
 */
struct quarry_pool *quarry_pool_create(const char *name, const struct quarry_pool_args *args);

/**
 * quarry_pool_destroy() - Ends a pool of which nothing is in use.
 * @pool: the pool, which nobody uses during the call or after a success; or NULL
 *
 * Context: Process context, not in CPU hotplug. May sleep.
 * Return: 0; -EBUSY if caches or allocations of it are left, which the log then
 * names, and the pool stays.
 */
int quarry_pool_destroy(struct quarry_pool *pool);

/**
 * quarry_pool_purge() - Frees all that came from a pool, its caches too, and ends it.
 * @pool: the pool; nobody uses it or anything that came from it any more; or NULL
 *
 * Context: Process context, not in CPU hotplug. May sleep.
 * Return: 0; -EBUSY if there is no memory to find all of it with, and the pool
 * stays.
 */
int quarry_pool_purge(struct quarry_pool *pool);

/**
 * quarry_pool_set_limit() - Changes how much a pool may have.
 * @pool: the pool
 * @limit: as in &struct quarry_pool_args, but no less than the reserve
 *
 * What is used beyond a lower limit stays until it is freed.
 *
 * Context: Any.
 */
void quarry_pool_set_limit(struct quarry_pool *pool, unsigned long limit);

/**
 * quarry_pool_track() - Records who allocates from a pool, or no more.
 * @pool: the pool
 * @on: whether to
 *
 * What is allocated while it is on has a record of where: debugfs shows it, in
 * owners, and so does the log when the pool or a cache of it cannot be destroyed.
 * Each allocation then unwinds the stack. What was live before has no record.
 *
 * Context: Process context, not in CPU hotplug. May sleep.
 * Return: 0; -ENOMEM if there is no memory for the tables.
 */
int quarry_pool_track(struct quarry_pool *pool, bool on);

/**
 * quarry_pool_used() - Returns the bytes of pages that are charged to a pool.
 * @pool: the pool
 *
 * Context: Any.
 */
unsigned long quarry_pool_used(struct quarry_pool *pool);

/*
 * What follows allocates as the function without "pool" in its name does, with
 * the same contexts, and charges it to the pool; NULL also means that the pool is
 * full. It is freed by the same functions as other memory, which find the pool by
 * themselves, and what is reallocated stays in its pool.
 */

struct page *quarry_pool_alloc_pages(struct quarry_pool *pool, gfp_t gfp, unsigned int order);
struct page *quarry_pool_alloc_pages_node(struct quarry_pool *pool, int nid, gfp_t gfp,
					  unsigned int order);
unsigned long quarry_pool_alloc_pages_bulk(struct quarry_pool *pool, gfp_t gfp, unsigned long nr,
					   struct page **pages);
struct quarry_cache *quarry_pool_cache_create(struct quarry_pool *pool, const char *name,
					      unsigned int size, unsigned int align,
					      unsigned long flags, void (*ctor)(void *));
void *quarry_pool_kmalloc(struct quarry_pool *pool, size_t size, gfp_t gfp);
void *quarry_pool_kmalloc_node(struct quarry_pool *pool, size_t size, gfp_t gfp, int node);
/* With NULL as @p; else as quarry_krealloc(). */
void *quarry_pool_krealloc(struct quarry_pool *pool, const void *p, size_t size, gfp_t gfp);
void *quarry_pool_vmalloc(struct quarry_pool *pool, unsigned long size);
void *quarry_pool_vmalloc_node(struct quarry_pool *pool, unsigned long size, int node);
void *quarry_pool_vzalloc(struct quarry_pool *pool, unsigned long size);
void *quarry_pool_kvmalloc(struct quarry_pool *pool, size_t size, gfp_t gfp);

static inline void *quarry_pool_kzalloc(struct quarry_pool *pool, size_t size, gfp_t gfp)
{
	return quarry_pool_kmalloc(pool, size, gfp | __GFP_ZERO);
}

static inline void *quarry_pool_kmalloc_array(struct quarry_pool *pool, size_t n, size_t size,
					      gfp_t gfp)
{
	size_t bytes;

	return check_mul_overflow(n, size, &bytes) ? NULL : quarry_pool_kmalloc(pool, bytes, gfp);
}

static inline void *quarry_pool_kcalloc(struct quarry_pool *pool, size_t n, size_t size, gfp_t gfp)
{
	return quarry_pool_kmalloc_array(pool, n, size, gfp | __GFP_ZERO);
}

static inline void *quarry_pool_kvzalloc(struct quarry_pool *pool, size_t size, gfp_t gfp)
{
	return quarry_pool_kvmalloc(pool, size, gfp | __GFP_ZERO);
}

/* The whole module */

/**
 * quarry_shrink() - Gives free memory back to the kernel, but for the reserve.
 *
 * The reserve of a node is part of a chunk, which stays as a whole.
 *
 * Context: Process context. May sleep.
 * Return: Pages given back.
 */
unsigned long quarry_shrink(void);

/**
 * quarry_validate() - Checks the invariants of every structure.
 *
 * Context: Process context. May sleep.
 * Return: Number of violations found; each is reported in the kernel log.
 */
unsigned long quarry_validate(void);

#endif /* _LINUX_QUARRY_H */
