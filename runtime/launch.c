/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/launch.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/file.h"
#include "base/log.h"
#include "base/trace.h"
#include "ns/network_guest.h"
#include "ns/rootfs.h"
#include "runtime/descriptor.h"
#include "runtime/filter.h"
#include "runtime/hooks.h"
#include "runtime/isolation.h"
#include "runtime/launch_bundle.h"
#include "runtime/launch_child.h"
#include "runtime/listener.h"
#include "runtime/resctrl.h"
#include "runtime/template.h"
#include "runtime/terminal.h"

static void launch_note_cgroup(struct launch *launch)
{
	free(launch->container->record.cgroup);
	launch->container->record.cgroup = cgroup_save(launch->cgroup);
}

static int launch_make_cgroup(struct launch *launch, struct error *err)
{
	const struct namespaces_plan *namespaces = &launch->plan.namespaces;
	struct cgroup_request request = {
		.manager = launch->options->cgroup_manager,
		.rootless = launch->options->rootless,
		.path = launch->spec->cgroups_path,
		.id = launch->options->id,
		.resources = launch->spec->resources,
		.annotations = launch->spec->annotations,
		.annotation_count = launch->spec->annotation_count,
		.delegate = namespaces->unshare & CLONE_NEWUSER,
		.owner_uid = namespaces->uid_mapping_count ? namespaces->uid_mappings[0].host_id : 0,
		.owner_gid = namespaces->gid_mapping_count ? namespaces->gid_mappings[0].host_id : 0,
	};
	cleanup_cgroup_host struct cgroup_host *host = NULL;
	int result = cgroup_host_open(&host, err);

	/* Recorded before it is made: whoever deletes what a killed command left finds it. */
	if (result == 0)
		result = cgroup_plan(host, &request, &launch->cgroup, err);
	if (result == 0) {
		launch_note_cgroup(launch);
		result = container_save(launch->container, err);
	}
	cgroup_close(&launch->cgroup);
	if (result == 0)
		result = cgroup_create(host, &request, &launch->cgroup, err);
	launch->child.cgroup = launch->cgroup;
	if (result == 0)
		result = cgroup_join_open(launch->cgroup, NULL, true, &launch->join, err);
	/* Until the next time that the record is written the plan will do: the child dies with this process. */
	if (result == 0)
		launch_note_cgroup(launch);
	return result;
}

/* A process enters new pid and time namespaces, or joins existing ones, only as a child: the runtime goes there for the
 * moment of the clone. */
static int launch_enter_for_children(struct launch *launch, int own[2], struct error *err)
{
	const struct namespaces_plan *plan = &launch->plan.namespaces;
	bool time = (plan->unshare & CLONE_NEWTIME) || launch->namespace_fds[NAMESPACE_TIME] >= 0;
	int result = 0;

	own[0] = own[1] = -EBADF;
	if (launch->namespace_fds[NAMESPACE_PID] >= 0 && !launch->joins_pid_last)
		own[0] = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	if (time)
		own[1] = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);
	if (plan->unshare & CLONE_NEWTIME) {
		if (unshare(CLONE_NEWTIME) < 0)
			return error_set(err, errno, "make a time namespace");
		result = namespaces_write_time_offsets(plan, err);
	}
	if (result < 0)
		return result;
	return namespaces_join(launch->namespace_fds, CLONE_NEWTIME | (launch->joins_pid_last ? 0 : CLONE_NEWPID), err);
}

static void launch_return_from_children(int own[2])
{
	if (own[0] >= 0 && setns(own[0], CLONE_NEWPID) < 0)
		log_warning("return to the own pid namespace: %s", strerror(errno));
	if (own[1] >= 0 && setns(own[1], CLONE_NEWTIME) < 0)
		log_warning("return to the own time namespace: %s", strerror(errno));
	close_fd(&own[0]);
	close_fd(&own[1]);
}

/*
 * In a pid namespace that is joined others can see the child from its first moment, and trace it if they are root in
 * its user namespace: it is born not dumpable, and so out of their reach. Where it gets a user namespace of its own
 * nobody has power over it yet, and its maps could not be written.
 */
