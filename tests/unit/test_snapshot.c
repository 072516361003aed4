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

#include "base/alloc.h"
#include "microvm/snapshot.h"
#include "microvm/zstd_stream.h"

#define MEBIBYTE (1ULL << 20)
#define BYTES    (16 * MEBIBYTE)

static const unsigned char key[SHA256_BYTES] = "key", other_key[SHA256_BYTES] = "other";

static const struct snapshot_options plain = { .pages = SNAPSHOT_TOUCHED },
				     compressed = { .pages = SNAPSHOT_TOUCHED, .compress = true };

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
	assert_int_equal(snapshot_write(fixture.fd, key, &text, &fixture.memory, &plain, &err), 0);
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

/* ---- compressed ---- */

static void save_compressed(struct fixture *fixture)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct error err;

	assert_int_equal(ftruncate(fixture->fd, 0), 0);
	/* So that the frame is more than a few bytes of repetition. */
	for (unsigned i = 0; i < 512; i++)
		fixture->memory.regions[0].host[2000 * 4096 + i * 8] = (unsigned char)(i * 37 + i / 7);
	strbuf_string(&text, "the machine's state");
	assert_int_equal(snapshot_write(fixture->fd, key, &text, &fixture->memory, &compressed, &err), 0);
}

static void compressed_memory_comes_back_from_a_small_file(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory memory;
	struct error err;

	save_compressed(fixture);
	assert_true(lseek(fixture->fd, 0, SEEK_END) < (off_t)(SNAPSHOT_MEMORY + 8192));
	assert_int_equal(load(fixture, &memory, &err), 0);
	assert_memory_equal(memory.regions[0].host, fixture->memory.regions[0].host, BYTES);
	guest_memory_unmap(&memory);
}

static void no_memory_at_all_is_compressed_too(void **state)
{
	struct fixture *fixture = *state;
	struct guest_memory memory;
	struct error err;

	memset(fixture->memory.regions[0].host, 0, BYTES);
	{
		cleanup_strbuf struct strbuf text = STRBUF_INIT;

		assert_int_equal(ftruncate(fixture->fd, 0), 0);
		strbuf_string(&text, "the machine's state");
		assert_int_equal(snapshot_write(fixture->fd, key, &text, &fixture->memory, &compressed, &err), 0);
	}
	assert_int_equal(load(fixture, &memory, &err), 0);
	assert_memory_equal(memory.regions[0].host, fixture->memory.regions[0].host, BYTES);
	guest_memory_unmap(&memory);
}

/* The frame's header has bits on which nothing depends. */
static void damaged_compressed_memory_never_comes_back(void **state)
{
	struct fixture *fixture = *state;
	unsigned refused = 0, count = 0;
	off_t end;

	save_compressed(fixture);
	end = lseek(fixture->fd, 0, SEEK_END);
	for (off_t offset = (off_t)SNAPSHOT_MEMORY; offset < end; offset += 5) {
		struct guest_memory memory;
		struct error err = { 0 };

		flip(fixture, offset);
		if (load(fixture, &memory, &err) < 0) {
			assert_string_equal(err.message, "the snapshot's memory is damaged");
			refused++;
		} else {
			assert_memory_equal(memory.regions[0].host, fixture->memory.regions[0].host, BYTES);
		}
		guest_memory_unmap(&memory);
		flip(fixture, offset);
		count++;
	}
	assert_true(count > 50 && refused >= count - 2);
	assert_int_equal(ftruncate(fixture->fd, end - 1), 0);
	assert_refused(fixture, "cut short");
}

/* A frame that says of itself what it likes. */
static void assert_frame_refused(const unsigned char *frame, size_t length)
{
	cleanup_zstd_reader struct zstd_reader reader = { .fd = -EBADF };
	unsigned char data[4096];
	int fd = memfd_create("frame", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, frame, length, 100), length);
	assert_int_equal(zstd_reader_open(&reader, fd, 100, length), 0);
	assert_true(zstd_reader_read(&reader, data, sizeof(data)) < 0 || zstd_reader_finish(&reader) < 0);
	close(fd);
}

