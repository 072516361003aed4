/* SPDX-License-Identifier: Apache-2.0 */
/* Guest physical memory: its layout, and the one way from a guest address to a host pointer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdbool.h>
#include <unistd.h>

#include "microvm/layout.h"
#include "microvm/memory.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void small_memory_is_one_region_from_zero(void **state)
{
	struct guest_memory memory;
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&memory, 64 * MIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(memory.count, 1);
	assert_int_equal(memory.regions[0].address, 0);
	assert_int_equal(memory.regions[0].size_bytes, 64 * MIB);
	assert_int_equal((uintptr_t)memory.regions[0].host % (2 * MIB), 0);
	memset(memory.regions[0].host, 0xa5, 4096);
	memset(memory.regions[0].host + 64 * MIB - 4096, 0xa5, 4096);
	guest_memory_unmap(&memory);
	assert_int_equal(memory.count, 0);
}

static void large_memory_leaves_the_hole_below_4_gib(void **state)
{
	struct guest_memory memory;
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&memory, 8 * GIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(memory.count, 2);
	assert_int_equal(memory.regions[0].size_bytes, LAYOUT_LOW_MEMORY_END);
	assert_int_equal(memory.regions[1].address, 4 * GIB);
	assert_int_equal(memory.regions[0].size_bytes + memory.regions[1].size_bytes, 8 * GIB);
	assert_null(guest_memory_at(&memory, LAYOUT_MMIO, 4));
	assert_null(guest_memory_at(&memory, LAYOUT_LOCAL_APIC, 4));
	assert_ptr_equal(guest_memory_at(&memory, 4 * GIB, 4096), memory.regions[1].host);
	guest_memory_unmap(&memory);
}

/* Whether the kernel finds a byte there to read. */
static bool is_mapped(int pipe_fd, const unsigned char *place)
{
	return write(pipe_fd, place, 1) == 1;
}

static void nothing_lies_beside_a_region(void **state)
{
	struct guest_memory memory;
	struct error err;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(guest_memory_map(&memory, LAYOUT_LOW_MEMORY_END + MIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	for (unsigned i = 0; i < memory.count; i++) {
		const unsigned char *host = memory.regions[i].host, *end = host + memory.regions[i].size_bytes;

		assert_true(is_mapped(ends[1], host) && is_mapped(ends[1], end - 1));
		for (size_t distance = 0; distance < 2 * MIB; distance += 4096)
			assert_false(is_mapped(ends[1], host - 1 - distance) || is_mapped(ends[1], end + distance));
	}
	guest_memory_unmap(&memory);
	close(ends[0]);
	close(ends[1]);
}

static void memory_that_just_fits_below_the_hole_is_one_region(void **state)
{
	struct guest_memory memory;
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&memory, LAYOUT_LOW_MEMORY_END, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(memory.count, 1);
	guest_memory_unmap(&memory);
	assert_int_equal(guest_memory_map(&memory, LAYOUT_LOW_MEMORY_END + MIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(memory.count, 2);
	assert_int_equal(memory.regions[1].size_bytes, MIB);
	guest_memory_unmap(&memory);
}

static void only_ranges_inside_one_region_have_a_pointer(void **state)
{
	struct guest_memory memory;
	struct error err;
	unsigned char *host;

	(void)state;
	assert_int_equal(guest_memory_map(&memory, 5 * GIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	host = memory.regions[0].host;
	assert_ptr_equal(guest_memory_at(&memory, 0, 1), host);
	assert_ptr_equal(guest_memory_at(&memory, 0, LAYOUT_LOW_MEMORY_END), host);
	assert_null(guest_memory_at(&memory, 0, LAYOUT_LOW_MEMORY_END + 1));
	assert_null(guest_memory_at(&memory, 0, 5 * GIB));
	assert_null(guest_memory_at(&memory, 1, LAYOUT_LOW_MEMORY_END));
	assert_ptr_equal(guest_memory_at(&memory, LAYOUT_LOW_MEMORY_END - 1, 1), host + LAYOUT_LOW_MEMORY_END - 1);
	assert_null(guest_memory_at(&memory, LAYOUT_LOW_MEMORY_END - 1, 2));
	assert_null(guest_memory_at(&memory, LAYOUT_LOW_MEMORY_END, 1));
	/* Empty, wrapping round, far outside. */
	assert_null(guest_memory_at(&memory, 0, 0));
	assert_null(guest_memory_at(&memory, 16, UINT64_MAX));
	assert_null(guest_memory_at(&memory, 16, UINT64_MAX - 8));
	assert_null(guest_memory_at(&memory, UINT64_MAX, 1));
	assert_null(guest_memory_at(&memory, UINT64_MAX - 3, 8));
	guest_memory_unmap(&memory);
}

static void sizes_that_are_no_multiple_of_1_mib_are_refused(void **state)
{
	struct guest_memory memory = { .count = 77 };
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&memory, 0, GUEST_PAGES_TRANSPARENT, &err), -EINVAL);
	assert_int_equal(guest_memory_map(&memory, MIB + 4096, GUEST_PAGES_TRANSPARENT, &err), -EINVAL);
	assert_non_null(strstr(err.message, "multiple of 1 MiB"));
	assert_int_equal(guest_memory_map(&memory, UINT64_MAX - MIB + 1, GUEST_PAGES_TRANSPARENT, &err), -EINVAL);
	assert_int_equal(guest_memory_map(&memory, 1ULL << 47, GUEST_PAGES_TRANSPARENT, &err), -ENOMEM);
	assert_int_equal(memory.count, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_memory_is_one_region_from_zero),
		cmocka_unit_test(large_memory_leaves_the_hole_below_4_gib),
		cmocka_unit_test(nothing_lies_beside_a_region),
		cmocka_unit_test(memory_that_just_fits_below_the_hole_is_one_region),
		cmocka_unit_test(only_ranges_inside_one_region_have_a_pointer),
		cmocka_unit_test(sizes_that_are_no_multiple_of_1_mib_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
