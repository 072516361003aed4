/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a kernel file to a machine about to execute its first instruction.
 *
 *   an ELF vmlinux  by Linux's 64-bit boot protocol, or by PVH where the file offers it and is asked to, or offers
 * nothing else a bzImage       by Linux's 64-bit boot protocol; it unpacks itself in the guest
 *
 * Sources: the kernel's Documentation/arch/x86/boot.rst ("64-bit Boot Protocol") and zero-page.rst; for PVH Xen's
 * docs/misc/pvh.pandoc and xen/include/public/arch-x86/hvm/start_info.h.
 *
 * The kernel file is not trusted: each number in it is checked before it is used.
 */
#ifndef DUET_MICROVM_BOOT_H
#define DUET_MICROVM_BOOT_H

#include <asm/bootparam.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strbuf.h"
#include "microvm/memory.h"

enum boot_protocol { BOOT_AUTOMATIC, BOOT_LINUX, BOOT_PVH };

/* "auto", "linux", "pvh"; NULL-terminated, by enum boot_protocol. */
extern const char *const boot_protocol_names[];

struct boot_kernel {
	enum boot_protocol protocol;
	uint64_t entry;             /* guest physical address of the first instruction */
	uint64_t end;               /* first byte behind what the kernel needs at its start */
	struct setup_header header; /* of a bzImage; else zero */
};

/* Reads a kernel into guest memory. Refuses, with the file's name: what is neither an ELF file nor a bzImage, another
 * machine, broken headers, a kernel that the memory cannot hold, a protocol that it does not offer. */
int boot_load_kernel(const struct guest_memory *memory, int fd, const char *name, enum boot_protocol protocol,
	struct boot_kernel *kernel, struct error *err);

struct boot_initrd {
	uint64_t address, size_bytes; /* zero: none */
};

/* Reads the whole file to the top of the low memory that the kernel can reach, above the kernel. */
int boot_load_initrd(const struct guest_memory *memory, int fd, const struct boot_kernel *kernel,
	struct boot_initrd *initrd, struct error *err);

/* Appends words to a command line, with a space between them. */
void boot_cmdline_add(struct strbuf *cmdline, const char *format, ...) printf_like(2, 3);

/* Writes what the kernel's protocol wants to be told: the memory map, the command line (at most LAYOUT_CMDLINE_MAX
 * bytes with its NUL), the initrd; in Linux's zero page also a fresh entropy seed. */
int boot_write_params(const struct guest_memory *memory, const struct boot_kernel *kernel,
	const struct boot_initrd *initrd, const char *cmdline, struct error *err);

/* Writes the tables of the entry, and sets the registers of the boot processor. */
int boot_set_registers(
	const struct guest_memory *memory, int vcpu_fd, const struct boot_kernel *kernel, struct error *err);

#endif
