/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * User-space interface of quarry: ioctls on /dev/quarry, and its mmap.
 *
 * This header is the only description of the interface. The module and the
 * quarry(1) command line both generate their types from it.
 */
#ifndef _UAPI_LINUX_QUARRY_H
#define _UAPI_LINUX_QUARRY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * DOC: Rules of the interface
 *
 * Every argument is a structure whose first member, @size, is the size that
 * the caller was compiled with. A shorter structure than the module's is
 * extended with zeroes; a longer one must hold zeroes in what the module does
 * not know, or the call fails with E2BIG. The module writes back at most
 * @size bytes. A structure is too short if it ends before the last member that
 * the command cannot do without. All structures have the same layout for 32-bit and 64-bit
 * callers. Reserved members and unknown flags must be zero.
 *
 * Allocations are named by handles. A handle belongs to the open file that
 * made it, is never zero, and is not reused soon: it holds an index and a
 * generation. Everything that an open file holds is freed when it is closed.
 *
 * Memory that user space can read is always zeroed before it is handed out.
 *
 * One meaning per errno:
 *
 * ========== ==============================================================
 * E2BIG      structure longer than known, with something in the unknown part
 * EINVAL     a structure too short, a flag or value not defined, a reserved
 *            member not zero, a size of zero or beyond what the kind offers
 * EFAULT     a pointer that cannot be read or written
 * ENOTTY     no such command
 * ENOENT     no such handle or cache in this open file
 * ENOMEM     no memory of the asked kind (the pool, or the kernel, is out)
 * EDQUOT     a quota of this open file is used up
 * EBUSY      the allocation is mapped, or the cache has live objects
 * ERANGE     offset and length do not lie within the allocation
 * EOPNOTSUPP the operation does not exist for this kind of allocation, or the
 *            allocation is opaque
 * EEXIST     this open file already has a cache of that name
 * EBADMSG    contents do not match the pattern (VERIFY)
 * EINTR      a fatal signal arrived in a long operation
 * ========== ==============================================================
 */

#define QUARRY_DEVICE_NAME	"quarry"

/** QUARRY_IOC_TYPE: ioctl type; all commands are _IO(QUARRY_IOC_TYPE, nr). */
#define QUARRY_IOC_TYPE		0xBB

/** QUARRY_ABI_VERSION: grows by one when something is added. */
#define QUARRY_ABI_VERSION	5

#define QUARRY_NR_ORDERS	11	/* block orders 0..10 */
#define QUARRY_NAME_LEN		32	/* of a cache's name, with its final NUL */
#define QUARRY_MESSAGE_LEN	192	/* of a message, with its final NUL */

/**
 * enum quarry_cmd - numbers of the commands
 * @QUARRY_CMD_QUERY: features and limits, &struct quarry_query
 * @QUARRY_CMD_ALLOC: allocates, &struct quarry_alloc
 * @QUARRY_CMD_REALLOC: changes the size of an allocation, &struct quarry_realloc
 * @QUARRY_CMD_FREE: frees, &struct quarry_free
 * @QUARRY_CMD_READ: copies out of an allocation, &struct quarry_io
 * @QUARRY_CMD_WRITE: copies into an allocation, &struct quarry_io
 * @QUARRY_CMD_FILL: writes a pattern, &struct quarry_pattern
 * @QUARRY_CMD_VERIFY: compares with a pattern, &struct quarry_pattern
 * @QUARRY_CMD_EXPLAIN: tells where an allocation lies, &struct quarry_explain
 * @QUARRY_CMD_MAP: prepares mmap of an allocation, &struct quarry_map
 * @QUARRY_CMD_CACHE_CREATE: makes a slab cache, &struct quarry_cache_create
 * @QUARRY_CMD_CACHE_DESTROY: ends a slab cache, &struct quarry_cache_destroy
 * @QUARRY_CMD_BATCH: runs an array of operations, &struct quarry_batch
 * @QUARRY_CMD_STATS: counters of the whole module, &struct quarry_stats
 * @QUARRY_CMD_CACHE_STATS: counters of one cache, &struct quarry_cache_stats
 * @QUARRY_CMD_SHRINK: gives free memory back, &struct quarry_shrink
 * @QUARRY_CMD_VALIDATE: checks every structure, &struct quarry_validate
 * @QUARRY_CMD_POOL_CREATE: makes a named pool, &struct quarry_pool_create
 * @QUARRY_CMD_POOL_DESTROY: ends a named pool, &struct quarry_pool_destroy
 * @QUARRY_CMD_POOL_LIMIT: changes a limit, &struct quarry_pool_limit
 * @QUARRY_CMD_POOL_STATS: counters of one pool, &struct quarry_pool_stats
 * @QUARRY_CMD_POOL_TRACK: records call sites, or no more, &struct quarry_pool_track
 * @QUARRY_CMD_FAIL_NTH: makes a request of the kernel fail, &struct quarry_fail_nth
 */
