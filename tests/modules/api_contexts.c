// SPDX-License-Identifier: GPL-2.0
/*
 * Contexts that cannot sleep, interrupts in the middle of operations, and
 * frees on another CPU. As with the kernel's kmalloc(), interrupts are those that
 * PREEMPT_RT would make threads of: work and timers are not HARD ones.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/quarry.h>

#include "api.h"
#include "ktap.h"

static struct quarry_cache *cache;
/* Failures where CHECK() cannot report. */
static atomic_t troubles;

#define EXPECT(condition) do {				\
	if (!(condition))				\
		atomic_inc(&troubles);			\
} while (0)

/* Some of everything that works in any context. */
static void use_all(gfp_t gfp)
{
	static const size_t sizes[] = { 8, 64, 200, 1024, 8192, 16384 };
	void *objects[ARRAY_SIZE(sizes)], *bulk[5];
	struct page *page[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		objects[i] = quarry_kmalloc(sizes[i], gfp | __GFP_NOWARN);
		EXPECT(objects[i]);
		if (objects[i])
			memset(objects[i], i, sizes[i]);
	}
	for (i = 0; i < ARRAY_SIZE(page); i++) {
		page[i] = quarry_alloc_pages(gfp | __GFP_NOWARN, i);
		EXPECT(page[i]);
	}
	if (quarry_cache_alloc_bulk(cache, gfp | __GFP_NOWARN, ARRAY_SIZE(bulk), bulk))
		quarry_cache_free_bulk(cache, ARRAY_SIZE(bulk), bulk);
	else
		EXPECT(false);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (objects[i])
			EXPECT(!memchr_inv(objects[i], i, sizes[i]));
		quarry_kfree(objects[i]);
	}
	for (i = 0; i < ARRAY_SIZE(page); i++)
		quarry_free_pages(page[i], i);
}

static bool begin(void)
{
	void *p;

	atomic_set(&troubles, 0);
	cache = quarry_cache_create("test-contexts", 160, 0, 0, NULL);
	/* So that there is a chunk. */
	p = quarry_kmalloc(64, GFP_KERNEL);
	quarry_kfree(p);
	return cache && p;
}

static void end(void)
{
	CHECK(atomic_read(&troubles) == 0);
	CHECK(quarry_cache_destroy(cache) == 0);
	CHECK(quarry_validate() == 0);
}

void works_with_preemption_off(void)
{
	unsigned int i;

	NEED(begin());
	for (i = 0; i < 200; i++) {
		preempt_disable();
		use_all(GFP_NOWAIT);
		use_all(GFP_ATOMIC);
		preempt_enable();
	}
	end();
}

void works_with_interrupts_off(void)
{
	unsigned long flags;
	unsigned int i;

	NEED(begin());
	for (i = 0; i < 200; i++) {
		local_irq_save(flags);
		use_all(GFP_NOWAIT);
		use_all(GFP_ATOMIC);
		local_irq_restore(flags);
	}
	end();
}

static void on_irq_work(struct irq_work *work)
{
	EXPECT(in_hardirq());
	use_all(GFP_ATOMIC);
}

void works_in_hardirq(void)
{
	struct irq_work work = IRQ_WORK_INIT(on_irq_work);
	unsigned int i;

	NEED(begin());
	for (i = 0; i < 200; i++) {
		irq_work_queue(&work);
		irq_work_sync(&work);
	}
	end();
}

static DECLARE_COMPLETION(tasklet_ran);

static void on_tasklet(struct tasklet_struct *tasklet)
{
	EXPECT(in_serving_softirq());
	use_all(GFP_ATOMIC);
	complete(&tasklet_ran);
}

static DECLARE_TASKLET(tasklet, on_tasklet);

void works_in_softirq(void)
{
	unsigned int i;

	NEED(begin());
	for (i = 0; i < 200; i++) {
		reinit_completion(&tasklet_ran);
		tasklet_schedule(&tasklet);
		wait_for_completion(&tasklet_ran);
	}
	tasklet_kill(&tasklet);
	end();
}

#define PERIOD (100 * NSEC_PER_USEC)
static struct hrtimer timer;
static unsigned long ticks;
/* Objects on their way between a timer and what it interrupts. */
static void *exchange[64];

static void *swap_in(unsigned long slot, void *p)
{
	return xchg(&exchange[slot % ARRAY_SIZE(exchange)], p);
}

static enum hrtimer_restart on_timer(struct hrtimer *t)
{
	unsigned int i;

