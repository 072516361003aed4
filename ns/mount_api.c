/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/mount_api.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/procfs.h"

/* fsconfig(2) takes strings up to this length. */
enum { FSCONFIG_STRING_MAX = 255 };

#define ATIME_FLAGS (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

static const struct {
	uint64_t flag, attribute;
} attribute_table[] = {
	{ MS_RDONLY, MOUNT_ATTR_RDONLY },
	{ MS_NOSUID, MOUNT_ATTR_NOSUID },
	{ MS_NODEV, MOUNT_ATTR_NODEV },
	{ MS_NOEXEC, MOUNT_ATTR_NOEXEC },
	{ MS_NODIRATIME, MOUNT_ATTR_NODIRATIME },
	{ MS_NOSYMFOLLOW, MOUNT_ATTR_NOSYMFOLLOW },
};

/* Flags of the file system that fsconfig(2) knows by name. */
static const struct {
	uint64_t flag;
	const char *name;
} superblock_table[] = {
	{ MS_SYNCHRONOUS, "sync" },
	{ MS_DIRSYNC, "dirsync" },
	{ MS_MANDLOCK, "mand" },
	{ MS_LAZYTIME, "lazytime" },
};

/* These take their options one by one just as mount(2) would pass them; others have parsers of their own there. */
static const char *const plain_types[] = { "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "ramfs",
	"bpf", "debugfs", "tracefs", "securityfs", "hugetlbfs", "configfs", "devtmpfs" };

int mount_api_open(struct mount_api *api, struct error *err)
{
	*api = (struct mount_api){ .procfs = procfs_open(err), .descriptors = -EBADF };
	return api->procfs < 0 ? api->procfs : 0;
}

void mount_api_close(struct mount_api *api)
{
	close_fd(&api->procfs);
	close_fd(&api->descriptors);
}

struct mount_attr mount_attributes(uint64_t set_flags, uint64_t clear_flags)
{
	struct mount_attr attributes = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(attribute_table); i++) {
		if (set_flags & attribute_table[i].flag)
			attributes.attr_set |= attribute_table[i].attribute;
		else if (clear_flags & attribute_table[i].flag)
			attributes.attr_clr |= attribute_table[i].attribute;
	}
	/* One value of several bits, which has to be cleared as a whole to be set. */
	if ((set_flags & ATIME_FLAGS) || (clear_flags & MS_NOATIME))
		attributes.attr_clr |= MOUNT_ATTR__ATIME;
	if (set_flags & MS_NOATIME)
		attributes.attr_set |= MOUNT_ATTR_NOATIME;
	else if (set_flags & MS_STRICTATIME)
		attributes.attr_set |= MOUNT_ATTR_STRICTATIME;
	return attributes;
}

static bool is_nothing(const struct mount_attr *attributes)
{
	return !attributes->attr_set && !attributes->attr_clr && !attributes->propagation;
}

/* ---- mount(2) ---- */

/*
 * mount(2) wants strings: "N" in the directory of this process's descriptors. That directory belongs to a procfs of our
 * own choice, whatever the container has on /proc.
 */
static int old_mount(struct mount_api *api, int source_fd, const char *source, int target, const char *type,
	uint64_t flags, const char *data)
{
	char source_text[16], target_text[16];

	if (api->descriptors < 0) {
		int fd = open_in_root(api->procfs, "self/fd", O_PATH | O_DIRECTORY, 0, 0);

		if (fd < 0)
			return fd;
		api->descriptors = fd;
	}
	if (fchdir(api->descriptors) < 0)
		return -errno;
	(void)snprintf(source_text, sizeof(source_text), "%d", source_fd);
	(void)snprintf(target_text, sizeof(target_text), "%d", target);
	return mount(source_fd >= 0 ? source_text : source, target_text, type, flags, data) < 0 ? -errno : 0;
}

/* MS_* of a mount as it is: a remount gives all flags anew. */
static uint64_t present_flags(int mounted)
{
	struct statvfs status;
	uint64_t flags = 0;

	if (fstatvfs(mounted, &status) < 0)
		return 0;
	flags |= status.f_flag & (ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC | ST_NOATIME | ST_NODIRATIME);
	if (status.f_flag & ST_RELATIME)
		flags |= MS_RELATIME;
	else if (!(status.f_flag & ST_NOATIME))
		flags |= MS_STRICTATIME;
	return flags;
}

