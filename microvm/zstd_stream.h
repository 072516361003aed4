/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One zstd frame (RFC 8878) in a file: written piece by piece, and read back in pieces whose sizes the reader knows.
 * What a frame says about its own size is not believed.
 */
#ifndef DUET_MICROVM_ZSTD_STREAM_H
#define DUET_MICROVM_ZSTD_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct zstd_writer {
	void *context; /* ZSTD_CCtx */
	int fd;
	uint64_t offset; /* in the file, of what comes next */
	size_t capacity;
	unsigned char *buffer;
};

/* The frame begins at offset. All return 0 or a negative errno. */
int zstd_writer_open(struct zstd_writer *writer, int fd, uint64_t offset);
int zstd_writer_add(struct zstd_writer *writer, const void *data, size_t length);
/* The frame is complete; writer->offset is its end. */
int zstd_writer_finish(struct zstd_writer *writer);
void zstd_writer_close(struct zstd_writer *writer);
#define cleanup_zstd_writer cleanup(zstd_writer_close)

struct zstd_reader {
	void *context; /* ZSTD_DCtx */
	int fd;
	uint64_t offset, end; /* in the file, of what is read next and of the frame */
	size_t capacity, next, filled;
	unsigned char *buffer;
	bool ended; /* the frame's last byte was given */
};

int zstd_reader_open(struct zstd_reader *reader, int fd, uint64_t offset, uint64_t length);
/* Exactly as much; -EINVAL: the frame is damaged, wants more memory than a frame of ours, or ends before. */
int zstd_reader_read(struct zstd_reader *reader, void *data, size_t length);
/* -EINVAL unless the frame ends here, and with it what was said to be its length. */
int zstd_reader_finish(struct zstd_reader *reader);
void zstd_reader_close(struct zstd_reader *reader);
#define cleanup_zstd_reader cleanup(zstd_reader_close)

#endif
