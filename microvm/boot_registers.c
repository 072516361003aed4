/* SPDX-License-Identifier: Apache-2.0 */
/* The boot processor's registers, and the tables that they point to, of both protocols of boot.h. */
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "microvm/boot_internal.h"
#include "microvm/layout.h"

#define PAGE_BYTES 4096ULL

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

/* `wide`: 64-bit code. */
static void fill_segments(const struct guest_memory *memory, bool wide, struct kvm_sregs *sregs)
{
	const struct kvm_segment code = {
		.selector = 0x10, .limit = 0xffffffff, .type = 0xb, .present = 1, .s = 1, .l = wide, .db = !wide, .g = 1
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

enum { CR0_PE = 1, CR0_ET = 1 << 4 };

/* Long mode with everything mapped one to one. */
static void fill_linux(const struct guest_memory *memory, struct kvm_sregs *sregs)
{
	const uint64_t cr0_pg = 1ULL << 31, cr4_pae = 1ULL << 5, efer_lme = 1ULL << 8, efer_lma = 1ULL << 10;

	write_page_tables(memory);
	fill_segments(memory, true, sregs);
	sregs->cr0 = CR0_PE | CR0_ET | cr0_pg;
	sregs->cr3 = LAYOUT_PML4;
	sregs->cr4 = cr4_pae;
	sregs->efer = efer_lme | efer_lma;
}

/* Protected mode, flat, without paging. */
static void fill_pvh(const struct guest_memory *memory, struct kvm_sregs *sregs)
{
	fill_segments(memory, false, sregs);
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
}

int boot_set_registers(
	const struct guest_memory *memory, int vcpu_fd, const struct boot_kernel *kernel, struct error *err)
{
	struct kvm_regs regs = { .rip = kernel->entry, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_GET_SREGS");
	if (kernel->protocol == BOOT_PVH) {
		fill_pvh(memory, &sregs);
		regs.rbx = LAYOUT_PVH_START_INFO;
	} else {
		fill_linux(memory, &sregs);
		regs.rsi = LAYOUT_BOOT_PARAMS;
		regs.rsp = LAYOUT_BOOT_STACK;
	}
	if (ioctl(vcpu_fd, KVM_SET_SREGS, &sregs) < 0)
		return error_set(err, errno, "KVM_SET_SREGS");
	if (ioctl(vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return error_set(err, errno, "KVM_SET_REGS");
	return 0;
}
