/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest physical memory: anonymous host memory behind one or two ranges of guest physical addresses (a hole below 4 GiB
 * holds the virtio-mmio windows and the interrupt controllers).
 *
 * guest_memory_at() is the only way from a guest physical address to a host pointer.
 */
#ifndef DUET_MICROVM_MEMORY_H
#define DUET_MICROVM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define GUEST_MEMORY_REGIONS_MAX 2

struct guest_memory_region {
	uint64_t address;    /* guest physical address of the first byte */
	uint64_t size_bytes; /* multiple of 4096 */
	unsigned char *host; /* where it lies in the monitor */
};

struct guest_memory {
	struct guest_memory_region regions[GUEST_MEMORY_REGIONS_MAX];
	unsigned count;
};

enum guest_memory_pages {
	GUEST_PAGES_TRANSPARENT, /* anonymous memory, transparent huge pages advised; untouched pages cost nothing */
	GUEST_PAGES_HUGE, /* pages of 2 MiB of the host's reserve (Documentation/admin-guide/mm/hugetlbpage.rst) */
};

#define GUEST_HUGE_PAGE_BYTES (2ULL << 20)

/* Maps size_bytes (multiple of 1 MiB; of GUEST_HUGE_PAGE_BYTES for GUEST_PAGES_HUGE) and lays it out by
 * microvm/layout.h. Returns 0 or a negative errno; -ENOMEM also for a reserve of huge pages that is too small. */
int guest_memory_map(
	struct guest_memory *memory, uint64_t size_bytes, enum guest_memory_pages pages, struct error *err);
void guest_memory_unmap(struct guest_memory *memory);

/* The host pointer for [address, address + length), or NULL unless that range is not empty and lies wholly inside one
 * region. The guest may change the bytes at any time: copy what is decided upon before it is checked. */
void *guest_memory_at(const struct guest_memory *memory, uint64_t address, uint64_t length);

#endif
