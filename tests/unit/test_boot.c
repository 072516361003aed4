/* SPDX-License-Identifier: Apache-2.0 */
/* From a kernel file to a machine ready to run: the ELF loader, which trusts nothing, the zero page, the MP table,
 * CPUID. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <asm/bootparam.h>
#include <elf.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "microvm/boot.h"
#include "microvm/cpuid.h"
#include "microvm/kvm.h"
#include "microvm/layout.h"
#include "microvm/mptable.h"

#define MIB (1ULL << 20)

static struct guest_memory memory;

static int set_up(void **state)
{
	struct error err;

	(void)state;
	return guest_memory_map(&memory, 64 * MIB, &err);
}

static int tear_down(void **state)
{
	(void)state;
	guest_memory_unmap(&memory);
	return 0;
}

struct file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[3];
	unsigned char text[256], data[256];
};

/* A well-formed kernel: text at 16 MiB, data with room behind it at 20 MiB. */
static struct file good_file(void)
{
	struct file file = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = 16 * MIB + 16,
			.e_phoff = offsetof(struct file, segments),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 3 },
		.segments = { { .p_type = PT_LOAD,
				      .p_offset = offsetof(struct file, text),
				      .p_vaddr = 0xffffffff81000000ULL,
				      .p_paddr = 16 * MIB,
				      .p_filesz = 256,
				      .p_memsz = 256 },
			{ .p_type = PT_NOTE, .p_offset = UINT64_MAX, .p_filesz = UINT64_MAX },
			{ .p_type = PT_LOAD,
				.p_offset = offsetof(struct file, data),
				.p_paddr = 20 * MIB,
				.p_filesz = 256,
				.p_memsz = 3 * MIB } },
	};

	memset(file.text, 0x90, sizeof(file.text));
	memset(file.data, 0xda, sizeof(file.data));
	return file;
}

static int load_bytes(const void *bytes, size_t length, struct boot_kernel *kernel, struct error *err)
{
	cleanup_fd int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, length), length);
	return boot_load_kernel(&memory, fd, "K", kernel, err);
}

static void segments_are_put_where_they_say(void **state)
{
	struct file file = good_file();
	struct boot_kernel kernel;
	struct error err;

	(void)state;
	assert_int_equal(load_bytes(&file, sizeof(file), &kernel, &err), 0);
	assert_int_equal(kernel.entry, 16 * MIB + 16);
	assert_int_equal(kernel.end, 23 * MIB);
	assert_memory_equal(guest_memory_at(&memory, 16 * MIB, 256), file.text, 256);
	assert_memory_equal(guest_memory_at(&memory, 20 * MIB, 256), file.data, 256);
	assert_int_equal(*(unsigned char *)guest_memory_at(&memory, 20 * MIB + 256, 1), 0);
}

static void expect_refusal(const struct file *file, size_t length, int code, const char *message)
{
	struct boot_kernel kernel = { .entry = 77 };
	struct error err = { 0 };

	assert_int_equal(load_bytes(file, length, &kernel, &err), code);
	assert_string_equal(err.message, message);
	assert_int_equal(kernel.entry, 77);
}

static void what_is_no_kernel_is_refused_by_name(void **state)
{
	struct file file = good_file();

	(void)state;
	expect_refusal(&file, 0, -ENOEXEC, "K: not an ELF file");
	expect_refusal(&file, 63, -ENOEXEC, "K: not an ELF file");
	file.header.e_ident[0] = '#';
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not an ELF file");
	file = good_file();
	file.header.e_machine = EM_AARCH64;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not an x86-64 ELF file");
	file = good_file();
	file.header.e_ident[EI_CLASS] = ELFCLASS32;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not an x86-64 ELF file");
	file = good_file();
	file.header.e_type = ET_DYN;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not a kernel (ELF type 3, a vmlinux has 2)");
	file = good_file();
	file.header.e_entry = 0x401000;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not a kernel (its entry point 0x401000 is in no segment)");
	/* In memory, but not in what the file fills. */
	file.header.e_entry = 21 * MIB;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: not a kernel (its entry point 0x1500000 is in no segment)");
}

static void broken_program_headers_are_refused(void **state)
{
	struct file file = good_file();

	(void)state;
	file.header.e_phnum = 0;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF program headers");
	file.header.e_phnum = 65535;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF program headers");
	file = good_file();
	file.header.e_phentsize = 32;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF program headers");
	file = good_file();
	file.header.e_phoff = sizeof(file) - 100;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF program headers");
	file.header.e_phoff = UINT64_MAX - 10;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF program headers");
}

