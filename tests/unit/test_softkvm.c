/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instructions that the monitor finishes for a software-only KVM, on a made-up vCPU with page tables in a plain buffer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "microvm/softkvm.h"
#include "microvm/translate.h"

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

static void popcnt_counts_in_every_operand_size(void **state)
{
	struct fixture *f = *state;

	f->regs.rax = 0xffff0000ffff0003ULL;
	f->regs.rbx = UINT64_MAX;
	run(f, "\xf3\x48\x0f\xb8\xd8"); /* popcnt %rax, %rbx */
	assert_int_equal(f->regs.rbx, 34);
	f->regs.rbx = UINT64_MAX;
	run(f, "\xf3\x0f\xb8\xd8"); /* popcnt %eax, %ebx */
	assert_int_equal(f->regs.rbx, 18);
	f->regs.rbx = UINT64_MAX;
	run(f, "\x66\xf3\x0f\xb8\xd8"); /* popcnt %ax, %bx */
	assert_int_equal(f->regs.rbx, 0xffffffffffff0002ULL);
	f->regs.rflags = 0x8d7;
	run(f, "\xf3\x4c\x0f\xb8\xc0"); /* popcnt %rax, %r8 */
	assert_int_equal(f->regs.r8, 34);
	assert_int_equal(f->regs.rflags, 0x2);
	f->regs.r9 = 0;
	run(f, "\xf3\x4d\x0f\xb8\xd1"); /* popcnt %r9, %r10 */
	assert_int_equal(f->regs.r10, 0);
	assert_int_equal(f->regs.rflags, 0x42);
}

static void memory_operands_are_addressed_in_every_way(void **state)
{
	struct fixture *f = *state;
	const uint64_t value = 0x1f;

	memcpy(f->bytes + DATA + 0x100, &value, sizeof(value));
	f->regs.rbx = DATA;
	run(f, "\xf3\x48\x0f\xb8\x83\x00\x01\x00\x00"); /* 0x100(%rbx) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rbx = DATA + 0xf0;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x43\x10"); /* 0x10(%rbx) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.r13 = DATA + 0x101;
	f->regs.rax = 0;
	run(f, "\xf3\x49\x0f\xb8\x45\xff"); /* -1(%r13) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.r12 = DATA;
	f->regs.r9 = 0x20;
	f->regs.rax = 0;
	run(f, "\xf3\x4b\x0f\xb8\x04\xcc"); /* (%r12,%r9,8) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rcx = DATA / 4 + 0x40;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x04\x8d\x00\x00\x00\x00"); /* 0(,%rcx,4) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x04\x25\x00\x01\x02\x00"); /* 0x20100 */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x05\xf7\x00\x01\x00"); /* 0x100f7(%rip), the instruction being 9 bytes long */
	assert_int_equal(f->regs.rax, 5);
	f->sregs.gs.base = DATA;
	f->regs.rsi = 0x100;
	f->regs.rax = 0;
	run(f, "\x65\xf3\x48\x0f\xb8\x06"); /* %gs:(%rsi) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rsp = DATA + 0xf8;
	f->regs.rax = 0;
	run(f, "\xf3\x48\x0f\xb8\x44\x24\x08"); /* 8(%rsp) */
	assert_int_equal(f->regs.rax, 5);
	f->regs.rbx = 0xffffffff00000000ULL | (DATA + 0x100);
	f->regs.rax = 0;
	run(f, "\x67\xf3\x48\x0f\xb8\x03"); /* (%ebx) */
	assert_int_equal(f->regs.rax, 5);
}

static void operand_across_two_pages_is_one_value(void **state)
{
	struct fixture *f = *state;

	/* Neighbours in virtual memory, far apart in physical memory. */
	*entry(f, TABLE, (DATA >> 12) + 1) = 0x80000 | PRESENT | WRITABLE;
	memset(f->bytes + DATA + 0xffc, 0xff, 4);
	memset(f->bytes + 0x80000, 0x01, 4);
	f->regs.rbx = DATA + 0xffc;
	run(f, "\xf3\x48\x0f\xb8\x03");
	assert_int_equal(f->regs.rax, 36);
}