static bool launch_hide_from_others(const struct launch *launch)
{
	return launch->namespace_fds[NAMESPACE_PID] >= 0 && !(launch->plan.namespaces.unshare & CLONE_NEWUSER) &&
	       prctl(PR_SET_DUMPABLE, 0) == 0;
}

static int launch_clone(struct launch *launch, struct error *err)
{
	/* cgroup: after the v1 groups were joined, or its root would be the runtime's own group. User namespaces that
	 * are joined: see launch_child.c. */
	uint64_t flags = launch->plan.namespaces.unshare & ~(uint64_t)(CLONE_NEWCGROUP | CLONE_NEWTIME);
	bool joins_user = launch->namespace_fds[NAMESPACE_USER] >= 0;
	bool hidden = launch_hide_from_others(launch);
	int own[2];
	int result = launch_enter_for_children(launch, own, err);

	if (result == 0)
		result = child_clone(&launch->child, joins_user ? 0 : flags, launch->join.clone_into_fd, err);
	if (result == 0)
		launch_child(launch);
	if (result == -EPERM || result == -ENOSPC || result == -EUSERS)
		result = namespaces_explain(&launch->plan.namespaces, -result, err);
	if (hidden)
		(void)prctl(PR_SET_DUMPABLE, 1);
	launch_return_from_children(own);
	return result < 0 ? result : 0;
}

int launch_runtime_hooks(struct launch *launch, struct error *err)
{
	static const enum oci_hook_kind kinds[] = { OCI_HOOK_PRESTART, OCI_HOOK_CREATE_RUNTIME };
	int result = 0;

	launch->hooks_begun = true;
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && result == 0; i++) {
		struct oci_state state;

		if (!launch->spec->hooks[kinds[i]].count)
			continue;
		state = container_state(launch->container, OCI_STATUS_CREATING);
		result = hooks_run(launch->spec, kinds[i], &state, err);
	}
	return result;
}

static int launch_take_terminal(struct launch *launch, struct message *message, struct error *err)
{
	launch->terminal_fd = take_fd(&message->fd);
	if (launch->terminal_fd < 0)
		return error_set(err, -EPROTO, "the container's process sent no terminal");
	if (!launch->options->console_socket)
		return 0;
	return descriptor_send(launch->options->console_socket, launch->terminal_fd, TERMINAL_SOCKET_NAME, err);
}

static int launch_give_tun(struct launch *launch, struct error *err)
{
	cleanup_fd int tun = network_open_tun(launch->child.pid, err);
	int result;

	if (tun < 0)
		return tun;
	result = message_send(launch->child.socket, LAUNCH_TUN, NULL, 0, tun);
	return result < 0 ? error_set(err, -result, "hand /dev/net/tun to the monitor") : 0;
}

/* Answers the child until it is prepared. */
static int launch_converse(struct launch *launch, struct message *message, struct error *err)
{
	for (;;) {
		int result = child_receive(&launch->child, message, err);

		if (result < 0)
			return result;
		switch (message->type) {
		case LAUNCH_PID:
			result = launch_adopt(launch, message, err);
			break;
		case LAUNCH_MOUNTED:
			result = launch_runtime_hooks(launch, err);
			if (result == 0)
				result = child_tell(&launch->child, LAUNCH_HOOKS_DONE, err);
			break;
		case LAUNCH_TERMINAL:
			result = launch_take_terminal(launch, message, err);
			break;
		case LAUNCH_TUN:
			result = launch_give_tun(launch, err);
			break;
		case LAUNCH_TEMPLATE:
		case LAUNCH_TEMPLATE_SAVED:
		case LAUNCH_TEMPLATE_WHOLE:
		case LAUNCH_TEMPLATE_BAD:
			result = template_answer(launch, message, err);
			break;
		case LAUNCH_PREPARED:
			launch->container->record.prepared = true;
			return 0;
		default:
			result = error_set(
				err, -EPROTO, "the container's process said something unknown (%u)", message->type);
		}
		close_fd(&message->fd);
		if (result < 0)
			return result;
	}
}

static bool launch_has_hooks(const struct launch *launch)
{
	const struct oci_hooks *hooks = launch->spec->hooks;

	return hooks[OCI_HOOK_PRESTART].count || hooks[OCI_HOOK_CREATE_RUNTIME].count ||
	       hooks[OCI_HOOK_CREATE_CONTAINER].count || hooks[OCI_HOOK_START_CONTAINER].count;
}

