/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/snapshot.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "microvm/zstd_stream.h"

#define PAGE_BYTES 4096ULL
#define VERSION    4
#define RUNS_MAX   (1U << 20)
#define STATE_MAX  (512ULL << 20)
/* Fewer mappings are worth a few zero pages more. */
#define GAP_PAGES 16

static const char magic[8] = "DUETSNAP";

struct snapshot_header {
	char magic[8];
	uint32_t version, run_count;
	unsigned char key[SHA256_BYTES];
	uint64_t state_offset, state_bytes; /* the runs among them, at the end, those that are written soon last */
	uint64_t memory_bytes, memory_sum;
	uint32_t written_count, unused;
	uint64_t frame_bytes; /* what a compressed memory takes; 0: it is not */
	unsigned char state_digest[SHA256_BYTES];
	unsigned char digest[SHA256_BYTES]; /* of all that stands before */
};

static void header_digest(const struct snapshot_header *header, unsigned char digest[SHA256_BYTES])
{
	sha256(header, offsetof(struct snapshot_header, digest), digest);
}

/* Of the memory, in the file. */
static uint64_t stored_bytes(const struct snapshot_header *header)
{
	return header->frame_bytes ? header->frame_bytes : header->memory_bytes;
}

static uint64_t memory_bytes(const struct guest_memory *memory)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < memory->count; i++)
		bytes += memory->regions[i].size_bytes;
	return bytes;
}

/* Four lanes of multiply and rotate, so that it runs at the speed of memory. */
static uint64_t sum_pages(uint64_t sum, const void *data, uint64_t bytes)
{
	uint64_t lanes[4] = { sum, sum ^ 0x9e3779b97f4a7c15, ~sum, sum + 0xc2b2ae3d27d4eb4f };
	const uint64_t *words = data;

	for (uint64_t i = 0; i < bytes / sizeof(*words); i += 4) {
		for (int lane = 0; lane < 4; lane++) {
			lanes[lane] = (lanes[lane] ^ words[i + (unsigned)lane]) * 0x9ddfea08eb382d69;
			lanes[lane] ^= lanes[lane] >> 29;
		}
	}
	return ((lanes[0] * 31 + lanes[1]) * 31 + lanes[2]) * 31 + lanes[3];
}

/* ---- writing ---- */

static bool is_zero(const unsigned char *page)
{
	return page[0] == 0 && memcmp(page, page + 1, PAGE_BYTES - 1) == 0;
}

struct runs {
	struct snapshot_run *entries;
	size_t count, capacity;
	uint64_t region_page; /* a run lies in one region */
};

static void free_runs(struct runs *runs)
{
	free(runs->entries);
}

static void append_run(struct runs *runs, uint64_t page)
{
	if (runs->count == runs->capacity) {
		runs->capacity = runs->capacity ? 2 * runs->capacity : 64;
		runs->entries = xrealloc(runs->entries, runs->capacity, sizeof(*runs->entries));
	}
	runs->entries[runs->count++] = (struct snapshot_run){ .first = page, .count = 1 };
}

static void add_page(struct runs *runs, uint64_t page, uint64_t gap_pages)
{
	struct snapshot_run *last = runs->count ? &runs->entries[runs->count - 1] : NULL;

	if (last && last->first >= runs->region_page && page - (last->first + last->count) < gap_pages)
		last->count = page + 1 - last->first;
	else
		append_run(runs, page);
}

/* Pages that were never touched are not looked at: that alone would give them memory. */
static int find_pages(
	const struct guest_memory_region *region, uint64_t first_page, enum snapshot_pages which, struct runs *runs)
{
	uint64_t pages = region->size_bytes / PAGE_BYTES;
	cleanup_free unsigned char *resident = xcalloc(pages, 1);

	runs->region_page = first_page;
	if (which == SNAPSHOT_TOUCHED && mincore(region->host, (size_t)region->size_bytes, resident) < 0)
		return -errno;
	for (uint64_t i = 0; i < pages; i++) {
		if ((which == SNAPSHOT_ALL || (resident[i] & 1)) && !is_zero(region->host + i * PAGE_BYTES))
			add_page(runs, first_page + i, GAP_PAGES);
	}
	return 0;
}