static void broken_segments_are_refused(void **state)
{
	struct file file = good_file();

	(void)state;
	file.segments[0].p_offset = sizeof(file) - 100;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: the file is shorter than its ELF headers say");
	file.segments[0].p_offset = UINT64_MAX - 10;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: the file is shorter than its ELF headers say");
	file = good_file();
	file.segments[2].p_memsz = 255;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF segment at physical address 0x1400000");
	file.segments[2].p_memsz = UINT64_MAX;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF segment at physical address 0x1400000");
	/* Where the monitor's own boot structures lie. */
	file = good_file();
	file.segments[0].p_paddr = LAYOUT_BOOT_PARAMS;
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: broken ELF segment at physical address 0x7000");
}

static void kernel_that_does_not_fit_says_how_much_it_needs(void **state)
{
	struct file file = good_file();

	(void)state;
	file.segments[2].p_memsz = 100 * MIB;
	expect_refusal(&file, sizeof(file), -ENOMEM, "K: needs 120 MiB, the guest has 64 MiB");
	file = good_file();
	file.segments[0].p_paddr = LAYOUT_LOW_MEMORY_END;
	expect_refusal(&file, sizeof(file), -ENOMEM, "K: needs 3329 MiB, the guest has 64 MiB");
}

/* Every single byte of the headers turned: refused or loaded, but never outside of memory (run with the sanitizers). */
static void damaged_headers_do_no_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < offsetof(struct file, text); i++) {
		struct file file = good_file();
		struct boot_kernel kernel;
		struct error err;

		((unsigned char *)&file)[i] ^= 0xff;
		(void)load_bytes(&file, sizeof(file), &kernel, &err);
	}
}

static void initrd_lies_at_the_top_of_low_memory(void **state)
{
	cleanup_fd int fd = memfd_create("initrd", MFD_CLOEXEC);
	const struct boot_kernel kernel = { .entry = 16 * MIB, .end = 23 * MIB };
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
	assert_int_equal(boot_write_params(&memory, &initrd, "panic=-1 quiet", &err), 0);
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
	assert_int_equal(boot_write_params(&memory, &initrd, "", &err), 0);
	assert_true(memcmp(first, seed->data, 64) != 0);
}

static void memory_above_4_gib_is_announced(void **state)
{
	const struct boot_initrd none = { 0 };
	struct guest_memory large;
	const struct boot_params *params;
	struct error err;

	(void)state;
	assert_int_equal(guest_memory_map(&large, 5 * 1024 * MIB, &err), 0);
	assert_int_equal(boot_write_params(&large, &none, "", &err), 0);
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
	assert_int_equal(boot_write_params(&memory, &none, words, &err), 0);
	words[2047] = 'a';
	words[2048] = 0;
	assert_int_equal(boot_write_params(&memory, &none, words, &err), -E2BIG);
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

static struct kvm_cpuid_entry2 *find(struct cpuid_table *table, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < table->count; i++) {
		if (table->entries[i].function == function && table->entries[i].index == index)
			return &table->entries[i];
	}
	fail_msg("no CPUID leaf 0x%x.%u", function, index);
	return NULL;
}

static struct cpuid_table example_table(void)
{
	struct cpuid_table table = { .count = 8 };

	table.entries[0] =
		(struct kvm_cpuid_entry2){ .function = 0x1, .ebx = 0x07020800, .ecx = 0x8008, .edx = 1U << 28 };
	table.entries[1] = (struct kvm_cpuid_entry2){ .function = 0x4, .index = 3, .eax = 0xfc1fc163 };
	table.entries[2] = (struct kvm_cpuid_entry2){ .function = 0xa, .eax = 0x08300805, .edx = 0x603 };
	table.entries[3] = (struct kvm_cpuid_entry2){ .function = 0xb, .index = 0, .edx = 99 };
	table.entries[4] = (struct kvm_cpuid_entry2){ .function = 0x40000001, .eax = 0x01007efb };
	table.entries[5] = (struct kvm_cpuid_entry2){ .function = 0x80000008, .eax = 0x3030, .ecx = 0x7007 };
	table.entries[6] = (struct kvm_cpuid_entry2){ .function = 0x8000001e, .eax = 5, .ebx = 0x102, .ecx = 3 };
	table.entries[7] = (struct kvm_cpuid_entry2){ .function = 0x7, .index = 0, .ecx = 1U << 5 | 1U << 22 };
	return table;
}

