/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot's file: what comes back, and what is refused. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "microvm/snapshot.h"

#define MEBIBYTE (1ULL << 20)
#define BYTES    (16 * MEBIBYTE)

static const unsigned char key[SHA256_BYTES] = "key", other_key[SHA256_BYTES] = "other";

struct fixture {
	int fd;
	struct guest_memory memory;
};

/* Pages far apart, at the ends too, and two with a small gap between them. */
static const uint64_t pages[] = { 0, 100, 103, 2000, 4095 };

static int setup(void **state)
{
	static struct fixture fixture;
	struct strbuf text = STRBUF_INIT;
	struct error err;

	fixture.fd = memfd_create("snapshot", MFD_CLOEXEC);
	assert_true(fixture.fd >= 0);
	assert_int_equal(guest_memory_map(&fixture.memory, BYTES, GUEST_PAGES_TRANSPARENT, &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		memset(fixture.memory.regions[0].host + pages[i] * 4096, (int)(i + 1), 4096);
	strbuf_string(&text, "the machine's state");
	assert_int_equal(snapshot_write(fixture.fd, key, &text, &fixture.memory, SNAPSHOT_TOUCHED, &err), 0);
	strbuf_free(&text);
	*state = &fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	guest_memory_unmap(&fixture->memory);
	close(fixture->fd);
	return 0;
}

static int load(struct fixture *fixture, struct guest_memory *memory, struct error *err)
{
	cleanup_snapshot struct snapshot snapshot = { 0 };
	int result = snapshot_open(fixture->fd, key, &snapshot, err);

	assert_int_equal(guest_memory_map(memory, BYTES, GUEST_PAGES_TRANSPARENT, err), 0);
	if (result == 0) {
		assert_int_equal(snapshot.state_bytes, strlen("the machine's state"));
		assert_memory_equal(snapshot.state, "the machine's state", snapshot.state_bytes);
		result = snapshot_map(&snapshot, memory, err);
	}
	return result;
}

static void memory_and_state_come_back(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory memory;
	struct error err;

	assert_int_equal(load(fixture, &memory, &err), 0);
	assert_memory_equal(memory.regions[0].host, fixture->memory.regions[0].host, BYTES);
	guest_memory_unmap(&memory);
}

static void what_one_machine_writes_another_does_not_see(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory one, other;
	struct error err;

	assert_int_equal(load(fixture, &one, &err), 0);
	memset(one.regions[0].host, 0xee, 4096);
	assert_int_equal(load(fixture, &other, &err), 0);
	assert_int_equal(other.regions[0].host[0], 1);
	guest_memory_unmap(&one);
	guest_memory_unmap(&other);
}

static void assert_refused(struct fixture *fixture, const char *words)
{
	struct guest_memory memory;
	struct error err = { 0 };

	assert_true(load(fixture, &memory, &err) < 0);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
	guest_memory_unmap(&memory);
}

static void flip(struct fixture *fixture, off_t offset)
{
	unsigned char byte;

	assert_int_equal(pread(fixture->fd, &byte, 1, offset), 1);
	byte ^= 0x40;
	assert_int_equal(pwrite(fixture->fd, &byte, 1, offset), 1);
}

static void damage_is_found_wherever_it_is(void **state)
{
	struct fixture *fixture = *state;

	flip(fixture, 0);
	assert_refused(fixture, "no snapshot");
	flip(fixture, 0);
	flip(fixture, 8);
	assert_refused(fixture, "of version");
	flip(fixture, 8);
	flip(fixture, 60);
	assert_refused(fixture, "header is damaged");
	flip(fixture, 60);
	flip(fixture, (off_t)SNAPSHOT_STATE + 3);
	assert_refused(fixture, "state is damaged");
	flip(fixture, (off_t)SNAPSHOT_STATE + 3);
	flip(fixture, (off_t)(SNAPSHOT_MEMORY + 2000 * 4096 + 77));
	assert_refused(fixture, "memory is damaged");
}

static void a_file_cut_short_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(ftruncate(fixture->fd, (off_t)(SNAPSHOT_MEMORY + BYTES - 4096)), 0);
	assert_refused(fixture, "cut short");
	assert_int_equal(ftruncate(fixture->fd, 100), 0);
	assert_refused(fixture, "read the snapshot's header");
}

static void another_key_is_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup_snapshot struct snapshot snapshot = { 0 };
	struct error err;

	assert_int_equal(snapshot_open(fixture->fd, other_key, &snapshot, &err), -ESTALE);
}

static void a_machine_with_less_memory_is_refused(void **state)
{
	struct fixture *fixture = *state;
	cleanup_snapshot struct snapshot snapshot = { 0 };
	struct guest_memory memory;
	struct error err;

	assert_int_equal(snapshot_open(fixture->fd, key, &snapshot, &err), 0);
	assert_int_equal(guest_memory_map(&memory, BYTES / 2, GUEST_PAGES_TRANSPARENT, &err), 0);
	assert_int_equal(snapshot_map(&snapshot, &memory, &err), -EINVAL);
	guest_memory_unmap(&memory);
}

static void zero_pages_take_no_space(void **state)
{
	struct fixture *fixture = *state;
	off_t hole = lseek(fixture->fd, (off_t)(SNAPSHOT_MEMORY + 200 * 4096), SEEK_HOLE);

	assert_int_equal(hole, SNAPSHOT_MEMORY + 200 * 4096);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(memory_and_state_come_back),
		TEST(what_one_machine_writes_another_does_not_see),
		TEST(damage_is_found_wherever_it_is),
		TEST(a_file_cut_short_is_refused),
		TEST(another_key_is_refused),
		TEST(a_machine_with_less_memory_is_refused),
		TEST(zero_pages_take_no_space),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
