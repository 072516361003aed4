/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/boot.h"

#include <stdarg.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "microvm/boot_internal.h"
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

/* Up to where the kernel can reach its initrd, by its own word, or that of every Linux of the last decades. */
static uint64_t initrd_end(const struct guest_memory *memory, const struct boot_kernel *kernel)
{
	uint64_t limit = (kernel->header.initrd_addr_max ? kernel->header.initrd_addr_max : 0x7fffffffULL) + 1;

	return boot_low_end(memory) < limit ? boot_low_end(memory) : limit;
}

int boot_load_initrd(const struct guest_memory *memory, int fd, const struct boot_kernel *kernel,
	struct boot_initrd *initrd, struct error *err)
{
	struct stat status;
	uint64_t end = initrd_end(memory, kernel), room = end > kernel->end ? end - kernel->end : 0;
	uint64_t size, address;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "read the initrd");
	if (!S_ISREG(status.st_mode) || status.st_size <= 0)
		return error_set(err, -EINVAL, "the initrd is empty or not a file");
	size = (uint64_t)status.st_size;
	if (size > room || size + PAGE_BYTES > room)
		return error_set(err, -ENOMEM,
			"the initrd of %llu MiB does not fit behind the kernel: the guest has %llu MiB",
			(unsigned long long)(size / MEBIBYTE + 1), (unsigned long long)total_mib(memory));
	address = (end - size) & ~(PAGE_BYTES - 1);
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
	add_e820(params, LAYOUT_LEGACY_HOLE_END, boot_low_end(memory), E820_RAM);
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

static int write_cmdline(
	const struct guest_memory *memory, const struct boot_kernel *kernel, const char *cmdline, struct error *err)
{
	size_t length = strlen(cmdline), most = LAYOUT_CMDLINE_MAX - 1;
	char *place = guest_memory_at(memory, LAYOUT_CMDLINE, LAYOUT_CMDLINE_MAX);

	if (!place)
		return error_set(err, -ENOMEM, "the guest has too little memory to boot");
	if (kernel->header.cmdline_size && kernel->header.cmdline_size < most)
		most = kernel->header.cmdline_size;
	if (length > most)
		return error_set(err, -E2BIG,
			"the kernel command line has %zu bytes, %zu are the most that a kernel takes", length, most);
	memcpy(place, cmdline, length + 1);
	return 0;
}

static void fill_header(struct setup_header *header, const struct boot_kernel *kernel)
{
	*header = kernel->header;
	if (!header->header) {
		header->boot_flag = 0xaa55;
		header->header = 0x53726448; /* "HdrS" */
		header->version = 0x020f;
		header->kernel_alignment = 0x200000;
		header->cmdline_size = LAYOUT_CMDLINE_MAX - 1;
		header->loadflags = LOADED_HIGH;
	}
	header->type_of_loader = 0xff;
	header->cmd_line_ptr = LAYOUT_CMDLINE;
	header->setup_data = LAYOUT_SETUP_DATA;
}

static int write_zero_page(const struct guest_memory *memory, const struct boot_kernel *kernel,
	const struct boot_initrd *initrd, struct error *err)
{
	struct boot_params *params = guest_memory_at(memory, LAYOUT_BOOT_PARAMS, sizeof(*params));

	if (!params)
		return error_set(err, -ENOMEM, "the guest has too little memory to boot");
	*params = (struct boot_params){ 0 };
	fill_header(&params->hdr, kernel);
	/* The low memory ends below 4 GiB, so the halves in ext_ramdisk_* stay zero. */
	params->hdr.ramdisk_image = (uint32_t)initrd->address;
	params->hdr.ramdisk_size = (uint32_t)initrd->size_bytes;
	fill_memory_map(params, memory);
	return write_seed(memory, err);
}

int boot_write_params(const struct guest_memory *memory, const struct boot_kernel *kernel,
	const struct boot_initrd *initrd, const char *cmdline, struct error *err)
{
	int result = write_cmdline(memory, kernel, cmdline, err);

	if (result)
		return result;
	return kernel->protocol == BOOT_PVH ? boot_write_pvh(memory, initrd, err)
					    : write_zero_page(memory, kernel, initrd, err);
}