/* Where a page of the file's memory lies, and how many bytes follow it in its region. */
static unsigned char *page_at(const struct guest_memory *memory, uint64_t page, uint64_t *follow_bytes)
{
	uint64_t offset = page * PAGE_BYTES;

	for (unsigned i = 0; i < memory->count; i++) {
		if (offset < memory->regions[i].size_bytes) {
			*follow_bytes = memory->regions[i].size_bytes - offset;
			return memory->regions[i].host + offset;
		}
		offset -= memory->regions[i].size_bytes;
	}
	return NULL;
}

static int write_at(int fd, const void *data, uint64_t length, uint64_t offset)
{
	const char *next = data;

	while (length > 0) {
		ssize_t written = pwrite(fd, next, length, (off_t)offset);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			next += written;
			offset += (uint64_t)written;
			length -= (uint64_t)written;
		}
	}
	return 0;
}

static int write_plain(int fd, const struct guest_memory *memory, const struct runs *runs)
{
	int result = 0;

	for (size_t i = 0; i < runs->count && result == 0; i++) {
		uint64_t follow;
		const unsigned char *from = page_at(memory, runs->entries[i].first, &follow);

		result = write_at(fd, from, runs->entries[i].count * PAGE_BYTES,
			SNAPSHOT_MEMORY + runs->entries[i].first * PAGE_BYTES);
	}
	return result;
}

static int write_compressed(int fd, const struct guest_memory *memory, const struct runs *runs, uint64_t *frame_bytes)
{
	cleanup_zstd_writer struct zstd_writer writer = { .fd = -EBADF };
	int result = zstd_writer_open(&writer, fd, SNAPSHOT_MEMORY);

	for (size_t i = 0; i < runs->count && result == 0; i++) {
		uint64_t follow;
		const unsigned char *from = page_at(memory, runs->entries[i].first, &follow);

		result = zstd_writer_add(&writer, from, runs->entries[i].count * PAGE_BYTES);
	}
	if (result == 0)
		result = zstd_writer_finish(&writer);
	*frame_bytes = writer.offset - SNAPSHOT_MEMORY;
	return result;
}

static int write_memory(int fd, const struct guest_memory *memory, const struct runs *runs, bool compress,
	struct snapshot_header *header)
{
	for (size_t i = 0; i < runs->count; i++) {
		uint64_t follow;
		const unsigned char *from = page_at(memory, runs->entries[i].first, &follow);

		header->memory_sum = sum_pages(header->memory_sum, from, runs->entries[i].count * PAGE_BYTES);
	}
	if (compress)
		return write_compressed(fd, memory, runs, &header->frame_bytes);
	if (ftruncate(fd, (off_t)(SNAPSHOT_MEMORY + header->memory_bytes)) < 0)
		return -errno;
	return write_plain(fd, memory, runs);
}

static int find_all(const struct guest_memory *memory, enum snapshot_pages pages, struct runs *runs)
{
	uint64_t page = 0;
	int result = 0;

	for (unsigned i = 0; i < memory->count && result == 0; i++) {
		result = find_pages(&memory->regions[i], page, pages, runs);
		page += memory->regions[i].size_bytes / PAGE_BYTES;
	}
	return result == 0 && runs->count > RUNS_MAX ? -E2BIG : result;
}