enum quarry_cmd {
	QUARRY_CMD_QUERY = 0x20,
	QUARRY_CMD_ALLOC,
	QUARRY_CMD_REALLOC,
	QUARRY_CMD_FREE,
	QUARRY_CMD_READ,
	QUARRY_CMD_WRITE,
	QUARRY_CMD_FILL,
	QUARRY_CMD_VERIFY,
	QUARRY_CMD_EXPLAIN,
	QUARRY_CMD_MAP,
	QUARRY_CMD_CACHE_CREATE,
	QUARRY_CMD_CACHE_DESTROY,
	QUARRY_CMD_BATCH,
	QUARRY_CMD_STATS,
	QUARRY_CMD_CACHE_STATS,
	QUARRY_CMD_SHRINK,
	QUARRY_CMD_VALIDATE,
	QUARRY_CMD_POOL_CREATE,
	QUARRY_CMD_POOL_DESTROY,
	QUARRY_CMD_POOL_LIMIT,
	QUARRY_CMD_POOL_STATS,
	QUARRY_CMD_POOL_TRACK,
	QUARRY_CMD_FAIL_NTH,
};

#define QUARRY_IOC_QUERY	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_QUERY)
#define QUARRY_IOC_ALLOC	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_ALLOC)
#define QUARRY_IOC_REALLOC	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_REALLOC)
#define QUARRY_IOC_FREE		_IO(QUARRY_IOC_TYPE, QUARRY_CMD_FREE)
#define QUARRY_IOC_READ		_IO(QUARRY_IOC_TYPE, QUARRY_CMD_READ)
#define QUARRY_IOC_WRITE	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_WRITE)
#define QUARRY_IOC_FILL		_IO(QUARRY_IOC_TYPE, QUARRY_CMD_FILL)
#define QUARRY_IOC_VERIFY	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_VERIFY)
#define QUARRY_IOC_EXPLAIN	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_EXPLAIN)
#define QUARRY_IOC_MAP		_IO(QUARRY_IOC_TYPE, QUARRY_CMD_MAP)
#define QUARRY_IOC_CACHE_CREATE	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_CACHE_CREATE)
#define QUARRY_IOC_CACHE_DESTROY _IO(QUARRY_IOC_TYPE, QUARRY_CMD_CACHE_DESTROY)
#define QUARRY_IOC_BATCH	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_BATCH)
#define QUARRY_IOC_STATS	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_STATS)
#define QUARRY_IOC_CACHE_STATS	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_CACHE_STATS)
#define QUARRY_IOC_SHRINK	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_SHRINK)
#define QUARRY_IOC_VALIDATE	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_VALIDATE)
#define QUARRY_IOC_POOL_CREATE	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_POOL_CREATE)
#define QUARRY_IOC_POOL_DESTROY	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_POOL_DESTROY)
#define QUARRY_IOC_POOL_LIMIT	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_POOL_LIMIT)
#define QUARRY_IOC_POOL_STATS	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_POOL_STATS)
#define QUARRY_IOC_POOL_TRACK	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_POOL_TRACK)
#define QUARRY_IOC_FAIL_NTH	_IO(QUARRY_IOC_TYPE, QUARRY_CMD_FAIL_NTH)

/**
 * enum quarry_kind - what an allocation comes from
 * @QUARRY_KIND_PAGES: a block of the page pool; @bytes is rounded up to a
 *	power of two of pages, at most 2^10 pages
 * @QUARRY_KIND_KMALLOC: quarry_kmalloc(), at most 2^10 pages
 * @QUARRY_KIND_VMALLOC: quarry_vmalloc(), limited by the quota only
 * @QUARRY_KIND_KVMALLOC: quarry_kvmalloc()
 * @QUARRY_KIND_CACHE: an object of a cache made with %QUARRY_CMD_CACHE_CREATE;
 *	@bytes must be 0
 */
