/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: device nodes, links, the console (runtime-spec config-linux.md "Devices", "Default Devices").
 */
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/trace.h"
#include "ns/rootfs_internal.h"

enum { MEMORY_MAJOR = 1, NULL_MINOR = 3, TTY_MAJOR = 5 };

static const struct device_plan default_devices[] = {
	{ "/dev/null", 'c', MEMORY_MAJOR, NULL_MINOR, 0666, 0, 0 },
	{ "/dev/zero", 'c', MEMORY_MAJOR, 5, 0666, 0, 0 },
	{ "/dev/full", 'c', MEMORY_MAJOR, 7, 0666, 0, 0 },
	{ "/dev/random", 'c', MEMORY_MAJOR, 8, 0666, 0, 0 },
	{ "/dev/urandom", 'c', MEMORY_MAJOR, 9, 0666, 0, 0 },
	{ "/dev/tty", 'c', TTY_MAJOR, 0, 0666, 0, 0 },
};

static const char *const links[][2] = {
	{ "/proc/self/fd", "fd" },
	{ "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" },
	{ "/proc/self/fd/2", "stderr" },
};

bool rootfs_is_null(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(MEMORY_MAJOR, NULL_MINOR);
}

int rootfs_devices(struct rootfs *rootfs, struct error *err)
{
	if (rootfs->devices < 0) {
		int fd = make_directories_in_root(rootfs->root, "/dev", 0755);

		if (fd < 0)
			return error_set(err, -fd, "make the directory \"/dev\"");
		rootfs->devices = fd;
	}
	return rootfs->devices;
}

static mode_t type_bits(char type)
{
	switch (type) {
	case 'c':
	case 'u':
		return S_IFCHR;
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	default:
		return 0;
	}
}

static bool is_device(const struct stat *status, const struct device_plan *device)
{
	if ((status->st_mode & S_IFMT) != type_bits(device->type))
		return false;
	return device->type == 'p' || status->st_rdev == makedev(device->major, device->minor);
}

/* The directory that a device goes to and its name there; the directory is the caller's to close unless it is
 * rootfs->devices. */
static int locate(struct rootfs *rootfs, const struct device_plan *device, const char **name, struct error *err)
{
	const char *below = rootfs_path_below(device->path, "/dev");
	cleanup_free char *parent = xstrdup(below ? below : device->path);
	char *slash = strrchr(parent, '/');
	int base = below ? rootfs_devices(rootfs, err) : rootfs->root;
	int fd;

	if (base < 0)
		return base;
	*name = below ? below : device->path;
	if (!slash)
		return fcntl(base, F_DUPFD_CLOEXEC, 3);
	*name += slash - parent + 1;
	*slash = '\0';
	fd = make_directories_in_root(base, parent[0] ? parent : "/", 0755);
	return fd < 0 ? error_set(err, -fd, "make the directory for the device \"%s\"", device->path) : fd;
}

/* The host's node, which is the same device, is bound over an empty file. */
static int bind_device(
	struct rootfs *rootfs, const struct device_plan *device, int directory, const char *name, struct error *err)
{
	cleanup_fd int source = open(device->path, O_PATH | O_CLOEXEC), mounted = -EBADF;
	struct mount_request request = { .source_fd = source };
	struct mount_target target = { .root = directory, .path = name };
	struct stat status;
	int result;

	if (source < 0 || fstat(source, &status) < 0)
		return error_set(err, errno, "bind the host's device \"%s\"", device->path);
	if (!is_device(&status, device))
		return error_set(err, -ENODEV, "bind the host's \"%s\": it is not the device %c %u:%u", device->path,
			device->type, device->major, device->minor);
	target.fd = open_in_root(directory, name, O_PATH | O_NOFOLLOW, 0, 0);
	if (target.fd == -ENOENT)
		target.fd = make_file_in_root(directory, name, 0666);
	if (target.fd < 0)
		return error_set(err, -target.fd, "make the device \"%s\"", device->path);
	result = rootfs_request(rootfs, &request, &target, device->path, &mounted, err);
	close_fd(&target.fd);
	return result;
}

