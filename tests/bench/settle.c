// SPDX-License-Identifier: GPL-2.0
/* The same beginning for every work. */
#include <linux/delay.h>
#include <linux/quarry.h>
#include <linux/sched/signal.h>

#include "report.h"
#include "thread.h"

#define MOST_MSEC 3000

struct task_struct *bench_find_thread(void)
{
	struct task_struct *task, *found = NULL;

	rcu_read_lock();
	for_each_process(task) {
		if ((task->flags & PF_KTHREAD) && !strcmp(task->comm, BENCH_THREAD)) {
			found = get_task_struct(task);
			break;
		}
	}
	rcu_read_unlock();
	return found;
}

void bench_settle(void)
{
	struct task_struct *thread;
	unsigned long switches;
	unsigned int waited;

	if (!bench_settles || !bench_counts_instructions())
		return;
	quarry_shrink();
	thread = bench_find_thread();
	if (!thread)
		return;
	/* It goes to sleep at the end of each tick. */
	switches = READ_ONCE(thread->nvcsw);
	for (waited = 0; READ_ONCE(thread->nvcsw) == switches && waited < MOST_MSEC; waited++)
		msleep(1);
	put_task_struct(thread);
}
