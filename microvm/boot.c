/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/boot.h"

#include <asm/bootparam.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "microvm/layout.h"

#define PAGE_BYTES 4096ULL
#define MEBIBYTE   (1ULL << 20)

#define SEED_BYTES 64

static uint64_t total_mib(const struct guest_memory *memory)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < memory->count; i++)
		bytes += memory->regions[i].size_bytes;
	return bytes / MEBIBYTE;
}

/* The end of the memory that starts at address 0. */
static uint64_t low_end(const struct guest_memory *memory)
{
	return memory->regions[0].size_bytes;
}

int boot_load_initrd(const struct guest_memory *memory, int fd, const struct boot_kernel *kernel,
	struct boot_initrd *initrd, struct error *err)
{
	struct stat status;
	uint64_t size, room = low_end(memory) > kernel->end ? low_end(memory) - kernel->end : 0;
	uint64_t address;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "read the initrd");
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return error_set(err, -EINVAL, "the initrd is empty or not a file");
	size = (uint64_t)status.st_size;
	if (size > room || size + PAGE_BYTES > room)
		return error_set(err, -ENOMEM,
			"the initrd of %llu MiB does not fit behind the kernel: the guest has %llu MiB",
			(unsigned long long)(size / MEBIBYTE + 1), (unsigned long long)total_mib(memory));
	address = (low_end(memory) - size) & ~(PAGE_BYTES - 1);
	for (uint64_t done = 0; done < size;) {
		unsigned char *place = guest_memory_at(memory, address + done, size - done);
		ssize_t got = place ? pread(fd, place, size - done, (off_t)done) : 0;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, got < 0 ? errno : EIO, "read the initrd");
		done += (uint64_t)got;
	}
	*initrd = (struct boot_initrd){ .address = address, .size_bytes = size };
	return 0;
}

void boot_cmdline_add(struct strbuf *cmdline, const char *format, ...)
{
	va_list arguments;
	char words[LAYOUT_CMDLINE_MAX];
	int length;

	va_start(arguments, format);
	length = vsnprintf(words, sizeof(words), format, arguments);
	va_end(arguments);
	if (length <= 0)
		return;
	if (cmdline->length)
		strbuf_append(cmdline, " ", 1);
	strbuf_append(cmdline, words, (size_t)length < sizeof(words) ? (size_t)length : sizeof(words) - 1);
}

static void add_e820(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	if (end > start)
		params->e820_table[params->e820_entries++] =
			(struct boot_e820_entry){ .addr = start, .size = end - start, .type = type };
}

static void fill_memory_map(struct boot_params *params, const struct guest_memory *memory)
{
	enum { E820_RAM = 1, E820_RESERVED = 2 };

	add_e820(params, 0, LAYOUT_MP_TABLE, E820_RAM);
	add_e820(params, LAYOUT_MP_TABLE, LAYOUT_LEGACY_HOLE_END, E820_RESERVED);
	add_e820(params, LAYOUT_LEGACY_HOLE_END, low_end(memory), E820_RAM);
	for (unsigned i = 1; i < memory->count; i++)
		add_e820(params, memory->regions[i].address, memory->regions[i].address + memory->regions[i].size_bytes,
			E820_RAM);
}