static int old_change_flags(struct mount_api *api, int mounted, const struct mount_attr *attributes, bool recursive)
{
	uint64_t flags = present_flags(mounted);

	if (!attributes->attr_set && !attributes->attr_clr)
		return 0;
	if (recursive || (attributes->attr_set & MOUNT_ATTR_IDMAP))
		return -ENOSYS;
	for (size_t i = 0; i < ARRAY_SIZE(attribute_table); i++) {
		if (attributes->attr_clr & attribute_table[i].attribute)
			flags &= ~attribute_table[i].flag;
		if (attributes->attr_set & attribute_table[i].attribute)
			flags |= attribute_table[i].flag;
	}
	if (attributes->attr_clr & MOUNT_ATTR__ATIME) {
		flags &= ~(uint64_t)ATIME_FLAGS;
		flags |= attributes->attr_set & MOUNT_ATTR_NOATIME       ? MS_NOATIME
			 : attributes->attr_set & MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME
									 : MS_RELATIME;
	}
	return old_mount(api, -1, NULL, mounted, NULL, MS_REMOUNT | MS_BIND | flags, NULL);
}

static int old_change(struct mount_api *api, int mounted, const struct mount_attr *attributes, bool recursive)
{
	int result = old_change_flags(api, mounted, attributes, recursive);

	if (result == 0 && attributes->propagation)
		result = old_mount(
			api, -1, NULL, mounted, NULL, attributes->propagation | (recursive ? MS_REC : 0), NULL);
	return result;
}

static int old_request(
	struct mount_api *api, const struct mount_request *request, const struct mount_target *target, int *mounted)
{
	cleanup_fd int covering = -EBADF;
	uint64_t flags = request->flags;
	int result;

	if (request->type) {
		for (size_t i = 0; i < ARRAY_SIZE(attribute_table); i++)
			flags |= request->attributes.attr_set & attribute_table[i].attribute ? attribute_table[i].flag
											     : 0;
		flags |= request->attributes.attr_set & MOUNT_ATTR_NOATIME ? MS_NOATIME : 0;
		flags |= request->attributes.attr_set & MOUNT_ATTR_STRICTATIME ? MS_STRICTATIME : 0;
		result = old_mount(api, -1, request->source ? request->source : "none", target->fd, request->type,
			flags, request->data);
	} else {
		result = old_mount(api, request->source_fd, NULL, target->fd, NULL,
			MS_BIND | (request->recursive ? MS_REC : 0), NULL);
	}
	if (result < 0)
		return result;
	if (target->root == AT_FDCWD)
		covering = open(target->path, O_PATH | O_CLOEXEC);
	else
		covering = open_in_root(target->root, target->path, O_PATH, 0, target->resolve);
	if (covering < 0)
		return target->root == AT_FDCWD ? -errno : covering;
	if (!request->type)
		result = old_change(api, covering, &request->attributes, false);
	if (result == 0)
		result = old_change(api, covering, &request->everywhere, true);
	if (result == 0)
		*mounted = take_fd(&covering);
	return result;
}

/* ---- by descriptor ---- */

/* The context's log holds lines like "e tmpfs: Bad value for 'size'". */
static void read_detail(struct mount_api *api, int context)
{
	ssize_t got = read(context, api->detail, sizeof(api->detail) - 1);

	api->detail[got > 0 ? (size_t)got : 0] = '\0';
	api->detail[strcspn(api->detail, "\n")] = '\0';
	if (api->detail[0] && api->detail[1] == ' ')
		memmove(api->detail, api->detail + 2, strlen(api->detail + 2) + 1);
}

static int configure_option(int context, char *option)
{
	char *value = strchr(option, '=');

	if (!value)
		return fsconfig(context, FSCONFIG_SET_FLAG, option, NULL, 0);
	*value++ = '\0';
	return fsconfig(context, FSCONFIG_SET_STRING, option, value, 0);
}

