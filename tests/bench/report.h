/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _QUARRY_BENCH_REPORT_H
#define _QUARRY_BENCH_REPORT_H

#include "bench.h"

/* Measures the empty measurement, and prints the line that begins a run. */
void bench_report_start(void);

/* Whether ticks are instructions. */
bool bench_counts_instructions(void);

#endif /* _QUARRY_BENCH_REPORT_H */
