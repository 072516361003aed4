/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore: what criu makes takes the place of the child that `run` would have cloned.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "runtime/checkpoint.h"
#include "runtime/criu.h"
#include "runtime/descriptor.h"
#include "runtime/hooks.h"
#include "runtime/lifecycle.h"
#include "runtime/microvm_checkpoint.h"
#include "runtime/terminal.h"

#define RESTORE_LOG "restore.log"

enum { DESCRIPTORS_BYTES_MAX = 65536, INHERITED_MAX = NAMESPACE_KINDS + 3 };

/* What criu inherits, to be closed afterwards. */
struct inherited {
	struct criu_inherited entries[INHERITED_MAX];
	size_t count, opened; /* the first `opened` are ours to close */
};

static void inherited_close(struct inherited *inherited)
{
	for (size_t i = 0; i < inherited->opened; i++)
		close_fd(&inherited->entries[i].fd);
}

static int put_streams(struct strbuf *request, int images_fd, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	json_t *streams, *stream;
	size_t number;
	int result = file_read(images_fd, CHECKPOINT_DESCRIPTORS_FILE, DESCRIPTORS_BYTES_MAX, &text);

	if (result < 0)
		return error_set(
			err, -result, "read " CHECKPOINT_DESCRIPTORS_FILE " (is this a checkpoint's image directory?)");
	streams = json_loadb(text.data, text.length, 0, NULL);
	if (!json_is_array(streams)) {
		json_decref(streams);
		return error_set(err, -EBADMSG, CHECKPOINT_DESCRIPTORS_FILE " is not an array");
	}
	json_array_foreach(streams, number, stream)
	{
		static const char *const outside[] = { "pipe:", "file[", "tty[" };
		const char *name = json_string_value(stream);

		for (size_t i = 0; name && number <= STDERR_FILENO && i < ARRAY_SIZE(outside); i++) {
			if (strncmp(name, outside[i], strlen(outside[i])) == 0)
				criu_put_inherited(request, name, (int)number);
		}
	}
	json_decref(streams);
	return 0;
}

static int put_namespaces(
	struct strbuf *request, const struct oci_spec *spec, struct inherited *inherited, struct error *err)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];
		cleanup_free char *name = NULL;
		int fd;

		if (!namespace->path || !checkpoint_external_namespace(namespace->kind))
			continue;
		fd = open(namespace->path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return error_set(err, errno, "open the %s namespace %s", namespace_table[namespace->kind].name,
				namespace->path);
		inherited->entries[inherited->opened++].fd = fd;
		name = checkpoint_external_name(namespace->kind);
		criu_put_inherited(request, name, fd);
	}
	inherited->count = inherited->opened;
	return 0;
}

/* Below a mount of the container's own the mount point is not one of the root's. */
static bool is_covered(const struct oci_spec *spec, size_t number)
{
	const char *destination = spec->mounts[number].destination;

	for (size_t i = 0; i < number; i++) {
		size_t length = strlen(spec->mounts[i].destination);

		if (strncmp(destination, spec->mounts[i].destination, length) == 0 && destination[length] == '/')
			return true;
	}
	return false;
}

