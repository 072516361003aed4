/* SPDX-License-Identifier: Apache-2.0 */
/* What the block device's threads ask of the kernel: to wait, and to read and write the image. */
#include "microvm/confine.h"

static const struct sock_filter instructions[] = {
	FILTER_BEGIN,
	FILTER_ALLOW(preadv2),
	FILTER_ALLOW(pwritev2),
	FILTER_ALLOW(fdatasync),
	FILTER_ALLOW(fallocate),
	/* The loop. */
	FILTER_ALLOW(epoll_wait),
	FILTER_ALLOW(read),
	FILTER_ALLOW_COMMON,
	FILTER_ALLOW_THREAD_END,
	FILTER_END,
};

const struct thread_filter blk_filter = {
	.thread = "blk",
	.instructions = instructions,
	.count = FILTER_COUNT(instructions),
};
