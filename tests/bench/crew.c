// SPDX-License-Identifier: GPL-2.0
/* Threads on CPUs of their own that start at the same moment. */
#include <linux/cpumask.h>
#include <linux/kthread.h>

#include "crew.h"

struct crew {
	crew_work work;
	void *data;
	unsigned int nr;
	atomic_t ready;
	bool called_off;
	struct completion done;
	atomic_t left;
	struct {
		u64 start;
		u64 end;
		bool good;
	} members[CREW_MOST];
};

struct member {
	struct crew *crew;
	unsigned int number;
};

static int member_run(void *argument)
{
	struct member member = *(struct member *)argument;
	struct crew *crew = member.crew;

	atomic_inc(&crew->ready);
	while (atomic_read(&crew->ready) < crew->nr && !READ_ONCE(crew->called_off))
		cpu_relax();
	if (!READ_ONCE(crew->called_off)) {
		crew->members[member.number].start = bench_now();
		crew->members[member.number].good = crew->work(member.number, crew->data);
		crew->members[member.number].end = bench_now();
	}
	if (atomic_dec_and_test(&crew->left))
		complete(&crew->done);
	return 0;
}

/* The CPU of a member: the ones that are online, in their order. */
static unsigned int nth_cpu(unsigned int number)
{
	unsigned int cpu = cpumask_first(cpu_online_mask);

	while (number--)
		cpu = cpumask_next(cpu, cpu_online_mask);
	return cpu;
}

u64 crew_run(unsigned int nr, crew_work work, void *data)
{
	struct crew crew = { .work = work, .data = data, .nr = nr };
	struct member members[CREW_MOST];
	u64 first = U64_MAX, last = 0;
	bool good = true;
	unsigned int i;

	if (nr > CREW_MOST || nr > num_online_cpus())
		return 0;
	init_completion(&crew.done);
	/* One for this thread, so that nobody completes before all are there. */
	atomic_set(&crew.left, 1);
	for (i = 0; i < nr; i++) {
		struct task_struct *task;

		members[i] = (struct member){ &crew, i };
		task = kthread_create(member_run, &members[i], "quarry_bench/%u", i);
		if (IS_ERR(task)) {
			WRITE_ONCE(crew.called_off, true);
			break;
		}
		kthread_bind(task, nth_cpu(i));
		atomic_inc(&crew.left);
		wake_up_process(task);
	}
	if (!atomic_dec_and_test(&crew.left))
		wait_for_completion(&crew.done);
	for (i = 0; i < nr; i++) {
		first = min(first, crew.members[i].start);
		last = max(last, crew.members[i].end);
		good = good && crew.members[i].good;
	}
	return good && !crew.called_off ? last - first : 0;
}
