// SPDX-License-Identifier: GPL-2.0
/*
 * All contexts at once. On each CPU a task, a timer, an interrupt's work, a
 * softirq and an NMI allocate and free, inside each other and beside those of
 * other CPUs; and each frees what others have allocated. What is in the memory
 * says who got it, and is looked at when it is freed.
 *
 * Timers and work are not HARD ones, so that a real-time kernel makes threads
 * of them, as the API wants; NMIs only call what may be called there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/quarry.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <asm/apic.h>
#include <asm/nmi.h>

#include "ktap.h"

KTAP_DEFINE_RUN()

static unsigned int seconds = 10;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long it takes");

#define PERIOD_US (IS_ENABLED(CONFIG_KASAN) ? 2000 : 500)

enum context {
	TASK,
	PREEMPTION_OFF,
	INTERRUPTS_OFF,
	RAW_LOCK,
	SOFTIRQ,
	TIMER,
	IRQ_WORK,
	NMI,
	NR_CONTEXTS,
};

static const char *const context_names[NR_CONTEXTS] = {
	"task", "preemption off", "interrupts off", "raw lock held",
	"softirq", "timer", "interrupt's work", "NMI",
};

struct tally {
	/* Numbers of its own for each context: none interrupts itself. */
	struct {
		u32 random;
		unsigned long had;
		unsigned long refused;
		unsigned long freed;
	} of[NR_CONTEXTS];
};

static DEFINE_PER_CPU(struct tally, tallies);
static DEFINE_PER_CPU(struct task_struct *, tasks);
static DEFINE_PER_CPU(struct hrtimer, timers);
static DEFINE_PER_CPU(struct irq_work, works);
static DEFINE_PER_CPU(struct tasklet_struct, tasklets);
static DEFINE_PER_CPU(atomic_t, nmi_due);
static DEFINE_RAW_SPINLOCK(raw_lock);

static struct quarry_cache *cache;
static struct quarry_pool *pool;
static atomic_t troubles;
static bool have_nmi;

enum kind { KMALLOC, OBJECT, CHARGED, LARGE, PAGES, NR_KINDS };

/* At the start of what is allocated. */
struct piece {
	u32 kind;
	u32 size;
	u32 fill;
	u32 sum;
};

#define SUM(p) ((p)->kind ^ (p)->size ^ (p)->fill ^ 0x51a7751aU)

/* What is on its way from who allocated to who frees: what an NMI may free, and what it may not. */
static struct piece *small[64], *large[16];

static u32 next(enum context context)
{
	u32 *random = &this_cpu_ptr(&tallies)->of[context].random;

	*random = *random * 1664525 + 1013904223;
	return *random >> 8;
}

static bool is_nolock(enum context context)
{
	return context == NMI || context == RAW_LOCK;
}

static struct piece *make(enum context context, enum kind kind, gfp_t gfp)
{
	static const u32 sizes[] = { 16, 48, 64, 100, 256, 700, 1024, 2048 };
	u32 random = next(context);
	struct piece *p = NULL;
	struct page *page;
	u32 size = sizes[random % ARRAY_SIZE(sizes)];

	gfp |= __GFP_NOWARN;
	switch (kind) {
	case OBJECT:
		size = 200;
		p = quarry_cache_alloc(cache, gfp);
		break;
	case CHARGED:
		p = quarry_pool_kmalloc(pool, size, gfp);
		break;
	case LARGE:
		size = 10000 + random % 30000;
		p = quarry_kmalloc(size, gfp);
		break;
	case PAGES:
		size = PAGE_SIZE << random % 3;
		page = quarry_alloc_pages(gfp, get_order(size));
		p = page ? page_address(page) : NULL;
		break;
	default:
		p = is_nolock(context) ? quarry_kmalloc_nolock(size, 0, NUMA_NO_NODE)
				       : quarry_kmalloc(size, gfp);
	}
	if (!p) {
		this_cpu_ptr(&tallies)->of[context].refused++;
		return NULL;
	}
	this_cpu_ptr(&tallies)->of[context].had++;
	p->kind = kind;
	p->size = size;
	p->fill = random & 0xff;
	p->sum = SUM(p);
	memset(p + 1, p->fill, size - sizeof(*p));
	return p;
}

