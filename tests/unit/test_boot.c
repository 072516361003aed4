/* SPDX-License-Identifier: Apache-2.0 */
/* From a kernel file into the guest: the loaders of ELF files and bzImages, which trust nothing. */
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
#include "microvm/layout.h"
#include "tests/unit/boot_memory.h"

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

static int load_by(
	enum boot_protocol protocol, const void *bytes, size_t length, struct boot_kernel *kernel, struct error *err)
{
	cleanup_fd int fd = memfd_create("kernel", MFD_CLOEXEC);

	assert_int_equal(write(fd, bytes, length), length);
	return boot_load_kernel(&memory, fd, "K", protocol, kernel, err);
}

static int load_bytes(const void *bytes, size_t length, struct boot_kernel *kernel, struct error *err)
{
	return load_by(BOOT_AUTOMATIC, bytes, length, kernel, err);
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

enum { PAGE = 4096, TEXT_BYTES = 3 * PAGE + 100 };

/* A kernel whose text begins at a page of its file, and is as the flags say. */
static int make_paged_file(uint32_t flags)
{
	int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct file file = good_file();

	file.segments[0].p_flags = flags;
	file.segments[0].p_offset = PAGE;
	file.segments[0].p_filesz = file.segments[0].p_memsz = TEXT_BYTES;
	assert_int_equal(pwrite(fd, &file, sizeof(file), 0), sizeof(file));
	for (unsigned i = 0; i < TEXT_BYTES; i += 4)
		assert_int_equal(pwrite(fd, &i, 4, PAGE + i), 4);
	return fd;
}

static void text_is_mapped_by_pages_and_the_rest_copied(void **state)
{
	cleanup_fd int fd = make_paged_file(PF_R | PF_X), other = make_paged_file(PF_R | PF_W | PF_X);
	unsigned *text = guest_memory_at(&memory, 16 * MIB, TEXT_BYTES);
	unsigned word = 77;
	struct boot_kernel kernel;
	struct error err;

	(void)state;
	assert_int_equal(boot_load_kernel(&memory, fd, "K", BOOT_AUTOMATIC, &kernel, &err), 0);
	for (unsigned i = 0; i < TEXT_BYTES; i += 4)
		assert_int_equal(text[i / 4], i);
	/* The guest's own copy, from the first time that it writes. */
	text[0] = 78;
	assert_int_equal(pread(fd, &word, 4, PAGE), 4);
	assert_int_equal(word, 0);
	word = 77;
	assert_int_equal(pwrite(fd, &word, 4, PAGE + 2 * PAGE), 4);
	assert_int_equal(pwrite(fd, &word, 4, PAGE + 3 * PAGE), 4);
	assert_int_equal(*(volatile unsigned *)&text[2 * PAGE / 4], 77);
	assert_int_equal(*(volatile unsigned *)&text[3 * PAGE / 4], 3 * PAGE);
	assert_int_equal(*(unsigned char *)guest_memory_at(&memory, 16 * MIB + TEXT_BYTES, 1), 0);

	/* What the guest will write to is not. */
	assert_int_equal(boot_load_kernel(&memory, other, "K", BOOT_AUTOMATIC, &kernel, &err), 0);
	assert_int_equal(pwrite(other, &word, 4, PAGE + PAGE), 4);
	assert_int_equal(*(volatile unsigned *)&text[PAGE / 4], PAGE);
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
	expect_refusal(&file, 0, -ENOEXEC, "K: neither an ELF file nor a bzImage");
	expect_refusal(&file, 63, -ENOEXEC, "K: the file is shorter than an ELF header");
	file.header.e_ident[0] = '#';
	expect_refusal(&file, sizeof(file), -ENOEXEC, "K: neither an ELF file nor a bzImage");
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

/* ---- PVH ---- */

/* The same with a note, where the data begin. */
static struct file file_with_note(uint32_t type, uint32_t entry)
{
	struct file file = good_file();
	const uint32_t note[] = { 4, 4, type, 0x006e6558 /* "Xen" */, entry };

	memcpy(file.data, note, sizeof(note));
	file.segments[1].p_offset = offsetof(struct file, data);
	file.segments[1].p_filesz = sizeof(note);
	return file;
}

static void pvh_is_taken_when_asked_for_or_needed(void **state)
{
	struct file file = file_with_note(18, 16 * MIB + 32);
	struct boot_kernel kernel;
	struct error err;

	(void)state;
	assert_int_equal(load_bytes(&file, sizeof(file), &kernel, &err), 0);
	assert_int_equal(kernel.protocol, BOOT_LINUX);
	assert_int_equal(kernel.entry, 16 * MIB + 16);
	assert_int_equal(load_by(BOOT_PVH, &file, sizeof(file), &kernel, &err), 0);
	assert_int_equal(kernel.protocol, BOOT_PVH);
	assert_int_equal(kernel.entry, 16 * MIB + 32);
	/* A kernel that is not Linux has a virtual address in its ELF header. */
	file.header.e_entry = 0xffffffff81000000ULL;
	assert_int_equal(load_bytes(&file, sizeof(file), &kernel, &err), 0);
	assert_int_equal(kernel.protocol, BOOT_PVH);
	assert_int_equal(load_by(BOOT_LINUX, &file, sizeof(file), &kernel, &err), -ENOEXEC);
	file = file_with_note(17, 16 * MIB + 32);
	assert_int_equal(load_by(BOOT_PVH, &file, sizeof(file), &kernel, &err), -ENOTSUP);
	assert_string_equal(err.message, "K: this kernel has no PVH entry point");
	file = file_with_note(18, 30 * MIB);
	assert_int_equal(load_by(BOOT_PVH, &file, sizeof(file), &kernel, &err), -ENOEXEC);
	assert_string_equal(err.message, "K: its PVH entry point 0x1e00000 is in no segment");
}

static void broken_notes_do_no_harm(void **state)
{
	(void)state;
	for (size_t i = 0; i < 20; i++) {
		for (unsigned flip = 1; flip < 256; flip *= 2) {
			struct file file = file_with_note(18, 16 * MIB + 32);
			struct boot_kernel kernel;
			struct error err;

			file.data[i] ^= (unsigned char)flip;
			(void)load_by(BOOT_PVH, &file, sizeof(file), &kernel, &err);
			file.segments[1].p_filesz = i;
			assert_true(load_by(BOOT_PVH, &file, sizeof(file), &kernel, &err) < 0);
		}
	}
}

static void pvh_start_information_says_where_everything_is(void **state)
{
	const struct boot_kernel kernel = { .protocol = BOOT_PVH, .entry = 16 * MIB, .end = 23 * MIB };
	const struct boot_initrd initrd = { .address = 48 * MIB, .size_bytes = 5000 };
	const uint32_t *words;
	const uint64_t *quads, *module, *map;
	struct error err;

	(void)state;
	assert_int_equal(boot_write_params(&memory, &kernel, &initrd, "quiet", &err), 0);
	words = guest_memory_at(&memory, LAYOUT_PVH_START_INFO, 56);
	quads = (const void *)words;
	assert_int_equal(words[0], 0x336ec578);
	assert_int_equal(words[1], 1);
	assert_int_equal(words[3], 1);
	module = guest_memory_at(&memory, quads[2], 32);
	assert_int_equal(module[0], 48 * MIB);
	assert_int_equal(module[1], 5000);
	assert_string_equal(guest_memory_at(&memory, quads[3], 2048), "quiet");
	assert_int_equal(quads[4], 0);
	assert_int_equal(words[12], 3);
	map = guest_memory_at(&memory, quads[5], 9 * 8);
	assert_int_equal(map[0], 0);
	assert_int_equal(map[1], LAYOUT_MP_TABLE);
	assert_int_equal(map[2], 1);
	assert_int_equal(map[6], MIB);
	assert_int_equal(map[7], 63 * MIB);
}

/* ---- bzImage ---- */

#define BZIMAGE_BYTES (3 * 512 + 4096)

static void make_bzimage(unsigned char file[BZIMAGE_BYTES], struct setup_header *header)
{
	*header = (struct setup_header){ .setup_sects = 2,
		.boot_flag = 0xaa55,
		.jump = 0x6aeb, /* over 0x6a bytes */
		.header = 0x53726448,
		.version = 0x020f,
		.loadflags = LOADED_HIGH,
		.initrd_addr_max = 0x7fffffff,
		.kernel_alignment = 0x200000,
		.xloadflags = XLF_KERNEL_64,
		.cmdline_size = 1000,
		.pref_address = 16 * MIB,
		.init_size = 8 * MIB };
	memset(file, 0x90, BZIMAGE_BYTES);
	memcpy(file + 0x1f1, header, sizeof(*header));
}

static void bzimage_is_entered_behind_its_setup(void **state)
{
	unsigned char file[BZIMAGE_BYTES];
	const struct boot_initrd none = { 0 };
	const struct boot_params *params;
	struct setup_header header;
	struct boot_kernel kernel;
	char words[1002];
	struct error err;

	(void)state;
	make_bzimage(file, &header);
	file[3 * 512] = 0x77;
	assert_int_equal(load_bytes(file, sizeof(file), &kernel, &err), 0);
	assert_int_equal(kernel.protocol, BOOT_LINUX);
	assert_int_equal(kernel.entry, 16 * MIB + 0x200);
	assert_int_equal(kernel.end, 24 * MIB);
	assert_memory_equal(guest_memory_at(&memory, 16 * MIB, 4096), file + 3 * 512, 4096);
	assert_int_equal(boot_write_params(&memory, &kernel, &none, "quiet", &err), 0);
	params = guest_memory_at(&memory, LAYOUT_BOOT_PARAMS, sizeof(*params));
	assert_int_equal(params->hdr.init_size, 8 * MIB);
	assert_int_equal(params->hdr.type_of_loader, 0xff);
	assert_int_equal(params->hdr.setup_data, LAYOUT_SETUP_DATA);
	/* Its own limit for the command line. */
	memset(words, 'a', sizeof(words));
	words[1001] = 0;
	assert_int_equal(boot_write_params(&memory, &kernel, &none, words, &err), -E2BIG);
	assert_int_equal(load_by(BOOT_PVH, file, sizeof(file), &kernel, &err), -ENOTSUP);
}

static void expect_bzimage_refusal(const struct setup_header *header, int code, const char *text)
{
	unsigned char file[BZIMAGE_BYTES] = { 0 };
	struct boot_kernel kernel;
	struct error err;

	memcpy(file + 0x1f1, header, sizeof(*header));
	assert_int_equal(load_bytes(file, sizeof(file), &kernel, &err), code);
	assert_string_equal(err.message, text);
}

static void broken_bzimages_are_refused(void **state)
{
	unsigned char file[BZIMAGE_BYTES];
	struct setup_header good, header;
	struct boot_kernel kernel;
	struct error err;

	(void)state;
	make_bzimage(file, &good);
	header = good;
	header.xloadflags = 0;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: this bzImage has no 64-bit entry");
	header = good;
	header.version = 0x020a;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: this bzImage has no 64-bit entry");
	header = good;
	header.pref_address = 4096;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: broken bzImage");
	header.pref_address = UINT64_MAX - 4096;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: broken bzImage");
	header = good;
	header.setup_sects = 64;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: broken bzImage");
	header = good;
	header.init_size = 100 * MIB;
	expect_bzimage_refusal(&header, -ENOMEM, "K: needs 116 MiB, the guest has 64 MiB");
	/* Its header ends before the fields that are needed. */
	header = good;
	header.jump = 0x20eb;
	expect_bzimage_refusal(&header, -ENOEXEC, "K: this bzImage has no 64-bit entry");
	for (size_t i = 0x1f1; i < 0x1f1 + sizeof(header); i++) {
		make_bzimage(file, &header);
		file[i] ^= 0xff;
		(void)load_bytes(file, sizeof(file), &kernel, &err);
	}
}

#define with_memory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_memory(segments_are_put_where_they_say),
		with_memory(text_is_mapped_by_pages_and_the_rest_copied),
		with_memory(what_is_no_kernel_is_refused_by_name),
		with_memory(broken_program_headers_are_refused),
		with_memory(broken_segments_are_refused),
		with_memory(kernel_that_does_not_fit_says_how_much_it_needs),
		with_memory(damaged_headers_do_no_harm),
		with_memory(pvh_is_taken_when_asked_for_or_needed),
		with_memory(broken_notes_do_no_harm),
		with_memory(pvh_start_information_says_where_everything_is),
		with_memory(bzimage_is_entered_behind_its_setup),
		with_memory(broken_bzimages_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
