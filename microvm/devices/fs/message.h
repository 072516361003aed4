/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One FUSE request as it lies in the guest's memory, and how its bytes get out of there and back.
 *
 * The guest may change the memory at any time, so what decides anything is copied once (fs_iovec_read) and looked at
 * only in the copy. File data alone goes between file and guest without a copy (fs_iovec_slice).
 */
#ifndef DUET_MICROVM_DEVICES_FS_MESSAGE_H
#define DUET_MICROVM_DEVICES_FS_MESSAGE_H

#include <stddef.h>
#include <sys/uio.h>

#define FS_IOVECS_MAX 256

struct fs_message {
	const struct iovec *request; /* fuse_in_header, arguments */
	unsigned request_count;      /* at most FS_IOVECS_MAX */
	size_t request_bytes;
	const struct iovec *reply; /* room for fuse_out_header and the answer */
	unsigned reply_count;      /* at most FS_IOVECS_MAX */
	size_t reply_bytes;
};

/* Copies length bytes from offset on; returns how many there were. */
size_t fs_iovec_read(const struct iovec *vector, unsigned count, size_t offset, void *data, size_t length);
size_t fs_iovec_write(const struct iovec *vector, unsigned count, size_t offset, const void *data, size_t length);

/* The part [offset, offset + length) of a vector, as far as it reaches. Returns the number of elements of slice. */
unsigned fs_iovec_slice(
	const struct iovec *vector, unsigned count, size_t offset, size_t length, struct iovec slice[FS_IOVECS_MAX]);

#endif
