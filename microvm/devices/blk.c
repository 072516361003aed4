/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/devices/blk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "microvm/confine.h"
#include "microvm/devices/blk_internal.h"

/* Then the loop looks at whether it is to stop. */
#define REQUESTS_PER_TURN 64

static struct blk *blk_of(struct virtio_device *device)
{
	return (struct blk *)((char *)device - offsetof(struct blk, device));
}

/* ---- requests; with device.lock held ---- */

static struct blk_request *take_free(struct blk *blk)
{
	struct blk_request *request = blk->free;

	if (request)
		blk->free = request->next;
	return request;
}

static void put_free(struct blk *blk, struct blk_request *request)
{
	request->next = blk->free;
	blk->free = request;
}

/* The status must be there before the driver sees the chain. */
static void complete(struct blk *blk, const struct blk_request *request, int status)
{
	*request->status = (unsigned char)status;
	virtqueue_push(&blk->device.queues[0], request->head, request->written + 1);
}

static void add_work(struct blk *blk, struct blk_request *request)
{
	request->next = NULL;
	if (blk->work)
		blk->work_last->next = request;
	else
		blk->work = request;
	blk->work_last = request;
	blk->in_flight++;
	(void)pthread_cond_signal(&blk->work_added);
}

/* Done at once, or handed to a worker. 0; -EPROTO. */
static int begin(struct blk *blk, struct blk_request *request)
{
	unsigned char status;
	int result = blk_request_read(blk, &blk->chain, request, &status);

	if (result < 0) {
		put_free(blk, request);
		return result;
	}
	result = status;
	if (status == VIRTIO_BLK_S_OK) {
		bool try_now = request->type != VIRTIO_BLK_T_IN || !blk->reads_may_wait;

		result = try_now ? blk_request_do(blk, request, true) : -EAGAIN;
		if (result == -EOPNOTSUPP)
			blk->reads_may_wait = true;
	}
	if (result < 0) {
		add_work(blk, request);
		return 0;
	}
	complete(blk, request, result);
	put_free(blk, request);
	return 0;
}

/* 1: there is more, and there are free requests for it. */
static int serve(struct blk *blk)
{
	struct virtqueue *queue = &blk->device.queues[0];
	int result = 1;

	(void)virtqueue_want_kicks(queue, false);
	for (unsigned served = 0; served < REQUESTS_PER_TURN; served++) {
		struct blk_request *request = take_free(blk);

		blk->stalled = !request;
		result = request ? virtqueue_pop(queue, &blk->chain) : 0;
		if (result > 0) {
			result = begin(blk, request);
			if (result < 0)
				break;
			result = 1;
			continue;
		}
		if (request)
			put_free(blk, request);
		if (result < 0 || blk->stalled || !virtqueue_want_kicks(queue, true))
			break;
		(void)virtqueue_want_kicks(queue, false);
		result = 1;
	}
	blk->device.interrupt(&blk->device, queue);
	return result;
}

static int kick(struct virtio_device *device, unsigned index)
{
	(void)index;
	return serve(blk_of(device));
}

static void wake_ready(struct event_watch *watch, uint32_t events)
{
	struct blk *blk = (struct blk *)((char *)watch - offsetof(struct blk, wake));
	uint64_t count;
	int result;

	(void)events;
	(void)!read(watch->fd, &count, sizeof(count));
	pthread_mutex_lock(&blk->device.lock);
	if (blk->device.queues[0].enabled) {
		result = serve(blk);
		if (result < 0)
			blk->device.broken(&blk->device);
		else if (result > 0)
			(void)eventfd_write(watch->fd, 1);
	}
	pthread_mutex_unlock(&blk->device.lock);
}

/* ---- the device ---- */

static int activate(struct virtio_device *device)
{
	(void)device;
	return 0;
}

/* What is in flight still writes to guest memory: it must be over when the driver is told so. What waits is dropped. */
static void reset(struct virtio_device *device)
{
	struct blk *blk = blk_of(device);

	while (blk->work) {
		struct blk_request *request = blk->work;

		blk->work = request->next;
		blk->in_flight--;
		put_free(blk, request);
	}
	while (blk->in_flight)
		(void)pthread_cond_wait(&blk->drained, &device->lock);
	blk->stalled = false;
}

