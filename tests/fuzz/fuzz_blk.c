/* SPDX-License-Identifier: Apache-2.0 */
/* The block device behind a guest that may do anything, over a small image in memory. What would be a worker's is done
 * between two steps, on the only thread. */
#include <sys/mman.h>
#include <unistd.h>

#include "guest.h"
#include "microvm/devices/blk_internal.h"

#define IMAGE_BYTES 65536

static void beside(void *context, struct input *in)
{
	struct blk *blk = context;

	if (!(take(in, 1) & 1))
		return;
	for (struct blk_request *request = blk->work; request; request = request->next)
		CHECK(blk_request_do(blk, request, false) >= 0);
}

static struct blk *make(bool read_only)
{
	struct blk_options options = { .fd = memfd_create("image", MFD_CLOEXEC), .id = "fuzz" };
	struct blk *blk;
	struct error err;

	CHECK(options.fd >= 0 && ftruncate(options.fd, IMAGE_BYTES) == 0);
	CHECK(blk_create(&blk, &options, &err) == 0);
	if (read_only)
		blk->read_only = true;
	return blk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .next = data, .left = size };
	struct blk *blk = make(take(&in, 1) & 1);
	struct event_loop *loop = blk_device(blk)->loop;
	struct guest guest;
	off_t end;

	guest_open(&guest);
	/* The device has a loop of its own. */
	event_loop_close(&guest.loop);
	guest.loop = (struct event_loop){ .epoll_fd = dup(loop->epoll_fd), .wake_fd = dup(loop->wake_fd) };
	guest_attach(&guest, blk_device(blk));
	guest_play(&guest, &in, beside, blk);
	/* Nothing makes an image longer. */
	end = lseek(blk->fd, 0, SEEK_END);
	CHECK(end == IMAGE_BYTES);
	guest_set(&guest, VIRTIO_MMIO_STATUS, 0);
	guest_close(&guest);
	blk_destroy(blk);
	return 0;
}
