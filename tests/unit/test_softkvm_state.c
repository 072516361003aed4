/* SPDX-License-Identifier: Apache-2.0 */
/* XSAVE, XRSTOR and the control words, as the monitor does them for a software-only KVM. */
#include "softkvm_test.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_cpu(xsave_writes_what_was_asked_for_and_nothing_else),
		with_cpu(xsave_without_sse_leaves_xmm_alone),
		with_cpu(xrstor_of_everything_gives_back_what_xsave_took),
		with_cpu(xrstor_initialises_what_the_area_does_not_hold),
		with_cpu(xrstor_refuses_broken_headers),
		with_cpu(xsave_to_a_page_that_is_not_there_faults),
		with_cpu(control_words_are_stored_and_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