static void instruction_across_two_pages_is_fetched(void **state)
{
	struct fixture *f = *state;
	struct error err;

	memcpy(f->bytes + CODE + 0xffe, "\xf3\x48\x0f\xb8\xc3", 5);
	f->regs.rip = CODE + 0xffe;
	f->regs.rbx = 7;
	assert_int_equal(softkvm_finish(&f->cpu, &err), 0);
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->regs.rip, CODE + 0x1003);
	/* One that ends where nothing is mapped behind. */
	*entry(f, TABLE, (CODE >> 12) + 1) = 0;
	memcpy(f->bytes + CODE + 0xffb, "\xf3\x48\x0f\xb8\xc3", 5);
	f->regs.rip = CODE + 0xffb;
	f->regs.rax = 0;
	f->sregs.cr2 = 0x1234;
	assert_int_equal(softkvm_finish(&f->cpu, &err), 0);
	assert_false(f->cpu.exception.raised);
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->sregs.cr2, 0x1234);
	/* One that is cut off there has no effect. */
	f->regs.rip = CODE + 0xffd;
	memcpy(f->bytes + CODE + 0xffd, "\xf3\x48\x0f", 3);
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_int_equal(f->regs.rip, CODE + 0xffd);
}

static void cmpxchg16b_exchanges_or_loads(void **state)
{
	struct fixture *f = *state;
	uint64_t pair[2] = { 1, 2 }, expected[2] = { 3, 4 };

	memcpy(f->bytes + DATA, pair, sizeof(pair));
	f->regs.rdi = DATA;
	f->regs.rax = 1;
	f->regs.rdx = 2;
	f->regs.rbx = 3;
	f->regs.rcx = 4;
	run(f, "\xf0\x48\x0f\xc7\x0f"); /* lock cmpxchg16b (%rdi) */
	assert_memory_equal(f->bytes + DATA, expected, sizeof(expected));
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	assert_int_equal(*entry(f, TABLE, DATA >> 12) & (ACCESSED | DIRTY), ACCESSED | DIRTY);
	run(f, "\xf0\x48\x0f\xc7\x0f");
	assert_memory_equal(f->bytes + DATA, expected, sizeof(expected));
	assert_int_equal(f->regs.rax, 3);
	assert_int_equal(f->regs.rdx, 4);
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rdi = DATA + 8;
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 13);
}

static void crc32_is_that_of_the_check_vector(void **state)
{
	struct fixture *f = *state;

	/* CRC-32C of "123456789" is e3069283: eight bytes at once, then one. */
	memcpy(f->bytes + DATA, "123456789", 9);
	f->regs.rax = 0xffffffff;
	f->regs.rsi = DATA;
	run(f, "\xf2\x48\x0f\x38\xf1\x06"); /* crc32q (%rsi), %rax */
	f->regs.rcx = '9';
	run(f, "\xf2\x0f\x38\xf0\xc1"); /* crc32b %cl, %eax */
	assert_int_equal(f->regs.rax ^ 0xffffffff, 0xe3069283);
	f->regs.rax = 0xffffffff;
	run(f, "\xf2\x0f\x38\xf1\x06"); /* crc32l (%rsi), %eax */
	f->regs.rsi = DATA + 4;
	run(f, "\x66\xf2\x0f\x38\xf1\x06"); /* crc32w */
	f->regs.rcx = '7' << 8;
	run(f, "\xf2\x0f\x38\xf0\xc5"); /* crc32b %ch, %eax */
	f->regs.rcx = '8' | '9' << 8;
	run(f, "\x66\xf2\x0f\x38\xf1\xc1"); /* crc32w %cx, %eax */
	assert_int_equal(f->regs.rax ^ 0xffffffff, 0xe3069283);
}

