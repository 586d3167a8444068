// SPDX-License-Identifier: GPL-2.0
/*
 * The events of include/trace/events/quarry.h: one call each, sorted by name.
 */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include <trace/events/quarry.h>

#include "helpers.h"

/* Tracepoints are switched by one task at a time. */
unsigned int quarry_listeners;

int quarry_listen(void)
{
	WRITE_ONCE(quarry_listeners, quarry_listeners + 1);
	return 0;
}

void quarry_unlisten(void)
{
	WRITE_ONCE(quarry_listeners, quarry_listeners - 1);
}

void quarry_helper_trace_alloc(unsigned long call_site, const void *ptr, size_t bytes)
{
	trace_alloc(call_site, ptr, bytes);
}

void quarry_helper_trace_drain(int node, unsigned int entries)
{
	trace_drain(node, entries);
}

void quarry_helper_trace_free(const void *ptr, size_t bytes)
{
	trace_free(ptr, bytes);
}

void quarry_helper_trace_grow(int node, unsigned long pages)
{
	trace_grow(node, pages);
}

void quarry_helper_trace_refill(int node, unsigned int entries)
{
	trace_refill(node, entries);
}

void quarry_helper_trace_shrink(int node, unsigned long pages)
{
	trace_shrink(node, pages);
}

void quarry_helper_trace_slow(int node, unsigned int entries)
{
	trace_slow(node, entries);
}