static const struct virtio_device_ops operations = { .activate = activate, .reset = reset, .kick = kick };

/* ---- threads ---- */

static void finish(struct blk *blk, struct blk_request *request, int status)
{
	complete(blk, request, status);
	blk->device.interrupt(&blk->device, &blk->device.queues[0]);
	put_free(blk, request);
	if (--blk->in_flight == 0)
		(void)pthread_cond_broadcast(&blk->drained);
	if (blk->stalled)
		(void)eventfd_write(blk->wake.fd, 1);
}

static void work(struct blk *blk)
{
	pthread_mutex_lock(&blk->device.lock);
	for (;;) {
		struct blk_request *request;
		int status;

		while (!blk->work && !blk->stopping)
			(void)pthread_cond_wait(&blk->work_added, &blk->device.lock);
		if (blk->stopping)
			break;
		request = blk->work;
		blk->work = request->next;
		pthread_mutex_unlock(&blk->device.lock);
		status = blk_request_do(blk, request, false);
		pthread_mutex_lock(&blk->device.lock);
		finish(blk, request, status);
	}
	pthread_mutex_unlock(&blk->device.lock);
}

static void confine(struct blk *blk)
{
	struct error err = { 0 };

	(void)prctl(PR_SET_NAME, "blk");
	if (confine_drop_capabilities(&err) < 0 || confine_system_calls(&blk_filter, &err) < 0) {
		pthread_mutex_lock(&blk->device.lock);
		blk->start_error = err;
		pthread_mutex_unlock(&blk->device.lock);
	}
	(void)sem_post(&blk->reported);
}

static void *loop_thread(void *argument)
{
	struct blk *blk = argument;

	confine(blk);
	event_loop_run(&blk->loop);
	return NULL;
}

static void *worker_thread(void *argument)
{
	struct blk *blk = argument;

	confine(blk);
	work(blk);
	return NULL;
}

static void stop(struct blk *blk)
{
	pthread_mutex_lock(&blk->device.lock);
	blk->stopping = true;
	(void)pthread_cond_broadcast(&blk->work_added);
	pthread_mutex_unlock(&blk->device.lock);
	event_loop_stop(&blk->loop);
	while (blk->thread_count)
		(void)pthread_join(blk->threads[--blk->thread_count], NULL);
}

static int start_threads(struct blk *blk)
{
	int result = 0;

	while (blk->thread_count < ARRAY_SIZE(blk->threads) && !result) {
		result = confine_start_thread(
			&blk->threads[blk->thread_count], blk->thread_count ? worker_thread : loop_thread, blk);
		if (!result)
			blk->thread_count++;
	}
	return result;
}

int blk_start(struct blk *blk, struct error *err)
{
	sigset_t all, before;
	int result;

	if (blk->thread_count)
		return 0;
	confine_prepare();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	result = start_threads(blk);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	for (unsigned i = 0; i < blk->thread_count; i++) {
		while (sem_wait(&blk->reported) < 0) {
		}
	}
	if (result)
		return error_set(err, result, "start the block device's threads");
	if (blk->start_error.code) {
		*err = blk->start_error;
		return -err->code;
	}
	return 0;
}

/* ---- making ---- */

static int measure(int fd, uint64_t *bytes, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "look at a disk image");
	if (S_ISREG(status.st_mode))
		*bytes = (uint64_t)status.st_size;
	else if (!S_ISBLK(status.st_mode))
		return error_set(err, -EINVAL, "a disk image is neither a file nor a block device");
	else if (ioctl(fd, BLKGETSIZE64, bytes) < 0)
		return error_set(err, errno, "measure a block device");
	if (!*bytes || *bytes % BLK_SECTOR_BYTES)
		return error_set(err, -EINVAL, "a disk image of %llu bytes: its size must be a multiple of 512",
			(unsigned long long)*bytes);
	return 0;
}

