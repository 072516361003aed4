/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's physical address space: every address that the monitor chooses, in one place.
 *
 *   0                  real-mode leftovers, what the boot protocol needs (below), 639 KiB of usable memory
 *   639 KiB            MP table, then legacy holes up to 1 MiB (reserved in the memory map)
 *   1 MiB              the guest kernel and usable memory, up to LAYOUT_LOW_MEMORY_END at most; the initrd at the top
 *   LAYOUT_HOLE        virtio-mmio windows, IO-APIC, local APIC, pages that KVM wants for itself
 *   4 GiB              the rest of the memory
 *
 * The boot structures only live until the kernel has copied them; it takes their pages over (e820 says usable) or keeps
 * clear of the first megabyte altogether.
 */
#ifndef DUET_MICROVM_LAYOUT_H
#define DUET_MICROVM_LAYOUT_H

/* Memory below this is contiguous from 0; what exceeds it continues at 4 GiB. */
#define LAYOUT_LOW_MEMORY_END 0xd0000000ULL
#define LAYOUT_HIGH_MEMORY    0x100000000ULL

/* Descriptors for the 64-bit entry: two null ones, code (0x10), data (0x18), task state segment (0x20); an empty IDT.
 */
#define LAYOUT_GDT 0x500ULL
#define LAYOUT_IDT 0x540ULL
/* struct hvm_start_info of a PVH entry (kept free for it). */
#define LAYOUT_PVH_START_INFO 0x6000ULL
/* struct boot_params, "the zero page" (Documentation/arch/x86/zero-page.rst). */
#define LAYOUT_BOOT_PARAMS 0x7000ULL
/* The stack of the first instructions grows down from here. */
#define LAYOUT_BOOT_STACK 0x8ff0ULL
/* Page tables of the 64-bit entry: one PML4, one PDPT, four page directories that map 4 GiB one to one in 2 MiB pages.
 */
#define LAYOUT_PML4           0x9000ULL
#define LAYOUT_PDPT           0xa000ULL
#define LAYOUT_PAGE_DIRECTORY 0xb000ULL
#define LAYOUT_IDENTITY_GIB   4
/* struct setup_data with the entropy seed. */
#define LAYOUT_SETUP_DATA 0x10000ULL
/* The kernel's command line with its NUL; Linux on x86 takes COMMAND_LINE_SIZE = 2048 bytes of it. */
#define LAYOUT_CMDLINE     0x20000ULL
#define LAYOUT_CMDLINE_MAX 2048
/* End of conventional memory; the last KiB of it holds the MP table (MultiProcessor Specification 1.4, 4). */
#define LAYOUT_MP_TABLE        0x9fc00ULL
#define LAYOUT_MP_TABLE_BYTES  0x400ULL
#define LAYOUT_LEGACY_HOLE_END 0x100000ULL
/* Kernels are loaded at or above 1 MiB. */
#define LAYOUT_KERNEL_MIN 0x100000ULL

/* Architectural places of the in-kernel interrupt controllers. */
#define LAYOUT_IO_APIC    0xfec00000ULL
#define LAYOUT_LOCAL_APIC 0xfee00000ULL
/* Intel's KVM wants a page for the identity map and three for a task state segment; right below the reset vector. */
#define LAYOUT_IDENTITY_MAP 0xfffbc000ULL
#define LAYOUT_TSS          0xfffbd000ULL

/*
 * virtio-mmio windows of 4 KiB, one per device slot. Which slot is whose never changes: a snapshot of one machine is
 * bound to other back ends later. The interrupt lines are ISA lines (edge, active high) that no legacy device of ours
 * has: 0 is the timer, 2 the cascade, 4 the serial port, 8 the clock, 12 the mouse, 13 the FPU. (15 was the second IDE
 * controller's.)
 */
#define LAYOUT_MMIO       0xd0000000ULL
#define LAYOUT_MMIO_BYTES 0x1000ULL

enum layout_slot {
	LAYOUT_SLOT_VSOCK,
	LAYOUT_SLOT_RNG,
	LAYOUT_SLOT_FS,
	LAYOUT_SLOT_NET0,
	LAYOUT_SLOT_NET1,
	LAYOUT_SLOT_BLK0,
	LAYOUT_SLOT_BLK1,
	LAYOUT_SLOT_BALLOON,
	LAYOUT_SLOTS,
};

#define LAYOUT_SLOT_IRQS                   \
	{                                  \
		5, 6, 7, 9, 10, 11, 14, 15 \
	}

/* The first serial port of a PC. */
#define LAYOUT_SERIAL_PORT 0x3f8
#define LAYOUT_SERIAL_IRQ  4
#define LAYOUT_TIMER_IRQ   0
/* Status and command port of the keyboard controller; command 0xfe pulses the reset line. */
#define LAYOUT_KEYBOARD_PORT  0x64
#define LAYOUT_KEYBOARD_RESET 0xfe

#endif