int snapshot_write(int fd, const unsigned char key[SHA256_BYTES], const struct strbuf *state,
	const struct guest_memory *memory, const struct snapshot_options *options, struct error *err)
{
	struct snapshot_header header = {
		.version = VERSION, .memory_bytes = memory_bytes(memory), .state_offset = SNAPSHOT_STATE
	};
	cleanup_strbuf struct strbuf all = STRBUF_INIT;
	cleanup(free_runs) struct runs runs = { 0 };
	int result = find_all(memory, options->pages, &runs);

	strbuf_append(&all, state->data, state->length);
	strbuf_append(&all, runs.entries, runs.count * sizeof(*runs.entries));
	if (result == 0 && all.length > STATE_MAX)
		result = -E2BIG;
	if (result == 0)
		result = write_memory(fd, memory, &runs, options->compress, &header);
	if (all.length > SNAPSHOT_MEMORY - SNAPSHOT_STATE)
		header.state_offset = SNAPSHOT_MEMORY + stored_bytes(&header);
	if (result == 0)
		result = write_at(fd, all.data, all.length, header.state_offset);
	if (result < 0)
		return error_set(err, -result, "write the machine's snapshot");
	memcpy(header.magic, magic, sizeof(magic));
	memcpy(header.key, key, SHA256_BYTES);
	header.run_count = (uint32_t)runs.count;
	header.state_bytes = all.length;
	sha256(all.data, all.length, header.state_digest);
	header_digest(&header, header.digest);
	result = write_at(fd, &header, sizeof(header), 0);
	return result < 0 ? error_set(err, -result, "write the machine's snapshot") : 0;
}

/* ---- reading ---- */

static int read_at(int fd, void *data, size_t length, uint64_t offset)
{
	ssize_t count = pread(fd, data, length, (off_t)offset);

	return count < 0 ? -errno : (size_t)count == length ? 0 : -EINVAL;
}

static int check_header(
	const struct snapshot_header *header, const unsigned char key[SHA256_BYTES], int fd, struct error *err)
{
	unsigned char digest[SHA256_BYTES];
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return error_set(err, errno, "look at the snapshot's file");
	if (memcmp(header->magic, magic, sizeof(magic)) != 0)
		return error_set(err, -EINVAL, "this is no snapshot of a machine");
	if (header->version != VERSION)
		return error_set(
			err, -EINVAL, "a snapshot of version %u, this is version %d", header->version, VERSION);
	header_digest(header, digest);
	if (memcmp(digest, header->digest, SHA256_BYTES) != 0)
		return error_set(err, -EINVAL, "the snapshot's header is damaged");
	if (memcmp(header->key, key, SHA256_BYTES) != 0)
		return error_set(err, -ESTALE, "the snapshot is of another machine, kernel or host");
	if (header->state_bytes > STATE_MAX || header->run_count > RUNS_MAX || header->written_count > RUNS_MAX ||
		((uint64_t)header->run_count + header->written_count) * sizeof(struct snapshot_run) >
			header->state_bytes ||
		header->memory_bytes > (UINT64_MAX >> 16) || header->frame_bytes > (UINT64_MAX >> 16) ||
		(uint64_t)size < SNAPSHOT_MEMORY + stored_bytes(header) || header->state_offset > (uint64_t)size ||
		header->state_bytes > (uint64_t)size - header->state_offset)
		return error_set(err, -EINVAL, "the snapshot is cut short");
	return 0;
}

static int check_runs(const struct snapshot_run *runs, size_t count, uint64_t bytes)
{
	uint64_t pages = bytes / PAGE_BYTES, next = 0;

	for (size_t i = 0; runs && i < count; i++) {
		const struct snapshot_run *run = &runs[i];

		if (run->first < next || run->first > pages || !run->count || run->count > pages - run->first)
			return -EINVAL;
		next = run->first + run->count;
	}
	return 0;
}

/* The two lists at the state's end. */
static int take_runs(struct snapshot *snapshot, const struct snapshot_header *header)
{
	size_t runs_bytes = header->run_count * sizeof(struct snapshot_run);
	size_t written_bytes = header->written_count * sizeof(struct snapshot_run);
	char *end = (char *)snapshot->state + header->state_bytes;

	snapshot->state_bytes = header->state_bytes - runs_bytes - written_bytes;
	snapshot->runs = runs_bytes ? xmemdup(end - written_bytes - runs_bytes, runs_bytes) : NULL;
	snapshot->run_count = header->run_count;
	snapshot->written = written_bytes ? xmemdup(end - written_bytes, written_bytes) : NULL;
	snapshot->written_count = header->written_count;
	if (check_runs(snapshot->runs, snapshot->run_count, header->memory_bytes) < 0)
		return -EINVAL;
	return check_runs(snapshot->written, snapshot->written_count, header->memory_bytes);
}