/* What of the conversation with the child is needed. */
static void launch_decide(struct launch *launch)
{
	const struct launch_options *options = launch->options;

	launch->asks_for_hooks = launch_has_hooks(launch);
	launch->unattended = !(launch->plan.namespaces.unshare & CLONE_NEWUSER) &&
			     launch->namespace_fds[NAMESPACE_USER] < 0 && !launch->process.limits_raised &&
			     !launch->spec->network_device_count && launch->resctrl_fd < 0 && !launch->asks_for_hooks;
	launch->starts_early = !launch->asks_for_hooks && launch->namespace_fds[NAMESPACE_USER] < 0 &&
			       !launch->joins_pid_last && options->foreground && options->may_start_early &&
			       launch->isolation == isolation_table[0] && !launch->process.terminal &&
			       !options->pid_file && !options->pidfd_socket;
}

/* Hooks may look at the state. Otherwise nobody asks for a container that is being made, and it is written once it is.
 */
static bool launch_is_watched(const struct launch *launch)
{
	return launch->isolation != isolation_table[0] || launch_has_hooks(launch);
}

static int launch_note_pid(struct launch *launch, struct error *err)
{
	launch->container->record.pid = launch->child.pid;
	launch->container->record.pid_start_ticks = process_start_ticks(launch->child.pid);
	if (launch->starts_early)
		launch->container->record.prepared = launch->container->record.started = true;
	return launch->starts_early || launch_is_watched(launch) ? container_save(launch->container, err) : 0;
}

/* What only the runtime can do for the child. */
static int launch_attend(struct launch *launch, struct error *err)
{
	bool setgroups_denied = false;
	int result = 0;

	if ((launch->plan.namespaces.unshare & CLONE_NEWUSER) && launch->namespace_fds[NAMESPACE_USER] < 0)
		result = namespaces_write_id_maps(&launch->plan.namespaces, launch->child.pid, &setgroups_denied, err);
	if (result == 0)
		result = launch_move_network_devices(launch, err);
	if (result == 0 && launch->resctrl_fd >= 0)
		result = resctrl_add(
			launch->resctrl_fd, launch->spec->intel_rdt, launch->options->id, launch->child.pid, err);
	if (result == 0 && launch->process.limits_raised)
		result = process_raise_limits(&launch->process, launch->child.pid, err);
	return result < 0 ? result : child_tell(&launch->child, LAUNCH_GO, err);
}

static int launch_child_up(struct launch *launch, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result;

	launch_decide(launch);
	result = launch_clone(launch, err);
	if (result == 0)
		result = launch_note_pid(launch, err);
	if (result == 0 && !launch->unattended)
		result = launch_attend(launch, err);
	if (result == 0 && launch->starts_early)
		result = child_tell(&launch->child, LAUNCH_START, err);
	return result < 0 ? result : launch_converse(launch, message, err);
}

/*
 * Kernels up to 6.18 at least kill a CLONE_INTO_CGROUP child at its birth when cgroup.kill was used on one of the two
 * groups before. It then enters its group by itself.
 */
static int launch_again(struct launch *launch, struct error *err)
{
	int result;

	cgroup_join_close(&launch->join);
	child_close(&launch->child);
	result = cgroup_join_open(launch->cgroup, NULL, false, &launch->join, err);
	return result < 0 ? result : launch_child_up(launch, err);
}

/* To others, who wait for it. */
static int launch_tell_pid(struct launch *launch, struct error *err)
{
	const struct launch_options *options = launch->options;
	int result = 0;

	if (options->pidfd_socket)
		result = descriptor_send(options->pidfd_socket, launch->child.pidfd, DESCRIPTOR_PIDFD_INIT, err);
	if (result == 0 && options->pid_file) {
		result = child_write_pid_file(&launch->child, options->pid_file, err);
		launch->pid_file_written = result == 0;
	}
	return result;
}

