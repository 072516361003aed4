/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/translate.h"

#include <errno.h>
#include <string.h>

#define ENTRY_PRESENT  (1ULL << 0)
#define ENTRY_WRITABLE (1ULL << 1)
#define ENTRY_ACCESSED (1ULL << 5)
#define ENTRY_DIRTY    (1ULL << 6)
#define ENTRY_LARGE    (1ULL << 7)
#define ENTRY_ADDRESS  0x000ffffffffff000ULL

#define CR0_WRITE_PROTECT (1ULL << 16)
#define CR4_LA57          (1ULL << 12)

#define FAULT_PRESENT (1U << 0)
#define FAULT_WRITE   (1U << 1)

#define LEVELS_MAX 5
#define PAGE_BYTES 4096U

static bool canonical(uint64_t address, unsigned levels)
{
	unsigned unused = 64 - (12 + 9 * levels);

	return (uint64_t)((int64_t)(address << unused) >> unused) == address;
}

/* Other vCPUs and the guest's own kernel change entries at the same time: only ever add bits. */
static void touch(uint64_t *entry, uint64_t value, uint64_t bits)
{
	if ((value & bits) != bits)
		(void)__atomic_fetch_or(entry, bits, __ATOMIC_SEQ_CST);
}

int translate(const struct translation *translation, uint64_t address, bool write, uint64_t *physical,
	struct translation_fault *fault)
{
	unsigned levels = translation->cr4 & CR4_LA57 ? 5 : 4, depth = 0;
	uint64_t *entries[LEVELS_MAX], values[LEVELS_MAX];
	uint64_t table = translation->cr3 & ENTRY_ADDRESS, offset_mask = 0;
	bool writable = true;

	if (!canonical(address, levels))
		return -EINVAL;
	*fault = (struct translation_fault){ .address = address, .error_code = write ? FAULT_WRITE : 0 };
	for (unsigned level = levels; level > 0; level--, depth++) {
		unsigned shift = 12 + 9 * (level - 1);
		uint64_t *entry =
			guest_memory_at(translation->memory, table + 8 * ((address >> shift) & 511), sizeof(*entry));
		uint64_t value;

		if (!entry)
			return -EINVAL;
		value = __atomic_load_n(entry, __ATOMIC_RELAXED);
		if (!(value & ENTRY_PRESENT))
			return -EFAULT;
		writable = writable && (value & ENTRY_WRITABLE);
		entries[depth] = entry;
		values[depth] = value;
		table = value & ENTRY_ADDRESS;
		offset_mask = (1ULL << shift) - 1;
		if (level == 1 || ((value & ENTRY_LARGE) && level <= 3))
			break;
	}
	if (write && !writable && (translation->cr0 & CR0_WRITE_PROTECT)) {
		fault->error_code |= FAULT_PRESENT;
		return -EFAULT;
	}
	for (unsigned i = 0; translation->touch && i <= depth; i++)
		touch(entries[i], values[i], ENTRY_ACCESSED | (i == depth && write ? ENTRY_DIRTY : 0));
	*physical = (table & ~offset_mask) | (address & offset_mask);
	return 0;
}

void *translate_page(const struct translation *translation, uint64_t address, bool write, size_t *length, int *result,
	struct translation_fault *fault)
{
	uint64_t physical;
	void *host;

	*result = translate(translation, address, write, &physical, fault);
	if (*result)
		return NULL;
	*length = PAGE_BYTES - (address & (PAGE_BYTES - 1));
	host = guest_memory_at(translation->memory, physical, *length);
	if (!host)
		*result = -EINVAL;
	return host;
}

int translate_copy(const struct translation *translation, uint64_t address, void *data, size_t length, bool write,
	struct translation_fault *fault)
{
	for (size_t done = 0; done < length;) {
		size_t part;
		int result;
		char *host = translate_page(translation, address + done, write, &part, &result, fault);

		if (!host)
			return result;
		if (part > length - done)
			part = length - done;
		if (write)
			memcpy(host, (char *)data + done, part);
		else
			memcpy((char *)data + done, host, part);
		done += part;
	}
	return 0;
}
