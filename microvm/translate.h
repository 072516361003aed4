/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a guest's virtual address to a physical one, by the guest's own page tables (Intel SDM volume 3, 4.5: 4-level
 * and 5-level paging in 64-bit mode), as a supervisor's data access.
 */
#ifndef DUET_MICROVM_TRANSLATE_H
#define DUET_MICROVM_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>

#include "microvm/memory.h"

struct translation {
	const struct guest_memory *memory;
	uint64_t cr0, cr3, cr4;
	bool touch; /* set accessed and dirty bits, as the processor would */
};

/* Why an access failed. */
struct translation_fault {
	uint64_t address;    /* the first byte that cannot be accessed */
	uint32_t error_code; /* of the page fault that the access makes */
};

/* 0: *physical is where `address` is. -EFAULT: the access makes a page fault. -EINVAL: not a canonical address, or page
 * tables outside of memory. */
int translate(const struct translation *translation, uint64_t address, bool write, uint64_t *physical,
	struct translation_fault *fault);

/* The host pointer for what lies at an address, up to the end of its page (*length bytes). NULL: *fault says where,
 * *result is one of the errors above, or -EINVAL for what is not memory. */
void *translate_page(const struct translation *translation, uint64_t address, bool write, size_t *length, int *result,
	struct translation_fault *fault);

/* Copies from or to guest memory, over page borders. 0 or the errors above; what came before the fault is copied. */
int translate_copy(const struct translation *translation, uint64_t address, void *data, size_t length, bool write,
	struct translation_fault *fault);

#endif