int snapshot_open(int fd, const unsigned char key[SHA256_BYTES], struct snapshot *snapshot, struct error *err)
{
	cleanup_snapshot struct snapshot opened = { .fd = fd };
	unsigned char digest[SHA256_BYTES];
	struct snapshot_header header;
	int result = read_at(fd, &header, sizeof(header), 0);

	if (result < 0)
		return error_set(err, -result, "read the snapshot's header");
	result = check_header(&header, key, fd, err);
	if (result < 0)
		return result;
	opened.state = xcalloc(1, header.state_bytes + 1);
	result = read_at(fd, opened.state, header.state_bytes, header.state_offset);
	if (result < 0)
		return error_set(err, -result, "read the snapshot's state");
	sha256(opened.state, header.state_bytes, digest);
	if (memcmp(digest, header.state_digest, SHA256_BYTES) != 0)
		return error_set(err, -EINVAL, "the snapshot's state is damaged");
	opened.memory_sum = header.memory_sum;
	opened.frame_bytes = header.frame_bytes;
	if (take_runs(&opened, &header) < 0)
		return error_set(err, -EINVAL, "the snapshot's list of pages is damaged");
	*snapshot = opened;
	opened = (struct snapshot){ 0 };
	return 0;
}

typedef int bring_pages(const struct snapshot *snapshot, unsigned char *place, uint64_t length, uint64_t offset);

static int map_pages(const struct snapshot *snapshot, unsigned char *place, uint64_t length, uint64_t offset)
{
	if (mmap(place, (size_t)length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, snapshot->fd,
		    (off_t)offset) == MAP_FAILED)
		return -errno;
	(void)madvise(place, (size_t)length, MADV_DONTDUMP);
	return 0;
}

static int read_pages(const struct snapshot *snapshot, unsigned char *place, uint64_t length, uint64_t offset)
{
	while (length > 0) {
		ssize_t count = pread(snapshot->fd, place, (size_t)length, (off_t)offset);

		if (count == 0 || (count < 0 && errno != EINTR))
			return count == 0 ? -EINVAL : -errno;
		if (count > 0) {
			place += count;
			offset += (uint64_t)count;
			length -= (uint64_t)count;
		}
	}
	return 0;
}

static int bring_all(
	const struct snapshot *snapshot, struct guest_memory *memory, bring_pages *bring, struct error *err)
{
	cleanup_zstd_reader struct zstd_reader reader = { .fd = -EBADF };
	uint64_t sum = 0;
	int result = 0;

	if (snapshot->frame_bytes)
		result = zstd_reader_open(&reader, snapshot->fd, SNAPSHOT_MEMORY, snapshot->frame_bytes);
	for (size_t i = 0; i < snapshot->run_count && result == 0; i++) {
		const struct snapshot_run *run = &snapshot->runs[i];
		uint64_t follow = 0, length = run->count * PAGE_BYTES;
		unsigned char *place = page_at(memory, run->first, &follow);

		if (!place || follow < length)
			return error_set(err, -EINVAL, "the snapshot has more memory than this machine");
		result = snapshot->frame_bytes
				 ? zstd_reader_read(&reader, place, length)
				 : bring(snapshot, place, length, SNAPSHOT_MEMORY + run->first * PAGE_BYTES);
		if (result == 0 && !snapshot->trusted)
			sum = sum_pages(sum, place, length);
	}
	if (result == 0 && snapshot->frame_bytes)
		result = zstd_reader_finish(&reader);
	if (result < 0 && result != -EINVAL)
		return error_set(err, -result, "bring back the snapshot's memory");
	if (result < 0 || (!snapshot->trusted && sum != snapshot->memory_sum))
		return error_set(err, -EINVAL, "the snapshot's memory is damaged");
	return 0;
}

/* Advice: a kernel older than 5.14 copies them one by one, when they are written to. */
static void copy_written(const struct snapshot *snapshot, const struct guest_memory *memory)
{
	for (size_t i = 0; i < snapshot->written_count; i++) {
		uint64_t follow = 0, length = snapshot->written[i].count * PAGE_BYTES;
		unsigned char *place = page_at(memory, snapshot->written[i].first, &follow);

		if (place && length <= follow)
			(void)madvise(place, (size_t)length, MADV_POPULATE_WRITE);
	}
}

