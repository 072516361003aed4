/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/listener.h"

#include "base/message.h"
#include "base/trace.h"
#include "runtime/descriptor.h"
#include "runtime/launch.h"

static int send_listener(int listener, const struct listener_facts *facts, struct error *err)
{
	cleanup_strbuf struct strbuf json = STRBUF_INIT;
	int result;

	if (listener < 0 || !facts->profile || !facts->profile->listener_path)
		return error_set(err, -EPROTO, "the container's process said something unexpected");
	oci_process_state_print(&json, &facts->state, facts->pid, facts->profile->listener_metadata);
	result = descriptor_send(facts->profile->listener_path, listener, json.data, err);
	return result < 0 ? error_prefix(err, "config.json: linux.seccomp.listenerPath") : 0;
}

int listener_wait_start(int socket, const struct listener_facts *facts, struct error *err)
{
	cleanup_free struct message *message = message_new();
	trace_scope("wait for the program to be executed");
	int result = message_receive(socket, message);

	if (result == 0 && message->type == LAUNCH_LISTENER) {
		result = send_listener(message->fd, facts, err);
		close_fd(&message->fd);
		/* Without the answer it ends. */
		if (result < 0)
			return result;
		result = message_send(socket, LAUNCH_DONE, NULL, 0, -1);
		if (result == 0)
			result = message_receive(socket, message);
	}
	if (result == 0)
		close_fd(&message->fd);
	if (result == 0 && message->type == LAUNCH_FAILED)
		return message_to_error(message, err);
	/* A container's execve(2) closes the socket; a monitor answers. */
	if (result < 0 && result != -EPIPE)
		return error_set(err, -result, "hear from the container's process");
	trace_end_children();
	return 0;
}

int listener_hand_over(struct process_plan *plan, int socket, struct error *err)
{
	/* Allocated before the filter is there, which may notify of what allocates. */
	cleanup_free struct message *message = NULL;
	cleanup_fd int listener = -EBADF;
	int result;

	if (!plan->seccomp.notify)
		return 0;
	message = message_new();
	result = process_listen(plan, &listener, err);
	if (result < 0)
		return result;
	result = message_send(socket, LAUNCH_LISTENER, NULL, 0, listener);
	close_fd(&listener);
	if (result == 0)
		result = message_receive(socket, message);
	if (result < 0)
		return error_set(err, -result, "hand the seccomp listener to the runtime");
	return message->type == LAUNCH_DONE
		       ? 0
		       : error_set(err, -EPROTO, "the runtime said something unexpected (%u)", message->type);
}
