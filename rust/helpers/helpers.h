/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust cannot call by itself: macros, inline functions, and functions that
 * the kernel's own bindings leave out. One call each, sorted by name.
 */
#ifndef _QUARRY_HELPERS_H
#define _QUARRY_HELPERS_H

#include <linux/gfp_types.h>
#include <linux/irq_work.h>
#include <linux/percpu-defs.h>
#include <linux/spinlock_types.h>
#include <linux/types.h>

struct kmem_cache;
struct page;
struct wait_queue_head;

/* Classes of locks, in alphabetical order; rust/lock.rs says how they are taken. */
enum quarry_lock_class {
	QUARRY_LOCK_AREA,
	QUARRY_LOCK_DEPOT,
	QUARRY_LOCK_SLAB,
	QUARRY_LOCK_STASH,
	QUARRY_LOCK_TRACK,
	QUARRY_LOCK_WINDOW,
	QUARRY_LOCK_ZONE,
	QUARRY_NR_LOCK_CLASSES,
};

/* How many of the events refill, drain and slow somebody listens to. */
extern unsigned int quarry_listeners;

/* For each CPU, what rust/front/home.rs keeps there. */
#define QUARRY_NR_HOMES 32
DECLARE_PER_CPU(void __percpu *[QUARRY_NR_HOMES], quarry_homes);

struct page *quarry_helper_alloc_pages_node(int nid, gfp_t gfp, unsigned int order);
unsigned long quarry_helper_array_index_nospec(unsigned long index, unsigned long size);
void quarry_helper_cond_resched(void);
bool quarry_helper_cpu_online(unsigned int cpu);
unsigned int quarry_helper_cpu_to_mem(unsigned int cpu);
void quarry_helper_cpus_read_lock(void);
void quarry_helper_cpus_read_unlock(void);
int quarry_helper_current_pid(void);
bool quarry_helper_fatal_signal_pending(void);
void quarry_helper_free_page(struct page *page);
void quarry_helper_free_pages(struct page *page, unsigned int order);
void __percpu *quarry_helper_home(unsigned int slot);
bool quarry_helper_init_on_alloc(void);
bool quarry_helper_init_on_free(void);
bool quarry_helper_in_task(void);
void quarry_helper_init_irq_work(struct irq_work *work, void (*function)(struct irq_work *));
void quarry_helper_init_waitqueue_head(struct wait_queue_head *queue);
void *quarry_helper_kmalloc_node(size_t size, gfp_t gfp, int nid);
void *quarry_helper_kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp);
struct kmem_cache *quarry_helper_kmem_cache_create(const char *name, unsigned int size, unsigned int align);
void *quarry_helper_kvmalloc(size_t size, gfp_t gfp);
void *quarry_helper_kvmalloc_node(size_t size, gfp_t gfp, int nid);
unsigned long quarry_helper_lock(raw_spinlock_t *lock);
void quarry_helper_lock_init(raw_spinlock_t *lock, enum quarry_lock_class class);
void quarry_helper_memalloc_restore(unsigned int flags);
unsigned int quarry_helper_memalloc_save(gfp_t gfp);
void quarry_helper_memzero_explicit(void *memory, size_t bytes);
void quarry_helper_mod_node_reclaimable(int nid, long pages);
int quarry_helper_node_distance(int from, int to);
unsigned long quarry_helper_node_end_pfn(int nid);
bool quarry_helper_node_has_memory(int nid);
unsigned int quarry_helper_next_possible_cpu(unsigned int from);
bool quarry_helper_node_online(int nid);
unsigned int quarry_helper_nr_memory_nodes(void);
int quarry_helper_numa_mem_id(void);
void quarry_helper_on_each_cpu(void (*function)(void *), void *argument);
void *quarry_helper_page_address(const struct page *page);
int quarry_helper_page_count(const struct page *page);
int quarry_helper_page_to_nid(const struct page *page);
void *quarry_helper_per_cpu(void __percpu *pointer, unsigned int cpu);
void *quarry_helper_pfn_to_kaddr(unsigned long pfn);
struct page *quarry_helper_pfn_to_page(unsigned long pfn);
void quarry_helper_preempt_disable(void);
void quarry_helper_preempt_enable(void);
unsigned int quarry_helper_random_percent(void);
unsigned int quarry_helper_raw_smp_processor_id(void);
void quarry_helper_set_home(unsigned int cpu, unsigned int slot, void __percpu *home);
void quarry_helper_symbol(char *text, size_t size, unsigned long address);
void *quarry_helper_this_cpu(void __percpu *pointer);
unsigned long quarry_helper_totalram_pages(void);
void quarry_helper_trace_alloc(unsigned long call_site, const void *ptr, size_t bytes);
void quarry_helper_trace_drain(int node, unsigned int entries);
void quarry_helper_trace_free(const void *ptr, size_t bytes);
void quarry_helper_trace_grow(int node, unsigned long pages);
void quarry_helper_trace_refill(int node, unsigned int entries);
void quarry_helper_trace_shrink(int node, unsigned long pages);
void quarry_helper_trace_slow(int node, unsigned int entries);
bool quarry_helper_trylock(raw_spinlock_t *lock, unsigned long *flags);
void quarry_helper_unlock(raw_spinlock_t *lock, unsigned long flags);
unsigned long quarry_helper_vmalloc_end(void);
unsigned long quarry_helper_vmalloc_start(void);
void *quarry_helper_vmalloc_node(unsigned long size, int nid);
void *quarry_helper_vmap(struct page **pages, unsigned int count);
void quarry_helper_vunmap(const void *addr);
bool quarry_helper_within_this_module(unsigned long address);
bool quarry_helper_wq_has_sleeper(struct wait_queue_head *queue);

#endif
