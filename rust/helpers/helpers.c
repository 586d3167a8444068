// SPDX-License-Identifier: GPL-2.0
/*
 * One call each, sorted by name. No policy here.
 */
#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/nospec.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/vmalloc.h>
#include <linux/vmstat.h>
#include <linux/wait.h>

#include "helpers.h"

DEFINE_PER_CPU(void __percpu *[QUARRY_NR_HOMES], quarry_homes);

struct page *quarry_helper_alloc_pages_node(int nid, gfp_t gfp, unsigned int order)
{
	return alloc_pages_node(nid, gfp, order);
}

unsigned long quarry_helper_array_index_nospec(unsigned long index, unsigned long size)
{
	return array_index_nospec(index, size);
}

void quarry_helper_cond_resched(void)
{
	cond_resched();
}

bool quarry_helper_cpu_online(unsigned int cpu)
{
	return cpu_online(cpu);
}

unsigned int quarry_helper_cpu_to_mem(unsigned int cpu)
{
	return cpu_to_mem(cpu);
}

void quarry_helper_cpus_read_lock(void)
{
	cpus_read_lock();
}

void quarry_helper_cpus_read_unlock(void)
{
	cpus_read_unlock();
}

int quarry_helper_current_pid(void)
{
	return task_pid_nr(current);
}

bool quarry_helper_fatal_signal_pending(void)
{
	return fatal_signal_pending(current);
}

void quarry_helper_free_page(struct page *page)
{
	__free_page(page);
}

void quarry_helper_free_pages(struct page *page, unsigned int order)
{
	__free_pages(page, order);
}

void __percpu *quarry_helper_home(unsigned int slot)
{
	return raw_cpu_read(quarry_homes[slot]);
}

bool quarry_helper_init_on_alloc(void)
{
	return want_init_on_alloc(0);
}

bool quarry_helper_init_on_free(void)
{
	return want_init_on_free();
}

bool quarry_helper_in_task(void)
{
	return in_task();
}

void quarry_helper_init_irq_work(struct irq_work *work, void (*function)(struct irq_work *))
{
	init_irq_work(work, function);
}

void quarry_helper_init_waitqueue_head(struct wait_queue_head *queue)
{
	init_waitqueue_head(queue);
}

void *quarry_helper_kmalloc_node(size_t size, gfp_t gfp, int nid)
{
	return kmalloc_node(size, gfp, nid);
}

void *quarry_helper_kmem_cache_alloc(struct kmem_cache *cache, gfp_t gfp)
{
	return kmem_cache_alloc(cache, gfp);
}

struct kmem_cache *quarry_helper_kmem_cache_create(const char *name, unsigned int size, unsigned int align)
{
	return kmem_cache_create(name, size, align, SLAB_NO_MERGE, NULL);
}

void *quarry_helper_kvmalloc(size_t size, gfp_t gfp)
{
	return kvmalloc(size, gfp);
}

void *quarry_helper_kvmalloc_node(size_t size, gfp_t gfp, int nid)
{
	return kvmalloc_node(size, gfp, nid);
}

unsigned long quarry_helper_lock(raw_spinlock_t *lock)
{
	unsigned long flags;

	raw_spin_lock_irqsave(lock, flags);
	return flags;
}

void quarry_helper_lock_init(raw_spinlock_t *lock, enum quarry_lock_class class)
{
	static struct lock_class_key keys[QUARRY_NR_LOCK_CLASSES];
	static const char * const names[QUARRY_NR_LOCK_CLASSES] = {
		"quarry_area", "quarry_depot", "quarry_slab", "quarry_stash", "quarry_track",
		"quarry_window", "quarry_zone",
	};

	raw_spin_lock_init(lock);
	lockdep_set_class_and_name(lock, &keys[class], names[class]);
}

void quarry_helper_memalloc_restore(unsigned int flags)
{
	memalloc_flags_restore(flags);
}

unsigned int quarry_helper_memalloc_save(gfp_t gfp)
{
	return memalloc_flags_save((gfp & __GFP_IO ? 0 : PF_MEMALLOC_NOIO) |
				   (gfp & __GFP_FS ? 0 : PF_MEMALLOC_NOFS));
}

