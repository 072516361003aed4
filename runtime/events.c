/* SPDX-License-Identifier: Apache-2.0 */
/*
 * events: what a container uses from time to time, and that its memory ran out when it does.
 */
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "runtime/isolation.h"
#include "runtime/operations.h"

enum event_source { EVENT_END, EVENT_OOM, EVENT_SOURCES };

struct events {
	struct container *container;
	const struct isolation *isolation;
	struct cgroup *cgroup;
	struct cgroup_oom_watch oom;
	int pidfd;
	struct container_statistics before; /* of the last line */
	uint64_t guest_kills;               /* a guest's own out-of-memory killer, counted by its kernel */
	operation_event_print *print;
	void *context;
};

static void events_close(struct events *events)
{
	cgroup_oom_watch_close(&events->oom);
	cgroup_close(&events->cgroup);
	close_fd(&events->pidfd);
	container_statistics_free(&events->before);
	container_close(&events->container);
}

static int events_open(struct events *events, const char *root, const char *id, struct error *err)
{
	int result = container_peek(root, id, &events->container, err);

	if (result == 0)
		result = isolation_of(events->container, &events->isolation, err);
	if (result < 0)
		return result;
	events->pidfd = container_pidfd(events->container);
	if (events->pidfd < 0)
		return error_set(err, -ESRCH, "container \"%s\" is not running: container not running", id);
	result = container_load_cgroup(events->container, &events->cgroup, err);
	if (result == 0)
		result = cgroup_oom_watch_open(events->cgroup, &events->oom, err);
	return result;
}

static int print_ooms(struct events *events, uint64_t count, struct error *err)
{
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	int result = 0;

	strbuf_string(&line, "{\"type\":\"oom\",\"id\":");
	strbuf_json_string(&line, events->container->id);
	strbuf_string(&line, "}");
	for (uint64_t i = 0; i < count && result == 0; i++)
		result = events->print(line.data, events->context, err);
	return result;
}

static int print_statistics(struct events *events, struct error *err)
{
	struct container_statistics statistics = { 0 };
	cleanup_strbuf struct strbuf line = STRBUF_INIT;
	struct error failure;
	int result = events->isolation->statistics(events->container, &statistics, &failure);
	uint64_t kills = 0;

	/* Most likely it has just ended; the next look will tell. */
	if (result < 0) {
		log_warning("%s", failure.message);
		return 0;
	}
	if (statistics.has_guest && statistics.guest.oom_kills < CGROUP_UNLIMITED) {
		kills = statistics.guest.oom_kills - events->guest_kills;
		events->guest_kills = statistics.guest.oom_kills;
	}
	if (events->before.life_ms)
		container_statistics_since(&statistics, &events->before);
	container_statistics_print(events->container->id, &statistics, &line);
	container_statistics_free(&events->before);
	events->before = statistics;
	result = print_ooms(events, kills, err);
	return result < 0 ? result : events->print(line.data, events->context, err);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* For poll(2), until the time has come or the watch wants another look. */
static int events_timeout_ms(const struct events *events, uint64_t next_ms)
{
	uint64_t now = now_ms(), wait_ms = next_ms > now ? next_ms - now : 0;

	if (events->oom.looks_left && wait_ms > CGROUP_OOM_LOOK_MS)
		return CGROUP_OOM_LOOK_MS;
	return wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

static int events_loop(struct events *events, uint64_t interval_ms, struct error *err)
{
	struct pollfd sources[EVENT_SOURCES] = { [EVENT_END] = { .fd = events->pidfd, .events = POLLIN },
		[EVENT_OOM] = { .fd = events->oom.fd, .events = POLLIN } };
	uint64_t next_ms = now_ms() + interval_ms;

	for (;;) {
		int ready = poll(sources, EVENT_SOURCES, events_timeout_ms(events, next_ms)), result;

		if (ready < 0 && errno != EINTR)
			return error_set(err, errno, "wait for events of container \"%s\"", events->container->id);
		if (ready < 0)
			continue;
		result = print_ooms(events, cgroup_oom_watch_read(&events->oom), err);
		if (result < 0 || sources[EVENT_END].revents)
			return result;
		if (now_ms() < next_ms)
			continue;
		result = print_statistics(events, err);
		if (result < 0)
			return result;
		next_ms = now_ms() + interval_ms;
	}
}

int operation_events(const char *root, const char *id, uint64_t interval_ms, operation_event_print *print,
	void *context, struct error *err)
{
	cleanup(events_close) struct events events = {
		.oom = { .fd = -EBADF }, .pidfd = -EBADF, .print = print, .context = context
	};
	int result = events_open(&events, root, id, err);

	return result < 0 ? result : events_loop(&events, interval_ms, err);
}
