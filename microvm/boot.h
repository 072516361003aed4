/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a kernel file to a machine about to execute its first instruction, by Linux's 64-bit boot protocol (kernel
 * sources, Documentation/arch/x86/boot.rst, "64-bit Boot Protocol", and zero-page.rst).
 *
 * The kernel file is not trusted: each number in it is checked before it is used.
 */
#ifndef DUET_MICROVM_BOOT_H
#define DUET_MICROVM_BOOT_H

#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "microvm/memory.h"

struct boot_kernel {
	uint64_t entry; /* guest physical address of the first instruction */
	uint64_t end;   /* first byte behind the highest segment */
};

/* Reads an ELF vmlinux into guest memory. Refuses, with the file's name: not an ELF file, another machine, broken
 * headers, a kernel that the memory cannot hold. */
int boot_load_kernel(
	const struct guest_memory *memory, int fd, const char *name, struct boot_kernel *kernel, struct error *err);

struct boot_initrd {
	uint64_t address, size_bytes; /* zero: none */
};

/* Reads the whole file to the top of the low memory, above the kernel. */
int boot_load_initrd(const struct guest_memory *memory, int fd, const struct boot_kernel *kernel,
	struct boot_initrd *initrd, struct error *err);

/* Appends words to a command line, with a space between them. */
void boot_cmdline_add(struct strbuf *cmdline, const char *format, ...) printf_like(2, 3);

/* Writes the zero page with the memory map, the command line (at most LAYOUT_CMDLINE_MAX bytes with its NUL) and a
 * fresh entropy seed. */
int boot_write_params(
	const struct guest_memory *memory, const struct boot_initrd *initrd, const char *cmdline, struct error *err);

/* Writes the page tables and descriptor tables of the entry, and sets the registers of the boot processor. */
int boot_set_registers(const struct guest_memory *memory, int vcpu_fd, uint64_t entry, struct error *err);

#endif
