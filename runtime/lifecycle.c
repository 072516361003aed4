/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/lifecycle.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"
#include "runtime/container_processes.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"
#include "runtime/listener.h"
#include "runtime/resctrl.h"

#define KILL_WAIT_MS 10000

int lifecycle_create(const struct launch_options *options, struct error *err)
{
	cleanup_launch struct launch *launch = NULL;
	int result = launch_create(options, &launch, err);

	if (result < 0)
		return result;
	result = launch_accept(launch, err);
	if (result < 0)
		launch_abort(launch);
	return result;
}

/* The configuration that was kept when the container was created; NULL when it is damaged, which must not stand in the
 * way of deleting. */
static struct oci_spec *kept_spec(const struct container *container)
{
	struct oci_spec *spec = NULL;
	struct error err;

	if (oci_spec_load(&spec, container->directory_fd, CONTAINER_CONFIG_FILE, &err) < 0)
		log_warning("container \"%s\": %s", container->id, err.message);
	return spec;
}

static int kill_and_wait(struct container *container, struct error *err)
{
	cleanup_fd int pidfd = container_pidfd(container);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int ready;

	if (pidfd < 0)
		return 0;
	if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, errno, "kill container \"%s\"", container->id);
	/* A process that is frozen by a v1 cgroup does not even die of SIGKILL. */
	if (container_load_cgroup(container, &cgroup, NULL) == 0)
		(void)cgroup_thaw(cgroup, NULL);
	do {
		ready = poll(&ended, 1, KILL_WAIT_MS);
	} while (ready < 0 && errno == EINTR);
	if (ready == 0)
		return error_set(err, -ETIMEDOUT, "container \"%s\": process %d did not end within %d s of SIGKILL",
			container->id, (int)container->record.pid, KILL_WAIT_MS / 1000);
	return 0;
}

static int start_ask(struct container *container, const struct oci_spec *spec, struct error *err)
{
	cleanup_fd int connection = message_connect(container->directory_fd, CONTAINER_CONTROL_FILE);
	const struct listener_facts facts = {
		.profile = spec ? spec->seccomp : NULL,
		.state = container_state(container, OCI_STATUS_CREATED),
		.pid = container->record.pid,
	};
	int result;

	if (connection < 0)
		return error_set(err, -connection, "speak to container \"%s\"", container->id);
	result = message_send(connection, LAUNCH_START, NULL, 0, -1);
	if (result < 0)
		return error_set(err, -result, "speak to container \"%s\"", container->id);
	return listener_wait_start(connection, &facts, err);
}

/* config.md: a poststart hook that fails stops the container. */
static int start_poststart(struct container *container, const struct oci_spec *spec, struct error *err)
{
	struct oci_state state;
	struct error failure;
	int result;

	if (!spec || !spec->hooks[OCI_HOOK_POSTSTART].count)
		return 0;
	state = container_state(container, OCI_STATUS_RUNNING);
	result = hooks_run(spec, OCI_HOOK_POSTSTART, &state, err);
	if (result < 0 && kill_and_wait(container, &failure) < 0)
		log_warning("%s", failure.message);
	return result;
}

int lifecycle_start(const char *root, const char *id, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_oci_spec struct oci_spec *spec = NULL;
	struct error failure;
	enum oci_status status;
	int result = container_open(root, id, NULL, &container, err);

	if (result < 0)
		return result;
	status = container_status(container);
	if (status != OCI_STATUS_CREATED)
		return error_set(err, -EINVAL, "cannot start container \"%s\": it is %s, not created", id,
			oci_status_name(status));
	spec = kept_spec(container);
	result = start_ask(container, spec, err);
	if (result < 0)
		return result;
	container->record.started = true;
	/* It runs, and a container that no longer listens for `start` is known to: not to have noted it is no failure.
	 */
	if (container_save(container, &failure) < 0)
		log_warning("%s", failure.message);
	return start_poststart(container, spec, err);
}

int lifecycle_kill(const char *root, const char *id, int signal, bool all, struct error *err)
{
	cleanup_container struct container *container = NULL;
	const struct isolation *isolation;
	enum oci_status status;
	int result = container_open(root, id, NULL, &container, err);

	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result != 0)
		return result;
	status = container_status(container);
	/* Engines kill every process of a container that has ended, to be sure: without a pid namespace of its own some
	 * may be left. */
	if (status == OCI_STATUS_STOPPED && all)
		return container_has_cgroup(container) ? container_signal_all(container, signal, err) : 0;
	if (status == OCI_STATUS_STOPPED || status == OCI_STATUS_CREATING)
		return error_set(err, -ESRCH, "cannot kill container \"%s\": container not running", id);
	return isolation->signal(container, signal, all, err);
}

/* Without the file system there is no group either. */
static void forget_resctrl(const struct container *container, const struct oci_spec *spec)
{
	cleanup_fd int resctrl = resctrl_open(NULL);
	struct error err;

	if (resctrl >= 0 && resctrl_remove(resctrl, spec->intel_rdt, container->id, &err) < 0)
		log_warning("%s", err.message);
}

int lifecycle_take_away(
	struct container *container, const struct cgroup *cgroup, const struct oci_spec *spec, struct error *err)
{
	const struct isolation *isolation = isolation_find(container->record.isolation);
	int result = cgroup->count ? cgroup_kill_all(cgroup, SIGKILL, err) : 0;

	if (result == 0)
		result = cgroup_delete(cgroup, CGROUP_DELETE_TIMEOUT_MS, err);
	if (result < 0)
		return result;
	if (spec && spec->intel_rdt)
		forget_resctrl(container, spec);
	if (spec && isolation && isolation->forget)
		isolation->forget(spec);
	if (spec && spec->hooks[OCI_HOOK_POSTSTOP].count) {
		struct oci_state state;

		state = container_state(container, OCI_STATUS_STOPPED);
		hooks_run_all(spec, OCI_HOOK_POSTSTOP, &state);
	}
	return container_remove(container, err);
}

int lifecycle_cleanup(struct container *container, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	cleanup_oci_spec struct oci_spec *spec = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	if (result < 0)
		return result;
	spec = kept_spec(container);
	return lifecycle_take_away(container, cgroup, spec, err);
}

int lifecycle_delete(const char *root, const char *id, bool force, struct error *err)
{
	trace_scope("delete the container");
	cleanup_container struct container *container = NULL;
	bool damaged = false;
	int result = container_open(root, id, force ? &damaged : NULL, &container, err);
	enum oci_status status;

	if (result == -ENOENT && force)
		return 0;
	if (result < 0)
		return result;
	if (damaged)
		return container_remove(container, err);
	status = container_status(container);
	if (status != OCI_STATUS_STOPPED && !force && !(status == OCI_STATUS_CREATING))
		return error_set(err, -EBUSY, "cannot delete container \"%s\" that is not stopped: it is %s", id,
			oci_status_name(status));
	result = kill_and_wait(container, err);
	if (result < 0)
		return result;
	return lifecycle_cleanup(container, err);
}