enum quarry_kind {
	QUARRY_KIND_PAGES = 1,
	QUARRY_KIND_KMALLOC = 2,
	QUARRY_KIND_VMALLOC = 3,
	QUARRY_KIND_KVMALLOC = 4,
	QUARRY_KIND_CACHE = 5,
};

/*
 * Allocation flags. The default is GFP_KERNEL. NOWAIT never sleeps; ATOMIC
 * never sleeps and may use the reserve. At most one of the two. Areas
 * (VMALLOC) cannot be had without sleeping: EINVAL.
 *
 * OPAQUE memory is there only to be held: it is not cleared, and READ, WRITE,
 * FILL, VERIFY, REALLOC and MAP of it fail with EOPNOTSUPP. KERNEL memory comes
 * from the kernel's own function of the same kind instead of quarry's, so that
 * the two can be compared; it is opaque, with or without that flag. For an
 * object, the cache says where it comes from: KERNEL is EINVAL.
 */
#define QUARRY_ALLOC_NOWAIT	(1U << 0)
#define QUARRY_ALLOC_ATOMIC	(1U << 1)
#define QUARRY_ALLOC_OPAQUE	(1U << 2)
#define QUARRY_ALLOC_KERNEL	(1U << 3)

#define QUARRY_NODE_ANY		(-1)

/**
 * struct quarry_query - features and limits
 * @size: size of this structure
 * @flags: must be 0
 * @abi: out, %QUARRY_ABI_VERSION of the module
 * @page_size: out, bytes
 * @features: out, reserved for bits of later features, 0 now
 * @max_order: out, largest block order
 * @nr_cpus: out, possible CPUs
 * @nr_nodes: out, NUMA nodes with a pool
 * @chunk_order: out, order of a chunk
 * @max_kmalloc: out, bytes of the largest contiguous allocation
 * @quota_bytes: out, bytes that this open file may hold
 * @quota_handles: out, allocations that this open file may hold
 * @quota_batch: out, operations in one batch
 * @quota_caches: out, caches that this open file may have
 * @used_handles: out, allocations that this open file holds
 * @used_bytes: out, bytes that this open file holds
 */
struct quarry_query {
	__u32 size;
	__u32 flags;
	__u32 abi;
	__u32 page_size;
	__u64 features;
	__u32 max_order;
	__u32 nr_cpus;
	__u32 nr_nodes;
	__u32 chunk_order;
	__u64 max_kmalloc;
	__u64 quota_bytes;
	__u32 quota_handles;
	__u32 quota_batch;
	__u32 quota_caches;
	__u32 used_handles;
	__u64 used_bytes;
};

/**
 * struct quarry_alloc - allocates
 * @size: size of this structure
 * @flags: QUARRY_ALLOC_*
 * @kind: an &enum quarry_kind
 * @node: NUMA node to take memory from, or %QUARRY_NODE_ANY
 * @bytes: bytes wanted; 0 for a cache object
 * @cache: id of the cache, for %QUARRY_KIND_CACHE; 0 otherwise
 * @pool: id of a pool made with %QUARRY_CMD_POOL_CREATE to charge it to; 0 for
 *	the pool "user". Must be 0 for a cache object, which is charged where its
 *	cache is, and for memory of the kernel's own
 * @handle: out, names the allocation
 * @usable: out, bytes that may be read and written
 *
 * Errors: EINVAL, ENOENT (no such cache or pool), EPERM (the pool belongs to
 * the kernel), ENOMEM (no memory, or the pool is full), EDQUOT, EINTR (killed
 * while it waited).
 */
struct quarry_alloc {
	__u32 size;
	__u32 flags;
	__u32 kind;
	__s32 node;
	__u64 bytes;
	__u32 cache;
	__u32 pool;
	__u64 handle;
	__u64 usable;
};

/**
 * struct quarry_realloc - changes the size of an allocation
 * @size: size of this structure
 * @flags: 0, %QUARRY_ALLOC_NOWAIT or %QUARRY_ALLOC_ATOMIC
 * @handle: the allocation; stays valid and keeps its contents up to the
 *	smaller of both sizes, also when the call fails
 * @bytes: new size, not 0
 * @usable: out, bytes that may be read and written
 *
 * For KMALLOC, VMALLOC and KVMALLOC. New bytes read as zero.
 *
 * Errors: EINVAL, ENOENT, ENOMEM, EDQUOT, EBUSY (mapped), EOPNOTSUPP (another
 * kind, or opaque).
 */