	ticks++;
	use_all(GFP_ATOMIC);
	for (i = 0; i < 4; i++)
		quarry_kfree(swap_in(ticks * 4 + i, quarry_kmalloc(64, GFP_ATOMIC | __GFP_NOWARN)));
	hrtimer_forward_now(t, PERIOD);
	return HRTIMER_RESTART;
}

void works_when_interrupted_by_itself(void)
{
	unsigned long stop = jiffies + 2 * HZ, rounds = 0;
	unsigned int i;

	NEED(begin());
	ticks = 0;
	hrtimer_setup(&timer, on_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(&timer, PERIOD, HRTIMER_MODE_REL);
	while (time_before(jiffies, stop)) {
		use_all(GFP_KERNEL);
		for (i = 0; i < 16; i++)
			quarry_kfree(swap_in(rounds + i, quarry_kmalloc(64, GFP_KERNEL)));
		if (rounds++ % 64 == 0)
			quarry_cache_shrink(cache);
		cond_resched();
	}
	hrtimer_cancel(&timer);
	for (i = 0; i < ARRAY_SIZE(exchange); i++)
		quarry_kfree(swap_in(i, NULL));
	pr_info("# interrupted %lu times in %lu rounds\n", ticks, rounds);
	CHECK(ticks > 10);
	end();
}

/*
 * A ring from one CPU to another; the consumer frees. A slot belongs to the
 * producer while it is NULL and to the consumer otherwise.
 */
struct ring {
	void *slots[128];
	struct task_struct *producer;
	struct task_struct *consumer;
	void *done;
};

static void *look(void **slot)
{
	/* Pairs with the release in pass(). */
	return smp_load_acquire(slot);
}

static void pass(void **slot, void *p)
{
	/* Pairs with the acquire in look(): what was written to @p comes first. */
	smp_store_release(slot, p);
}

#define PASSED 20000
static const size_t passed_sizes[] = { 16, 64, 192, 2048, 8192, 40000 };

static int produce(void *data)
{
	struct ring *ring = data;
	unsigned int i;

	for (i = 0; i < PASSED; i++) {
		void **slot = &ring->slots[i % ARRAY_SIZE(ring->slots)];
		size_t size = passed_sizes[i % ARRAY_SIZE(passed_sizes)];
		u32 *p = quarry_kmalloc(size, GFP_KERNEL);

		EXPECT(p);
		if (!p)
			break;
		p[0] = i;
		p[size / 4 - 1] = ~i;
		while (look(slot))
			cond_resched();
		pass(slot, p);
	}
	pass(&ring->done, ring);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int consume(void *data)
{
	struct ring *ring = data;
	unsigned int i;

	for (i = 0; i < PASSED; i++) {
		void **slot = &ring->slots[i % ARRAY_SIZE(ring->slots)];
		size_t size = passed_sizes[i % ARRAY_SIZE(passed_sizes)];
		u32 *p;

		while (!(p = look(slot))) {
			if (look(&ring->done) && !look(slot))
				goto out;
			cond_resched();
		}
		EXPECT(p[0] == i && p[size / 4 - 1] == ~i);
		quarry_kfree(p);
		pass(slot, NULL);
	}
out:
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static struct task_struct *start(int (*run)(void *), struct ring *ring, unsigned int cpu)
{
	struct task_struct *task = kthread_create(run, ring, "quarry_test/%u", cpu);

	if (IS_ERR(task))
		return NULL;
	kthread_bind(task, cpu);
	wake_up_process(task);
	return task;
}

void another_cpu_may_free(void)
{
	static struct ring rings[2];
	unsigned int first = cpumask_first(cpu_online_mask);
	unsigned int last = cpumask_last(cpu_online_mask);
	unsigned int i;

	if (first == last)
		SKIP("one CPU");
	NEED(begin());
	memset(rings, 0, sizeof(rings));
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		rings[i].producer = start(produce, &rings[i], i ? last : first);
		rings[i].consumer = start(consume, &rings[i], i ? first : last);
		CHECK(rings[i].producer && rings[i].consumer);
	}
	for (i = 0; i < ARRAY_SIZE(rings); i++) {
		while (!look(&rings[i].done))
			msleep(20);
		while (rings[i].slots[(PASSED - 1) % ARRAY_SIZE(rings[i].slots)])
			msleep(20);
		kthread_stop(rings[i].producer);
		kthread_stop(rings[i].consumer);
	}
	end();
}
