/* SPDX-License-Identifier: Apache-2.0 */
/* The block device on plain buffers, over a real file: what a driver that keeps to the rules gets, and one that does
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "microvm/devices/blk.h"
#include "virtio_driver.h"

#define SECTOR       512ULL
#define SECTORS      4096ULL
#define HEADER_AT(i) (VIRTIO_DRIVER_DATA + (i)*16ULL)
#define STATUS_AT(i) (VIRTIO_DRIVER_DATA + 0x8000ULL + (i))
#define DATA_AT      (VIRTIO_DRIVER_DATA + 0x10000ULL)
#define UNTOUCHED    0x5a

struct fixture {
	struct virtio_driver *driver;
	struct blk *blk;
	char path[64];
};

static struct fixture *make(int flags)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct blk_options options = { .id = "serial-number-of-duet-and-more" };
	struct error err;
	int fd;

	(void)strcpy(f->path, "/var/tmp/duet-test-blk.XXXXXX");
	fd = mkstemp(f->path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(SECTORS * SECTOR)), 0);
	(void)close(fd);
	options.fd = open(f->path, flags | O_CLOEXEC);
	f->driver = virtio_driver_new();
	assert_int_equal(blk_create(&f->blk, &options, &err), 0);
	assert_int_equal(blk_start(f->blk, &err), 0);
	virtio_driver_attach(f->driver, blk_device(f->blk));
	assert_int_equal(virtio_driver_activate(f->driver, UINT64_MAX), 0);
	return f;
}

static int set_up(void **state)
{
	*state = make(O_RDWR);
	return 0;
}

static int set_up_read_only(void **state)
{
	*state = make(O_RDONLY);
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	blk_destroy(f->blk);
	virtio_driver_free(f->driver);
	(void)unlink(f->path);
	free(f);
	return 0;
}

/* Offers request `i`; data in pieces of at most `piece` bytes. */
static uint16_t offer(struct fixture *f, unsigned i, uint32_t type, uint64_t sector, uint64_t data, uint32_t length,
	bool in, uint32_t piece)
{
	const struct virtio_blk_outhdr header = { .type = type, .sector = sector };
	struct virtio_piece pieces[VIRTIO_DRIVER_QUEUE];
	unsigned count = 0;

	memcpy(f->driver->bytes + HEADER_AT(i), &header, sizeof(header));
	f->driver->bytes[STATUS_AT(i)] = UNTOUCHED;
	pieces[count++] = (struct virtio_piece){ HEADER_AT(i), sizeof(header), false };
	for (uint32_t done = 0; done < length; done += piece)
		pieces[count++] =
			(struct virtio_piece){ data + done, length - done < piece ? length - done : piece, in };
	pieces[count++] = (struct virtio_piece){ STATUS_AT(i), 1, true };
	return virtio_driver_offer(f->driver, 0, pieces, count);
}