struct quarry_realloc {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u64 bytes;
	__u64 usable;
};

/**
 * struct quarry_free - frees an allocation
 * @size: size of this structure
 * @flags: must be 0
 * @handle: the allocation; names nothing afterwards
 *
 * Errors: EINVAL, ENOENT, EBUSY (mapped: munmap it first).
 */
struct quarry_free {
	__u32 size;
	__u32 flags;
	__u64 handle;
};

/**
 * struct quarry_io - reads or writes an allocation
 * @size: size of this structure
 * @flags: must be 0
 * @handle: the allocation
 * @offset: first byte in the allocation
 * @length: bytes to copy, may be 0
 * @buffer: address of the caller's buffer
 *
 * On EFAULT some of the bytes may have been copied.
 *
 * Errors: EINVAL, ENOENT, EOPNOTSUPP (opaque), ERANGE, EFAULT, EINTR.
 */
struct quarry_io {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u64 offset;
	__u64 length;
	__u64 buffer;
};

/**
 * struct quarry_pattern - fills an allocation with a pattern, or verifies it
 * @size: size of this structure
 * @flags: must be 0
 * @handle: the allocation
 * @offset: first byte
 * @length: bytes, may be 0
 * @seed: which pattern. The byte at offset i of an allocation is the lowest
 *	byte of (x ^ (x >> 29)) >> (8 * (i % 8)), where
 *	x = (seed + i / 8) * 0x9E3779B97F4A7C15 modulo 2^64
 * @first_bad: out (VERIFY), offset of the first byte that differs
 *
 * Errors: EINVAL, ENOENT, EOPNOTSUPP (opaque), ERANGE, EBADMSG (VERIFY: contents
 * differ), EINTR.
 */
struct quarry_pattern {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u64 offset;
	__u64 length;
	__u64 seed;
	__u64 first_bad;
};

/* Layer that serves an allocation, in quarry_explain.layer. */
enum quarry_layer {
	QUARRY_LAYER_PAGES = 1,
	QUARRY_LAYER_SLAB = 2,
	QUARRY_LAYER_VMALLOC = 3,
	QUARRY_LAYER_KERNEL = 4,	/* the kernel's own, whichever of them */
};

/* quarry_explain.traits */
#define QUARRY_TRAIT_CONTIGUOUS	(1U << 0)	/* physically contiguous */
#define QUARRY_TRAIT_MAPPED	(1U << 1)	/* mapped into a process */

/**
 * struct quarry_frame - one page of an allocation, as a place in the pool
 * @chunk: number of the chunk; means nothing outside this module
 * @frame: page within the chunk, 0 to 1023
 *
 * Memory of the kernel's own allocators is counted as if all of it were divided
 * into chunks.
 */
struct quarry_frame {
	__u32 chunk;
	__u32 frame;
};

/**
 * struct quarry_explain - where an allocation lies
 * @size: size of this structure
 * @flags: must be 0
 * @handle: the allocation
 * @kind: out, &enum quarry_kind it was asked as
 * @layer: out, &enum quarry_layer that serves it
 * @traits: out, QUARRY_TRAIT_*
 * @node: out, NUMA node of its first page
 * @requested: out, bytes that were asked for
 * @usable: out, bytes that it has
 * @cache_name: out, name of the slab cache or class; empty for other layers
 * @object_size: out, bytes from one object of the slab to the next
 * @objects: out, objects in the slab
 * @objects_used: out, objects of the slab that are not free in the slab
 * @object_index: out, which object of the slab this is
 * @order: out, order of the block or slab; 0 for areas
 * @nr_pages: out, pages of the allocation (of the slab, for an object)
 * @frames: address of an array that receives the first @max_frames frames, or 0
 * @max_frames: length of that array
 * @nr_frames: out, frames written; of QUARRY_LAYER_KERNEL, only PAGES have any
 *
 * Errors: EINVAL, ENOENT, EFAULT.
 */
struct quarry_explain {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u32 kind;
	__u32 layer;
	__u32 traits;
	__s32 node;
	__u64 requested;
	__u64 usable;
	char cache_name[QUARRY_NAME_LEN];
	__u32 object_size;
	__u32 objects;
	__u32 objects_used;
	__u32 object_index;
	__u32 order;
	__u32 nr_pages;
	__u64 frames;
	__u32 max_frames;
	__u32 nr_frames;
};

