/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "cgroups/wire.h"
#include "microvm/guest/init/group.h"
#include "microvm/guest/init/machine.h"
#include "microvm/guest/init/network.h"
#include "microvm/guest/init/questions.h"
#include "microvm/guest/init/session.h"

void control_send(struct init *init, enum guest_message type, const struct strbuf *payload)
{
	struct error err;

	if (guest_frame_send(init->control_fd, type, payload, &err) < 0)
		machine_power_off(init, false);
}

void control_send_session(struct init *init, enum guest_message type, uint32_t session)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	control_send(init, type, &payload);
}

void control_send_failure(struct init *init, uint32_t session, const struct error *error)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;

	wire_put_u32(&payload, session);
	wire_put_u32(&payload, (uint32_t)error->code);
	wire_put_u32(&payload, (uint32_t)error->exit_status);
	wire_put_string(&payload, error->message);
	control_send(init, GUEST_FAILED, &payload);
}

static int refuse_malformed(const char *message, struct error *err)
{
	return error_set(err, -EPROTO, "the guest's init was sent a malformed %s", message);
}

/* The machine is the container's alone; there are no others whose namespaces it could join. */
static int check_container(const struct container_plan *container, struct error *err)
{
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		if (container->namespaces.join[kind])
			return error_set(err, -EINVAL, "a micro-VM cannot join the %s namespace %s",
				namespace_table[kind].name, container->namespaces.join[kind]);
	}
	return 0;
}

static int check_process(const struct process_plan *process, struct error *err)
{
	if (process->preserve_fds)
		return error_set(err, -EINVAL, "a micro-VM cannot inherit the host's descriptors");
	return 0;
}

struct create_order {
	struct oci_resources resources;
	struct container_plan container;
	struct process_plan process;
	struct network_plan network;
	bool root_is_image;
};

static void create_order_free(struct create_order *order)
{
	cgroup_resources_free(&order->resources);
	container_plan_free(&order->container);
	process_plan_free(&order->process);
	network_plan_free(&order->network);
}

/* What a machine that goes on from another one's state needs first. */
static int renew(const struct init *init, const char *message, struct wire_reader *in, struct error *err)
{
	int64_t seconds = wire_get_i64(in);
	uint32_t nanoseconds = wire_get_u32(in);
	size_t entropy_bytes;
	cleanup_free void *entropy = wire_get_bytes(in, &entropy_bytes);
	int result;

	if (in->failed)
		return refuse_malformed(message, err);
	result = machine_set_clock(init, seconds, nanoseconds, err);
	return result < 0 ? result : machine_add_entropy(init, entropy, entropy_bytes, err);
}

static int read_create(const struct init *init, struct wire_reader *in, struct create_order *order, struct error *err)
{
	int result = renew(init, "CREATE", in, err);

	if (result == 0)
		result = cgroup_resources_decode(&order->resources, in, err);
	if (result == 0)
		result = container_plan_decode(&order->container, in, err);
	if (result == 0)
		result = process_plan_decode(&order->process, in, err);
	if (result == 0)
		result = network_plan_decode(&order->network, in, err);
	order->root_is_image = wire_get_u8(in) != 0;
	if (result == 0 && !wire_reader_ok(in))
		result = refuse_malformed("CREATE", err);
	if (result == 0)
		result = check_container(&order->container, err);
	return result < 0 ? result : check_process(&order->process, err);
}

static void create(struct init *init, struct wire_reader *in)
{
	cleanup(create_order_free) struct create_order order = { .container = { .hostname = NULL } };
	struct error err = { 0 };
	int result = session_find(init, 0) ? error_set(&err, -EBUSY, "the guest has its container already") : 0;
	uint32_t session = result ? GUEST_SESSION_NONE : 0;

	if (result == 0)
		result = read_create(init, in, &order, &err);
	if (result == 0 && !init->socket_path)
		result = network_apply(&order.network, &err);
	if (result == 0 && order.root_is_image && !init->socket_path)
		result = machine_mount_image(&err);
	if (result == 0)
		result = group_create(init, &order.resources, &order.container.namespaces, &err);
	if (result == 0)
		result = session_create(init, &order.container, &order.process, &err);
	if (result < 0)
		control_send_failure(init, session, &err);
}

