/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio side: queue 0 (hiprio: FORGET, INTERRUPT) and one request queue, served by one thread of its own.
 *
 * The thread serves a request without holding the device's lock, since that may take as long as the disk does and vCPUs
 * take the lock to acknowledge interrupts; reset() waits until it is done. After a few requests of one queue the other
 * gets its turn. What it may ask of the kernel: filter.c.
 */
#include <linux/virtio_fs.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/alloc.h"
#include "microvm/confine.h"
#include "microvm/devices/fs/server.h"

#define QUEUE_COUNT       2
#define REQUESTS_PER_KICK 16

_Static_assert(FS_IOVECS_MAX >= VIRTQUEUE_SIZE_MAX, "a chain is one message");

struct fs {
	struct virtio_device device;
	struct virtio_fs_config config;
	struct event_loop loop;
	struct fs_server *server;
	/* The serving thread. */
	bool started;
	pthread_t thread;
	struct fs_worker *worker;
	struct virtqueue_chain chain;
	/* Its report at the start. */
	sem_t reported;
	int start_result;
	struct error start_error;
	/* Under device.lock. */
	bool serving;      /* a request is being served, without the lock */
	bool session_over; /* forget everything before the next request */
	uint64_t resets;
	pthread_cond_t served;
};

/* Called and returns with the lock held. */
static size_t serve(struct fs *fs)
{
	const struct virtqueue_chain *chain = &fs->chain;
	const struct fs_message message = {
		.request = chain->readable,
		.request_count = chain->readable_count,
		.request_bytes = chain->readable_bytes,
		.reply = chain->writable,
		.reply_count = chain->writable_count,
		.reply_bytes = chain->writable_bytes,
	};
	bool session_over = fs->session_over;
	size_t written;

	fs->session_over = false;
	fs->serving = true;
	pthread_mutex_unlock(&fs->device.lock);
	if (session_over)
		fs_server_reset(fs->server);
	written = fs_worker_serve(fs->worker, &message);
	pthread_mutex_lock(&fs->device.lock);
	fs->serving = false;
	/* Several vCPUs may be in reset() at once. */
	pthread_cond_broadcast(&fs->served);
	return written;
}

/* Kicks are unwanted for as long as this goes on: each is an exit of the guest's. */
static int kick(struct virtio_device *device, unsigned index)
{
	struct fs *fs = (struct fs *)device;
	struct virtqueue *queue = &device->queues[index];
	uint64_t resets = fs->resets;

	(void)virtqueue_want_kicks(queue, false);
	for (unsigned i = 0; i < REQUESTS_PER_KICK; i++) {
		int result = virtqueue_pop(queue, &fs->chain);
		size_t written;

		if (result == 0 && virtqueue_want_kicks(queue, true)) {
			(void)virtqueue_want_kicks(queue, false);
			continue;
		}
		if (result <= 0)
			return result;
		written = serve(fs);
		/* The queue is another one now, or none. */
		if (fs->resets != resets)
			return 0;
		virtqueue_push(queue, fs->chain.head, (uint32_t)written);
		device->interrupt(device, queue);
	}
	return 1;
}

static int activate(struct virtio_device *device)
{
	return fs_start((struct fs *)device, NULL);
}

static void reset(struct virtio_device *device)
{
	struct fs *fs = (struct fs *)device;

	fs->resets++;
	fs->session_over = true;
	while (fs->serving)
		pthread_cond_wait(&fs->served, &device->lock);
}

static const struct virtio_device_ops operations = { .activate = activate, .reset = reset, .kick = kick };

static void *thread_main(void *argument)
{
	struct fs *fs = argument;

	(void)prctl(PR_SET_NAME, "fs");
	fs->start_result = fs_worker_create(&fs->worker, fs->server, &fs->start_error);
	if (fs->start_result == 0)
		fs->start_result = confine_system_calls(&fs_filter, &fs->start_error);
	(void)sem_post(&fs->reported);
	if (fs->start_result == 0)
		event_loop_run(&fs->loop);
	fs_worker_destroy(fs->worker);
	fs->worker = NULL;
	return NULL;
}

int fs_start(struct fs *fs, struct error *err)
{
	sigset_t all, before;
	int result;

	if (fs->started)
		return 0;
	/* Signals are for other threads; a file that would grow beyond RLIMIT_FSIZE is EFBIG for the guest and no
	 * SIGXFSZ here. */
	confine_prepare();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	result = confine_start_thread(&fs->thread, thread_main, fs);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (result)
		return error_set(err, result, "start the file server's thread");
	while (sem_wait(&fs->reported) < 0) {
	}
	if (fs->start_result < 0) {
		(void)pthread_join(fs->thread, NULL);
		if (err)
			*err = fs->start_error;
		return fs->start_result;
	}
	fs->started = true;
	return 0;
}

int fs_create(struct fs **fs, const struct fs_options *options, struct error *err)
{
	struct fs *made;
	int result;

	if (!*options->tag || strlen(options->tag) > sizeof(made->config.tag))
		return error_set(err, -EINVAL, "virtio-fs tag \"%s\": 1 to %zu bytes are possible", options->tag,
			sizeof(made->config.tag));
	made = xcalloc(1, sizeof(*made));
	result = event_loop_init(&made->loop, err);
	if (result == 0) {
		result = fs_server_create(&made->server, options, err);
		if (result < 0)
			event_loop_close(&made->loop);
	}
	if (result < 0) {
		free(made);
		return result;
	}
	memcpy(made->config.tag, options->tag, strlen(options->tag));
	made->config.num_request_queues = QUEUE_COUNT - 1;
	made->device = (struct virtio_device){
		.name = "fs",
		.id = VIRTIO_DEVICE_FS,
		.ops = &operations,
		.config = &made->config,
		.config_bytes = sizeof(made->config),
		.queue_count = QUEUE_COUNT,
		.queue_size_max = VIRTQUEUE_SIZE_MAX,
		.loop = &made->loop,
	};
	(void)pthread_mutex_init(&made->device.lock, NULL);
	(void)pthread_cond_init(&made->served, NULL);
	(void)sem_init(&made->reported, 0, 0);
	*fs = made;
	return 0;
}

struct virtio_device *fs_device(struct fs *fs)
{
	return &fs->device;
}

void fs_hold(struct fs *fs)
{
	if (fs->started)
		event_loop_hold(&fs->loop);
}

void fs_release_hold(struct fs *fs)
{
	if (fs->started)
		event_loop_release(&fs->loop);
}

/* The end of a session that the next request would have brought about has come for whoever goes on from here. */
int fs_save(struct fs *fs, struct strbuf *out, struct error *err)
{
	/* A request that is being served changes what is written here. */
	while (fs->serving)
		pthread_cond_wait(&fs->served, &fs->device.lock);
	if (fs->session_over) {
		fs_server_reset(fs->server);
		fs->session_over = false;
	}
	return fs_server_save(fs->server, out, err);
}

int fs_restore(struct fs *fs, struct wire_reader *in, struct error *err)
{
	return fs_server_restore(fs->server, in, err);
}

void fs_destroy(struct fs *fs)
{
	if (!fs)
		return;
	if (fs->started) {
		event_loop_stop(&fs->loop);
		(void)pthread_join(fs->thread, NULL);
	}
	fs_server_destroy(fs->server);
	event_loop_close(&fs->loop);
	(void)sem_destroy(&fs->reported);
	(void)pthread_cond_destroy(&fs->served);
	(void)pthread_mutex_destroy(&fs->device.lock);
	free(fs);
}
