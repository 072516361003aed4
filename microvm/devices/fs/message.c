/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/fs/message.h"

#include <string.h>

unsigned fs_iovec_slice(
	const struct iovec *vector, unsigned count, size_t offset, size_t length, struct iovec slice[FS_IOVECS_MAX])
{
	unsigned slices = 0;

	for (unsigned i = 0; i < count && i < FS_IOVECS_MAX && length > 0; i++) {
		size_t left;

		if (offset >= vector[i].iov_len) {
			offset -= vector[i].iov_len;
			continue;
		}
		left = vector[i].iov_len - offset;
		slice[slices].iov_base = (unsigned char *)vector[i].iov_base + offset;
		slice[slices].iov_len = left < length ? left : length;
		length -= slice[slices++].iov_len;
		offset = 0;
	}
	return slices;
}

size_t fs_iovec_read(const struct iovec *vector, unsigned count, size_t offset, void *data, size_t length)
{
	struct iovec slice[FS_IOVECS_MAX];
	unsigned slices = fs_iovec_slice(vector, count, offset, length, slice);
	size_t copied = 0;

	for (unsigned i = 0; i < slices; i++) {
		memcpy((unsigned char *)data + copied, slice[i].iov_base, slice[i].iov_len);
		copied += slice[i].iov_len;
	}
	return copied;
}

size_t fs_iovec_write(const struct iovec *vector, unsigned count, size_t offset, const void *data, size_t length)
{
	struct iovec slice[FS_IOVECS_MAX];
	unsigned slices = fs_iovec_slice(vector, count, offset, length, slice);
	size_t copied = 0;

	for (unsigned i = 0; i < slices; i++) {
		memcpy(slice[i].iov_base, (const unsigned char *)data + copied, slice[i].iov_len);
		copied += slice[i].iov_len;
	}
	return copied;
}