static int launch_make_resctrl(struct launch *launch, struct error *err)
{
	const struct oci_intel_rdt *rdt = launch->spec->intel_rdt;
	cleanup_fd int resctrl = -EBADF;
	int result;

	if (!rdt)
		return 0;
	resctrl = resctrl_open(err);
	if (resctrl < 0)
		return resctrl;
	result = resctrl_make(resctrl, rdt, launch->options->id, err);
	if (result == 0)
		launch->resctrl_fd = take_fd(&resctrl);
	return result;
}

/*
 * In a joined pid namespace without a user namespace in between, processes with CAP_SYS_PTRACE have power over the
 * child whether it is dumpable or not. It goes there when nothing of the host is left in it.
 */
static int launch_prepare_pid_namespace(struct launch *launch, struct error *err)
{
	const struct namespaces_plan *plan = &launch->plan.namespaces;
	int result;

	if (launch->namespace_fds[NAMESPACE_PID] < 0 || launch->namespace_fds[NAMESPACE_USER] >= 0 ||
		(plan->unshare & CLONE_NEWUSER) || !(plan->unshare & CLONE_NEWNS))
		return 0;
	result = rootfs_open_procfs(&launch->plan, launch->namespace_fds[NAMESPACE_PID], err);
	launch->joins_pid_last = result == 0;
	if (result != -ENOSYS && result != -EINVAL && result != -EPERM)
		return result;
	log_debug("the joined pid namespace is entered at once: %s", err->message);
	return 0;
}

static int launch_up(struct launch *launch, struct error *err)
{
	int result = namespaces_open(&launch->plan.namespaces, launch->namespace_fds, err);

	if (result == 0)
		result = rootfs_open_sources(&launch->plan, err);
	if (result == 0)
		result = launch_prepare_pid_namespace(launch, err);
	if (result == 0)
		result = filter_compile(
			launch->container->root_fd, launch->spec->seccomp, &launch->process.seccomp, err);
	if (result == 0)
		result = launch_make_cgroup(launch, err);
	if (result == 0)
		result = launch_make_resctrl(launch, err);
	if (result == 0)
		result = launch_child_up(launch, err);
	if (result < 0 && launch->child.must_join_by_itself && launch->join.clone_into_fd >= 0)
		result = launch_again(launch, err);
	return result;
}

static int launch_up_otherwise(struct launch *launch, struct error *err)
{
	int result = launch_make_cgroup(launch, err);

	return result < 0 ? result : launch->options->bring_up(launch, launch->options->bring_up_context, err);
}

static int launch_make(struct launch *launch, char *bundle, struct error *err)
{
	int result = container_make(launch->options->root, launch->options->id, &launch->container, err);

	if (result < 0) {
		free(bundle);
		return result;
	}
	launch_fill_record(launch, bundle);
	result = launch_keep_config(launch, err);
	if (result == 0 && launch->options->checkpoint && !launch->isolation->checkpoint)
		result = error_set(err, -ENOTSUP, "restore: the container is no micro-VM (--isolation=microvm)");
	if (result == 0)
		result = launch->isolation->prepare(launch, err);
	if (result == 0)
		result = launch->options->bring_up ? launch_up_otherwise(launch, err) : launch_up(launch, err);
	if (result == 0)
		cgroup_settle(launch->cgroup);
	if (result == 0)
		result = launch_tell_pid(launch, err);
	if (result < 0)
		launch_abort(launch);
	return result;
}

int launch_create(const struct launch_options *options, struct launch **ret, struct error *err)
{
	trace_scope("create the container");
	cleanup_launch struct launch *launch = xcalloc(1, sizeof(*launch));
	char *bundle = NULL;
	int result;

	launch->options = options;
	launch->child = (struct child)CHILD_NONE;
	launch->child.signal_fd = options->signal_fd;
	launch->listener_fd = launch->terminal_fd = launch->resctrl_fd = -EBADF;
	launch->join.clone_into_fd = -EBADF;
	launch->vm.debug_fd = launch->vm.log_fd = launch->vm.passt_fd = launch->vm.checkpoint_fd = launch->vm.kvm_fd =
		launch->vm.kernel_fd = launch->vm.initrd_fd = launch->vm.proc_fd = -EBADF;
	launch->vm.template_fd = launch->vm.template.directory_fd = launch->vm.template.fd = -EBADF;
	launch->vm.template.read_fd = -EBADF;
	launch->vm.image_fd = -EBADF;
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		launch->namespace_fds[kind] = -EBADF;
	result = container_id_check(options->id, err);
	if (result == 0)
		result = launch_load(launch, &bundle, err);
	if (result == 0)
		result = terminal_check(launch, err);
	if (result < 0) {
		free(bundle);
		return result;
	}
	result = launch_make(launch, bundle, err);
	if (result < 0)
		return result;
	*ret = take_pointer(&launch);
	return 0;
}