unsigned int quarry_helper_next_possible_cpu(unsigned int from)
{
	/* As cpumask_next(), but @from itself counts. */
	return find_next_bit(cpumask_bits(cpu_possible_mask), nr_cpu_ids, from);
}

void quarry_helper_memzero_explicit(void *memory, size_t bytes)
{
	memzero_explicit(memory, bytes);
}

void quarry_helper_mod_node_reclaimable(int nid, long pages)
{
	mod_node_page_state(NODE_DATA(nid), NR_KERNEL_MISC_RECLAIMABLE, pages);
}

int quarry_helper_node_distance(int from, int to)
{
	return node_distance(from, to);
}

unsigned long quarry_helper_node_end_pfn(int nid)
{
	return node_online(nid) ? node_end_pfn(nid) : 0;
}

bool quarry_helper_node_has_memory(int nid)
{
	return node_state(nid, N_MEMORY);
}

bool quarry_helper_node_online(int nid)
{
	return node_online(nid);
}

unsigned int quarry_helper_nr_memory_nodes(void)
{
	return num_node_state(N_MEMORY);
}

int quarry_helper_numa_mem_id(void)
{
	return numa_mem_id();
}

void quarry_helper_on_each_cpu(void (*function)(void *), void *argument)
{
	on_each_cpu(function, argument, 1);
}

void *quarry_helper_page_address(const struct page *page)
{
	return page_address(page);
}

int quarry_helper_page_count(const struct page *page)
{
	return page_count(page);
}

int quarry_helper_page_to_nid(const struct page *page)
{
	return page_to_nid(page);
}

void *quarry_helper_per_cpu(void __percpu *pointer, unsigned int cpu)
{
	return per_cpu_ptr(pointer, cpu);
}

void *quarry_helper_pfn_to_kaddr(unsigned long pfn)
{
	return __va(PFN_PHYS(pfn));
}

struct page *quarry_helper_pfn_to_page(unsigned long pfn)
{
	return pfn_to_page(pfn);
}

void quarry_helper_preempt_disable(void)
{
	preempt_disable();
}

void quarry_helper_preempt_enable(void)
{
	preempt_enable();
}

unsigned int quarry_helper_random_percent(void)
{
	return get_random_u32_below(100);
}

unsigned int quarry_helper_raw_smp_processor_id(void)
{
	return raw_smp_processor_id();
}

void quarry_helper_set_home(unsigned int cpu, unsigned int slot, void __percpu *home)
{
	per_cpu(quarry_homes[slot], cpu) = home;
}

void quarry_helper_symbol(char *text, size_t size, unsigned long address)
{
	snprintf(text, size, "%pS", (void *)address);
}

void *quarry_helper_this_cpu(void __percpu *pointer)
{
	return this_cpu_ptr(pointer);
}

unsigned long quarry_helper_totalram_pages(void)
{
	return totalram_pages();
}

/* Without SMP it would succeed whoever has the lock. */
bool quarry_helper_trylock(raw_spinlock_t *lock, unsigned long *flags)
{
	return IS_ENABLED(CONFIG_SMP) && raw_spin_trylock_irqsave(lock, *flags);
}

void quarry_helper_unlock(raw_spinlock_t *lock, unsigned long flags)
{
	raw_spin_unlock_irqrestore(lock, flags);
}

unsigned long quarry_helper_vmalloc_end(void)
{
	return VMALLOC_END;
}

unsigned long quarry_helper_vmalloc_start(void)
{
	return VMALLOC_START;
}

void *quarry_helper_vmalloc_node(unsigned long size, int nid)
{
	return vmalloc_node(size, nid);
}

void *quarry_helper_vmap(struct page **pages, unsigned int count)
{
	return vmap(pages, count, VM_MAP, PAGE_KERNEL);
}

void quarry_helper_vunmap(const void *addr)
{
	vunmap(addr);
}

bool quarry_helper_within_this_module(unsigned long address)
{
	return within_module(address, THIS_MODULE);
}

bool quarry_helper_wq_has_sleeper(struct wait_queue_head *queue)
{
	return wq_has_sleeper(queue);
}

MODULE_VERSION("0.1.0");