/**
 * struct quarry_map - prepares an allocation for mmap
 * @size: size of this structure
 * @flags: must be 0
 * @handle: the allocation: PAGES, VMALLOC, or KMALLOC larger than a slab object
 * @offset: out, what to pass to mmap as its offset
 * @length: out, bytes that can be mapped from there
 *
 * The mapping must start at @offset, be MAP_SHARED and at most @length long.
 * While it exists, FREE and REALLOC of the handle fail with EBUSY. It keeps
 * the open file alive.
 *
 * Errors: EINVAL, ENOENT, EOPNOTSUPP (opaque, or shares its page with other
 * allocations).
 */
struct quarry_map {
	__u32 size;
	__u32 flags;
	__u64 handle;
	__u64 offset;
	__u64 length;
};

/*
 * quarry_cache_create.flags: a cache of the kernel's own, whose objects are
 * opaque.
 */
#define QUARRY_CACHE_KERNEL	(1U << 0)

/**
 * struct quarry_cache_create - makes a slab cache that this open file owns
 * @size: size of this structure
 * @flags: QUARRY_CACHE_*
 * @object_size: bytes of an object, 1 to 8192
 * @align: alignment of objects: 0, or a power of two up to the page size
 * @name: 1 to 31 bytes of [A-Za-z0-9_.-], then NUL to the end; shown as
 *	user:NAME in the stats, and one of the kernel's as quarry:ID:NAME in its
 *	own list
 * @cache: out, id of the cache; never 0
 * @pool: as in &struct quarry_alloc, for its slabs; must be 0 for one of the
 *	kernel's
 *
 * Errors: EINVAL, EEXIST, ENOENT (no such pool), EPERM, EDQUOT, ENOMEM.
 */
struct quarry_cache_create {
	__u32 size;
	__u32 flags;
	__u32 object_size;
	__u32 align;
	char name[QUARRY_NAME_LEN];
	__u32 cache;
	__u32 pool;
};

/**
 * struct quarry_cache_destroy - ends a slab cache of this open file
 * @size: size of this structure
 * @flags: must be 0
 * @cache: id of the cache
 * @reserved: must be 0
 *
 * Errors: EINVAL, ENOENT, EBUSY (objects are live; nothing has changed).
 */
struct quarry_cache_destroy {
	__u32 size;
	__u32 flags;
	__u32 cache;
	__u32 reserved;
};

/**
 * enum quarry_opcode - operations of a batch
 * @QUARRY_OP_ALLOC: like %QUARRY_CMD_ALLOC; @arg is the cache id for
 *	%QUARRY_KIND_CACHE, else 0; @handle and @bytes (usable) are written back
 * @QUARRY_OP_REALLOC: like %QUARRY_CMD_REALLOC; @bytes (usable) is written back
 * @QUARRY_OP_FREE: like %QUARRY_CMD_FREE
 * @QUARRY_OP_FILL: fills the whole allocation; @arg is the seed
 * @QUARRY_OP_VERIFY: verifies the first @bytes bytes, or all if 0; @arg is the
 *	seed, and the first bad offset is written back to @arg
 */
enum quarry_opcode {
	QUARRY_OP_ALLOC = 1,
	QUARRY_OP_REALLOC = 2,
	QUARRY_OP_FREE = 3,
	QUARRY_OP_FILL = 4,
	QUARRY_OP_VERIFY = 5,
};

/*
 * In quarry_op.flags, beside QUARRY_ALLOC_*: @handle is the index of an earlier
 * ALLOC of the same batch, whose handle is meant. If that ALLOC failed, this
 * operation fails with ENOENT.
 */
#define QUARRY_OP_BY_INDEX	(1U << 16)

/**
 * struct quarry_op - one operation of a batch
 * @op: an &enum quarry_opcode
 * @flags: QUARRY_ALLOC_*, %QUARRY_OP_BY_INDEX
 * @kind: an &enum quarry_kind, for ALLOC; 0 otherwise
 * @node: as in &struct quarry_alloc, for ALLOC; 0 otherwise
 * @bytes: as the operation says
 * @handle: as the operation says
 * @arg: as the operation says
 * @result: out, 0 or a negative errno
 * @pool: as in &struct quarry_alloc, for ALLOC; 0 otherwise
 */
