/* SPDX-License-Identifier: Apache-2.0 */
/* One request of the block device: read once, checked, done. */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "microvm/devices/blk_internal.h"

static uint64_t image_bytes(const struct blk *blk)
{
	return blk->config.capacity * BLK_SECTOR_BYTES;
}

/* The bytes of the vectors but for the first `skip` and the last `leave`. */
static void take_vectors(
	struct blk_request *request, const struct iovec *vectors, unsigned count, size_t skip, size_t bytes)
{
	for (unsigned i = 0; i < count && bytes; i++) {
		size_t passed = vectors[i].iov_len < skip ? vectors[i].iov_len : skip;
		size_t part = vectors[i].iov_len - passed;

		skip -= passed;
		if (part > bytes)
			part = bytes;
		if (!part)
			continue;
		request->vectors[request->vector_count++] =
			(struct iovec){ .iov_base = (char *)vectors[i].iov_base + passed, .iov_len = part };
		bytes -= part;
	}
}

static unsigned char check_place(const struct blk *blk, const struct blk_request *request, uint64_t sector)
{
	if (request->bytes % BLK_SECTOR_BYTES || request->bytes > BLK_REQUEST_BYTES_MAX)
		return VIRTIO_BLK_S_IOERR;
	if (sector > blk->config.capacity || request->bytes > image_bytes(blk) - sector * BLK_SECTOR_BYTES)
		return VIRTIO_BLK_S_IOERR;
	return VIRTIO_BLK_S_OK;
}