static int start(struct init *init, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in);
	struct session *session = session_find(init, id);

	if (!wire_reader_ok(in))
		return refuse_malformed("START", err);
	if (!session)
		return error_set(err, -ESRCH, "there is no session %u to start", id);
	return session_start(session, err);
}

/* What has just ended can be signalled without complaint: the host cannot know yet. */
static int signal_session(struct init *init, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in), number = wire_get_u32(in);
	bool all = wire_get_u8(in);
	struct session *session = session_find(init, id);

	if (!wire_reader_ok(in) || number == 0 || number >= NSIG)
		return refuse_malformed("SIGNAL", err);
	/* Everybody but this process: the machine runs nothing else. */
	if (all)
		(void)kill(-1, (int)number);
	else if (session)
		session_signal(session, (int)number);
	return 0;
}

static int exec_session(struct init *init, struct wire_reader *in, struct error *err)
{
	struct process_plan process = { .args = NULL };
	uint32_t id = wire_get_u32(in);
	cleanup_free char *cgroup = wire_get_string(in);
	struct error failure = { 0 };
	int result;

	if (in->failed || id == 0 || id >= GUEST_SESSIONS_MAX || session_find(init, id))
		return error_set(err, -EINVAL, "session %u cannot be made", id);
	result = process_plan_decode(&process, in, &failure);
	if (result == 0 && !wire_reader_ok(in))
		result = refuse_malformed("EXEC", &failure);
	if (result == 0)
		result = check_process(&process, &failure);
	if (result == 0)
		result = session_exec(init, id, cgroup, &process, &failure);
	if (result < 0)
		control_send_failure(init, id, &failure);
	process_plan_free(&process);
	return 0;
}

static int resize(struct init *init, struct wire_reader *in, struct error *err)
{
	uint32_t id = wire_get_u32(in), rows = wire_get_u32(in), columns = wire_get_u32(in);
	struct session *session = session_find(init, id);

	if (!wire_reader_ok(in))
		return refuse_malformed("RESIZE", err);
	if (session)
		(void)streams_resize(&session->streams, rows, columns);
	return 0;
}

static void obey(struct init *init)
{
	struct wire_reader in = { .next = init->reader.payload, .left = init->reader.length };
	struct error err = { 0 };
	int result = 0;

	switch (init->reader.type) {
	case GUEST_CREATE:
		create(init, &in);
		explicit_bzero(init->reader.payload, init->reader.length);
		break;
	case GUEST_START:
		result = start(init, &in, &err);
		break;
	case GUEST_SIGNAL:
		result = signal_session(init, &in, &err);
		break;
	case GUEST_EXEC:
		result = exec_session(init, &in, &err);
		break;
	case GUEST_RESIZE:
		result = resize(init, &in, &err);
		break;
	case GUEST_GO_ON:
		result = renew(init, "GO_ON", &in, &err);
		explicit_bzero(init->reader.payload, init->reader.length);
		break;
	case GUEST_ASK:
		result = question_answer(init, &in, &err);
		break;
	case GUEST_SHUTDOWN:
		machine_power_off(init, true);
	default:
		result = error_set(&err, -ENOMSG, "the guest's init does not know message %u", init->reader.type);
		break;
	}
	if (result < 0)
		control_send_failure(init, GUEST_SESSION_NONE, &err);
}

void control_ready(struct watch *watch, uint32_t events)
{
	struct init *init = (struct init *)((char *)watch - offsetof(struct init, control_watch));
	struct error err;
	int result;

	(void)events;
	while ((result = guest_frame_read(&init->reader, init->control_fd, &err)) > 0)
		obey(init);
	if (result < 0) {
		machine_log(&err);
		machine_power_off(init, false);
	}
}