struct quarry_op {
	__u32 op;
	__u32 flags;
	__u32 kind;
	__s32 node;
	__u64 bytes;
	__u64 handle;
	__u64 arg;
	__s32 result;
	__u32 pool;
};

/* quarry_batch.flags: end at the first operation that fails. */
#define QUARRY_BATCH_STOP	(1U << 0)

/**
 * struct quarry_batch - runs an array of operations in order
 * @size: size of this structure
 * @flags: QUARRY_BATCH_*
 * @ops: address of an array of &struct quarry_op, read and written
 * @nr: its length, 1 to quarry_query.quota_batch
 * @op_size: sizeof(struct quarry_op)
 * @done: out, operations that were run; written also when the call fails
 * @failed: out, those of them whose result is not 0
 *
 * The call succeeds when the operations were run, whatever their results.
 *
 * Errors: EINVAL (@nr or @op_size), EFAULT, EINTR (killed between operations),
 * ENOMEM (for the call itself; nothing was run).
 */
struct quarry_batch {
	__u32 size;
	__u32 flags;
	__u64 ops;
	__u32 nr;
	__u32 op_size;
	__u32 done;
	__u32 failed;
};

/**
 * struct quarry_stats - counters of the whole module
 * @size: size of this structure
 * @flags: must be 0
 * @pool_pages: pages that the pool holds
 * @pool_pages_peak: most pages that the pool has held
 * @free_pages: pages that are free in chunks
 * @cached_pages: free pages that lie in per-CPU magazines, and in quarantines
 * @block_pages: pages handed out as blocks
 * @slab_pages: pages that slabs hold
 * @area_pages: pages that areas hold
 * @chunks: chunks of the pool, of any size
 * @small_chunks: those of which the pool has only some pages
 * @grown: chunks ever taken from the kernel, or begun
 * @returned: chunks ever given back
 * @grow_failed: requests that the kernel refused
 * @metadata_bytes: bookkeeping of the pool, in bytes
 * @watermark_pages: pages kept for atomic callers
 * @limit_pages: most pages that the pool may hold
 * @page_allocs: blocks handed out
 * @page_frees: blocks taken back
 * @page_refills: batches from chunks to magazines
 * @page_drains: batches from magazines to chunks
 * @page_slow: single blocks that bypassed the magazines
 * @page_failed: requests for blocks that failed
 * @object_allocs: objects handed out by caches and classes
 * @object_frees: objects taken back
 * @object_bytes: bytes of live objects
 * @slabs: slabs
 * @slab_object_bytes: bytes that slabs could hand out as objects
 * @area_allocs: areas handed out
 * @area_frees: areas taken back
 * @area_maps: mappings made
 * @area_unmaps: mappings undone
 * @areas_live: areas handed out now
 * @areas_kept: areas kept mapped for reuse
 * @areas_kept_pages: pages in them
 * @clients: open files
 * @client_bytes: bytes that open files hold
 * @client_handles: allocations that open files hold
 * @bad_frees: frees that were refused: double, foreign, interior
 * @free_blocks: free blocks of each order, in chunks
 * @reserved: 0
 */
struct quarry_stats {
	__u32 size;
	__u32 flags;
	__u64 pool_pages;
	__u64 pool_pages_peak;
	__u64 free_pages;
	__u64 cached_pages;
	__u64 block_pages;
	__u64 slab_pages;
	__u64 area_pages;
	__u64 chunks;
	__u64 small_chunks;
	__u64 grown;
	__u64 returned;
	__u64 grow_failed;
	__u64 metadata_bytes;
	__u64 watermark_pages;
	__u64 limit_pages;
	__u64 page_allocs;
	__u64 page_frees;
	__u64 page_refills;
	__u64 page_drains;
	__u64 page_slow;
	__u64 page_failed;
	__u64 object_allocs;
	__u64 object_frees;
	__u64 object_bytes;
	__u64 slabs;
	__u64 slab_object_bytes;
	__u64 area_allocs;
	__u64 area_frees;
	__u64 area_maps;
	__u64 area_unmaps;
	__u64 areas_live;
	__u64 areas_kept;
	__u64 areas_kept_pages;
	__u64 clients;
	__u64 client_bytes;
	__u64 client_handles;
	__u64 bad_frees;
	__u64 free_blocks[QUARRY_NR_ORDERS];
	__u64 reserved;
};