/* What is there now is what was asked for, to the last bit? One that was there before keeps its owner and mode. */
static int check_node(const struct device_plan *device, int directory, const char *name, bool made, struct error *err)
{
	struct stat status;

	if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "look at the device \"%s\"", device->path);
	if (!is_device(&status, device))
		return error_set(err, -EEXIST,
			"make the device \"%s\": something else is there, not the device %c %u:%u", device->path,
			device->type, device->major, device->minor);
	if (made && ((status.st_mode & 07777) != device->mode || status.st_uid != device->uid ||
			    status.st_gid != device->gid))
		return error_set(err, -EIO, "make the device \"%s\": it came out with mode %04o, owner %u:%u",
			device->path, status.st_mode & 07777, status.st_uid, status.st_gid);
	return 0;
}

static int make_node(
	struct rootfs *rootfs, const struct device_plan *device, int directory, const char *name, struct error *err)
{
	bool made;

	if (!type_bits(device->type))
		return error_set(err, -EINVAL, "make the device \"%s\": unknown type '%c'", device->path, device->type);
	if (rootfs->plan->bind_devices && device->type != 'p')
		return bind_device(rootfs, device, directory, name, err);
	made = mknodat(directory, name, type_bits(device->type) | device->mode,
		       makedev(device->major, device->minor)) == 0;
	if (!made && errno == EPERM && device->type != 'p')
		return bind_device(rootfs, device, directory, name, err);
	if (!made && errno != EEXIST)
		return error_set(err, errno, "make the device \"%s\"", device->path);
	if (made && (device->uid || device->gid)) {
		if (fchownat(directory, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0)
			return error_set(
				err, errno, "give the device \"%s\" to %u:%u", device->path, device->uid, device->gid);
		/* The change of owner takes bits away; nobody else can have put a link here meanwhile. */
		if ((device->mode & 07000) && fchmodat(directory, name, device->mode, 0) < 0)
			return error_set(err, errno, "set the mode of the device \"%s\"", device->path);
	}
	return check_node(device, directory, name, made, err);
}

static int make_device(struct rootfs *rootfs, const struct device_plan *device, struct error *err)
{
	const char *name;
	cleanup_fd int directory = locate(rootfs, device, &name, err);

	if (directory < 0)
		return directory;
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return error_set(err, -EINVAL, "make the device \"%s\": that is not the path of a file", device->path);
	return make_node(rootfs, device, directory, name, err);
}

static bool is_planned(const struct rootfs_plan *plan, const char *path)
{
	for (uint32_t i = 0; i < plan->device_count; i++) {
		if (rootfs_path_is(plan->devices[i].path, path))
			return true;
	}
	return false;
}

/* Links that are there already, whatever they are, belong to the image. */
static int make_link(int devices, const char *target, const char *name, struct error *err)
{
	if (symlinkat(target, devices, name) == 0 || errno == EEXIST)
		return 0;
	return error_set(err, errno, "make the link \"/dev/%s\"", name);
}

/* /dev/ptmx has to be the multiplexer of the container's own devpts: an image's node would be the host's. */
static int link_ptmx(const struct rootfs *rootfs, int devices, struct error *err)
{
	struct stat status;

	if (is_planned(rootfs->plan, "/dev/ptmx") || fstatat(devices, "pts/ptmx", &status, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if (symlinkat("pts/ptmx", devices, "ptmx") == 0)
		return 0;
	if (errno == EEXIST && unlinkat(devices, "ptmx", 0) == 0 && symlinkat("pts/ptmx", devices, "ptmx") == 0)
		return 0;
	return error_set(err, errno, "make the link \"/dev/ptmx\"");
}

static int make_links(const struct rootfs *rootfs, int devices, struct error *err)
{
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(links) && result == 0; i++)
		result = make_link(devices, links[i][0], links[i][1], err);
	/* Not every kernel has it. */
	if (result == 0 && faccessat(rootfs->api.procfs, "kcore", F_OK, 0) == 0)
		result = make_link(devices, "/proc/kcore", "core", err);
	return result < 0 ? result : link_ptmx(rootfs, devices, err);
}

/* The host's /dev, if that is what the container was given, is not ours to put anything in. */
static bool is_hosts_directory(int devices)
{
	struct stat ours, hosts;

	return fstat(devices, &ours) == 0 && stat("/dev", &hosts) == 0 && ours.st_dev == hosts.st_dev &&
	       ours.st_ino == hosts.st_ino;
}

static bool is_bound(const struct rootfs_plan *plan)
{
	for (uint32_t i = 0; i < plan->mount_count; i++) {
		if ((plan->mounts[i].flags & MS_BIND) && rootfs_path_is(plan->mounts[i].destination, "/dev"))
			return true;
	}
	return false;
}

int rootfs_make_devices(struct rootfs *rootfs, struct error *err)
{
	trace_scope("devices");
	int devices, result = 0;

	if (rootfs->plan->bare || is_bound(rootfs->plan))
		return 0;
	devices = rootfs_devices(rootfs, err);
	if (devices < 0)
		return devices;
	if (is_hosts_directory(devices))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(default_devices) && result == 0; i++) {
		if (!is_planned(rootfs->plan, default_devices[i].path))
			result = make_device(rootfs, &default_devices[i], err);
	}
	for (uint32_t i = 0; i < rootfs->plan->device_count && result == 0; i++)
		result = make_device(rootfs, &rootfs->plan->devices[i], err);
	if (result == 0)
		result = make_links(rootfs, devices, err);
	rootfs->devices_made = result == 0;
	return result;
}

static int make_source(const struct device_plan *device, struct error *err)
{
	const char *slash = strrchr(device->path, '/');
	cleanup_free char *parent = xstrndup(device->path, slash ? (size_t)(slash - device->path) : 0);
	int result = parent[0] ? make_directories(AT_FDCWD, parent, 0755) : 0;

	if (result == 0 && type_bits(device->type) && device->type != 'p' &&
		mknod(device->path, type_bits(device->type) | device->mode, makedev(device->major, device->minor)) <
			0 &&
		errno != EEXIST)
		result = -errno;
	return result < 0 ? error_set(err, -result, "make the guest's device \"%s\"", device->path) : 0;
}

int rootfs_make_device_sources(const struct rootfs_plan *plan, struct error *err)
{
	mode_t before = umask(0);
	int result = 0;

	for (size_t i = 0; i < ARRAY_SIZE(default_devices) && result == 0; i++)
		result = make_source(&default_devices[i], err);
	for (uint32_t i = 0; i < plan->device_count && result == 0; i++)
		result = make_source(&plan->devices[i], err);
	(void)umask(before);
	return result;
}

int rootfs_make_sysfs_source(struct error *err)
{
	/* EBUSY: that very sysfs is there. */
	if ((mkdir("/sys", 0555) < 0 && errno != EEXIST) ||
		(mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 && errno != EBUSY))
		return error_set(err, errno, "mount the guest's /sys");
	return 0;
}

int rootfs_console(struct rootfs *rootfs, int terminal_fd, struct error *err)
{
	struct mount_request request = { .source_fd = terminal_fd };
	struct mount_target target = { .path = "console" };
	cleanup_fd int mounted = -EBADF;
	struct stat status;
	int result;

	target.root = rootfs_devices(rootfs, err);
	if (target.root < 0)
		return target.root;
	/* A link here would lead elsewhere. */
	target.fd = openat(target.root, "console", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target.fd < 0 && errno == ENOENT)
		target.fd = make_file_in_root(target.root, "console", 0666);
	if (target.fd < 0 || fstat(target.fd, &status) < 0)
		return error_set(err, target.fd < -1 ? -target.fd : errno, "make \"/dev/console\"");
	if (S_ISREG(status.st_mode) || S_ISCHR(status.st_mode))
		result = rootfs_request(rootfs, &request, &target, "the terminal", &mounted, err);
	else
		result = error_set(err, -EINVAL, "make \"/dev/console\": something else is there");
	close_fd(&target.fd);
	return result;
}
