/* SPDX-License-Identifier: Apache-2.0 */
/* A kernel's last words are found in its memory, and nothing is taken for them that is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "microvm/diagnosis.h"

#define MIB (1ULL << 20)

struct fixture {
	struct guest_memory memory;
	unsigned char *log;
	char text[DIAGNOSIS_TEXT_BYTES];
};

static int setup(void **state)
{
	static struct fixture fixture;
	struct error err;

	*state = &fixture;
	if (guest_memory_map(&fixture.memory, 64 * MIB, GUEST_PAGES_TRANSPARENT, &err) < 0)
		return -1;
	fixture.log = fixture.memory.regions[0].host + 5 * MIB;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	guest_memory_unmap(&fixture->memory);
	return 0;
}

/* A record: its number, its text, filled up to a multiple of 8. */
static unsigned char *put_record(unsigned char *place, const char *text)
{
	const uint64_t number = 0x3fffffffffff4141;
	size_t length = strlen(text);

	memcpy(place, &number, sizeof(number));
	memcpy(place + 8, text, length);
	return place + 8 + (length + 7) / 8 * 8;
}

static void test_last_words_are_found(void **state)
{
	struct fixture *fixture = *state;
	unsigned char *next = put_record(fixture->log, "VFS: nothing there");

	strcpy((char *)fixture->log - MIB, "Kernel panic - not syncing: %s\n");
	next = put_record(next, "Kernel panic - not syncing: Oh dear.");
	(void)put_record(next, "Kernel Offset: disabled");
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "Oh dear.");
}

/* The next record's number begins with two letters. */
static void test_text_ends_where_the_next_record_begins(void **state)
{
	struct fixture *fixture = *state;

	(void)put_record(
		put_record(fixture->log, "Kernel panic - not syncing: 123456789012"), "Kernel Offset: disabled");
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "123456789012");
}

/* As vprintk_store() leaves it. */
static void test_letters_that_stand_twice_are_the_ends_of_the_text_once(void **state)
{
	struct fixture *fixture = *state;

	(void)put_record(fixture->log, "Kernel panic - not syncing: panic_on_oom is enableded\n");
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "panic_on_oom is enabled");
	(void)put_record(fixture->log, "Kernel panic - not syncing: ");
	memcpy(fixture->log + 3, "Kernel panic - not syncing: haha\n", 33);
	memset(fixture->log + 36, 0, 64);
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "haha");
}

static void test_kernel_that_runs_has_none(void **state)
{
	struct fixture *fixture = *state;

	assert_false(diagnose_panic(&fixture->memory, fixture->text));
	strcpy((char *)fixture->log, "Kernel panic - not syncing: %s");
	assert_false(diagnose_panic(&fixture->memory, fixture->text));
	strcpy((char *)fixture->log, "Kernel panic - not syncing: ");
	assert_false(diagnose_panic(&fixture->memory, fixture->text));
}

static void test_guest_cannot_say_more_than_there_is_room_for(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory_region *region = &fixture->memory.regions[0];

	memset(fixture->log, 'x', 4 * MIB);
	memcpy(fixture->log, "Kernel panic - not syncing: ", 28);
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_int_equal(strlen(fixture->text), DIAGNOSIS_TEXT_BYTES - 1 - 28);
	memset(fixture->log, 0, 28);
	memcpy(fixture->log, "Kernel panic - not syncing: a\x1b[31mb", 35);
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "a");
	/* At the very end of memory. */
	memset(fixture->log, 0, 4 * MIB);
	memcpy(region->host + region->size_bytes - 30, "Kernel panic - not syncing: ab", 30);
	assert_true(diagnose_panic(&fixture->memory, fixture->text));
	assert_string_equal(fixture->text, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_last_words_are_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_ends_where_the_next_record_begins, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_letters_that_stand_twice_are_the_ends_of_the_text_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kernel_that_runs_has_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_guest_cannot_say_more_than_there_is_room_for, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