/* A new root lacks the mount points that were made in the old one. */
static int make_mount_points(const struct launch *launch, struct error *err)
{
	cleanup_fd int root = open(launch->plan.rootfs.root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return error_set(err, errno, "open %s", launch->plan.rootfs.root);
	for (size_t i = 0; i < launch->spec->mount_count; i++) {
		const struct oci_mount *mount = &launch->spec->mounts[i];
		const struct mount_plan *plan = &launch->plan.rootfs.mounts[i];
		cleanup_fd int fd = -EBADF;

		if (is_covered(launch->spec, i))
			continue;
		if (checkpoint_is_volume(mount) && !plan->source_is_directory)
			fd = make_file_in_root(root, mount->destination, 0644);
		else
			fd = make_directories_in_root(root, mount->destination, 0755);
		if (fd < 0)
			return error_set(err, -fd, "make the mount point \"%s\"", mount->destination);
	}
	return 0;
}

/* The groups of the checkpoint become those of this container. */
static void put_cgroups(struct strbuf *request, const struct cgroup *cgroup)
{
	for (size_t i = 0; i < cgroup->count; i++)
		criu_put_pair(request, CRIU_CGROUP_ROOT, cgroup->entries[i].unified ? NULL : cgroup->entries[i].name,
			cgroup->entries[i].path);
}

static int note_process(struct launch *launch, pid_t pid, struct error *err)
{
	struct container_record *record = &launch->container->record;

	record->pid = pid;
	record->pid_start_ticks = process_start_ticks(pid);
	return container_save(launch->container, err);
}

static int on_restored(struct launch *launch, pid_t pid, struct error *err)
{
	launch->child.pid = pid;
	launch->child.pidfd = pidfd_open(pid, 0);
	if (launch->child.pidfd < 0)
		return error_set(err, errno, "open the restored process %d", (int)pid);
	launch->container->record.prepared = launch->container->record.started = true;
	return note_process(launch, pid, err);
}

static int on_notify(void *context, const char *script, pid_t pid, int fd, struct error *err)
{
	struct launch *launch = context;
	cleanup_fd int master = fd;
	int result;

	if (strcmp(script, "orphan-pts-master") == 0) {
		close_fd(&launch->terminal_fd);
		launch->terminal_fd = take_fd(&master);
		if (!launch->options->console_socket)
			return 0;
		return descriptor_send(launch->options->console_socket, launch->terminal_fd, TERMINAL_SOCKET_NAME, err);
	}
	if (strcmp(script, "setup-namespaces") == 0) {
		result = note_process(launch, pid, err);
		return result < 0 ? result : launch_runtime_hooks(launch, err);
	}
	return strcmp(script, "post-restore") == 0 ? on_restored(launch, pid, err) : 0;
}

static int put_container(struct strbuf *request, const struct launch *launch, const struct checkpoint_options *options,
	const struct checkpoint_directories *directories, struct inherited *inherited, struct error *err)
{
	const char *config_file = oci_annotation(launch->spec, "org.criu.config");
	int result;

	checkpoint_put_options(request, options, directories, RESTORE_LOG);
	criu_put_text(request, CRIU_ROOT, launch->plan.rootfs.root);
	criu_put_number(request, CRIU_EVASIVE_DEVICES, 1);
	criu_put_number(request, CRIU_NOTIFY_SCRIPTS, 1);
	criu_put_number(request, CRIU_RESTORE_SIBLING, 1);
	if (config_file)
		criu_put_text(request, CRIU_CONFIG_FILE, config_file);
	if (options->tcp_close)
		criu_put_number(request, CRIU_TCP_CLOSE, 1);
	if (options->lsm_profile)
		criu_put_text(request, CRIU_LSM_PROFILE, options->lsm_profile);
	if (options->lsm_mount_context)
		criu_put_text(request, CRIU_LSM_MOUNT_CONTEXT, options->lsm_mount_context);
	checkpoint_put_sources(request, launch->spec, &launch->plan.rootfs);
	put_cgroups(request, launch->cgroup);
	result = put_streams(request, directories->images_fd, err);
	if (result == 0)
		result = put_namespaces(request, launch->spec, inherited, err);
	return result;
}

/* In place of the clone: see launch_options.bring_up. */
static int restore_up(struct launch *launch, void *context, struct error *err)
{
	const struct checkpoint_options *options = context;
	cleanup(checkpoint_close) struct checkpoint_directories directories = CHECKPOINT_DIRECTORIES_NONE;
	cleanup(inherited_close) struct inherited inherited = { 0 };
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	struct oci_state state;
	struct criu_job job = { .type = CRIU_RESTORE,
		.options = &request,
		.inherited = inherited.entries,
		.join = &launch->join,
		.root = launch->plan.rootfs.root,
		.notify = on_notify,
		.context = launch };
	pid_t pid = 0;
	int result = checkpoint_open(options, false, RESTORE_LOG, &directories, err);

	if (result == 0)
		result = put_container(&request, launch, options, &directories, &inherited, err);
	if (result == 0)
		result = make_mount_points(launch, err);
	if (result < 0)
		return result;
	inherited.entries[inherited.count++] =
		(struct criu_inherited){ directories.images_fd, directories.images_path };
	inherited.entries[inherited.count++] = (struct criu_inherited){ directories.work_fd, directories.work_path };
	job.inherited_count = inherited.count;
	job.log_path = directories.log_path;
	result = criu_run(&job, &pid, err);
	if (result == 0 && launch->child.pid != pid)
		result = on_restored(launch, pid, err);
	if (result < 0 || !launch->spec->hooks[OCI_HOOK_POSTSTART].count)
		return result;
	state = container_state(launch->container, OCI_STATUS_RUNNING);
	return hooks_run(launch->spec, OCI_HOOK_POSTSTART, &state, err);
}

int lifecycle_restore(struct launch_options *launch, const struct checkpoint_options *options, struct error *err)
{
	if (microvm_checkpoint_is_there(options)) {
		launch->isolation = "microvm";
		launch->checkpoint = microvm_checkpoint_path(options);
		return lifecycle_run(launch, false, err);
	}
	launch->isolation = "container";
	launch->bring_up = restore_up;
	launch->bring_up_context = (void *)options;
	return lifecycle_run(launch, false, err);
}