static void small_ones_do_what_the_manual_says(void **state)
{
	struct fixture *f = *state;

	run(f, "\x0f\x01\xcb"); /* stac */
	assert_int_equal(f->regs.rflags, 0x40002);
	run(f, "\x0f\x01\xca"); /* clac */
	assert_int_equal(f->regs.rflags, 0x2);
	run(f, "\x9b");             /* fwait */
	run(f, "\x66\x0f\xae\x30"); /* clwb (%rax) */
	f->regs.rcx = 0;
	run(f, "\x0f\x01\xd0"); /* xgetbv */
	assert_int_equal(f->regs.rax, 0xe7);
	assert_int_equal(f->regs.rdx, 0);
	f->regs.rax = 7;
	run(f, "\x0f\x01\xd1"); /* xsetbv */
	assert_int_equal(f->xcr0, 7);
	f->regs.rax = 6;
	run_raises(f, "\x0f\x01\xd1", 13);
	f->regs.rcx = 1;
	run_raises(f, "\x0f\x01\xd0", 13);
	run(f, "\x0f\x01\xf9"); /* rdtscp */
	assert_int_equal(f->regs.rax, 0x55667788);
	assert_int_equal(f->regs.rdx, 0x11223344);
	assert_int_equal(f->regs.rcx, 0x99);
	f->regs.rax = 0;
	run(f, "\x48\x0f\xc7\xf0"); /* rdrand %rax */
	assert_int_equal(f->regs.rflags & 1, 1);
	assert_true(f->regs.rax != 0);
}

static void verw_looks_at_the_descriptor(void **state)
{
	struct fixture *f = *state;
	const uint64_t table[4] = { 0, 0x00af9b000000ffffULL, 0x00cf93000000ffffULL, 0x00cf91000000ffffULL };

	memcpy(f->bytes + DATA, table, sizeof(table));
	f->sregs.gdt.base = DATA;
	f->sregs.gdt.limit = sizeof(table) - 1;
	f->regs.rax = 0x10;
	run(f, "\x0f\x00\xe8"); /* verw %ax: writable data */
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	f->regs.rax = 0x8;
	run(f, "\x0f\x00\xe8"); /* code */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	run(f, "\x0f\x00\xe0"); /* verr %ax: readable code */
	assert_int_equal(f->regs.rflags & 0x40, 0x40);
	f->regs.rax = 0x18;
	run(f, "\x0f\x00\xe8"); /* read-only data */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rax = 0x20;
	run(f, "\x0f\x00\xe0"); /* beyond the table */
	assert_int_equal(f->regs.rflags & 0x40, 0);
	f->regs.rax = 0;
	run(f, "\x0f\x00\xe0"); /* null */
	assert_int_equal(f->regs.rflags & 0x40, 0);
}

static void breakpoint_is_a_trap_behind_the_instruction(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(finish_bytes(f, "\xcc", 1), 0);
	assert_true(f->cpu.exception.raised);
	assert_int_equal(f->cpu.exception.vector, 3);
	assert_false(f->cpu.exception.has_code);
	assert_int_equal(f->regs.rip, CODE + 1);
}

static void faults_are_raised_with_address_and_code(void **state)
{
	struct fixture *f = *state;

	f->regs.rdi = MISSING + 0x10;
	run_raises(f, "\xf3\x48\x0f\xb8\x07", 14); /* popcnt (%rdi) */
	assert_int_equal(f->cpu.exception.code, 0);
	assert_int_equal(f->sregs.cr2, MISSING + 0x10);
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 14);
	assert_int_equal(f->cpu.exception.code, 2);
	f->regs.rdi = READ_ONLY;
	run_raises(f, "\xf0\x48\x0f\xc7\x0f", 14);
	assert_int_equal(f->cpu.exception.code, 3);
	/* Without WP a supervisor may write everywhere. */
	f->sregs.cr0 &= ~0x10000ULL;
	run(f, "\xf0\x48\x0f\xc7\x0f");
	f->regs.rdi = 0x0000900000000000ULL;
	run_raises(f, "\xf3\x48\x0f\xb8\x07", 13);
}