/**
 * struct quarry_cache_stats - counters of one cache
 * @size: size of this structure
 * @flags: must be 0
 * @cache: in: smallest id wanted; out: id of the cache described. Ask again
 *	with this plus one for the next; ENOENT after the last
 * @object_size: out, bytes from one object to the next
 * @objects_per_slab: out
 * @slab_order: out, order of a slab
 * @slabs: out
 * @objects: out, objects in all slabs
 * @live: out, objects handed out
 * @cached: out, objects in magazines
 * @allocs: out
 * @frees: out
 * @refills: out, magazines filled from slabs
 * @drains: out, magazines emptied into slabs
 * @slow: out, single objects that bypassed the magazines
 * @name: out
 *
 * Shows all caches of the module, also those of others.
 *
 * Errors: EINVAL, ENOENT.
 */
struct quarry_cache_stats {
	__u32 size;
	__u32 flags;
	__u32 cache;
	__u32 object_size;
	__u32 objects_per_slab;
	__u32 slab_order;
	__u64 slabs;
	__u64 objects;
	__u64 live;
	__u64 cached;
	__u64 allocs;
	__u64 frees;
	__u64 refills;
	__u64 drains;
	__u64 slow;
	char name[QUARRY_NAME_LEN];
};

/**
 * struct quarry_shrink - gives free memory back to the kernel
 * @size: size of this structure
 * @flags: must be 0
 * @pages: out, pages given back
 *
 * Empties all magazines, frees empty slabs and kept areas, then returns every
 * chunk that is wholly free, as long as the reserve of its node remains.
 */
struct quarry_shrink {
	__u32 size;
	__u32 flags;
	__u64 pages;
};

/**
 * struct quarry_validate - checks the invariants of every structure
 * @size: size of this structure
 * @flags: must be 0
 * @checks: out, invariants checked
 * @violations: out, invariants found violated
 * @message: out, the first violation in words, or empty
 *
 * May run at any time, beside other users.
 */
struct quarry_validate {
	__u32 size;
	__u32 flags;
	__u64 checks;
	__u64 violations;
	char message[QUARRY_MESSAGE_LEN];
};

/* quarry_pool_create.flags: who finds the pool full waits, if it may sleep. */
#define QUARRY_POOL_WAIT	(1U << 0)
/* quarry_pool_create.flags: the preset hardened, or debug; neither for fast. */
#define QUARRY_POOL_HARDENED	(1U << 1)
#define QUARRY_POOL_DEBUG	(1U << 2)

/**
 * struct quarry_pool_create - makes a named pool
 * @size: size of this structure
 * @flags: QUARRY_POOL_WAIT, and QUARRY_POOL_HARDENED or QUARRY_POOL_DEBUG
 * @limit: most bytes of pages that it may have, rounded up to pages; 0 for as
 *	many as there are
 * @reserve: bytes of those that are set aside at once, for %QUARRY_ALLOC_ATOMIC
 *	only, in blocks of up to 8 pages; at most @limit
 * @nodes: bit N allows NUMA node N; 0 allows all
 * @name: 1 to 15 bytes of [A-Za-z0-9_.-], then NUL to the end
 * @pool: out, id of the pool; never 0
 * @reserved: must be 0
 *
 * A pool belongs to no open file: it stays until it is destroyed or the module
 * is unloaded. There are at most 63. Who waits is woken when pages are freed and
 * looks for freed objects 50 times a second; a fatal signal ends the wait.
 *
 * Errors: EINVAL, EEXIST (the name is taken), ENOSPC (too many), ENOMEM.
 */
struct quarry_pool_create {
	__u32 size;
	__u32 flags;
	__u64 limit;
	__u64 reserve;
	__u64 nodes;
	char name[QUARRY_NAME_LEN];
	__u32 pool;
	__u32 reserved;
};

/* quarry_pool_destroy.flags: frees first what open files have of the pool. */
#define QUARRY_POOL_PURGE	(1U << 0)