static void cpuid_shows_one_package_of_single_threaded_cores(void **state)
{
	const struct cpuid_options options = { .vcpus = 6, .hardware = true, .tsc_deadline = true };
	struct cpuid_table table = example_table();

	(void)state;
	cpuid_adjust(&table, &options);
	cpuid_number(&table, 4);
	assert_int_equal(find(&table, 1, 0)->ebx, 0x04060800);
	assert_int_equal(find(&table, 1, 0)->ecx, 1U << 31 | 1U << 24);
	assert_int_equal(find(&table, 1, 0)->edx, 1U << 28);
	assert_int_equal(find(&table, 4, 3)->eax, 5U << 26 | 5U << 14 | 0x163);
	assert_int_equal(find(&table, 0xa, 0)->eax, 0);
	assert_int_equal(find(&table, 0xb, 0)->ebx, 1);
	assert_int_equal(find(&table, 0xb, 0)->ecx, 0x100);
	assert_int_equal(find(&table, 0xb, 1)->eax, 3);
	assert_int_equal(find(&table, 0xb, 1)->ebx, 6);
	assert_int_equal(find(&table, 0xb, 1)->ecx, 0x201);
	assert_int_equal(find(&table, 0xb, 1)->edx, 4);
	assert_int_equal(find(&table, 0xb, 2)->ecx, 2);
	assert_int_equal(find(&table, 0x80000008, 0)->ecx, 0x3005);
	assert_int_equal(find(&table, 0x8000001e, 0)->eax, 4);
	assert_int_equal(find(&table, 0x8000001e, 0)->ebx, 4);
	assert_int_equal(find(&table, 7, 0)->ecx, 1U << 22);
	assert_int_equal(find(&table, 0x40000001, 0)->eax, 0x01007efb);
	cpuid_number(&table, 0);
	assert_int_equal(find(&table, 1, 0)->ebx, 0x00060800);
}

static void software_kvm_hides_what_needs_hypercalls(void **state)
{
	const struct cpuid_options options = { .vcpus = 1, .hardware = false, .tsc_deadline = false };
	struct cpuid_table table = example_table();

	(void)state;
	cpuid_adjust(&table, &options);
	assert_int_equal(find(&table, 0x40000001, 0)->eax, 0x01000009);
	assert_int_equal(find(&table, 1, 0)->ecx, 1U << 31);
	assert_int_equal(find(&table, 1, 0)->edx, 0);
}

static void hardware_and_software_kvm_are_told_apart(void **state)
{
	static const struct {
		struct kvm_evidence evidence;
		bool hardware;
		const char *description;
	} cases[] = {
		{ { .module_intel = true, .processor_vmx = true, .nested_paging = true }, true,
			"kvm-intel with nested paging" },
		{ { .module_amd = true, .processor_svm = true, .nested_paging = true }, true,
			"kvm-amd with nested paging" },
		{ { .module_amd = true, .processor_svm = true }, true, "kvm-amd without nested paging" },
		{ { .module_software = true }, false, "kvm-pvm (software only)" },
		{ { .module_software = true, .processor_vmx = true }, false, "kvm-pvm (software only)" },
		{ { .processor_svm = true, .nested_paging = true }, true, "kvm-amd with nested paging" },
		{ { .module_intel = true }, false, "kvm (software only)" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		struct vm_host host;

		kvm_classify(&cases[i].evidence, &host);
		assert_string_equal(host.description, cases[i].description);
		assert_int_equal(host.hardware, cases[i].hardware);
	}
}

#define with_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_memory(segments_are_put_where_they_say),
		with_memory(what_is_no_kernel_is_refused_by_name),
		with_memory(broken_program_headers_are_refused),
		with_memory(broken_segments_are_refused),
		with_memory(kernel_that_does_not_fit_says_how_much_it_needs),
		with_memory(damaged_headers_do_no_harm),
		with_memory(initrd_lies_at_the_top_of_low_memory),
		with_memory(zero_page_says_where_everything_is),
		cmocka_unit_test(memory_above_4_gib_is_announced),
		with_memory(command_line_has_a_limit),
		with_memory(mp_table_lists_every_processor),
		cmocka_unit_test(cpuid_shows_one_package_of_single_threaded_cores),
		cmocka_unit_test(software_kvm_hides_what_needs_hypercalls),
		cmocka_unit_test(hardware_and_software_kvm_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
