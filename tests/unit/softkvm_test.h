/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up vCPU with page tables in a plain buffer, for the tests of what the monitor does on a software-only KVM. */
#ifndef DUET_TESTS_UNIT_SOFTKVM_TEST_H
#define DUET_TESTS_UNIT_SOFTKVM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "microvm/softkvm.h"

#define MEMORY     0x200000
#define PML4       0x1000
#define PDPT       0x2000
#define DIRECTORY  0x3000
#define TABLE      0x4000
#define CODE       0x10000
#define DATA       0x20000
#define READ_ONLY  0x30000
#define MISSING    0x31000
#define AREA_BYTES 4096

#define PRESENT  1ULL
#define WRITABLE 2ULL
#define ACCESSED 0x20ULL
#define DIRTY    0x40ULL
#define LARGE    0x80ULL

struct fixture {
	struct guest_memory memory;
	unsigned char *bytes;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct softkvm_layout layout;
	struct softkvm_cpu cpu;
	/* What the vCPU holds. */
	unsigned char area[AREA_BYTES], kept[AREA_BYTES];
	uint64_t xcr0;
	unsigned fetched, stored;
};

static int get_xsave(void *owner, void *area)
{
	struct fixture *f = owner;

	f->fetched++;
	memcpy(area, f->kept, AREA_BYTES);
	return 0;
}

static int set_xsave(void *owner, const void *area)
{
	struct fixture *f = owner;

	f->stored++;
	memcpy(f->kept, area, AREA_BYTES);
	return 0;
}

static int get_xcr0(void *owner, uint64_t *xcr0)
{
	*xcr0 = ((struct fixture *)owner)->xcr0;
	return 0;
}

static int set_xcr0(void *owner, uint64_t xcr0)
{
	if (!(xcr0 & 1))
		return -EINVAL;
	((struct fixture *)owner)->xcr0 = xcr0;
	return 0;
}

static int get_msr(void *owner, uint32_t index, uint64_t *value)
{
	(void)owner;
	*value = index == 0x10 ? 0x1122334455667788ULL : 0x99ULL;
	return 0;
}

static const struct softkvm_state state_of_fixture = {
	.get_xsave = get_xsave, .set_xsave = set_xsave, .get_xcr0 = get_xcr0, .set_xcr0 = set_xcr0, .get_msr = get_msr
};

static uint64_t *entry(struct fixture *f, uint64_t table, uint64_t index)
{
	return (uint64_t *)(void *)(f->bytes + table) + index;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->bytes = aligned_alloc(4096, MEMORY);
	memset(f->bytes, 0, MEMORY);
	f->memory = (struct guest_memory){ .count = 1, .regions = { { .size_bytes = MEMORY, .host = f->bytes } } };
	*entry(f, PML4, 0) = PDPT | PRESENT | WRITABLE;
	*entry(f, PDPT, 0) = DIRECTORY | PRESENT | WRITABLE;
	*entry(f, DIRECTORY, 0) = TABLE | PRESENT | WRITABLE;
	for (uint64_t i = 0; i < 512; i++)
		*entry(f, TABLE, i) = i << 12 | PRESENT | WRITABLE;
	*entry(f, TABLE, READ_ONLY >> 12) &= ~WRITABLE;
	*entry(f, TABLE, MISSING >> 12) = 0;
	f->regs.rip = CODE;
	f->regs.rflags = 2;
	f->sregs.cr0 = 0x80010001; /* PG, WP, PE */
	f->sregs.cr3 = PML4;
	f->sregs.cr4 = 0x20;
	f->sregs.efer = 0x500;
	f->sregs.cs.l = 1;
	f->xcr0 = 0xe7;
	f->layout.components[2].offset = 576;
	f->layout.components[2].size_bytes = 256;
	f->layout.components[5].offset = 1088;
	f->layout.components[5].size_bytes = 64;
	f->layout.components[6].offset = 1152;
	f->layout.components[6].size_bytes = 512;
	f->layout.components[7].offset = 1664;
	f->layout.components[7].size_bytes = 1024;
	f->cpu = (struct softkvm_cpu){ .regs = &f->regs,
		.sregs = &f->sregs,
		.memory = &f->memory,
		.layout = &f->layout,
		.state = &state_of_fixture,
		.owner = f,
		.area = f->area,
		.area_bytes = AREA_BYTES };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->bytes);
	free(f);
	return 0;
}

static int finish_bytes(struct fixture *f, const void *bytes, size_t length)
{
	struct error err;

	memset(f->bytes + CODE, 0xf4, 64);
	memcpy(f->bytes + CODE, bytes, length);
	f->regs.rip = CODE;
	return softkvm_finish(&f->cpu, &err);
}

/* Runs one instruction given as a string literal and expects it to be stepped over. */
#define run(f, code)                                                          \
	do {                                                                  \
		assert_int_equal(finish_bytes(f, code, sizeof(code) - 1), 0); \
		assert_false((f)->cpu.exception.raised);                      \
		assert_int_equal((f)->regs.rip, CODE + sizeof(code) - 1);     \
	} while (0)

#define run_raises(f, code, number)                                           \
	do {                                                                  \
		assert_int_equal(finish_bytes(f, code, sizeof(code) - 1), 0); \
		assert_true((f)->cpu.exception.raised);                       \
		assert_int_equal((f)->cpu.exception.vector, number);          \
		assert_int_equal((f)->regs.rip, CODE);                        \
	} while (0)

#define with_cpu(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
