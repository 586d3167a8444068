/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Events of quarry. Those of single allocations come only when the module was
 * loaded with track=1; see Documentation/tracing.rst.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM quarry

#if !defined(_TRACE_QUARRY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_QUARRY_H

#include <linux/tracepoint.h>

#ifndef _TRACE_QUARRY_LISTENERS
#define _TRACE_QUARRY_LISTENERS
/* How many of refill, drain and slow somebody listens to. */
extern unsigned int quarry_listeners;
int quarry_listen(void);
void quarry_unlisten(void);
#endif

/* Somebody has got memory. */
TRACE_EVENT(alloc,

	TP_PROTO(unsigned long call_site, const void *ptr, size_t bytes),

	TP_ARGS(call_site, ptr, bytes),

	TP_STRUCT__entry(
		__field(unsigned long,	call_site)
		__field(const void *,	ptr)
		__field(size_t,		bytes)
	),

	TP_fast_assign(
		__entry->call_site = call_site;
		__entry->ptr = ptr;
		__entry->bytes = bytes;
	),

	TP_printk("call_site=%pS ptr=%p bytes=%zu",
		  (void *)__entry->call_site, __entry->ptr, __entry->bytes)
);

/* Somebody has given memory back. */
TRACE_EVENT(free,

	TP_PROTO(const void *ptr, size_t bytes),

	TP_ARGS(ptr, bytes),

	TP_STRUCT__entry(
		__field(const void *,	ptr)
		__field(size_t,		bytes)
	),

	TP_fast_assign(
		__entry->ptr = ptr;
		__entry->bytes = bytes;
	),

	TP_printk("ptr=%p bytes=%zu", __entry->ptr, __entry->bytes)
);

DECLARE_EVENT_CLASS(quarry_pages,

	TP_PROTO(int node, unsigned long pages),

	TP_ARGS(node, pages),

	TP_STRUCT__entry(
		__field(int,		node)
		__field(unsigned long,	pages)
	),

	TP_fast_assign(
		__entry->node = node;
		__entry->pages = pages;
	),

	TP_printk("node=%d pages=%lu", __entry->node, __entry->pages)
);

/* The pool has taken pages from the kernel. */
DEFINE_EVENT(quarry_pages, grow,
	TP_PROTO(int node, unsigned long pages),
	TP_ARGS(node, pages)
);

/* The pool has given pages back. */
DEFINE_EVENT(quarry_pages, shrink,
	TP_PROTO(int node, unsigned long pages),
	TP_ARGS(node, pages)
);

DECLARE_EVENT_CLASS(quarry_entries,

	TP_PROTO(int node, unsigned int entries),

	TP_ARGS(node, entries),

	TP_STRUCT__entry(
		__field(int,		node)
		__field(unsigned int,	entries)
	),

	TP_fast_assign(
		__entry->node = node;
		__entry->entries = entries;
	),

	TP_printk("node=%d entries=%u", __entry->node, __entry->entries)
);

/* A magazine was filled from the slabs or blocks of a node. */
DEFINE_EVENT_FN(quarry_entries, refill,
	TP_PROTO(int node, unsigned int entries),
	TP_ARGS(node, entries),
	quarry_listen, quarry_unlisten
);

/* A full magazine was emptied into them. */
DEFINE_EVENT_FN(quarry_entries, drain,
	TP_PROTO(int node, unsigned int entries),
	TP_ARGS(node, entries),
	quarry_listen, quarry_unlisten
);

/* One entry went past the magazines, because an interrupt found them in use or there was none. */
DEFINE_EVENT_FN(quarry_entries, slow,
	TP_PROTO(int node, unsigned int entries),
	TP_ARGS(node, entries),
	quarry_listen, quarry_unlisten
);

#endif /* _TRACE_QUARRY_H */

#include <trace/define_trace.h>
