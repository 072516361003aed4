/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/rootfs.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/procfs.h"
#include "base/trace.h"
#include "ns/rootfs_internal.h"

enum { MOUNTINFO_BYTES_MAX = 64 << 20 };

/*
 * Nothing that happens in the container may spread to the host. Slave and not private unless asked: mounts of the host
 * that were given to the container with the option rslave go on to receive its events.
 */
static int separate_from_host(const struct rootfs_plan *plan, struct error *err)
{
	uint64_t propagation = plan->propagation & MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;

	if (mount(NULL, "/", NULL, propagation | MS_REC, NULL) < 0)
		return error_set(err, errno, "separate the container's mounts from the host's");
	return 0;
}

/* pivot_root(2) wants a mount point, which is not where the mount that the bundle lies on is mounted. */
static int bind_root(struct rootfs *rootfs, struct error *err)
{
	const char *path = rootfs->plan->root;
	struct mount_request request = { .recursive = true };
	struct mount_target target = { .root = AT_FDCWD, .path = path };
	cleanup_fd int source = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int result;

	if (source < 0)
		return error_set(err, errno, "open the root file system \"%s\"", path);
	request.source_fd = target.fd = source;
	result = mount_request(&rootfs->api, &request, &target, &rootfs->root);
	return result < 0 ? error_set(err, -result, "bind the root file system \"%s\"", path) : 0;
}

int rootfs_open(struct rootfs **rootfs, const struct rootfs_plan *plan, struct error *err)
{
	trace_scope("open the root file system");
	struct rootfs *opened = xcalloc(1, sizeof(*opened));
	int result;

	*opened = (struct rootfs){ .plan = plan, .root = -EBADF, .devices = -EBADF, .null = -EBADF };
	result = mount_api_open(&opened->api, err);
	if (result == 0)
		result = separate_from_host(plan, err);
	if (result == 0)
		result = bind_root(opened, err);
	if (result < 0)
		rootfs_close(&opened);
	else
		*rootfs = opened;
	return result;
}

void rootfs_close(struct rootfs **rootfs)
{
	struct rootfs *closed = *rootfs;

	if (!closed)
		return;
	mount_api_close(&closed->api);
	close_fd(&closed->root);
	close_fd(&closed->devices);
	close_fd(&closed->null);
	for (size_t i = 0; i < closed->readonly_later_count; i++)
		close_fd(&closed->readonly_later[i]);
	free(closed->readonly_later);
	free(closed);
	*rootfs = NULL;
}

int rootfs_directory(const struct rootfs *rootfs)
{
	return rootfs->root;
}

int rootfs_mount(struct rootfs *rootfs, struct error *err)
{
	/* Modes are to be what the plan says. */
	mode_t before = umask(0);
	int result = rootfs_mount_all(rootfs, err);

	if (result == 0)
		result = rootfs_make_devices(rootfs, err);
	if (result == 0 && rootfs->plan->masked_paths && rootfs->plan->masked_paths[0])
		result = rootfs_find_null(rootfs, err);
	(void)umask(before);
	return result;
}

/* ---- becoming "/" ---- */

/* Takes the host's procfs or sysfs, seen through a mount point that is still below "/", out of the way. */
static int hide_mount(const char *path, struct error *err)
{
	if (umount2(path, MNT_DETACH) == 0)
		return 0;
	/* It is locked (user namespace) or gone: cover it. */
	if ((errno == EINVAL || errno == EPERM) && mount("tmpfs", path, "tmpfs", 0, NULL) == 0)
		return 0;
	return errno == ENOENT ? 0 : error_set(err, errno, "hide the host's \"%s\"", path);
}

/*
 * After chroot(2) without pivot_root(2) the host's mounts are still in this namespace, and with a full procfs or sysfs
 * among them a user namespace made in the container could mount one without the masks. "ID PARENT DEV ROOT MOUNTPOINT
 * OPTIONS … - TYPE SOURCE …".
 */
static int hide_host_mounts(const struct rootfs *rootfs, struct error *err)
{
	cleanup_strbuf struct strbuf table = STRBUF_INIT;
	int result = procfs_read(rootfs->api.procfs, "self/mountinfo", MOUNTINFO_BYTES_MAX, &table);
	char *rest = table.data, *line;

	if (result < 0)
		return error_set(err, -result, "read the table of mounts");
	while (result == 0 && (line = strsep(&rest, "\n"))) {
		char path[4096], *type = strstr(line, " - ");

		if (!type || sscanf(line, "%*s %*s %*s %*s %4095s", path) != 1)
			continue;
		if (strncmp(type, " - proc ", 8) != 0 && strncmp(type, " - sysfs ", 9) != 0)
			continue;
		if (!rootfs_path_below(path, rootfs->plan->root))
			result = hide_mount(path, err);
	}
	return result;
}

