/* SPDX-License-Identifier: GPL-2.0 */
/* quarry's thread, which ticks once a second. */
#ifndef _QUARRY_BENCH_THREAD_H
#define _QUARRY_BENCH_THREAD_H

struct task_struct;

#define BENCH_THREAD "quarryd"

/* Gives the thread, to be put, or NULL. */
struct task_struct *bench_find_thread(void);

#endif /* _QUARRY_BENCH_THREAD_H */
