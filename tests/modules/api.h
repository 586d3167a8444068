/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _QUARRY_TEST_API_H
#define _QUARRY_TEST_API_H

/* api_frees.c */
void destroyed_caches_are_not_used(void);
void the_last_destroyed_caches_are_known(void);
void double_frees_are_refused(void);
void foreign_frees_are_refused(void);
void interior_frees_are_refused(void);
void frees_by_another_function_are_refused(void);
void frees_with_another_size_are_refused(void);
void frees_in_bulk_are_refused_one_by_one(void);

/* api_resize.c */
void krealloc_aligns(void);
void krealloc_keeps_the_rest_clear(void);
void reallocation_honours_nodes(void);
void vrealloc_checks_alignment(void);
void kvrealloc_changes_sides(void);
void released_caches_end(void);

/* api_contexts.c */
void works_with_preemption_off(void);
void works_with_interrupts_off(void);
void works_in_hardirq(void);
void works_in_softirq(void);
void works_when_interrupted_by_itself(void);
void another_cpu_may_free(void);

/* api_nolock.c */
void nolock_gives_and_takes(void);
void nolock_honours_nodes(void);
void nolock_frees_are_finished_later(void);
void nolock_refuses_what_it_must(void);

/* api_pools.c */
void pools_check_their_arguments(void);
void pools_have_limits(void);
void pools_take_back_by_the_usual_functions(void);
void wrong_frees_of_pools_are_refused(void);
void the_reserve_of_a_pool_is_there(void);
void a_pool_in_use_stays(void);
void purging_frees_everything(void);

/* api_presets.c */
void debug_finds_what_is_overwritten(void);
void hardened_clears_what_is_freed(void);
void hardened_keeps_apart(void);

#endif /* _QUARRY_TEST_API_H */