static int launch_poststart(struct launch *launch, struct error *err)
{
	struct oci_state state;

	if (!launch->spec->hooks[OCI_HOOK_POSTSTART].count)
		return 0;
	state = container_state(launch->container, OCI_STATUS_RUNNING);
	return hooks_run(launch->spec, OCI_HOOK_POSTSTART, &state, err);
}

static int launch_order_start(struct launch *launch, struct error *err)
{
	int result;

	launch->container->record.started = true;
	result = container_save(launch->container, err);
	return result < 0 ? result : child_tell(&launch->child, LAUNCH_START, err);
}

int launch_start(struct launch *launch, struct error *err)
{
	trace_scope("start the container");
	struct listener_facts facts = { .profile = launch->spec->seccomp, .pid = launch->child.pid };
	int result = launch->starts_early ? 0 : launch_order_start(launch, err);

	if (result < 0)
		return result;
	facts.state = container_state(launch->container, OCI_STATUS_CREATED);
	/* A signal that comes now waits: it is for the process, which is about to be there. */
	result = listener_wait_start(launch->child.socket, &facts, err);
	return result < 0 ? result : launch_poststart(launch, err);
}

int launch_accept(struct launch *launch, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = container_save(launch->container, err);

	if (result == 0)
		result = child_tell(&launch->child, LAUNCH_ACCEPTED, err);
	/* Until it has said so the child dies with its parent. */
	if (result == 0)
		result = child_receive(&launch->child, message, err);
	if (result < 0)
		return result;
	close_fd(&message->fd);
	return message->type == LAUNCH_DONE
		       ? 0
		       : error_set(err, -EPROTO, "the container's process said something unexpected");
}

void launch_abort(struct launch *launch)
{
	struct error err;

	child_kill(&launch->child);
	if (launch->resctrl_fd >= 0 &&
		resctrl_remove(launch->resctrl_fd, launch->spec->intel_rdt, launch->options->id, &err) < 0)
		log_warning("%s", err.message);
	if (launch->isolation && launch->isolation->forget)
		launch->isolation->forget(launch->spec);
	if (launch->cgroup)
		cgroup_settle(launch->cgroup);
	if (launch->cgroup && cgroup_delete(launch->cgroup, CGROUP_DELETE_TIMEOUT_MS, &err) < 0)
		log_warning("%s", err.message);
	if (launch->pid_file_written)
		(void)unlink(launch->options->pid_file);
	if (launch->hooks_begun && launch->spec->hooks[OCI_HOOK_POSTSTOP].count) {
		struct oci_state state = container_state(launch->container, OCI_STATUS_STOPPED);

		hooks_run_all(launch->spec, OCI_HOOK_POSTSTOP, &state);
	}
	if (launch->container && container_remove(launch->container, &err) < 0)
		log_warning("%s", err.message);
}

void launch_free(struct launch **location)
{
	struct launch *launch = *location;

	if (!launch)
		return;
	if (launch->isolation && launch->isolation->release)
		launch->isolation->release(launch);
	for (unsigned kind = 0; kind < NAMESPACE_KINDS; kind++)
		close_fd(&launch->namespace_fds[kind]);
	child_close(&launch->child);
	close_fd(&launch->listener_fd);
	close_fd(&launch->terminal_fd);
	close_fd(&launch->resctrl_fd);
	cgroup_join_close(&launch->join);
	cgroup_close(&launch->cgroup);
	container_plan_free(&launch->plan);
	process_plan_free(&launch->process);
	oci_spec_free(launch->spec);
	settings_free(&launch->settings);
	strbuf_free(&launch->config);
	container_close(&launch->container);
	free(launch);
	*location = NULL;
}