static bool take(struct fixture *f, uint16_t *head, uint32_t *written)
{
	const struct timespec pause = { .tv_nsec = 100000 };

	for (unsigned tries = 0; tries < 20000; tries++) {
		if (virtio_driver_take(f->driver, 0, head, written))
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

/* One request from beginning to end; returns its status. */
static unsigned run(
	struct fixture *f, uint32_t type, uint64_t sector, uint64_t data, uint32_t length, bool in, uint32_t piece)
{
	uint16_t head, offered = offer(f, 0, type, sector, data, length, in, piece);
	uint32_t written;

	assert_int_equal(virtio_driver_kick(f->driver, 0), 0);
	assert_true(take(f, &head, &written));
	assert_int_equal(head, offered);
	if (f->driver->bytes[STATUS_AT(0)] == VIRTIO_BLK_S_OK && type == VIRTIO_BLK_T_IN)
		assert_int_equal(written, length + 1);
	return f->driver->bytes[STATUS_AT(0)];
}

static void test_configuration(void **state)
{
	struct fixture *f = *state;
	const struct virtio_blk_config *config = f->driver->device->config;

	assert_int_equal(config->capacity, SECTORS);
	assert_int_equal(config->blk_size, 512);
	assert_false(f->driver->device->features_offered & 1ULL << VIRTIO_BLK_F_RO);
	assert_true(f->driver->device->features_offered & 1ULL << VIRTIO_BLK_F_FLUSH);
}

/* Thousands of random requests against a copy of what the disk must hold. */
static void test_disk_holds_what_was_written(void **state)
{
	struct fixture *f = *state;
	unsigned char *copy = calloc(SECTORS, SECTOR);
	uint32_t seed = 12345;

	for (unsigned i = 0; i < 3000; i++) {
		uint64_t sector;
		uint32_t length, piece;

		seed = seed * 1103515245 + 12345;
		sector = (seed >> 8) % SECTORS;
		length = (uint32_t)(((seed >> 3) % 64 + 1) * SECTOR);
		if (sector * SECTOR + length > SECTORS * SECTOR)
			length = (uint32_t)((SECTORS - sector) * SECTOR);
		piece = i % 3 ? length : length / 61 + 1;
		if (i % 2) {
			for (uint32_t byte = 0; byte < length; byte++)
				f->driver->bytes[DATA_AT + byte] = (unsigned char)(byte * 31 + i);
			assert_int_equal(run(f, VIRTIO_BLK_T_OUT, sector, DATA_AT, length, false, piece), 0);
			memcpy(copy + sector * SECTOR, f->driver->bytes + DATA_AT, length);
		} else {
			memset(f->driver->bytes + DATA_AT, 0xee, length);
			assert_int_equal(run(f, VIRTIO_BLK_T_IN, sector, DATA_AT, length, true, piece), 0);
			assert_memory_equal(copy + sector * SECTOR, f->driver->bytes + DATA_AT, length);
		}
	}
	assert_int_equal(run(f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, 1), 0);
	{
		cleanup_fd int fd = open(f->path, O_RDONLY);
		unsigned char *disk = malloc(SECTORS * SECTOR);

		assert_int_equal(read(fd, disk, SECTORS * SECTOR), SECTORS * SECTOR);
		assert_memory_equal(disk, copy, SECTORS * SECTOR);
		free(disk);
	}
	free(copy);
}

static void test_many_requests_in_flight(void **state)
{
	struct fixture *f = *state;
	unsigned done = 0;
	uint32_t written;
	uint16_t head;

	/* Flushes wait for the disk, so more of them than there are requests for fill every place; reads go on behind.
	 */
	for (unsigned i = 0; i < 80; i++)
		(void)offer(f, i, i % 2 ? VIRTIO_BLK_T_FLUSH : VIRTIO_BLK_T_IN, i, DATA_AT + i * 4096, i % 2 ? 0 : 4096,
			true, 4096);
	while (virtio_driver_kick(f->driver, 0) > 0) {
	}
	while (done < 80) {
		assert_true(take(f, &head, &written));
		done++;
	}
	for (unsigned i = 0; i < 80; i++)
		assert_int_equal(f->driver->bytes[STATUS_AT(i)], 0);
	assert_true(f->driver->interrupts[0] > 0);
}

static void test_what_lies_outside_is_an_error(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, VIRTIO_BLK_T_IN, SECTORS - 1, DATA_AT, 512, true, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, SECTORS - 1, DATA_AT, 1024, true, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_OUT, SECTORS, DATA_AT, 512, false, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, UINT64_MAX, DATA_AT, 512, true, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, UINT64_MAX / 512, DATA_AT, 1024, true, 1024), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, DATA_AT, 511, true, 511), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, 77, 0, DATA_AT, 512, true, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, DATA_AT, 512, true, 512), VIRTIO_BLK_S_OK);
}

static void test_chains_that_are_no_requests(void **state)
{
	struct fixture *f = *state;
	const struct virtio_piece readable = { HEADER_AT(0), 16, false };
	const struct virtio_piece small[] = { { HEADER_AT(0), 15, false }, { STATUS_AT(0), 1, true } };
	uint32_t written;
	uint16_t head;

	(void)virtio_driver_offer(f->driver, 0, small, 2);
	assert_int_equal(virtio_driver_kick(f->driver, 0), 0);
	assert_true(take(f, &head, &written));
	assert_int_equal(f->driver->bytes[STATUS_AT(0)], VIRTIO_BLK_S_IOERR);
	(void)virtio_driver_offer(f->driver, 0, &readable, 1);
	assert_int_equal(virtio_driver_kick(f->driver, 0), -EPROTO);
}

static void test_id(void **state)
{
	struct fixture *f = *state;

	memset(f->driver->bytes + DATA_AT, 0xee, 64);
	assert_int_equal(run(f, VIRTIO_BLK_T_GET_ID, 0, DATA_AT, 20, true, 7), 0);
	assert_memory_equal(f->driver->bytes + DATA_AT, "serial-number-of-due", 20);
	assert_int_equal(f->driver->bytes[DATA_AT + 20], 0xee);
}

static void put_range(struct fixture *f, unsigned i, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = {
		.sector = sector, .num_sectors = sectors, .flags = flags
	};

	memcpy(f->driver->bytes + DATA_AT + i * sizeof(range), &range, sizeof(range));
}

