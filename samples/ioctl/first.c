// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of /dev/quarry without a library: one allocation of each kind, written,
 * read back, mapped, explained and freed; then a batch.
 *
 *   cc -I include/uapi -o first samples/ioctl/first.c && ./first
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/quarry.h>

/* Each structure begins with its size, as this program knows it. */
#define ARGUMENT(type, name) struct type name = { .size = sizeof(struct type) }

static int quarry;

/* Calls, and says what failed. */
static int call(unsigned long request, void *argument, const char *name)
{
	if (ioctl(quarry, request, argument) == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", name, strerror(errno));
	return -1;
}

static int one_of_each(uint32_t kind, const char *name, uint64_t bytes)
{
	ARGUMENT(quarry_alloc, alloc);
	ARGUMENT(quarry_io, io);
	ARGUMENT(quarry_explain, explain);
	ARGUMENT(quarry_map, map);
	ARGUMENT(quarry_free, release);
	char text[] = "written by one ioctl, read by another", back[sizeof(text)] = "";

	alloc.kind = kind;
	alloc.node = QUARRY_NODE_ANY;
	alloc.bytes = bytes;
	if (call(QUARRY_IOC_ALLOC, &alloc, "ALLOC"))
		return -1;

	io.handle = alloc.handle;
	io.length = sizeof(text);
	io.buffer = (uintptr_t)text;
	if (call(QUARRY_IOC_WRITE, &io, "WRITE"))
		return -1;
	io.buffer = (uintptr_t)back;
	if (call(QUARRY_IOC_READ, &io, "READ"))
		return -1;
	if (strcmp(text, back) != 0) {
		fprintf(stderr, "%s: read '%s'\n", name, back);
		return -1;
	}

	explain.handle = alloc.handle;
	if (call(QUARRY_IOC_EXPLAIN, &explain, "EXPLAIN"))
		return -1;
	printf("%-8s %7llu bytes, %7llu usable, %s%s%u pages on node %d\n", name,
	       (unsigned long long)bytes, (unsigned long long)alloc.usable,
	       explain.cache_name, explain.cache_name[0] ? ", " : "", explain.nr_pages,
	       explain.node);

	/* Objects of a slab share their page with others, and so cannot be mapped. */
	map.handle = alloc.handle;
	if (ioctl(quarry, QUARRY_IOC_MAP, &map) == 0) {
		char *mapped = mmap(NULL, map.length, PROT_READ | PROT_WRITE, MAP_SHARED, quarry,
				    map.offset);

		if (mapped == MAP_FAILED || strcmp(mapped, text) != 0) {
			fprintf(stderr, "%s: cannot be mapped\n", name);
			return -1;
		}
		munmap(mapped, map.length);
	}

	release.handle = alloc.handle;
	return call(QUARRY_IOC_FREE, &release, "FREE");
}

/* Allocates, fills, verifies and frees in one call: later operations name the first by its index. */
static int many_at_once(void)
{
	struct quarry_op ops[4] = {
		{ .op = QUARRY_OP_ALLOC, .kind = QUARRY_KIND_KMALLOC, .node = QUARRY_NODE_ANY,
		  .bytes = 1000 },
		{ .op = QUARRY_OP_FILL, .flags = QUARRY_OP_BY_INDEX, .arg = 42 },
		{ .op = QUARRY_OP_VERIFY, .flags = QUARRY_OP_BY_INDEX, .arg = 42 },
		{ .op = QUARRY_OP_FREE, .flags = QUARRY_OP_BY_INDEX },
	};
	ARGUMENT(quarry_batch, batch);

	batch.ops = (uintptr_t)ops;
	batch.nr = 4;
	batch.op_size = sizeof(ops[0]);
	if (call(QUARRY_IOC_BATCH, &batch, "BATCH"))
		return -1;
	printf("batch    %u operations, %u failed\n", batch.done, batch.failed);
	return batch.failed ? -1 : 0;
}

int main(void)
{
	ARGUMENT(quarry_query, query);

	quarry = open("/dev/quarry", O_RDWR | O_CLOEXEC);
	if (quarry < 0) {
		fprintf(stderr, "/dev/quarry: %s%s\n", strerror(errno),
			errno == ENOENT ? "; is the module loaded?" : "");
		return 1;
	}
	if (call(QUARRY_IOC_QUERY, &query, "QUERY"))
		return 1;
	printf("query    interface version %u, %u CPUs, %u of %u handles used\n", query.abi,
	       query.nr_cpus, query.used_handles, query.quota_handles);
	if (one_of_each(QUARRY_KIND_PAGES, "pages", 10000) ||
	    one_of_each(QUARRY_KIND_KMALLOC, "kmalloc", 100) ||
	    one_of_each(QUARRY_KIND_KMALLOC, "kmalloc", 100000) ||
	    one_of_each(QUARRY_KIND_VMALLOC, "vmalloc", 100000) ||
	    one_of_each(QUARRY_KIND_KVMALLOC, "kvmalloc", 10000000) || many_at_once())
		return 1;
	/* Closing frees what is left; here nothing is. */
	close(quarry);
	return 0;
}
