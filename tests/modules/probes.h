/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Misuses, each of which has to be reported exactly as its entry says.
 */
#ifndef _QUARRY_TEST_PROBES_H
#define _QUARRY_TEST_PROBES_H

#include <linux/types.h>

struct quarry_cache;

struct probe {
	const char *family;
	const char *what;
	void (*run)(void);
	/* In each preset at once: the whole line, with P for the pointer. */
	const char *refused;
	/* In the debug preset only: when, and what is said then. */
	const char *debug;
};

struct probes {
	const struct probe *probes;
	unsigned int nr;
};

extern const struct probes page_probes, cache_probes, kmalloc_probes, vmalloc_probes,
	sized_probes, dead_probes;

#define REFUSED(family, what, run, function, why)				\
	{ family, what, run, "bad free: " function "(P): " why "; left alone\n" }
#define USED(family, what, run, function)					\
	{ family, what, run, "bad use: " function "(probes): the cache has been destroyed\n" }
/* Where is as SLUB says it. */
#define OVERWRITTEN(family, what, run, moment, name, zone, where, byte)		\
	{ family, what, run, NULL, moment ": BUG " name ": " zone " overwritten\n"	\
	  where ". First byte 0x41 instead of " byte "\n" }
#define NOT_FOUND(family, what, run) { family, what, run }

/* What is asked for next is the misuse, of a pointer. */
void misuse(const void *pointer);
/* What comes next is no misuse: when something may be found. */
void then(const char *moment);

/* A cache of objects of 50 bytes, or of 50 with a constructor; of its own for each probe. */
struct quarry_cache *probes_cache(void (*constructor)(void *));
/* Ends it, which has no live objects. */
void end_cache(struct quarry_cache *cache);
/* Writes one byte that is in no zone and no poison. */
void overwrite(void *byte);
/* Frees so many pages that what was freed before leaves its quarantine. */
void flush_pages(void);

#endif /* _QUARRY_TEST_PROBES_H */
