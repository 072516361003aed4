/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/live_mounts.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/message.h"
#include "base/procfs.h"
#include "ns/namespaces.h"
#include "ns/rootfs.h"
#include "runtime/isolation.h"
#include "runtime/plan.h"

enum { REPORT_DONE = 1, REPORT_FAILED };

struct change {
	struct container *container;
	struct oci_spec *spec;
	struct container_plan plan;
	int pidfd, procfs, root;
	bool remove;
};

static void change_free(struct change *change)
{
	close_fd(&change->pidfd);
	close_fd(&change->procfs);
	close_fd(&change->root);
	container_plan_free(&change->plan);
	oci_spec_free(change->spec);
	container_close(&change->container);
}

static int check_container(const struct change *change, struct error *err)
{
	enum oci_status status = container_status(change->container);
	bool own_mounts = false;

	if (strcmp(change->container->record.isolation, isolation_container.name) != 0)
		return error_set(err, -ENOTSUP,
			"container \"%s\" is a micro-VM: what is mounted in it is settled when it is made",
			change->container->id);
	if (status != OCI_STATUS_RUNNING && status != OCI_STATUS_CREATED)
		return error_set(err, -ESRCH, "container \"%s\" is %s: container not running", change->container->id,
			oci_status_name(status));
	for (size_t i = 0; i < change->spec->namespace_count; i++)
		own_mounts = own_mounts || change->spec->namespaces[i].kind == NAMESPACE_MOUNT;
	return own_mounts ? 0
			  : error_set(err, -EINVAL, "container \"%s\" has no mount namespace of its own",
				    change->container->id);
}

/* Other file systems depend on namespaces that only a process inside is in. */
static int check_mounts(const struct change *change, struct error *err)
{
	for (uint32_t i = 0; i < change->plan.rootfs.mount_count && !change->remove; i++) {
		const struct mount_plan *mount = &change->plan.rootfs.mounts[i];

		if ((mount->flags & MS_BIND) && !(mount->flags & MS_REMOUNT))
			continue;
		if (!mount->link && mount->type && strcmp(mount->type, "tmpfs") == 0)
			continue;
		return error_set(err, -ENOTSUP,
			"mount at \"%s\": only binds and tmpfs can be added to a container that runs",
			mount->destination);
	}
	return 0;
}

static int open_container(struct change *change, struct error *err)
{
	cleanup_free char *path = xprintf("/proc/%d/root", (int)change->container->record.pid);

	change->pidfd = container_pidfd(change->container);
	change->procfs = procfs_open(err);
	if (change->procfs < 0)
		return change->procfs;
	change->root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (change->pidfd < 0 || change->root < 0)
		return error_set(err, errno, "open the root of container \"%s\"", change->container->id);
	return 0;
}

/* A user namespace that one is in already cannot be entered again. */
static bool has_other_user_namespace(const struct change *change)
{
	cleanup_free char *path = xprintf("/proc/%d/ns/user", (int)change->container->record.pid);
	struct stat own, other;

	return stat("/proc/self/ns/user", &own) == 0 && stat(path, &other) == 0 && own.st_ino != other.st_ino;
}

static int apply(struct change *change, struct error *err)
{
	bool user = has_other_user_namespace(change);
	int result = 0;

	if (setns(change->pidfd, CLONE_NEWNS | (user ? CLONE_NEWUSER : 0)) < 0)
		return error_set(err, errno, "enter the mount namespace of container \"%s\"", change->container->id);
	if (user)
		result = namespaces_become_root(err);
	if (result == 0 && change->remove)
		result = rootfs_remove_mounts(&change->plan.rootfs, change->procfs, change->root, err);
	else if (result == 0)
		result = rootfs_add_mounts(&change->plan.rootfs, change->procfs, change->root, err);
	return result;
}

static void answer(void *context, int socket)
{
	struct error err = { 0 };

	if (apply(context, &err) < 0)
		(void)message_send_error(socket, REPORT_FAILED, &err);
	else
		(void)message_send(socket, REPORT_DONE, NULL, 0, -1);
}

/* A process of its own: this one would not come back from a user namespace. */
static int apply_there(struct change *change, struct error *err)
{
	cleanup_free struct message *message = message_new();
	int result = message_from_child(answer, change, "to enter the container", message, err);

	if (result < 0)
		return result;
	return message->type == REPORT_FAILED ? message_to_error(message, err) : 0;
}

int live_mounts_change(const char *root, const char *id, const char *text, size_t length, const char *name, bool remove,
	struct error *err)
{
	cleanup(change_free) struct change change = {
		.pidfd = -EBADF, .procfs = -EBADF, .root = -EBADF, .remove = remove
	};
	int result = container_open(root, id, NULL, &change.container, err);

	if (result == 0)
		result = oci_spec_load(&change.spec, change.container->directory_fd, CONTAINER_CONFIG_FILE, err);
	if (result == 0)
		result = check_container(&change, err);
	if (result == 0)
		result = oci_mounts_parse(change.spec, text, length, name, err);
	if (result == 0)
		result = plan_container(change.spec, change.container->record.bundle, &change.plan, err);
	if (result == 0)
		result = check_mounts(&change, err);
	if (result == 0 && !remove)
		result = rootfs_open_binds(&change.plan, err);
	if (result == 0)
		result = open_container(&change, err);
	return result < 0 ? result : apply_there(&change, err);
}