static void end(enum context context, struct piece *p)
{
	enum kind kind;

	if (!p)
		return;
	kind = p->kind;
	if (p->sum != SUM(p) || kind >= NR_KINDS ||
	    memchr_inv(p + 1, p->fill, p->size - sizeof(*p))) {
		/* It stays, and is found missing at the end as well. */
		atomic_inc(&troubles);
		return;
	}
	this_cpu_ptr(&tallies)->of[context].freed++;
	if (kind == PAGES)
		quarry_free_pages(virt_to_page(p), get_order(p->size));
	else if (is_nolock(context))
		quarry_kfree_nolock(p);
	else if (kind == OBJECT && next(context) % 2)
		quarry_cache_free(cache, p);
	else
		quarry_kfree(p);
}

/* Once around. The CPU stays: its task is bound to it. */
static void turn(enum context context, gfp_t gfp)
{
	enum kind kind = is_nolock(context) ? KMALLOC : next(context) % (CHARGED + 1);
	struct piece *p = make(context, kind, gfp);

	end(context, xchg(&small[next(context) % ARRAY_SIZE(small)], p));
	if (is_nolock(context) || next(context) % 8)
		return;
	p = make(context, next(context) % 2 ? LARGE : PAGES, gfp);
	end(context, xchg(&large[next(context) % ARRAY_SIZE(large)], p));
}

static void sleeping_turn(unsigned long round)
{
	u8 *p = quarry_vmalloc(3 * PAGE_SIZE);

	if (p) {
		memset(p, 0x77, 3 * PAGE_SIZE);
		if (memchr_inv(p, 0x77, 3 * PAGE_SIZE))
			atomic_inc(&troubles);
	}
	quarry_vfree(p);
	quarry_kvfree(quarry_kvmalloc(50000, GFP_KERNEL));
	if (round % 512 == 0)
		quarry_cache_shrink(cache);
	if (round % 4096 == 0 && quarry_validate() != 0)
		atomic_inc(&troubles);
}

static int task(void *unused)
{
	unsigned long round, flags;

	for (round = 1; !kthread_should_stop(); round++) {
		switch (next(TASK) % 8) {
		case 0:
			sleeping_turn(round);
			break;
		case 1:
			preempt_disable();
			turn(PREEMPTION_OFF, GFP_NOWAIT);
			preempt_enable();
			break;
		case 2:
			local_irq_save(flags);
			turn(INTERRUPTS_OFF, GFP_ATOMIC);
			local_irq_restore(flags);
			break;
		case 3:
			raw_spin_lock_irqsave(&raw_lock, flags);
			turn(RAW_LOCK, 0);
			raw_spin_unlock_irqrestore(&raw_lock, flags);
			break;
		default:
			turn(TASK, GFP_KERNEL);
		}
		cond_resched();
	}
	return 0;
}

static void send_nmi(unsigned int cpu)
{
	if (have_nmi && atomic_cmpxchg(per_cpu_ptr(&nmi_due, cpu), 0, 1) == 0)
		apic->send_IPI(cpu, NMI_VECTOR);
}

static int on_nmi(unsigned int reason, struct pt_regs *regs)
{
	if (!atomic_xchg(this_cpu_ptr(&nmi_due), 0))
		return NMI_DONE;
	turn(NMI, 0);
	turn(NMI, 0);
	return NMI_HANDLED;
}

static void on_irq_work(struct irq_work *work)
{
	turn(IRQ_WORK, GFP_ATOMIC);
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	turn(SOFTIRQ, GFP_ATOMIC);
}

static enum hrtimer_restart on_timer(struct hrtimer *timer)
{
	unsigned int cpu = smp_processor_id();
	u32 random = next(TIMER);

	/* To another CPU in the midst of anything, or to this one after the timer. */
	if (random % 4)
		cpu = cpumask_next_wrap(cpu, cpu_online_mask);
	send_nmi(cpu);
	turn(TIMER, GFP_ATOMIC);
	irq_work_queue(this_cpu_ptr(&works));
	tasklet_schedule(this_cpu_ptr(&tasklets));
	hrtimer_forward_now(timer, us_to_ktime(PERIOD_US / 2 + random % PERIOD_US));
	return HRTIMER_RESTART;
}

static void start_timer(void *unused)
{
	struct hrtimer *timer = this_cpu_ptr(&timers);

	hrtimer_setup(timer, on_timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED);
	hrtimer_start(timer, us_to_ktime(PERIOD_US), HRTIMER_MODE_REL_PINNED);
}

