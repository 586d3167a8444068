// SPDX-License-Identifier: GPL-2.0
/*
 * A packet ring, as a network driver has one: a timer interrupt brings packets, a
 * work takes them away.
 *
 * The packets come from a cache in a pool of the driver's own. Its limit keeps a
 * flood of packets from taking the machine's memory, its reserve keeps the
 * interrupt in packets when there is no other memory. What does not fit is dropped
 * and counted, as any driver does.
 *
 *   insmod ring.ko bursts=2000 burst=32 limit_kib=512
 *   rmmod ring; dmesg | tail -n 1
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/llist.h>
#include <linux/module.h>
#include <linux/quarry.h>
#include <linux/workqueue.h>

static unsigned int bursts = 1000;
module_param(bursts, uint, 0444);
MODULE_PARM_DESC(bursts, "timer interrupts until no more packets come");

static unsigned int burst = 32;
module_param(burst, uint, 0444);
MODULE_PARM_DESC(burst, "packets in one interrupt");

static unsigned int period_us = 200;
module_param(period_us, uint, 0444);
MODULE_PARM_DESC(period_us, "microseconds between two interrupts");

static unsigned int limit_kib = 1024;
module_param(limit_kib, uint, 0444);
MODULE_PARM_DESC(limit_kib, "the most memory for packets, in KiB");

static unsigned int reserve_kib = 256;
module_param(reserve_kib, uint, 0444);
MODULE_PARM_DESC(reserve_kib, "what of that is set aside for the interrupt, in KiB");

#define PAYLOAD 1500

struct packet {
	struct llist_node node;
	u32 number;
	u32 crc;
	u8 payload[PAYLOAD];
};

static struct quarry_pool *pool;
static struct quarry_cache *packets;
static struct hrtimer timer;
static LLIST_HEAD(arrived);

/* The interrupt alone writes the first three, the work alone the others. */
static unsigned long produced, dropped, interrupts;
static unsigned long consumed, broken;

/* The interrupt: brings a burst. */
static enum hrtimer_restart bring(struct hrtimer *unused);
static void take(struct work_struct *unused);
static DECLARE_WORK(work, take);

static enum hrtimer_restart bring(struct hrtimer *unused)
{
	unsigned int i;

	for (i = 0; i < burst; i++) {
		struct packet *packet = quarry_cache_alloc(packets, GFP_ATOMIC);

		if (!packet) {
			dropped++;
			continue;
		}
		packet->number = produced++;
		memset(packet->payload, packet->number, PAYLOAD);
		packet->crc = crc32(0, packet->payload, PAYLOAD);
		llist_add(&packet->node, &arrived);
	}
	schedule_work(&work);
	if (++interrupts >= bursts)
		return HRTIMER_NORESTART;
	hrtimer_forward_now(&timer, us_to_ktime(period_us));
	return HRTIMER_RESTART;
}

/* The work: checks what has arrived, and frees it. */
static void take(struct work_struct *unused)
{
	struct packet *packet, *next;

	llist_for_each_entry_safe(packet, next, llist_reverse_order(llist_del_all(&arrived)), node) {
		if (packet->crc != crc32(0, packet->payload, PAYLOAD))
			broken++;
		quarry_cache_free(packets, packet);
		consumed++;
	}
}

static int __init ring_init(void)
{
	struct quarry_pool_args args = {
		.limit = (unsigned long)limit_kib << 10,
		.reserve = (unsigned long)reserve_kib << 10,
	};

	if (!bursts || !burst || !period_us || !limit_kib) {
		pr_err("bursts, burst, period_us and limit_kib must not be 0\n");
		return -EINVAL;
	}
	pool = quarry_pool_create("ring", &args);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	packets = quarry_pool_cache_create(pool, "ring-packets", sizeof(struct packet), 0,
					   QUARRY_CACHE_HWALIGN, NULL);
	if (!packets) {
		quarry_pool_destroy(pool);
		return -ENOMEM;
	}
	hrtimer_setup(&timer, bring, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	hrtimer_start(&timer, us_to_ktime(period_us), HRTIMER_MODE_REL);
	return 0;
}

static void __exit ring_exit(void)
{
	hrtimer_cancel(&timer);
	flush_work(&work);
	pr_info("%lu packets in %lu interrupts, %lu dropped, %lu consumed, %lu broken, %lu KiB held\n",
		produced, interrupts, dropped, consumed, broken, quarry_pool_used(pool) >> 10);
	/* Both say in the log what is left, and leave it. */
	if (!quarry_cache_destroy(packets))
		quarry_pool_destroy(pool);
}

module_init(ring_init);
module_exit(ring_exit);

MODULE_DESCRIPTION("Sample user of quarry: a packet ring with a pool of its own");
MODULE_LICENSE("GPL");
