// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the functions of include/linux/quarry.h, which rust/exports.rs defines,
 * visible to other modules.
 */
#include <linux/export.h>
#include <linux/quarry.h>

EXPORT_SYMBOL_GPL(quarry_alloc_pages);
EXPORT_SYMBOL_GPL(quarry_alloc_pages_bulk);
EXPORT_SYMBOL_GPL(quarry_alloc_pages_node);
EXPORT_SYMBOL_GPL(quarry_cache_alloc);
EXPORT_SYMBOL_GPL(quarry_cache_alloc_bulk);
EXPORT_SYMBOL_GPL(quarry_cache_create);
EXPORT_SYMBOL_GPL(quarry_cache_destroy);
EXPORT_SYMBOL_GPL(quarry_cache_free);
EXPORT_SYMBOL_GPL(quarry_cache_free_bulk);
EXPORT_SYMBOL_GPL(quarry_cache_release);
EXPORT_SYMBOL_GPL(quarry_cache_shrink);
EXPORT_SYMBOL_GPL(quarry_free_pages);
EXPORT_SYMBOL_GPL(quarry_free_pages_bulk);
EXPORT_SYMBOL_GPL(quarry_kfree);
EXPORT_SYMBOL_GPL(quarry_kfree_nolock);
EXPORT_SYMBOL_GPL(quarry_kfree_sensitive);
EXPORT_SYMBOL_GPL(quarry_kfree_sized);
EXPORT_SYMBOL_GPL(quarry_kmalloc);
EXPORT_SYMBOL_GPL(quarry_kmalloc_node);
EXPORT_SYMBOL_GPL(quarry_kmalloc_nolock);
EXPORT_SYMBOL_GPL(quarry_krealloc);
EXPORT_SYMBOL_GPL(quarry_krealloc_node_align);
EXPORT_SYMBOL_GPL(quarry_ksize);
EXPORT_SYMBOL_GPL(quarry_kvfree);
EXPORT_SYMBOL_GPL(quarry_kvfree_sized);
EXPORT_SYMBOL_GPL(quarry_kvmalloc);
EXPORT_SYMBOL_GPL(quarry_kvrealloc);
EXPORT_SYMBOL_GPL(quarry_kvrealloc_node_align);
EXPORT_SYMBOL_GPL(quarry_pool_alloc_pages);
EXPORT_SYMBOL_GPL(quarry_pool_alloc_pages_bulk);
EXPORT_SYMBOL_GPL(quarry_pool_alloc_pages_node);
EXPORT_SYMBOL_GPL(quarry_pool_cache_create);
EXPORT_SYMBOL_GPL(quarry_pool_create);
EXPORT_SYMBOL_GPL(quarry_pool_destroy);
EXPORT_SYMBOL_GPL(quarry_pool_kmalloc);
EXPORT_SYMBOL_GPL(quarry_pool_kmalloc_node);
EXPORT_SYMBOL_GPL(quarry_pool_krealloc);
EXPORT_SYMBOL_GPL(quarry_pool_kvmalloc);
EXPORT_SYMBOL_GPL(quarry_pool_purge);
EXPORT_SYMBOL_GPL(quarry_pool_set_limit);
EXPORT_SYMBOL_GPL(quarry_pool_track);
EXPORT_SYMBOL_GPL(quarry_pool_used);
EXPORT_SYMBOL_GPL(quarry_pool_vmalloc);
EXPORT_SYMBOL_GPL(quarry_pool_vmalloc_node);
EXPORT_SYMBOL_GPL(quarry_pool_vzalloc);
EXPORT_SYMBOL_GPL(quarry_shrink);
EXPORT_SYMBOL_GPL(quarry_validate);
EXPORT_SYMBOL_GPL(quarry_vfree);
EXPORT_SYMBOL_GPL(quarry_vmalloc);
EXPORT_SYMBOL_GPL(quarry_vmalloc_node);
EXPORT_SYMBOL_GPL(quarry_vmalloc_to_page);
EXPORT_SYMBOL_GPL(quarry_vrealloc);
EXPORT_SYMBOL_GPL(quarry_vrealloc_node_align);
EXPORT_SYMBOL_GPL(quarry_vzalloc);