static bool start_tasks(void)
{
	struct task_struct *new;
	unsigned int cpu;

	for_each_online_cpu(cpu) {
		new = kthread_create(task, NULL, "quarry_ctx/%u", cpu);
		if (IS_ERR(new))
			return false;
		kthread_bind(new, cpu);
		*per_cpu_ptr(&tasks, cpu) = new;
		wake_up_process(new);
	}
	return true;
}

static void stop_all(void)
{
	unsigned int cpu, i;

	for_each_online_cpu(cpu) {
		hrtimer_cancel(per_cpu_ptr(&timers, cpu));
		irq_work_sync(per_cpu_ptr(&works, cpu));
		tasklet_kill(per_cpu_ptr(&tasklets, cpu));
		if (*per_cpu_ptr(&tasks, cpu))
			kthread_stop(*per_cpu_ptr(&tasks, cpu));
	}
	for_each_online_cpu(cpu) {
		for (i = 0; atomic_read(per_cpu_ptr(&nmi_due, cpu)) && i < 100; i++)
			schedule_timeout_uninterruptible(HZ / 50);
		CHECK(!atomic_read(per_cpu_ptr(&nmi_due, cpu)));
	}
}

static void all_contexts_at_once(void)
{
	unsigned long left = seconds * HZ;
	unsigned int cpu, i;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < NR_CONTEXTS; i++)
			per_cpu_ptr(&tallies, cpu)->of[i].random = cpu * NR_CONTEXTS + i;
		*per_cpu_ptr(&works, cpu) = IRQ_WORK_INIT(on_irq_work);
		tasklet_setup(per_cpu_ptr(&tasklets, cpu), on_tasklet);
	}
	NEED(start_tasks());
	on_each_cpu(start_timer, NULL, 1);
	while (left && !signal_pending(current))
		left = schedule_timeout_interruptible(left);
	stop_all();
	CHECK(left == 0);
	CHECK(atomic_read(&troubles) == 0);
}

static void each_context_had_memory(void)
{
	unsigned long had, refused, freed;
	unsigned int cpu, i;

	for (i = 0; i < NR_CONTEXTS; i++) {
		had = refused = freed = 0;
		for_each_possible_cpu(cpu) {
			had += per_cpu_ptr(&tallies, cpu)->of[i].had;
			refused += per_cpu_ptr(&tallies, cpu)->of[i].refused;
			freed += per_cpu_ptr(&tallies, cpu)->of[i].freed;
		}
		pr_info("# %s: %lu allocated, %lu refused, %lu freed\n", context_names[i], had,
			refused, freed);
		if (i == NMI && !have_nmi)
			continue;
		CHECK(had > 100 && freed > 100);
	}
}

static void nothing_is_left(void)
{
	unsigned int i;

	preempt_disable();
	for (i = 0; i < ARRAY_SIZE(small); i++)
		end(TASK, xchg(&small[i], NULL));
	for (i = 0; i < ARRAY_SIZE(large); i++)
		end(TASK, xchg(&large[i], NULL));
	preempt_enable();
	CHECK(atomic_read(&troubles) == 0);
	CHECK(quarry_cache_destroy(cache) == 0);
	CHECK(quarry_pool_destroy(pool) == 0);
	CHECK(quarry_validate() == 0);
}

static const struct ktap_test tests[] = {
	KTAP_TEST(all_contexts_at_once),
	KTAP_TEST(each_context_had_memory),
	KTAP_TEST(nothing_is_left),
};

static int __init contexts_init(void)
{
	struct quarry_pool_args args = { .limit = 4 << 20, .reserve = 256 << 10 };

	cache = quarry_cache_create("test-all-contexts", 200, 0, 0, NULL);
	if (!cache)
		return -ENOMEM;
	pool = quarry_pool_create("test-contexts", &args);
	if (IS_ERR(pool)) {
		quarry_cache_destroy(cache);
		return PTR_ERR(pool);
	}
	have_nmi = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "quarry_test") == 0;
	ktap_run(tests, ARRAY_SIZE(tests));
	if (have_nmi)
		unregister_nmi_handler(NMI_LOCAL, "quarry_test");
	return 0;
}

static void __exit contexts_exit(void)
{
}

module_init(contexts_init);
module_exit(contexts_exit);

MODULE_DESCRIPTION("Tests of quarry: all contexts at once");
MODULE_LICENSE("GPL");