/**
 * struct quarry_pool_destroy - ends a named pool
 * @size: size of this structure
 * @flags: QUARRY_POOL_PURGE
 * @pool: id of the pool
 * @reserved: must be 0
 *
 * With %QUARRY_POOL_PURGE, everything that open files have allocated from the
 * pool is freed, and their caches that draw on it are ended, whosever they are:
 * their handles and ids name nothing then. What a process has mapped, or I/O
 * refers to, stays, and the pool with it.
 *
 * Errors: EINVAL, ENOENT, EPERM (it belongs to the kernel), EBUSY (something is
 * allocated from it, as the kernel log says; nothing but what was purged has
 * changed).
 */
struct quarry_pool_destroy {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 reserved;
};

/**
 * struct quarry_pool_limit - changes how much a pool may have
 * @size: size of this structure
 * @flags: must be 0
 * @pool: id of a named pool, or 0 for all memory that the module takes
 * @reserved: must be 0
 * @limit: bytes, as in &struct quarry_pool_create, and no less than the reserve;
 *	what is used beyond it stays until it is freed
 *
 * Errors: EINVAL, ENOENT.
 */
struct quarry_pool_limit {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 reserved;
	__u64 limit;
};

/**
 * struct quarry_pool_track - records who allocates from a pool, or no more
 * @size: size of this structure
 * @flags: must be 0
 * @pool: id of a named pool, or 0 for everything that the module allocates
 * @on: 1 to begin, 0 to end
 *
 * What is allocated while it is on has a record of where: debugfs shows it, in
 * owners, and so does the kernel log when a cache or a pool cannot be destroyed.
 * What was live before has none. At the end the records are dropped, but for
 * those of a pool that is tracked on its own. It is slow: each allocation unwinds
 * the stack.
 *
 * Errors: EINVAL, ENOENT, ENOMEM.
 */
struct quarry_pool_track {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 on;
};

/* quarry_pool_stats.traits: the pool belongs to code in the kernel. */
#define QUARRY_POOL_KERNELS	(1U << 0)
/* quarry_pool_stats.traits: call sites are recorded, of this pool or of all. */
#define QUARRY_POOL_TRACKED	(1U << 1)
/* quarry_pool_stats.traits: its preset, if it is not fast. */
#define QUARRY_POOL_IS_HARDENED	(1U << 2)
#define QUARRY_POOL_IS_DEBUG	(1U << 3)

/**
 * struct quarry_pool_stats - counters of one named pool
 * @size: size of this structure
 * @flags: must be 0
 * @pool: in, the smallest id wanted; out, the id of the pool found
 * @traits: out, QUARRY_POOL_KERNELS, QUARRY_POOL_TRACKED, QUARRY_POOL_IS_HARDENED,
 *	QUARRY_POOL_IS_DEBUG
 * @name: out
 * @limit: out, bytes; 0 for none of its own
 * @reserve: out, bytes of the limit that only atomic callers get
 * @used: out, bytes of pages charged to it: blocks, slabs, areas
 * @peak: out, most bytes that were
 * @stashed: out, bytes of the reserve that are set aside now
 * @failures: out, requests that came to nothing
 * @waits: out, callers who have waited
 * @longest_wait: out, nanoseconds
 *
 * To list all pools, begin with @pool = 0, and go on with the id found plus 1.
 *
 * Errors: EINVAL, ENOENT (no pool has such an id or a larger one).
 */
struct quarry_pool_stats {
	__u32 size;
	__u32 flags;
	__u32 pool;
	__u32 traits;
	char name[QUARRY_NAME_LEN];
	__u64 limit;
	__u64 reserve;
	__u64 used;
	__u64 peak;
	__u64 stashed;
	__u64 failures;
	__u64 waits;
	__u64 longest_wait;
};

/**
 * struct quarry_fail_nth - makes a request of the kernel fail
 * @size: size of this structure
 * @flags: must be 0
 * @nth: which of the requests fails that quarry makes of the kernel on behalf
 *	of the calling thread from now on, the next being 1; 0 for none
 * @left: out, what was left of @nth of the call before; 0 if that request has
 *	failed, or none was to
 *
 * Requests are for memory, mappings and the like; what is served from what
 * quarry has makes none. One fails, with ENOMEM or by another way being found;
 * those after it do not. It is forgotten when the file is closed. The kernel's
 * /proc/self/fail-nth is the model.
 *
 * Errors: EINVAL, EBUSY (another open file has asked for a failure, and not
 * yet for none).
 */
struct quarry_fail_nth {
	__u32 size;
	__u32 flags;
	__u32 nth;
	__u32 left;
};

#endif /* _UAPI_LINUX_QUARRY_H */