static void what_is_not_known_is_refused_with_its_bytes(void **state)
{
	struct fixture *f = *state;
	struct error err;

	memcpy(f->bytes + CODE, "\xc5\xfc\x77", 3); /* vzeroupper */
	f->regs.rip = CODE;
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_non_null(strstr(err.message, "0x10000"));
	assert_non_null(strstr(err.message, "c5 fc 77"));
	assert_int_equal(finish_bytes(f, "\x0f\xc7\x23", 3), -ENOSYS);     /* xsavec */
	assert_int_equal(finish_bytes(f, "\x0f\x01\xc1", 3), -ENOSYS);     /* vmcall */
	assert_int_equal(finish_bytes(f, "\x0f\xb8\xc0", 3), -ENOSYS);     /* popcnt without its prefix */
	assert_int_equal(finish_bytes(f, "\xf3\x0f\xae\xc0", 4), -ENOSYS); /* rdfsbase */
	/* Only the kernel, only in 64-bit mode. */
	f->sregs.cs.dpl = 3;
	assert_int_equal(finish_bytes(f, "\x9b", 1), -ENOSYS);
	f->sregs.cs.dpl = 0;
	f->sregs.cs.l = 0;
	assert_int_equal(finish_bytes(f, "\x9b", 1), -ENOSYS);
	f->sregs.cs.l = 1;
	f->regs.rip = MISSING;
	assert_int_equal(softkvm_finish(&f->cpu, &err), -ENOSYS);
	assert_non_null(strstr(err.message, "unreadable"));
}

/* The extended state */

static void fill_kept(struct fixture *f, uint64_t present)
{
	const uint32_t mxcsr = 0x3fa0;

	for (size_t i = 0; i < AREA_BYTES; i++)
		f->kept[i] = (unsigned char)(i * 13 + i / 256 + 1);
	memcpy(f->kept + 24, &mxcsr, 4);
	memset(f->kept + 512, 0, 64);
	memcpy(f->kept + 512, &present, 8);
}

static uint64_t header_of(const unsigned char *area)
{
	uint64_t present;

	memcpy(&present, area + 512, sizeof(present));
	return present;
}

static void xsave_writes_what_was_asked_for_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	unsigned char *place = f->bytes + DATA;

	fill_kept(f, 0xe7);
	memset(place, 0xee, 4096);
	memset(place + 512, 0, 64);
	f->regs.rdi = DATA;
	f->regs.rax = 0x7;
	f->regs.rdx = 0;
	run(f, "\x48\x0f\xae\x27"); /* xsave64 (%rdi) */
	assert_memory_equal(place, f->kept, 416);
	assert_memory_equal(place + 576, f->kept + 576, 256);
	assert_int_equal(header_of(place), 7);
	assert_int_equal(place[416], 0xee);
	assert_int_equal(place[464], 0xee);
	assert_int_equal(place[832], 0xee);
	assert_int_equal(place[1088], 0xee);
	/* Only AVX-512's upper halves, with other bits of the header left alone. */
	f->regs.rax = 0x40;
	run(f, "\x48\x0f\xae\x27");
	assert_memory_equal(place + 1152, f->kept + 1152, 512);
	assert_int_equal(header_of(place), 0x47);
	assert_int_equal(place[1664], 0xee);
	/* Components that are in their initial state lose their bit. */
	fill_kept(f, 0x3);
	f->regs.rax = 0xffffffff;
	f->regs.rdx = 0xffffffff;
	run(f, "\x48\x0f\xae\x27");
	assert_int_equal(header_of(place), 0x3);
	assert_int_equal(f->stored, 0);
}

static void xsave_without_sse_leaves_xmm_alone(void **state)
{
	struct fixture *f = *state;
	unsigned char *place = f->bytes + DATA;

	fill_kept(f, 0x7);
	memset(place, 0xee, 4096);
	memset(place + 512, 0, 64);
	f->regs.rdi = DATA;
	f->regs.rax = 1;
	run(f, "\x0f\xae\x27");
	assert_memory_equal(place, f->kept, 24);
	assert_int_equal(place[24], 0xee);
	assert_memory_equal(place + 32, f->kept + 32, 128);
	assert_int_equal(place[160], 0xee);
	/* MXCSR goes with AVX as well. */
	f->regs.rax = 4;
	run(f, "\x0f\xae\x27");
	assert_memory_equal(place + 24, f->kept + 24, 8);
	assert_int_equal(place[160], 0xee);
	assert_int_equal(header_of(place), 5);
}

