/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/zstd_stream.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/alloc.h"

/* The machine stands still meanwhile: the quickest. */
#define LEVEL 1
/* Of the decoder's memory, whatever the frame asks for; the levels up to 9 need no more. */
#define WINDOW_LOG_MAX 23

/* ---- writing ---- */

int zstd_writer_open(struct zstd_writer *writer, int fd, uint64_t offset)
{
	*writer = (struct zstd_writer){
		.context = ZSTD_createCCtx(), .fd = fd, .offset = offset, .capacity = ZSTD_CStreamOutSize()
	};
	if (!writer->context || ZSTD_isError(ZSTD_CCtx_setParameter(writer->context, ZSTD_c_compressionLevel, LEVEL))) {
		zstd_writer_close(writer);
		return -ENOMEM;
	}
	writer->buffer = xcalloc(writer->capacity, 1);
	return 0;
}

static int write_out(struct zstd_writer *writer, size_t length)
{
	const unsigned char *next = writer->buffer;

	while (length > 0) {
		ssize_t written = pwrite(writer->fd, next, length, (off_t)writer->offset);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written > 0) {
			next += written;
			writer->offset += (uint64_t)written;
			length -= (size_t)written;
		}
	}
	return 0;
}

static int compress(struct zstd_writer *writer, const void *data, size_t length, ZSTD_EndDirective directive)
{
	ZSTD_inBuffer in = { .src = data, .size = length };
	size_t left;
	int result;

	do {
		ZSTD_outBuffer out = { .dst = writer->buffer, .size = writer->capacity };

		left = ZSTD_compressStream2(writer->context, &out, &in, directive);
		if (ZSTD_isError(left))
			return -ENOMEM;
		result = write_out(writer, out.pos);
	} while (result == 0 && (directive == ZSTD_e_end ? left > 0 : in.pos < in.size));
	return result;
}

int zstd_writer_add(struct zstd_writer *writer, const void *data, size_t length)
{
	return compress(writer, data, length, ZSTD_e_continue);
}

int zstd_writer_finish(struct zstd_writer *writer)
{
	return compress(writer, NULL, 0, ZSTD_e_end);
}

void zstd_writer_close(struct zstd_writer *writer)
{
	(void)ZSTD_freeCCtx(writer->context);
	free(writer->buffer);
	writer->context = NULL;
	writer->buffer = NULL;
}

/* ---- reading ---- */

int zstd_reader_open(struct zstd_reader *reader, int fd, uint64_t offset, uint64_t length)
{
	*reader = (struct zstd_reader){ .context = ZSTD_createDCtx(),
		.fd = fd,
		.offset = offset,
		.end = offset + length,
		.capacity = ZSTD_DStreamInSize() };
	if (!reader->context ||
		ZSTD_isError(ZSTD_DCtx_setParameter(reader->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		zstd_reader_close(reader);
		return -ENOMEM;
	}
	reader->buffer = xcalloc(reader->capacity, 1);
	return 0;
}

static int fill(struct zstd_reader *reader)
{
	uint64_t left = reader->end - reader->offset;
	ssize_t count = pread(
		reader->fd, reader->buffer, left < reader->capacity ? left : reader->capacity, (off_t)reader->offset);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	if (count == 0)
		return -EINVAL;
	reader->offset += (uint64_t)count;
	reader->next = 0;
	reader->filled = (size_t)count;
	return 0;
}

int zstd_reader_read(struct zstd_reader *reader, void *data, size_t length)
{
	ZSTD_outBuffer out = { .dst = data, .size = length };

	while (out.pos < out.size) {
		ZSTD_inBuffer in = { .src = reader->buffer, .size = reader->filled, .pos = reader->next };
		size_t before = out.pos, left;
		int result;

		if (reader->ended)
			return -EINVAL;
		left = ZSTD_decompressStream(reader->context, &out, &in);
		if (ZSTD_isError(left))
			return -EINVAL;
		reader->next = in.pos;
		reader->ended = left == 0;
		if (out.pos == before && in.pos == in.size && !reader->ended) {
			result = fill(reader);
			if (result < 0)
				return result;
		}
	}
	return 0;
}

int zstd_reader_finish(struct zstd_reader *reader)
{
	unsigned char more;

	/* What ends the frame may come behind the last byte that it gives. */
	while (!reader->ended) {
		ZSTD_inBuffer in = { .src = reader->buffer, .size = reader->filled, .pos = reader->next };
		ZSTD_outBuffer out = { .dst = &more, .size = sizeof(more) };
		size_t left = ZSTD_decompressStream(reader->context, &out, &in);

		if (ZSTD_isError(left) || out.pos)
			return -EINVAL;
		reader->next = in.pos;
		reader->ended = left == 0;
		if (!reader->ended && in.pos == in.size && fill(reader) < 0)
			return -EINVAL;
	}
	return reader->next == reader->filled && reader->offset == reader->end ? 0 : -EINVAL;
}

void zstd_reader_close(struct zstd_reader *reader)
{
	(void)ZSTD_freeDCtx(reader->context);
	free(reader->buffer);
	reader->context = NULL;
	reader->buffer = NULL;
}