static int move_to_root(struct rootfs *rootfs, struct error *err)
{
	int result = rootfs->plan->no_pivot ? hide_host_mounts(rootfs, err) : 0;

	if (result < 0)
		return result;
	result = mount_move_to_root(&rootfs->api, rootfs->root);
	if (result < 0)
		return error_set(err, -result, "move the root file system onto \"/\"");
	if (fchdir(rootfs->root) < 0 || chroot(".") < 0)
		return error_set(err, errno, "change the root to the container's");
	return 0;
}

/* The old root ends up on top of the new one, and the working directory in the old: pivot_root(2), "pivot_root(".",
 * ".")". */
static int pivot(const struct rootfs *rootfs, struct error *err)
{
	if (fchdir(rootfs->root) < 0)
		return error_set(err, errno, "enter the container's root");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set(err, errno, "pivot to the container's root%s",
			errno == EINVAL ? " (on an initramfs use --no-pivot)" : "");
	if (umount2(".", MNT_DETACH) < 0)
		return error_set(err, errno, "detach the host's root");
	return 0;
}

int rootfs_pivot(struct rootfs *rootfs, struct error *err)
{
	trace_scope("change of root");
	bool move = rootfs->plan->no_pivot || rootfs->plan->move_root;
	int result = move ? move_to_root(rootfs, err) : pivot(rootfs, err);

	if (result == 0 && chdir("/") < 0)
		result = error_set(err, errno, "enter the container's root");
	return result;
}

/* ---- what comes last ---- */

static int set_propagation(struct rootfs *rootfs, struct error *err)
{
	uint64_t propagation = rootfs->plan->propagation;
	struct mount_attr attributes = { .propagation = propagation & ~(uint64_t)MS_REC };
	int result = 0;

	/* Private is what it is already. */
	if (propagation && !(propagation & MS_PRIVATE))
		result = mount_change(&rootfs->api, rootfs->root, &attributes, (propagation & MS_REC) != 0);
	return result < 0 ? error_set(err, -result, "set the propagation of the container's root") : 0;
}

/* Whether it could be made shows when the process enters it. */
static void make_working_directory(const struct rootfs *rootfs)
{
	const char *path = rootfs->plan->working_directory;
	int fd = path ? make_directories_in_root(rootfs->root, path, 0755) : -EBADF;

	close_fd(&fd);
}

static int make_readonly(struct rootfs *rootfs, struct error *err)
{
	const struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	int result = 0;

	for (size_t i = 0; i < rootfs->readonly_later_count && result == 0; i++)
		result = mount_change(&rootfs->api, rootfs->readonly_later[i], &readonly, false);
	if (result < 0)
		return error_set(err, -result, "make a mount of the container read-only");
	if (rootfs->plan->readonly)
		result = mount_change(&rootfs->api, rootfs->root, &readonly, false);
	return result < 0 ? error_set(err, -result, "make the container's root read-only") : 0;
}

/* Through a descriptor of the host's /dev/null the container could change the host's node. */
static void reopen_null_streams(const struct rootfs *rootfs)
{
	cleanup_fd int null = -EBADF;

	for (int fd = STDIN_FILENO; rootfs->devices_made && fd <= STDERR_FILENO; fd++) {
		struct stat status;

		if (fstat(fd, &status) < 0 || !rootfs_is_null(&status))
			continue;
		if (null < 0)
			null = openat(rootfs->devices, "null", O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY);
		if (null >= 0 && fstat(null, &status) == 0 && rootfs_is_null(&status))
			(void)dup2(null, fd);
	}
}

int rootfs_finish(struct rootfs *rootfs, struct error *err)
{
	trace_scope("masked and read-only paths");
	int result = set_propagation(rootfs, err);

	make_working_directory(rootfs);
	reopen_null_streams(rootfs);
	if (result == 0)
		result = rootfs_restrict(rootfs, err);
	if (result == 0)
		result = make_readonly(rootfs, err);
	/* mount(2), where it had to stand in, has left it elsewhere. */
	if (result == 0 && rootfs->api.descriptors >= 0 && chdir("/") < 0)
		result = error_set(err, errno, "enter the container's root");
	return result;
}
