/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest's kernel finds when it is entered: the initrd, the zero page, the MP table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <asm/bootparam.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "microvm/boot.h"
#include "microvm/layout.h"
#include "microvm/mptable.h"
#include "tests/unit/boot_memory.h"

static const struct boot_kernel plain_kernel = { .protocol = BOOT_LINUX, .entry = 16 * MIB, .end = 23 * MIB };

static void initrd_lies_at_the_top_of_low_memory(void **state)
{
	cleanup_fd int fd = memfd_create("initrd", MFD_CLOEXEC);
	const struct boot_kernel kernel = { .entry = 16 * MIB, .end = 23 * MIB };
	struct boot_kernel low_kernel = kernel;
	const struct boot_kernel huge_kernel = { .entry = 16 * MIB, .end = 64 * MIB - 8192 };
	struct boot_initrd initrd = { 0 };
	struct error err;

	(void)state;
	assert_int_equal(boot_load_initrd(&memory, fd, &kernel, &initrd, &err), -EINVAL);
	assert_int_equal(ftruncate(fd, 5000), 0);
	assert_int_equal(pwrite(fd, "end", 3, 4997), 3);
	assert_int_equal(boot_load_initrd(&memory, fd, &kernel, &initrd, &err), 0);
	assert_int_equal(initrd.address, 64 * MIB - 8192);
	assert_int_equal(initrd.size_bytes, 5000);
	assert_memory_equal(guest_memory_at(&memory, initrd.address + 4997, 3), "end", 3);
	assert_int_equal(boot_load_initrd(&memory, fd, &huge_kernel, &initrd, &err), -ENOMEM);
	/* No higher than the kernel says that it looks. */
	low_kernel.header.initrd_addr_max = 32 * MIB - 1;
	assert_int_equal(boot_load_initrd(&memory, fd, &low_kernel, &initrd, &err), 0);
	assert_int_equal(initrd.address, 32 * MIB - 8192);
	assert_int_equal(ftruncate(fd, 1LL << 40), 0);
	assert_int_equal(boot_load_initrd(&memory, fd, &kernel, &initrd, &err), -ENOMEM);
}

static void zero_page_says_where_everything_is(void **state)
{
	const struct boot_initrd initrd = { .address = 48 * MIB, .size_bytes = 5000 };
	const struct boot_params *params = guest_memory_at(&memory, LAYOUT_BOOT_PARAMS, sizeof(*params));
	const struct setup_data *seed = guest_memory_at(&memory, LAYOUT_SETUP_DATA, sizeof(*seed) + 64);
	unsigned char first[64];
	struct error err;

	(void)state;
	assert_int_equal(boot_write_params(&memory, &plain_kernel, &initrd, "panic=-1 quiet", &err), 0);
	assert_int_equal(params->hdr.boot_flag, 0xaa55);
	assert_memory_equal(&params->hdr.header, "HdrS", 4);
	assert_int_equal(params->hdr.ramdisk_image, 48 * MIB);
	assert_int_equal(params->hdr.ramdisk_size, 5000);
	assert_string_equal(guest_memory_at(&memory, params->hdr.cmd_line_ptr, 2048), "panic=-1 quiet");
	assert_int_equal(params->e820_entries, 3);
	assert_int_equal(params->e820_table[0].addr, 0);
	assert_int_equal(params->e820_table[0].size, LAYOUT_MP_TABLE);
	assert_int_equal(params->e820_table[1].type, 2);
	assert_int_equal(params->e820_table[2].addr, MIB);
	assert_int_equal(params->e820_table[2].size, 63 * MIB);
	assert_int_equal(params->hdr.setup_data, LAYOUT_SETUP_DATA);
	assert_int_equal(seed->type, SETUP_RNG_SEED);
	assert_int_equal(seed->len, 64);
	/* Another one for every machine. */
	memcpy(first, seed->data, 64);
	assert_int_equal(boot_write_params(&memory, &plain_kernel, &initrd, "", &err), 0);
	assert_true(memcmp(first, seed->data, 64) != 0);
}

static void memory_above_4_gib_is_announced(void **state)
{
	const struct boot_initrd none = { 0 };
	struct guest_memory large;
	const struct boot_params *params;
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&large, 5 * 1024 * MIB, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(boot_write_params(&large, &plain_kernel, &none, "", &err), 0);
	params = guest_memory_at(&large, LAYOUT_BOOT_PARAMS, sizeof(*params));
	assert_int_equal(params->e820_entries, 4);
	assert_int_equal(params->e820_table[2].addr + params->e820_table[2].size, LAYOUT_LOW_MEMORY_END);
	assert_int_equal(params->e820_table[3].addr, LAYOUT_HIGH_MEMORY);
	assert_int_equal(params->e820_table[3].size, 5 * 1024 * MIB - LAYOUT_LOW_MEMORY_END);
	guest_memory_unmap(&large);
}

static void command_line_has_a_limit(void **state)
{
	const struct boot_initrd none = { 0 };
	char words[2049];
	struct error err;

	(void)state;
	memset(words, 'a', sizeof(words));
	words[2047] = 0;
	assert_int_equal(boot_write_params(&memory, &plain_kernel, &none, words, &err), 0);
	words[2047] = 'a';
	words[2048] = 0;
	assert_int_equal(boot_write_params(&memory, &plain_kernel, &none, words, &err), -E2BIG);
	assert_string_equal(
		err.message, "the kernel command line has 2048 bytes, 2047 are the most that a kernel takes");
}

static unsigned sum(const unsigned char *bytes, size_t length)
{
	unsigned total = 0;

	for (size_t i = 0; i < length; i++)
		total += bytes[i];
	return total & 0xff;
}

static void mp_table_lists_every_processor(void **state)
{
	static const unsigned counts[] = { 1, 2, 32 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(counts); i++) {
		const unsigned char *table = guest_memory_at(&memory, LAYOUT_MP_TABLE, LAYOUT_MP_TABLE_BYTES);
		const unsigned char *header = table + 16, *entry = header + 44;
		struct error err;
		uint16_t length, entries;
		unsigned kinds[5] = { 0 };

		assert_int_equal(mptable_write(&memory, counts[i], &err), 0);
		assert_memory_equal(table, "_MP_", 4);
		assert_int_equal(sum(table, 16), 0);
		assert_memory_equal(header, "PCMP", 4);
		memcpy(&length, header + 4, 2);
		memcpy(&entries, header + 34, 2);
		assert_int_equal(sum(header, length), 0);
		assert_true(length + 16u <= LAYOUT_MP_TABLE_BYTES);
		for (unsigned j = 0; j < entries; j++) {
			if (entry[0] == 0) {
				assert_int_equal(entry[1], kinds[0]);
				assert_int_equal(entry[3], kinds[0] ? 1 : 3);
			}
			kinds[entry[0]]++;
			entry += entry[0] == 0 ? 20 : 8;
		}
		assert_ptr_equal(entry, header + length);
		assert_int_equal(kinds[0], counts[i]);
		assert_int_equal(kinds[1], 1);
		assert_int_equal(kinds[2], 1);
		assert_int_equal(kinds[3], 2 + LAYOUT_SLOTS);
		assert_int_equal(kinds[4], 2);
	}
}

#define with_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_memory(initrd_lies_at_the_top_of_low_memory),
		with_memory(zero_page_says_where_everything_is),
		cmocka_unit_test(memory_above_4_gib_is_announced),
		with_memory(command_line_has_a_limit),
		with_memory(mp_table_lists_every_processor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