static unsigned char read_ranges(
	const struct blk *blk, const struct virtqueue_chain *chain, struct blk_request *request)
{
	size_t bytes = chain->readable_bytes - sizeof(struct virtio_blk_outhdr);

	if (!bytes || bytes % sizeof(*request->ranges) || bytes / sizeof(*request->ranges) > BLK_RANGES_MAX)
		return VIRTIO_BLK_S_IOERR;
	(void)virtqueue_read(chain, sizeof(struct virtio_blk_outhdr), request->ranges, bytes);
	request->range_count = (unsigned)(bytes / sizeof(*request->ranges));
	for (unsigned i = 0; i < request->range_count; i++) {
		const struct virtio_blk_discard_write_zeroes *range = &request->ranges[i];
		uint32_t allowed = request->type == VIRTIO_BLK_T_WRITE_ZEROES ? VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP : 0;

		if (range->flags & ~allowed)
			return VIRTIO_BLK_S_UNSUPP;
		if (range->num_sectors > BLK_RANGE_SECTORS_MAX || range->sector > blk->config.capacity ||
			range->num_sectors > blk->config.capacity - range->sector)
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

static unsigned char read_body(const struct blk *blk, const struct virtqueue_chain *chain, struct blk_request *request,
	const struct virtio_blk_outhdr *header)
{
	size_t room = chain->writable_bytes - 1;

	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		request->bytes = room;
		take_vectors(request, chain->writable, chain->writable_count, 0, room);
		break;
	case VIRTIO_BLK_T_OUT:
		if (blk->read_only)
			return VIRTIO_BLK_S_IOERR;
		request->bytes = chain->readable_bytes - sizeof(*header);
		take_vectors(request, chain->readable, chain->readable_count, sizeof(*header), request->bytes);
		break;
	case VIRTIO_BLK_T_GET_ID:
		take_vectors(request, chain->writable, chain->writable_count, 0, room);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return blk->read_only ? VIRTIO_BLK_S_IOERR : read_ranges(blk, chain, request);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
	request->offset = header->sector * BLK_SECTOR_BYTES;
	return check_place(blk, request, header->sector);
}

int blk_request_read(
	const struct blk *blk, const struct virtqueue_chain *chain, struct blk_request *request, unsigned char *status)
{
	const struct iovec *last;
	struct virtio_blk_outhdr header;

	if (!chain->writable_count)
		return -EPROTO;
	last = &chain->writable[chain->writable_count - 1];
	*request = (struct blk_request){ .head = chain->head,
		.status = (unsigned char *)last->iov_base + last->iov_len - 1 };
	if (virtqueue_read(chain, 0, &header, sizeof(header)) < sizeof(header)) {
		*status = VIRTIO_BLK_S_IOERR;
		return 0;
	}
	request->type = header.type;
	*status = read_body(blk, chain, request, &header);
	return 0;
}

/* Goes on after a part of the vectors is done. */
static void advance(struct iovec **vectors, unsigned *count, size_t done)
{
	while (*count && done >= (*vectors)->iov_len) {
		done -= (*vectors)->iov_len;
		(*vectors)++;
		(*count)--;
	}
	if (*count) {
		(*vectors)->iov_base = (char *)(*vectors)->iov_base + done;
		(*vectors)->iov_len -= done;
	}
}

static int transfer(const struct blk *blk, struct blk_request *request)
{
	struct iovec *vectors = request->vectors;
	unsigned count = request->vector_count;
	bool in = request->type == VIRTIO_BLK_T_IN;
	off_t offset = (off_t)request->offset;

	while (count) {
		ssize_t done = in ? preadv2(blk->fd, vectors, (int)count, offset, 0)
				  : pwritev2(blk->fd, vectors, (int)count, offset, 0);

		if (done < 0 && errno == EINTR)
			continue;
		/* Zero: the file was cut meanwhile. */
		if (done <= 0)
			return VIRTIO_BLK_S_IOERR;
		offset += done;
		advance(&vectors, &count, (size_t)done);
	}
	request->written = in ? (uint32_t)request->bytes : 0;
	return VIRTIO_BLK_S_OK;
}

/* What is not all in memory is read again, by a thread that may wait. */
static int read_cached(const struct blk *blk, struct blk_request *request)
{
	ssize_t done =
		preadv2(blk->fd, request->vectors, (int)request->vector_count, (off_t)request->offset, RWF_NOWAIT);

	if (done < 0 && errno == EOPNOTSUPP)
		return -EOPNOTSUPP;
	if (done < 0 || (size_t)done < request->bytes)
		return -EAGAIN;
	request->written = (uint32_t)request->bytes;
	return VIRTIO_BLK_S_OK;
}

static int change_ranges(const struct blk *blk, const struct blk_request *request)
{
	for (unsigned i = 0; i < request->range_count; i++) {
		const struct virtio_blk_discard_write_zeroes *range = &request->ranges[i];
		int mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE;
		int result;

		if (!range->num_sectors)
			continue;
		if (request->type == VIRTIO_BLK_T_WRITE_ZEROES && !(range->flags & VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP))
			mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_ZERO_RANGE;
		do
			result = fallocate(blk->fd, mode, (off_t)(range->sector * BLK_SECTOR_BYTES),
				(off_t)(range->num_sectors * BLK_SECTOR_BYTES));
		while (result < 0 && errno == EINTR);
		if (result < 0)
			return errno == EOPNOTSUPP ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

static int give_id(const struct blk *blk, struct blk_request *request)
{
	const char *next = blk->id;
	size_t left = sizeof(blk->id);

	for (unsigned i = 0; i < request->vector_count && left; i++) {
		size_t part = request->vectors[i].iov_len < left ? request->vectors[i].iov_len : left;

		memcpy(request->vectors[i].iov_base, next, part);
		next += part;
		left -= part;
	}
	request->written = (uint32_t)(sizeof(blk->id) - left);
	return VIRTIO_BLK_S_OK;
}

int blk_request_do(const struct blk *blk, struct blk_request *request, bool no_wait)
{
	switch (request->type) {
	case VIRTIO_BLK_T_IN:
		return no_wait && !blk->in_memory ? read_cached(blk, request) : transfer(blk, request);
	case VIRTIO_BLK_T_OUT:
		return transfer(blk, request);
	case VIRTIO_BLK_T_GET_ID:
		return give_id(blk, request);
	case VIRTIO_BLK_T_FLUSH:
		if (no_wait && !blk->in_memory)
			return -EAGAIN;
		return blk->read_only || fdatasync(blk->fd) == 0 ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
	default:
		return no_wait ? -EAGAIN : change_ranges(blk, request);
	}
}