static void xrstor_of_everything_gives_back_what_xsave_took(void **state)
{
	struct fixture *f = *state;
	unsigned char saved[AREA_BYTES];

	fill_kept(f, 0xe7);
	memcpy(saved, f->kept, sizeof(saved));
	f->regs.rdi = DATA;
	f->regs.rax = f->regs.rdx = 0xffffffff;
	run(f, "\x48\x0f\xae\x27");
	memset(f->kept, 0x55, AREA_BYTES);
	f->fetched = 0;
	run(f, "\x48\x0f\xae\x2f"); /* xrstor64 (%rdi) */
	assert_int_equal(f->fetched, 0);
	assert_int_equal(header_of(f->kept), 0xe7);
	assert_memory_equal(f->kept, saved, 416);
	assert_memory_equal(f->kept + 576, saved + 576, 256);
	assert_memory_equal(f->kept + 1088, saved + 1088, 64);
	assert_memory_equal(f->kept + 1152, saved + 1152, 512 + 1024);
}

static void xrstor_initialises_what_the_area_does_not_hold(void **state)
{
	struct fixture *f = *state;
	const uint64_t present = 1;
	const uint32_t mxcsr = 0x1fc0;
	unsigned char zeros[256] = { 0 };

	fill_kept(f, 0xe7);
	memcpy(f->bytes + DATA, f->kept, AREA_BYTES);
	memcpy(f->bytes + DATA + 24, &mxcsr, 4);
	memcpy(f->bytes + DATA + 512, &present, 8);
	f->regs.rdi = DATA;
	f->regs.rax = 7;
	f->regs.rdx = 0;
	run(f, "\x48\x0f\xae\x2f");
	/* x87 loaded, SSE and AVX as after reset but for MXCSR, the rest as it was. */
	assert_int_equal(header_of(f->kept), 0xe3);
	assert_memory_equal(f->kept + 160, zeros, 256);
	assert_memory_equal(f->kept + 24, &mxcsr, 4);
	assert_int_equal(f->kept[1664], (unsigned char)(1664 * 13 + 1664 / 256 + 1));
}

static void xrstor_refuses_broken_headers(void **state)
{
	struct fixture *f = *state;
	uint64_t header[3] = { 0x100, 0, 0 };

	fill_kept(f, 0x7);
	memcpy(f->bytes + DATA, f->kept, AREA_BYTES);
	f->regs.rdi = DATA;
	f->regs.rax = 7;
	f->regs.rdx = 0;
	memcpy(f->bytes + DATA + 512, header, sizeof(header)); /* a component that XCR0 lacks */
	run_raises(f, "\x48\x0f\xae\x2f", 13);
	header[0] = 7;
	header[2] = 1;
	memcpy(f->bytes + DATA + 512, header, sizeof(header));
	run_raises(f, "\x48\x0f\xae\x2f", 13);
	header[1] = 1ULL << 63;
	header[2] = 0;
	memcpy(f->bytes + DATA + 512, header, sizeof(header)); /* the compact form */
	assert_int_equal(finish_bytes(f, "\x48\x0f\xae\x2f", 4), -ENOTSUP);
	header[1] = 0;
	memcpy(f->bytes + DATA + 512, header, sizeof(header));
	memset(f->bytes + DATA + 24, 0xff, 4); /* reserved bits of MXCSR */
	run_raises(f, "\x48\x0f\xae\x2f", 13);
	f->regs.rdi = DATA + 32;
	run_raises(f, "\x48\x0f\xae\x2f", 13);
	assert_int_equal(f->stored, 0);
}

static void xsave_to_a_page_that_is_not_there_faults(void **state)
{
	struct fixture *f = *state;

	/* The legacy part is mapped, the AVX part is on the next page. */
	fill_kept(f, 0x7);
	f->regs.rdi = MISSING - 576;
	f->regs.rax = 7;
	f->regs.rdx = 0;
	*entry(f, TABLE, READ_ONLY >> 12) |= WRITABLE;
	run_raises(f, "\x48\x0f\xae\x27", 14);
	assert_int_equal(f->cpu.exception.code, 2);
	assert_int_equal(f->sregs.cr2, MISSING);
}

