/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads, beside what the kernel's own bindings have.
 */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/numa.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/wait.h>

#include <linux/quarry.h>
#include <uapi/linux/quarry.h>

#include "../helpers/helpers.h"

/* Macros whose values bindgen cannot see. */
const gfp_t QUARRY_CONST_GFP_KERNEL = GFP_KERNEL;
const gfp_t QUARRY_CONST_GFP_ATOMIC = GFP_ATOMIC;
const gfp_t QUARRY_CONST_GFP_NOWAIT = GFP_NOWAIT;
const gfp_t QUARRY_CONST_GFP_ZERO = __GFP_ZERO;
const gfp_t QUARRY_CONST_GFP_HIGH = __GFP_HIGH;
const gfp_t QUARRY_CONST_GFP_NOWARN = __GFP_NOWARN;
const gfp_t QUARRY_CONST_GFP_NORETRY = __GFP_NORETRY;
const gfp_t QUARRY_CONST_GFP_THISNODE = __GFP_THISNODE;
const gfp_t QUARRY_CONST_GFP_DIRECT_RECLAIM = __GFP_DIRECT_RECLAIM;
const gfp_t QUARRY_CONST_GFP_IO_FS = __GFP_IO | __GFP_FS;
/* What of a request for a block goes on to the request for a chunk. */
const gfp_t QUARRY_CONST_GFP_GROW = __GFP_RECLAIM | __GFP_HIGH | __GFP_IO | __GFP_FS |
	__GFP_NOMEMALLOC | __GFP_MEMALLOC | __GFP_NORETRY;

const unsigned long QUARRY_CONST_POOL_WAITS = QUARRY_POOL_WAITS;
const unsigned long QUARRY_CONST_CACHE_HWALIGN = QUARRY_CACHE_HWALIGN;
const unsigned int QUARRY_CONST_CACHE_LINE = L1_CACHE_BYTES;
