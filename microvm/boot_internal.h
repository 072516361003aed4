/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loaders share. Private to boot_*.c.
 */
#ifndef DUET_MICROVM_BOOT_INTERNAL_H
#define DUET_MICROVM_BOOT_INTERNAL_H

#include <stdbool.h>

#include "microvm/boot.h"

struct kernel_file {
	int fd;
	const char *name; /* for messages */
	uint64_t size_bytes;
};

/* Whether [offset, offset + length) lies inside the file. */
bool kernel_file_has(const struct kernel_file *file, uint64_t offset, uint64_t length);
/* Reads all of it or fails. */
int kernel_file_read(const struct kernel_file *file, void *data, uint64_t length, uint64_t offset, struct error *err);
/* -ENOMEM: a kernel that needs the memory up to `end`. */
int kernel_file_too_large(
	const struct kernel_file *file, const struct guest_memory *memory, uint64_t end, struct error *err);

/* The file begins with an ELF identification. */
int boot_load_elf(const struct kernel_file *file, const struct guest_memory *memory, enum boot_protocol protocol,
	struct boot_kernel *kernel, struct error *err);
/* The file has the setup header of a bzImage; `header` begins with it. */
int boot_load_bzimage(const struct kernel_file *file, const struct guest_memory *memory,
	const struct setup_header *header, struct boot_kernel *kernel, struct error *err);

/* The end of the memory that starts at address 0. */
static inline uint64_t boot_low_end(const struct guest_memory *memory)
{
	return memory->regions[0].size_bytes;
}

/* PVH's start information in place of the zero page. */
int boot_write_pvh(const struct guest_memory *memory, const struct boot_initrd *initrd, struct error *err);

#endif
