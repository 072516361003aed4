/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/memory.h"

#include <linux/mman.h>
#include <sys/mman.h>

#include "microvm/layout.h"

#define MEBIBYTE (1ULL << 20)

/* On both sides of each region: what leaves it by mistake meets nothing. */
#define GUARD_BYTES GUEST_HUGE_PAGE_BYTES

/* Room for a region between two guards. Guest addresses and host addresses agree modulo 2 MiB, so that a huge page of
 * the host can back one of the guest. */
static unsigned char *reserve(uint64_t size_bytes)
{
	size_t kept_bytes = (size_t)(size_bytes + 2 * GUARD_BYTES);
	size_t mapped_bytes = kept_bytes + GUEST_HUGE_PAGE_BYTES, before, after;
	unsigned char *mapped = mmap(NULL, mapped_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mapped == MAP_FAILED)
		return NULL;
	before = (size_t)(-(uintptr_t)mapped & (GUEST_HUGE_PAGE_BYTES - 1));
	after = (size_t)GUEST_HUGE_PAGE_BYTES - before;
	if (before)
		(void)munmap(mapped, before);
	if (after)
		(void)munmap(mapped + before + kept_bytes, after);
	return mapped + before + GUARD_BYTES;
}

static void unmap(unsigned char *host, uint64_t size_bytes)
{
	(void)munmap(host - GUARD_BYTES, (size_t)(size_bytes + 2 * GUARD_BYTES));
}

static unsigned char *map_region(uint64_t size_bytes, enum guest_memory_pages pages)
{
	int flags = pages == GUEST_PAGES_HUGE ? MAP_HUGETLB | MAP_HUGE_2MB : MAP_NORESERVE;
	unsigned char *host = reserve(size_bytes);
	int saved;

	if (!host)
		return NULL;
	if (mmap(host, (size_t)size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1,
		    0) == MAP_FAILED) {
		saved = errno;
		unmap(host, size_bytes);
		errno = saved;
		return NULL;
	}
	/* Both are advice: a kernel without huge pages or core dumps runs the guest as well. */
	if (pages != GUEST_PAGES_HUGE)
		(void)madvise(host, (size_t)size_bytes, MADV_HUGEPAGE);
	(void)madvise(host, (size_t)size_bytes, MADV_DONTDUMP);
	return host;
}

static int add_region(struct guest_memory *memory, uint64_t address, uint64_t size_bytes, enum guest_memory_pages pages)
{
	struct guest_memory_region *region = &memory->regions[memory->count];
	unsigned char *host = map_region(size_bytes, pages);

	if (!host)
		return -errno;
	*region = (struct guest_memory_region){ .address = address, .size_bytes = size_bytes, .host = host };
	memory->count++;
	return 0;
}

static int explain(uint64_t size_bytes, enum guest_memory_pages pages, int code, struct error *err)
{
	if (pages == GUEST_PAGES_HUGE && code == ENOMEM)
		return error_set(err, -ENOMEM,
			"%llu huge pages of 2 MiB are needed for the guest's memory and the host has not that many to "
			"spare (/proc/sys/vm/nr_hugepages)",
			(unsigned long long)(size_bytes / GUEST_HUGE_PAGE_BYTES));
	return error_set(err, code, "map %llu MiB of guest memory", (unsigned long long)(size_bytes / MEBIBYTE));
}

int guest_memory_map(struct guest_memory *memory, uint64_t size_bytes, enum guest_memory_pages pages, struct error *err)
{
	uint64_t low_bytes = size_bytes < LAYOUT_LOW_MEMORY_END ? size_bytes : LAYOUT_LOW_MEMORY_END;
	struct guest_memory mapped = { .count = 0 };
	int result;

	if (!size_bytes || size_bytes % MEBIBYTE || size_bytes > (UINT64_MAX >> 16))
		return error_set(err, -EINVAL, "guest memory of %llu bytes is not a multiple of 1 MiB",
			(unsigned long long)size_bytes);
	if (pages == GUEST_PAGES_HUGE && size_bytes % GUEST_HUGE_PAGE_BYTES)
		return error_set(err, -EINVAL, "guest memory of %llu MiB is not a multiple of 2 MiB, a huge page",
			(unsigned long long)(size_bytes / MEBIBYTE));
	result = add_region(&mapped, 0, low_bytes, pages);
	if (!result && size_bytes > low_bytes)
		result = add_region(&mapped, LAYOUT_HIGH_MEMORY, size_bytes - low_bytes, pages);
	if (result) {
		guest_memory_unmap(&mapped);
		return explain(size_bytes, pages, -result, err);
	}
	*memory = mapped;
	return 0;
}

void guest_memory_unmap(struct guest_memory *memory)
{
	for (unsigned i = 0; i < memory->count; i++)
		unmap(memory->regions[i].host, memory->regions[i].size_bytes);
	memory->count = 0;
}

void *guest_memory_at(const struct guest_memory *memory, uint64_t address, uint64_t length)
{
	for (unsigned i = 0; i < memory->count; i++) {
		const struct guest_memory_region *region = &memory->regions[i];
		uint64_t offset = address - region->address;

		if (address < region->address || offset >= region->size_bytes)
			continue;
		return length && length <= region->size_bytes - offset ? region->host + offset : NULL;
	}
	return NULL;
}
