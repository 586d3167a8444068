/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tests that a module runs when it is loaded. Results are KTAP lines in the
 * kernel log, behind the module's name; tests/guest/module prints them.
 */
#ifndef _QUARRY_TEST_KTAP_H
#define _QUARRY_TEST_KTAP_H

#include <linux/array_size.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/types.h>

struct ktap_test {
	const char *name;
	void (*run)(void);
};

#define KTAP_TEST(function) { #function, function }

/* Of the test that runs. */
extern unsigned int ktap_failures;
extern const char *ktap_skipped;

/* Reports what does not hold, and goes on. Gives whether it holds. */
#define CHECK(condition) ({							\
	bool holds = !!(condition);						\
										\
	if (!holds && ktap_failures++ < 8)					\
		pr_info("# %s:%d: %s\n", __func__, __LINE__, #condition);	\
	holds;									\
})

/* Ends a function that cannot go on. */
#define NEED(condition) do {							\
	if (!CHECK(condition))							\
		return;								\
} while (0)

#define SKIP(reason) do {							\
	ktap_skipped = (reason);						\
	return;									\
} while (0)

/* To be used in one file of each module. */
#define KTAP_DEFINE_RUN()							\
unsigned int ktap_failures;							\
const char *ktap_skipped;							\
										\
static void ktap_run(const struct ktap_test *tests, unsigned int nr)		\
{										\
	unsigned int i;								\
										\
	pr_info("KTAP version 1\n");						\
	pr_info("1..%u\n", nr);							\
	for (i = 0; i < nr; i++) {						\
		ktap_failures = 0;						\
		ktap_skipped = NULL;						\
		tests[i].run();							\
		if (ktap_failures)						\
			pr_info("not ok %u - %s\n", i + 1, tests[i].name);	\
		else if (ktap_skipped)						\
			pr_info("ok %u - %s # SKIP %s\n", i + 1,		\
				tests[i].name, ktap_skipped);			\
		else								\
			pr_info("ok %u - %s\n", i + 1, tests[i].name);		\
		cond_resched();							\
	}									\
}

#endif /* _QUARRY_TEST_KTAP_H */