static int configure(int context, const struct mount_request *request)
{
	cleanup_free char *options = xstrdup(request->data ? request->data : "");
	char *rest = options, *option;

	if (request->source && fsconfig(context, FSCONFIG_SET_STRING, "source", request->source, 0) < 0)
		return -errno;
	for (size_t i = 0; i < ARRAY_SIZE(superblock_table); i++) {
		if ((request->flags & superblock_table[i].flag) &&
			fsconfig(context, FSCONFIG_SET_FLAG, superblock_table[i].name, NULL, 0) < 0)
			return -errno;
	}
	while ((option = strsep(&rest, ","))) {
		if (*option && configure_option(context, option) < 0)
			return -errno;
	}
	return fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* Returns the detached mount of a new file system; -ENOSYS when only mount(2) can make it. */
static int make_filesystem(struct mount_api *api, const struct mount_request *request)
{
	cleanup_fd int context = fsopen(request->type, FSOPEN_CLOEXEC);
	int fd, result;

	/* EPERM: profiles of containers that a runtime may run in forbid what they do not know; mount(2) tells what it
	 * really is. */
	if (context < 0)
		return errno == EPERM ? -ENOSYS : -errno;
	result = configure(context, request);
	if (result < 0) {
		read_detail(api, context);
		return result;
	}
	fd = fsmount(context, FSMOUNT_CLOEXEC, (unsigned int)request->attributes.attr_set);
	return fd < 0 ? -errno : fd;
}

static bool is_for_old_mount(const struct mount_request *request)
{
	const char *data = request->data ? request->data : "";

	if (!request->type)
		return false;
	if (request->source && strlen(request->source) > FSCONFIG_STRING_MAX)
		return true;
	/* Quotes around a label with commas; values that are too long for fsconfig. */
	if (strlen(data) > FSCONFIG_STRING_MAX || strpbrk(data, "\"\\"))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(plain_types); i++) {
		if (strcmp(request->type, plain_types[i]) == 0)
			return false;
	}
	return true;
}

int mount_make(struct mount_api *api, const struct mount_request *request)
{
	return is_for_old_mount(request) ? -ENOSYS : make_filesystem(api, request);
}

static int make_detached(struct mount_api *api, const struct mount_request *request)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
	int fd;

	if (request->type)
		return make_filesystem(api, request);
	if (request->tree_fd > 0)
		fd = fcntl(request->tree_fd, F_DUPFD_CLOEXEC, 3);
	else
		fd = open_tree(request->source_fd, "", flags | (request->recursive ? AT_RECURSIVE : 0U));
	return fd < 0 ? -errno : fd;
}

static int change_by_descriptor(int mounted, const struct mount_attr *attributes, bool recursive)
{
	struct mount_attr copy = *attributes;

	if (is_nothing(attributes))
		return 0;
	return mount_setattr(mounted, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &copy, sizeof(copy)) < 0
		       ? -errno
		       : 0;
}

int mount_change(struct mount_api *api, int mounted, const struct mount_attr *attributes, bool recursive)
{
	int result = api->old_only ? -ENOSYS : change_by_descriptor(mounted, attributes, recursive);

	return result == -ENOSYS ? old_change(api, mounted, attributes, recursive) : result;
}

static int change_request(int tree, const struct mount_request *request)
{
	int result = request->type ? 0 : change_by_descriptor(tree, &request->attributes, false);

	return result < 0 ? result : change_by_descriptor(tree, &request->everywhere, true);
}

int mount_request(
	struct mount_api *api, const struct mount_request *request, const struct mount_target *target, int *mounted)
{
	cleanup_fd int tree = -EBADF;
	int result;

	api->detail[0] = '\0';
	if ((api->old_only && request->tree_fd <= 0) || is_for_old_mount(request))
		return old_request(api, request, target, mounted);
	tree = make_detached(api, request);
	if (tree == -ENOSYS) {
		api->old_only = true;
		return old_request(api, request, target, mounted);
	}
	if (tree < 0)
		return tree;
	result = change_request(tree, request);
	if (result < 0 && result != -ENOSYS)
		return result;
	if (move_mount(tree, "", target->fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0) {
		/* A tree that the caller made can be put nowhere else. */
		if (errno != ENOSYS || request->tree_fd > 0)
			return -errno;
		api->old_only = true;
		return old_request(api, request, target, mounted);
	}
	/* Linux 5.2 to 5.11 have the other calls without mount_setattr(2), and a remount works on what is attached
	 * only. */
	if (result == -ENOSYS) {
		result = request->type ? 0 : old_change(api, tree, &request->attributes, false);
		if (result == 0)
			result = old_change(api, tree, &request->everywhere, true);
	}
	if (result == 0)
		*mounted = take_fd(&tree);
	return result;
}

int mount_reconfigure(struct mount_api *api, int mounted, uint64_t flags, const char *data)
{
	api->detail[0] = '\0';
	return old_mount(api, -1, NULL, mounted, NULL, MS_REMOUNT | flags, data);
}

int mount_move_to_root(struct mount_api *api, int mounted)
{
	if (!api->old_only && move_mount(mounted, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) == 0)
		return 0;
	if (!api->old_only && errno != ENOSYS)
		return -errno;
	if (fchdir(mounted) < 0)
		return -errno;
	return mount(".", "/", NULL, MS_MOVE, NULL) < 0 ? -errno : 0;
}