/* RFC 8878, 3.1.1: magic, descriptor, window, size; blocks (3.1.1.2): last, kind, size. */
static void hostile_frames_are_refused(void **state)
{
	static const unsigned char window[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 31 << 3, 0x01, 0x00, 0x00 };
	/* One block that repeats a byte: 0x03 with the count from bit 3 on. */
	static const unsigned char more[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x0b, 0x00, 0x01, 'x' };
	static const unsigned char less[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x23, 0x03, 0x00, 'x' };
	static const unsigned char exact[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x03, 0x80, 0x00, 'x', 'y' };
	static const unsigned char endless[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x02, 0x80, 0x00, 'x' };

	(void)state;
	assert_frame_refused(window, sizeof(window));
	assert_frame_refused(more, sizeof(more));
	assert_frame_refused(less, sizeof(less));
	assert_frame_refused(exact, sizeof(exact));
	assert_frame_refused(endless, sizeof(endless));
	assert_frame_refused(exact, 0);
}

static void a_frame_of_the_right_size_is_read(void **state)
{
	static const unsigned char frame[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x03, 0x80, 0x00, 'x' };
	cleanup_zstd_reader struct zstd_reader reader = { .fd = -EBADF };
	unsigned char data[4096];
	int fd = memfd_create("frame", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pwrite(fd, frame, sizeof(frame), 100), sizeof(frame));
	assert_int_equal(zstd_reader_open(&reader, fd, 100, sizeof(frame)), 0);
	assert_int_equal(zstd_reader_read(&reader, data, sizeof(data)), 0);
	assert_int_equal(data[4095], 'x');
	assert_int_equal(zstd_reader_finish(&reader), 0);
	close(fd);
}

/* Whether what is written to the file shows in memory that came from it before. */
static bool is_shared(struct fixture *fixture, const struct guest_memory *memory, uint64_t page)
{
	const unsigned char *place = memory->regions[0].host + page * 4096;
	unsigned char before = *(const volatile unsigned char *)place;
	bool shared;

	flip(fixture, (off_t)(SNAPSHOT_MEMORY + page * 4096));
	shared = *(const volatile unsigned char *)place != before;
	flip(fixture, (off_t)(SNAPSHOT_MEMORY + page * 4096));
	return shared;
}

static void what_will_be_written_is_copied_and_the_rest_mapped(void **state)
{
	enum { FIRST = 900, COUNT = 700 };
	struct fixture *fixture = *state;
	unsigned char *host = fixture->memory.regions[0].host;
	cleanup_free unsigned char *saved = NULL;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct guest_memory memory;
	struct error err;

	memset(host + (size_t)FIRST * 4096, 7, (size_t)COUNT * 4096);
	saved = xmemdup(host, BYTES);
	strbuf_string(&text, "the machine's state");
	assert_int_equal(snapshot_write(fixture->fd, key, &text, &fixture->memory, &plain, &err), 0);
	for (unsigned page = 1020; page < 1030; page++)
		host[page * 4096 + 9] = 8;
	host[0] = 9;
	/* This one was zero, and needs no copy. */
	host[3000 * 4096] = 1;
	assert_int_equal(snapshot_note_written(fixture->fd, key, &fixture->memory, &err), 0);
	assert_int_equal(load(fixture, &memory, &err), 0);
	assert_memory_equal(memory.regions[0].host, saved, BYTES);
	assert_false(is_shared(fixture, &memory, 0));
	assert_true(is_shared(fixture, &memory, 100));
	assert_true(is_shared(fixture, &memory, 1019));
	assert_false(is_shared(fixture, &memory, 1020));
	assert_false(is_shared(fixture, &memory, 1029));
	assert_true(is_shared(fixture, &memory, 1030));
	guest_memory_unmap(&memory);
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
		TEST(compressed_memory_comes_back_from_a_small_file),
		TEST(no_memory_at_all_is_compressed_too),
		TEST(damaged_compressed_memory_never_comes_back),
		cmocka_unit_test(hostile_frames_are_refused),
		cmocka_unit_test(a_frame_of_the_right_size_is_read),
		TEST(what_will_be_written_is_copied_and_the_rest_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