int snapshot_map(const struct snapshot *snapshot, struct guest_memory *memory, struct error *err)
{
	int result = bring_all(snapshot, memory, map_pages, err);

	if (result == 0)
		copy_written(snapshot, memory);
	return result;
}

int snapshot_read(const struct snapshot *snapshot, struct guest_memory *memory, struct error *err)
{
	return bring_all(snapshot, memory, read_pages, err);
}

void snapshot_close(struct snapshot *snapshot)
{
	free(snapshot->state);
	free(snapshot->runs);
	free(snapshot->written);
	*snapshot = (struct snapshot){ 0 };
}

/* ---- what is written soon ---- */

/* Between pages that are written, as many that are not are copied with them. */
#define WRITTEN_GAP_PAGES 2
#define COMPARED_PAGES    16

/* The guest may be writing to the page meanwhile: it counts either way. */
static int find_written(const struct snapshot *snapshot, const struct guest_memory *memory,
	const struct snapshot_run *run, struct runs *written)
{
	unsigned char saved[COMPARED_PAGES * PAGE_BYTES];
	uint64_t follow, end = run->first + run->count;
	const unsigned char *now = page_at(memory, run->first, &follow);

	if (!now || follow < run->count * PAGE_BYTES)
		return -EINVAL;
	written->region_page = run->first;
	for (uint64_t page = run->first; page < end; page += COMPARED_PAGES) {
		uint64_t count = end - page < COMPARED_PAGES ? end - page : COMPARED_PAGES;
		int result = read_at(snapshot->fd, saved, count * PAGE_BYTES, SNAPSHOT_MEMORY + page * PAGE_BYTES);

		if (result < 0)
			return result;
		for (uint64_t i = 0; i < count; i++, now += PAGE_BYTES) {
			if (memcmp(saved + i * PAGE_BYTES, now, PAGE_BYTES) != 0)
				add_page(written, page + i, WRITTEN_GAP_PAGES);
		}
	}
	return 0;
}

/* The state with another list at its end. */
static int write_written(const struct snapshot *snapshot, const struct runs *written)
{
	cleanup_strbuf struct strbuf all = STRBUF_INIT;
	struct snapshot_header header;
	int result = read_at(snapshot->fd, &header, sizeof(header), 0);

	if (result < 0)
		return result;
	strbuf_append(&all, snapshot->state, snapshot->state_bytes);
	strbuf_append(&all, snapshot->runs, snapshot->run_count * sizeof(*snapshot->runs));
	strbuf_append(&all, written->entries, written->count * sizeof(*written->entries));
	if (header.state_offset != SNAPSHOT_STATE || all.length > SNAPSHOT_MEMORY - SNAPSHOT_STATE)
		return -E2BIG;
	header.written_count = (uint32_t)written->count;
	header.state_bytes = all.length;
	sha256(all.data, all.length, header.state_digest);
	header_digest(&header, header.digest);
	result = write_at(snapshot->fd, all.data, all.length, header.state_offset);
	return result < 0 ? result : write_at(snapshot->fd, &header, sizeof(header), 0);
}

int snapshot_note_written(
	int fd, const unsigned char key[SHA256_BYTES], const struct guest_memory *memory, struct error *err)
{
	cleanup(free_runs) struct runs written = { 0 };
	cleanup_snapshot struct snapshot snapshot = { 0 };
	int result = snapshot_open(fd, key, &snapshot, err);

	if (result == 0 && snapshot.frame_bytes)
		result = error_set(err, -EINVAL, "a compressed snapshot is not mapped");
	if (result < 0)
		return result;
	for (size_t i = 0; snapshot.runs && i < snapshot.run_count && result == 0; i++)
		result = find_written(&snapshot, memory, &snapshot.runs[i], &written);
	if (result == 0)
		result = write_written(&snapshot, &written);
	return result < 0 ? error_set(err, -result, "note what the machine writes to") : 0;
}
