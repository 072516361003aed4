/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/event_loop.h"

#include <sys/eventfd.h>
#include <sys/syscall.h>

int event_loop_init(struct event_loop *loop, struct error *err)
{
	cleanup_fd int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	cleanup_fd int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (epoll_fd < 0 || wake_fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) < 0)
		return error_set(err, errno, "make an event loop");
	*loop = (struct event_loop){ .epoll_fd = take_fd(&epoll_fd),
		.wake_fd = take_fd(&wake_fd),
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER };
	return 0;
}

void event_loop_close(struct event_loop *loop)
{
	close_fd(&loop->epoll_fd);
	close_fd(&loop->wake_fd);
}

static int control(struct event_loop *loop, int operation, struct event_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int event_loop_add(struct event_loop *loop, struct event_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

int event_loop_change(struct event_loop *loop, struct event_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, watch, events);
}

void event_loop_remove(struct event_loop *loop, struct event_watch *watch)
{
	(void)control(loop, EPOLL_CTL_DEL, watch, 0);
	/* What epoll_wait() has reported already must not reach a watch that is gone. */
	for (int i = loop->batch_next; i < loop->batch_count; i++) {
		if (loop->batch[i].data.ptr == watch)
			loop->batch[i].data.ptr = NULL;
	}
}

static void drain_wake(struct event_loop *loop)
{
	uint64_t count;

	(void)!read(loop->wake_fd, &count, sizeof(count));
}

static void park(struct event_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	loop->parked = true;
	pthread_cond_broadcast(&loop->changed);
	while (loop->held && !loop->stopping)
		pthread_cond_wait(&loop->changed, &loop->lock);
	loop->parked = false;
	pthread_mutex_unlock(&loop->lock);
}

void event_loop_run(struct event_loop *loop)
{
	while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE)) {
		if (__atomic_load_n(&loop->held, __ATOMIC_ACQUIRE))
			park(loop);
		loop->batch_next = 0;
		loop->batch_count = epoll_wait(loop->epoll_fd, loop->batch, EVENT_LOOP_BATCH, -1);
		while (loop->batch_next < loop->batch_count) {
			struct epoll_event event = loop->batch[loop->batch_next++];
			struct event_watch *watch = event.data.ptr;

			if (watch)
				watch->ready(watch, event.events);
			else
				drain_wake(loop);
		}
	}
}

static void wake(struct event_loop *loop)
{
	uint64_t one = 1;

	(void)!write(loop->wake_fd, &one, sizeof(one));
}

void event_loop_hold(struct event_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	__atomic_store_n(&loop->held, true, __ATOMIC_RELEASE);
	wake(loop);
	while (!loop->parked)
		pthread_cond_wait(&loop->changed, &loop->lock);
	pthread_mutex_unlock(&loop->lock);
}

void event_loop_release(struct event_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	__atomic_store_n(&loop->held, false, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
}

void event_loop_stop(struct event_loop *loop)
{
	pthread_mutex_lock(&loop->lock);
	__atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
	pthread_cond_broadcast(&loop->changed);
	pthread_mutex_unlock(&loop->lock);
	wake(loop);
}
