/* SPDX-License-Identifier: Apache-2.0 */
/* The bzImage loader of boot.h: the real-mode part of the file is left out but for its header, the rest is entered
 * where the 64-bit protocol says. */
#include "microvm/boot_internal.h"
#include "microvm/layout.h"

#define SECTOR_BYTES 512ULL
/* Of files so old that they do not say. */
#define SETUP_SECTORS_DEFAULT 4
/* Since when there are xloadflags, init_size and pref_address. */
#define PROTOCOL_2_12 0x020c
#define ENTRY_64      0x200

int boot_load_bzimage(const struct kernel_file *file, const struct guest_memory *memory,
	const struct setup_header *header, struct boot_kernel *kernel, struct error *err)
{
	uint64_t setup_bytes = ((header->setup_sects ? header->setup_sects : SETUP_SECTORS_DEFAULT) + 1) * SECTOR_BYTES;
	uint64_t address = header->pref_address, needed = header->init_size, length;
	unsigned char *place;
	int result;

	if (header->version < PROTOCOL_2_12 || !(header->xloadflags & XLF_KERNEL_64))
		return error_set(err, -ENOEXEC, "%s: this bzImage has no 64-bit entry", file->name);
	if (!kernel_file_has(file, setup_bytes, ENTRY_64 + 1) || address < LAYOUT_KERNEL_MIN)
		return error_set(err, -ENOEXEC, "%s: broken bzImage", file->name);
	length = file->size_bytes - setup_bytes;
	/* It unpacks itself in place, within that much. */
	if (needed < length)
		needed = length;
	if (address + needed < address)
		return error_set(err, -ENOEXEC, "%s: broken bzImage", file->name);
	place = guest_memory_at(memory, address, needed);
	if (!place)
		return kernel_file_too_large(file, memory, address + needed, err);
	result = kernel_file_read(file, place, length, setup_bytes, err);
	if (result)
		return result;
	*kernel = (struct boot_kernel){
		.protocol = BOOT_LINUX, .entry = address + ENTRY_64, .end = address + needed, .header = *header
	};
	return 0;
}
