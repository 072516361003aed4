/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine is saved between two messages of the control channel, so that nothing of what monitor and guest say to
 * each other is in neither's memory. With it goes what a monitor that goes on from there must agree in: whether the
 * container has a terminal, and what network the guest was given.
 */
#include <poll.h>

#include "runtime/microvm_checkpoint.h"
#include "runtime/monitor_internal.h"

#define TRIES       400
#define TRY_WAIT_MS 5

/* Whether somebody waits for an answer of the guest's. */
static bool is_asked(const struct monitor *monitor)
{
	for (const struct monitor_peer *peer = monitor->peers; peer; peer = peer->next) {
		if (peer->fd >= 0 && peer->wish == PEER_ANSWER)
			return true;
	}
	return false;
}

/* The machine is held. */
static bool is_quiet(const struct monitor *monitor)
{
	return monitor->outgoing.length == monitor->outgoing_start && guest_frame_reader_is_empty(&monitor->reader) &&
	       !is_asked(monitor) && !vsock_has_input(monitor->vsock, GUEST_PORT_CONTROL);
}

static int check(const struct monitor *monitor, struct error *err)
{
	if (monitor->phase != PHASE_RUNNING)
		return error_set(err, -ESRCH, "the container has ended");
	if (monitor->sessions)
		return error_set(err, -EBUSY, "there are processes of exec in the container: they would be lost");
	return 0;
}

/* Returns with the machine held. */
static int hold_quiet(struct monitor *monitor, struct error *err)
{
	for (unsigned i = 0; i < TRIES; i++) {
		int result = vm_hold(monitor->vm, err);

		if (result == 0)
			result = monitor_read_guest(monitor, err);
		if (result == 0)
			result = check(monitor, err);
		if (result == 0 && is_quiet(monitor))
			return 0;
		if (result < 0) {
			struct error second;

			(void)vm_release(monitor->vm, &second);
			return result;
		}
		result = vm_release(monitor->vm, err);
		if (result == 0)
			result = monitor_flush(monitor, err);
		if (result < 0)
			return result;
		(void)poll(NULL, 0, TRY_WAIT_MS);
	}
	return error_set(err, -EBUSY, "the guest does not stop talking");
}

int monitor_checkpoint(struct monitor *monitor, int fd, bool compress, struct error *err)
{
	cleanup_strbuf struct strbuf owner = STRBUF_INIT;
	struct error second;
	int result = check(monitor, err);

	if (result == 0 && gdb_is_attached(monitor->gdb))
		result = error_set(err, -EBUSY, "a debugger has the micro-VM");
	if (result == 0 && monitor->paused)
		result = error_set(err, -EBUSY, "the micro-VM is paused: resume it first");
	if (result == 0)
		result = hold_quiet(monitor, err);
	if (result < 0)
		return result;
	microvm_checkpoint_put_owner(monitor->launch, &owner);
	result = vm_checkpoint(monitor->vm, fd, &owner, compress, err);
	if (vm_release(monitor->vm, &second) < 0 && result == 0) {
		*err = second;
		result = -err->code;
	}
	return result;
}

int monitor_go_on(struct monitor *monitor, struct error *err)
{
	cleanup_strbuf struct strbuf payload = STRBUF_INIT;
	int result = monitor_put_renewal(&payload, err);

	if (result == 0)
		result = monitor_tell(monitor, GUEST_GO_ON, &payload, err);
	if (result == 0)
		result = monitor_resize(monitor, err);
	if (result == 0)
		result = vm_pause(monitor->vm, false, err);
	if (result < 0)
		return result;
	monitor_answer_start(monitor, NULL);
	monitor_enter(monitor, PHASE_RUNNING);
	return 0;
}
