/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "runtime/monitor_internal.h"

struct monitor_session *monitor_session_find(struct monitor *monitor, uint32_t id)
{
	struct monitor_session *session = monitor->sessions;

	while (session && session->id != id)
		session = session->next;
	return session;
}

int monitor_listen_stream(struct monitor *monitor, uint32_t session, enum guest_stream stream, int read_fd,
	int write_fd, int *finished, struct error *err)
{
	struct vsock_port port = { .port = GUEST_PORT_STREAM(session, stream),
		.read_fd = read_fd,
		.write_fd = write_fd,
		.finished_fd = -1,
		.guest_port_max = GUEST_PORT_OWN_MAX,
		.opens_nothing = session != 0 };
	cleanup_fd int event = -EBADF;
	int result;

	if (write_fd >= 0) {
		event = eventfd(0, EFD_CLOEXEC);
		if (event < 0)
			return error_set(err, errno, "make an event descriptor");
		port.finished_fd = event;
	}
	result = vsock_listen(monitor->vsock, &port, err);
	if (result == 0 && event >= 0)
		*finished = take_fd(&event);
	return result;
}

/* Not the one that was used last: whatever of it is still on its way finds nobody. */
static uint32_t free_id(struct monitor *monitor)
{
	for (uint32_t tried = 1; tried < GUEST_SESSIONS_MAX; tried++) {
		monitor->last_session = monitor->last_session % (GUEST_SESSIONS_MAX - 1) + 1;
		if (!monitor_session_find(monitor, monitor->last_session))
			return monitor->last_session;
	}
	return 0;
}

static int listen_streams(
	struct monitor *monitor, struct monitor_session *session, int (*streams)[3], bool terminal, struct error *err)
{
	for (unsigned stream = 0; stream < (terminal ? 1 : 3); stream++) {
		bool input = stream == GUEST_STREAM_STDIN;
		int fd = (*streams)[stream];
		int result = monitor_listen_stream(monitor, session->id, (enum guest_stream)stream, input ? fd : -1,
			terminal || !input ? fd : -1, &session->finished[stream], err);

		if (result < 0)
			return result;
		/* The device's from now on. */
		(*streams)[stream] = -EBADF;
	}
	return 0;
}

/* The ports are free afterwards and every descriptor is closed. */
static void session_free(struct monitor *monitor, struct monitor_session *session)
{
	struct monitor_session **place = &monitor->sessions;

	while (*place && *place != session)
		place = &(*place)->next;
	if (*place)
		*place = session->next;
	for (unsigned stream = 0; stream < ARRAY_SIZE(session->finished); stream++) {
		vsock_unlisten(monitor->vsock, GUEST_PORT_STREAM(session->id, stream));
		close_fd(&session->finished[stream]);
	}
	if (session->proxy) {
		session->proxy->session = NULL;
		monitor_peer_close(session->proxy);
	}
	free(session);
}

int monitor_session_begin(struct monitor *monitor, struct monitor_peer *proxy, bool terminal, const char *cgroup,
	const struct strbuf *plan, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	uint32_t id = free_id(monitor);
	struct monitor_session *session;
	int result;

	if (!id)
		return error_set(
			err, -EAGAIN, "a micro-VM has at most %u processes by exec at a time", GUEST_SESSIONS_MAX - 1);
	session = xcalloc(1, sizeof(*session));
	*session = (struct monitor_session){ .id = id, .finished = { -EBADF, -EBADF, -EBADF } };
	wire_put_u32(&payload, id);
	wire_put_string(&payload, cgroup);
	strbuf_append(&payload, plan->data, plan->length);
	result = listen_streams(monitor, session, &proxy->streams, terminal, err);
	if (result == 0)
		result = monitor_tell(monitor, GUEST_EXEC, &payload, err);
	if (result < 0) {
		session_free(monitor, session);
		return result;
	}
	session->proxy = proxy;
	session->next = monitor->sessions;
	monitor->sessions = session;
	proxy->session = session;
	proxy->wish = PEER_SESSION;
	return 0;
}

static int unexpected(const struct monitor_session *session, const char *word, struct error *err)
{
	return error_set(err, -EPROTO, "the guest said something unexpected (%s of session %u in phase %d)", word,
		session->id, session->phase);
}

int monitor_session_started(struct monitor_session *session, struct error *err)
{
	if (session->phase != SESSION_STARTING)
		return unexpected(session, "the start", err);
	session->phase = SESSION_RUNNING;
	if (session->proxy)
		(void)message_send(session->proxy->fd, LAUNCH_STARTED, NULL, 0, -1);
	return 0;
}

int monitor_session_failed(
	struct monitor *monitor, struct monitor_session *session, struct wire_reader *in, struct error *err)
{
	struct error failure = { 0 };

	if (session->phase != SESSION_STARTING)
		return unexpected(session, "the failure", err);
	(void)monitor_take_failure(in, &failure);
	if (session->proxy)
		(void)message_send_error(session->proxy->fd, LAUNCH_FAILED, &failure);
	session_free(monitor, session);
	return 0;
}

int monitor_session_exited(struct monitor_session *session, int wait_status, struct error *err)
{
	if (session->phase != SESSION_RUNNING)
		return unexpected(session, "the exit", err);
	session->phase = SESSION_EXITED;
	session->wait_status = wait_status;
	return 0;
}

void monitor_session_orphan(struct monitor *monitor, struct monitor_session *session)
{
	struct error err;

	session->proxy = NULL;
	if (session->phase != SESSION_EXITED && monitor_signal_guest(monitor, session->id, SIGKILL, false, &err) < 0)
		log_warning("kill a process whose exec has ended: %s", err.message);
}

bool monitor_output_arrived(int (*finished)[3])
{
	bool arrived = true;

	for (unsigned stream = 0; stream < ARRAY_SIZE(*finished); stream++) {
		struct pollfd source = { .fd = (*finished)[stream], .events = POLLIN };

		if (source.fd < 0)
			continue;
		if (poll(&source, 1, 0) > 0)
			close_fd(&(*finished)[stream]);
		else
			arrived = false;
	}
	return arrived;
}

void monitor_sessions_settle(struct monitor *monitor)
{
	struct monitor_session *next;

	for (struct monitor_session *session = monitor->sessions; session; session = next) {
		uint32_t status = (uint32_t)session->wait_status;

		next = session->next;
		if (session->phase != SESSION_EXITED)
			continue;
		/* Nobody waits for the output of one whose proxy has gone. */
		if (session->proxy && !monitor_output_arrived(&session->finished))
			continue;
		if (session->proxy)
			(void)message_send(session->proxy->fd, CONTROL_EXITED, &status, sizeof(status), -1);
		session_free(monitor, session);
	}
}
