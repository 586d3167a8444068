/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Has a file of the kernel allocate from quarry: included before all else, it
 * gives the kernel's names to quarry's functions.
 *
 * What frees memory by itself, later and in the kernel, would not know where it
 * came from, so that here it waits and frees.
 */
#ifndef _QUARRY_RETARGET_H
#define _QUARRY_RETARGET_H

#include <linux/mm.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <linux/quarry.h>

#undef kcalloc
#undef kfree
#undef kfree_sensitive
#undef kmalloc
#undef kmalloc_array
#undef kmalloc_node
#undef krealloc
#undef ksize
#undef kvfree
#undef kvfree_rcu
#undef kvfree_rcu_mightsleep
#undef kvmalloc
#undef kvrealloc
#undef kvzalloc
#undef kzalloc
#undef vfree
#undef vmalloc
#undef vmalloc_huge
#undef vmalloc_node
#undef vmalloc_to_page
#undef vrealloc
#undef vzalloc

#define kcalloc quarry_kcalloc
#define kfree quarry_kfree
#define kfree_sensitive quarry_kfree_sensitive
#define kmalloc quarry_kmalloc
#define kmalloc_array quarry_kmalloc_array
#define kmalloc_node quarry_kmalloc_node
#define krealloc quarry_krealloc
#define ksize quarry_ksize
#define kvfree quarry_kvfree
#define kvfree_rcu(p, field) kvfree_rcu_mightsleep(p)
#define kvfree_rcu_mightsleep(p) do { synchronize_rcu(); quarry_kvfree(p); } while (0)
#define kvmalloc quarry_kvmalloc
#define kvrealloc quarry_kvrealloc
#define kvzalloc quarry_kvzalloc
#define kzalloc quarry_kzalloc
#define vfree quarry_vfree
#define vmalloc quarry_vmalloc
#define vmalloc_huge(size, gfp) quarry_vmalloc(size)
#define vmalloc_node quarry_vmalloc_node
#define vmalloc_to_page quarry_vmalloc_to_page
#define vrealloc quarry_vrealloc
#define vzalloc quarry_vzalloc

/* The kernel exports this for its own test only, and quarry has no areas that are aligned to more than a page. */
#undef __vmalloc_node
#define __vmalloc_node(size, align, gfp, node, caller) \
	((align) <= PAGE_SIZE ? quarry_vzalloc(size) : NULL)

#endif /* _QUARRY_RETARGET_H */