/* tmpfs cannot say whether a read would wait (RWF_NOWAIT) before Linux 6.6, and has nothing to wait for. */
static bool lies_in_memory(int fd)
{
	struct statfs file_system;

	return fstatfs(fd, &file_system) == 0 &&
	       (file_system.f_type == TMPFS_MAGIC || file_system.f_type == RAMFS_MAGIC);
}

static void describe(struct blk *blk, uint64_t bytes)
{
	uint64_t changing = 1ULL << VIRTIO_BLK_F_DISCARD | 1ULL << VIRTIO_BLK_F_WRITE_ZEROES;

	blk->config = (struct virtio_blk_config){ .capacity = bytes / BLK_SECTOR_BYTES,
		.seg_max = BLK_SEGMENTS_MAX,
		.blk_size = BLK_SECTOR_BYTES,
		.max_discard_sectors = BLK_RANGE_SECTORS_MAX,
		.max_discard_seg = BLK_RANGES_MAX,
		.discard_sector_alignment = 8,
		.max_write_zeroes_sectors = BLK_RANGE_SECTORS_MAX,
		.max_write_zeroes_seg = BLK_RANGES_MAX,
		.write_zeroes_may_unmap = 1 };
	blk->device = (struct virtio_device){ .name = "blk",
		.id = VIRTIO_DEVICE_BLOCK,
		.ops = &operations,
		.features_offered = 1ULL << VIRTIO_BLK_F_SEG_MAX | 1ULL << VIRTIO_BLK_F_BLK_SIZE |
				    1ULL << VIRTIO_BLK_F_FLUSH | (blk->read_only ? 1ULL << VIRTIO_BLK_F_RO : changing),
		.config = &blk->config,
		.config_bytes = offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 1,
		.queue_count = 1,
		.queue_size_max = BLK_QUEUE_SIZE,
		.loop = &blk->loop };
}

int blk_create(struct blk **blk, const struct blk_options *options, struct error *err)
{
	int flags = fcntl(options->fd, F_GETFL), result;
	uint64_t bytes = 0;
	struct blk *made;

	if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY)
		return error_set(err, flags < 0 ? errno : EBADF, "use a descriptor as a disk image");
	result = measure(options->fd, &bytes, err);
	if (result < 0)
		return result;
	made = xcalloc(1, sizeof(*made));
	made->read_only = (flags & O_ACCMODE) == O_RDONLY;
	made->in_memory = lies_in_memory(options->fd);
	describe(made, bytes);
	(void)strncpy(made->id, options->id ? options->id : "", sizeof(made->id));
	result = event_loop_init(&made->loop, err);
	if (result < 0) {
		free(made);
		return result;
	}
	made->wake = (struct event_watch){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = wake_ready };
	if (made->wake.fd < 0 || event_loop_add(&made->loop, &made->wake, EPOLLIN) < 0) {
		result = error_set(err, errno, "make the block device");
		event_loop_close(&made->loop);
		close_fd(&made->wake.fd);
		free(made);
		return result;
	}
	for (unsigned i = 0; i < BLK_IN_FLIGHT; i++)
		put_free(made, &made->requests[i]);
	(void)pthread_mutex_init(&made->device.lock, NULL);
	(void)pthread_cond_init(&made->work_added, NULL);
	(void)pthread_cond_init(&made->drained, NULL);
	(void)sem_init(&made->reported, 0, 0);
	made->fd = options->fd;
	*blk = made;
	return 0;
}

struct virtio_device *blk_device(struct blk *blk)
{
	return &blk->device;
}

void blk_destroy(struct blk *blk)
{
	if (!blk)
		return;
	stop(blk);
	event_loop_close(&blk->loop);
	close_fd(&blk->wake.fd);
	close_fd(&blk->fd);
	(void)sem_destroy(&blk->reported);
	(void)pthread_cond_destroy(&blk->drained);
	(void)pthread_cond_destroy(&blk->work_added);
	(void)pthread_mutex_destroy(&blk->device.lock);
	free(blk);
}