/* Credited by a kernel with CONFIG_RANDOM_TRUST_BOOTLOADER; wiped by every kernel that knows the type. */
static int write_seed(const struct guest_memory *memory, struct error *err)
{
	struct setup_data *data = guest_memory_at(memory, LAYOUT_SETUP_DATA, sizeof(*data) + SEED_BYTES);
	char seed[SEED_BYTES];

	if (!data || getrandom(seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		return error_set(err, data ? errno : ENOMEM, "make an entropy seed");
	*data = (struct setup_data){ .next = 0, .type = SETUP_RNG_SEED, .len = SEED_BYTES };
	memcpy(data->data, seed, sizeof(seed));
	explicit_bzero(seed, sizeof(seed));
	return 0;
}

int boot_write_params(
	const struct guest_memory *memory, const struct boot_initrd *initrd, const char *cmdline, struct error *err)
{
	struct boot_params *params = guest_memory_at(memory, LAYOUT_BOOT_PARAMS, sizeof(*params));
	size_t length = strlen(cmdline);
	char *place = guest_memory_at(memory, LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX);

	if (!params || !place)
		return error_set(err, -ENOMEM, "the guest has too little memory to boot");
	if (length >= LAYOUT_CMDLINE_MAX)
		return error_set(err, -E2BIG,
			"the kernel command line has %zu bytes, %d are the most that a kernel takes", length,
			LAYOUT_CMDLINE_MAX - 1);
	memcpy(place, cmdline, length + 1);
	*params = (struct boot_params){ 0 };
	params->hdr.boot_flag = 0xaa55;
	params->hdr.header = 0x53726448; /* "HdrS" */
	params->hdr.version = 0x020f;
	params->hdr.type_of_loader = 0xff;
	params->hdr.loadflags = LOADED_HIGH;
	params->hdr.kernel_alignment = 0x200000;
	params->hdr.cmd_line_ptr = LAYOUT_CMDLINE;
	params->hdr.cmdline_size = LAYOUT_CMDLINE_MAX - 1;
	params->hdr.setup_data = LAYOUT_SETUP_DATA;
	/* The low memory ends below 4 GiB, so the halves in ext_ramdisk_* stay zero. */
	params->hdr.ramdisk_image = (uint32_t)initrd->address;
	params->hdr.ramdisk_size = (uint32_t)initrd->size_bytes;
	fill_memory_map(params, memory);
	return write_seed(memory, err);
}

/* 4 GiB one to one in pages of 2 MiB; accessed and dirty bits are set already, so that nobody has to write them. */
static void write_page_tables(const struct guest_memory *memory)
{
	enum {
		PRESENT = 1,
		WRITABLE = 2,
		ACCESSED = 0x20,
		DIRTY = 0x40,
		LARGE = 0x80,
		TABLE = PRESENT | WRITABLE | ACCESSED
	};
	uint64_t *pml4 = guest_memory_at(memory, LAYOUT_PML4, PAGE_BYTES);
	uint64_t *pdpt = guest_memory_at(memory, LAYOUT_PDPT, PAGE_BYTES);
	uint64_t *directory = guest_memory_at(memory, LAYOUT_PAGE_DIRECTORY, LAYOUT_IDENTITY_GIB * PAGE_BYTES);

	pml4[0] = LAYOUT_PDPT | TABLE;
	for (unsigned i = 0; i < LAYOUT_IDENTITY_GIB; i++)
		pdpt[i] = (LAYOUT_PAGE_DIRECTORY + i * PAGE_BYTES) | TABLE;
	for (uint64_t i = 0; i < LAYOUT_IDENTITY_GIB * 512; i++)
		directory[i] = (i << 21) | TABLE | DIRTY | LARGE;
}

#define SEGMENT_COUNT 5

static uint64_t descriptor_of(const struct kvm_segment *segment)
{
	uint64_t attributes = segment->type | (uint64_t)segment->s << 4 | (uint64_t)segment->dpl << 5 |
			      (uint64_t)segment->present << 7 | (uint64_t)segment->avl << 12 |
			      (uint64_t)segment->l << 13 | (uint64_t)segment->db << 14 | (uint64_t)segment->g << 15;
	uint64_t limit = segment->g ? segment->limit >> 12 : segment->limit;

	return (limit & 0xffff) | (segment->base & 0xffffff) << 16 | attributes << 40 | (limit & 0xf0000) << 32 |
	       (segment->base & 0xff000000) << 32;
}

static void fill_segments(const struct guest_memory *memory, struct kvm_sregs *sregs)
{
	const struct kvm_segment code = {
		.selector = 0x10, .limit = 0xffffffff, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1
	};
	const struct kvm_segment data = {
		.selector = 0x18, .limit = 0xffffffff, .type = 0x3, .present = 1, .s = 1, .db = 1, .g = 1
	};
	const struct kvm_segment task = { .selector = 0x20, .limit = 0x67, .type = 0xb, .present = 1 };
	uint64_t *gdt = guest_memory_at(memory, LAYOUT_GDT, SEGMENT_COUNT * sizeof(*gdt));

	gdt[2] = descriptor_of(&code);
	gdt[3] = descriptor_of(&data);
	gdt[4] = descriptor_of(&task);
	sregs->cs = code;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data;
	sregs->tr = task;
	sregs->gdt = (struct kvm_dtable){ .base = LAYOUT_GDT, .limit = SEGMENT_COUNT * sizeof(*gdt) - 1 };
	sregs->idt = (struct kvm_dtable){ .base = LAYOUT_IDT, .limit = 7 };
}

int boot_set_registers(const struct guest_memory *memory, int vcpu_fd, uint64_t entry, struct error *err)
{
	enum { CR0_PE = 1, CR0_ET = 1 << 4 };
	const uint64_t cr0_pg = 1ULL << 31, cr4_pae = 1ULL << 5, efer_lme = 1ULL << 8, efer_lma = 1ULL << 10;
	struct kvm_regs regs = { .rip = entry, .rsi = LAYOUT_BOOT_PARAMS, .rsp = LAYOUT_BOOT_STACK, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_GET_SREGS");
	write_page_tables(memory);
	fill_segments(memory, &sregs);
	sregs.cr0 = CR0_PE | CR0_ET | cr0_pg;
	sregs.cr3 = LAYOUT_PML4;
	sregs.cr4 = cr4_pae;
	sregs.efer = efer_lme | efer_lma;
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return error_set(err, errno, "KVM_SET_REGS");
	return 0;
}