static void control_words_are_stored_and_loaded(void **state)
{
	struct fixture *f = *state;
	const uint32_t mxcsr = 0x1f80 | 0x4000;
	uint16_t word, control;
	uint32_t value;

	fill_kept(f, 0x7);
	f->regs.rdi = DATA;
	run(f, "\x0f\xae\x1f"); /* stmxcsr (%rdi) */
	memcpy(&value, f->bytes + DATA, 4);
	assert_int_equal(value, 0x3fa0);
	memcpy(f->bytes + DATA, &mxcsr, 4);
	run(f, "\x0f\xae\x17"); /* ldmxcsr (%rdi) */
	assert_memory_equal(f->kept + 24, &mxcsr, 4);
	memcpy(&word, f->kept + 2, 2);
	f->regs.rax = 0x12345678;
	run(f, "\xdf\xe0"); /* fnstsw %ax */
	assert_int_equal(f->regs.rax, 0x12340000 | word);
	run(f, "\xdd\x3f"); /* fnstsw (%rdi) */
	assert_memory_equal(f->bytes + DATA, &word, 2);
	memcpy(&control, f->kept, 2);
	run(f, "\xd9\x7f\x10"); /* fnstcw 16(%rdi) */
	assert_memory_equal(f->bytes + DATA + 16, &control, 2);
	run(f, "\xdb\xe3"); /* fninit */
	assert_int_equal(header_of(f->kept) & 1, 0);
	value = 0x10000;
	memcpy(f->bytes + DATA, &value, 4);
	run_raises(f, "\x0f\xae\x17", 13);
}

static void large_pages_and_five_levels_are_walked(void **state)
{
	struct fixture *f = *state;
	struct translation translation = { .memory = &f->memory, .cr0 = f->sregs.cr0, .cr3 = PML4, .cr4 = 0x20 };
	uint64_t physical;
	struct translation_fault fault;

	*entry(f, DIRECTORY, 1) = 0x600000 | PRESENT | LARGE;
	*entry(f, PDPT, 1) = 0x40000000 | PRESENT | WRITABLE | LARGE;
	assert_int_equal(translate(&translation, 0x212345, false, &physical, &fault), 0);
	assert_int_equal(physical, 0x612345);
	assert_int_equal(translate(&translation, 0x212345, true, &physical, &fault), -EFAULT);
	assert_int_equal(translate(&translation, 0x40000000 + 0x1234567, true, &physical, &fault), 0);
	assert_int_equal(physical, 0x40000000 + 0x1234567);
	assert_int_equal(*entry(f, PDPT, 1) & ACCESSED, 0);
	assert_int_equal(translate(&translation, 0x800000000000ULL, false, &physical, &fault), -EINVAL);
	/* The upper half is sign-extended. */
	*entry(f, PML4, 511) = PDPT | PRESENT;
	assert_int_equal(translate(&translation, 0xffffff8000012345ULL, false, &physical, &fault), 0);
	assert_int_equal(physical, 0x12345);
	*entry(f, 0x5000, 0) = PML4 | PRESENT | WRITABLE;
	translation.cr3 = 0x5000;
	translation.cr4 = 0x1020;
	assert_int_equal(translate(&translation, 0x12345, true, &physical, &fault), 0);
	assert_int_equal(physical, 0x12345);
	/* Tables outside of memory. */
	translation.cr3 = MEMORY;
	assert_int_equal(translate(&translation, 0x12345, true, &physical, &fault), -EINVAL);
}

#define with_cpu(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cpu(popcnt_counts_in_every_operand_size),
		with_cpu(memory_operands_are_addressed_in_every_way),
		with_cpu(operand_across_two_pages_is_one_value),
		with_cpu(instruction_across_two_pages_is_fetched),
		with_cpu(cmpxchg16b_exchanges_or_loads),
		with_cpu(crc32_is_that_of_the_check_vector),
		with_cpu(small_ones_do_what_the_manual_says),
		with_cpu(verw_looks_at_the_descriptor),
		with_cpu(breakpoint_is_a_trap_behind_the_instruction),
		with_cpu(faults_are_raised_with_address_and_code),
		with_cpu(what_is_not_known_is_refused_with_its_bytes),
		with_cpu(xsave_writes_what_was_asked_for_and_nothing_else),
		with_cpu(xsave_without_sse_leaves_xmm_alone),
		with_cpu(xrstor_of_everything_gives_back_what_xsave_took),
		with_cpu(xrstor_initialises_what_the_area_does_not_hold),
		with_cpu(xrstor_refuses_broken_headers),
		with_cpu(xsave_to_a_page_that_is_not_there_faults),
		with_cpu(control_words_are_stored_and_loaded),
		with_cpu(large_pages_and_five_levels_are_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
