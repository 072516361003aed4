/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory for the tests of what is written into it before a boot. */
#ifndef DUET_TESTS_UNIT_BOOT_MEMORY_H
#define DUET_TESTS_UNIT_BOOT_MEMORY_H

#include "microvm/memory.h"

#define MIB (1ULL << 20)

static struct guest_memory memory;

static int set_up(void **state)
{
	struct error err;

	(void)state;
	return guest_memory_map(&memory, 64 * MIB, GUEST_PAGES_TRANSPARENT, &err);
}

static int tear_down(void **state)
{
	(void)state;
	guest_memory_unmap(&memory);
	return 0;
}

#endif