static void test_discarded_and_zeroed_ranges_are_holes(void **state)
{
	struct fixture *f = *state;
	struct stat before, after;
	unsigned result;

	memset(f->driver->bytes + DATA_AT, 0xaa, 1 << 20);
	assert_int_equal(run(f, VIRTIO_BLK_T_OUT, 0, DATA_AT, 1 << 20, false, 1 << 20), 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, 1), 0);
	assert_int_equal(stat(f->path, &before), 0);
	put_range(f, 0, 0, 512, 0);
	put_range(f, 1, 1024, 512, 0);
	result = run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 32, false, 5);
	if (result == VIRTIO_BLK_S_UNSUPP)
		skip();
	assert_int_equal(result, 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, 1), 0);
	assert_int_equal(stat(f->path, &after), 0);
	assert_true(after.st_blocks < before.st_blocks);
	assert_int_equal(after.st_size, before.st_size);
	put_range(f, 0, 600, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	assert_int_equal(run(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA_AT, 16, false, 16), 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 600, DATA_AT, 512, true, 512), 0);
	assert_int_equal(f->driver->bytes[DATA_AT], 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 599, DATA_AT, 512, true, 512), 0);
	assert_int_equal(f->driver->bytes[DATA_AT], 0xaa);
	/* Outside, with flags that mean nothing here, not a whole number of ranges. */
	put_range(f, 0, SECTORS - 1, 2, 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16, false, 16), VIRTIO_BLK_S_IOERR);
	put_range(f, 0, 0, 1, 4);
	assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16, false, 16), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 17, false, 17), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16 * 17, false, 16), VIRTIO_BLK_S_IOERR);
}

static void test_descriptor_for_reading_makes_a_read_only_disk(void **state)
{
	struct fixture *f = *state;

	assert_true(f->driver->device->features_offered & 1ULL << VIRTIO_BLK_F_RO);
	assert_false(f->driver->device->features_offered & 1ULL << VIRTIO_BLK_F_DISCARD);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, DATA_AT, 4096, true, 4096), 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_OUT, 0, DATA_AT, 512, false, 512), VIRTIO_BLK_S_IOERR);
	put_range(f, 0, 0, 8, 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_DISCARD, 0, DATA_AT, 16, false, 16), VIRTIO_BLK_S_IOERR);
	assert_int_equal(run(f, VIRTIO_BLK_T_FLUSH, 0, 0, 0, false, 1), 0);
}

static void test_file_that_shrinks_is_an_error_and_no_crash(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(truncate(f->path, 4096), 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, DATA_AT, 4096, true, 4096), 0);
	assert_int_equal(run(f, VIRTIO_BLK_T_IN, 4, DATA_AT, 8192, true, 8192), VIRTIO_BLK_S_IOERR);
}

static void test_reset_with_requests_in_flight(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 64; i++)
			(void)offer(f, i, i % 2 ? VIRTIO_BLK_T_FLUSH : VIRTIO_BLK_T_OUT, i, DATA_AT + i * 4096,
				i % 2 ? 0 : 4096, false, 4096);
		while (virtio_driver_kick(f->driver, 0) > 0) {
		}
		virtio_driver_reset(f->driver);
		assert_int_equal(virtio_driver_activate(f->driver, UINT64_MAX), 0);
		assert_int_equal(run(f, VIRTIO_BLK_T_IN, 0, DATA_AT, 4096, true, 4096), 0);
	}
}

static void test_what_is_no_image_is_refused(void **state)
{
	char path[] = "/var/tmp/duet-test-blk.XXXXXX";
	cleanup_fd int file = mkstemp(path), directory = open("/", O_RDONLY | O_CLOEXEC);
	struct blk_options options = { .fd = file };
	struct blk *blk = NULL;
	struct error err;

	(void)state;
	(void)unlink(path);
	assert_int_equal(blk_create(&blk, &options, &err), -EINVAL);
	assert_int_equal(ftruncate(file, 1000), 0);
	assert_int_equal(blk_create(&blk, &options, &err), -EINVAL);
	assert_string_equal(err.message, "a disk image of 1000 bytes: its size must be a multiple of 512");
	options.fd = directory;
	assert_int_equal(blk_create(&blk, &options, &err), -EINVAL);
	assert_null(blk);
}

#define disk_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		disk_test(test_configuration),
		disk_test(test_disk_holds_what_was_written),
		disk_test(test_many_requests_in_flight),
		disk_test(test_what_lies_outside_is_an_error),
		disk_test(test_chains_that_are_no_requests),
		disk_test(test_id),
		disk_test(test_discarded_and_zeroed_ranges_are_holes),
		cmocka_unit_test_setup_teardown(
			test_descriptor_for_reading_makes_a_read_only_disk, set_up_read_only, tear_down),
		disk_test(test_file_that_shrinks_is_an_error_and_no_crash),
		disk_test(test_reset_with_requests_in_flight),
		cmocka_unit_test(test_what_is_no_image_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
