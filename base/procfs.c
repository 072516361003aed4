/* SPDX-License-Identifier: Apache-2.0 */
#include "base/procfs.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/file.h"

enum { PROCFS_ROOT_INODE = 1 };

static bool is_procfs_root(int fd)
{
	struct statfs file_system;
	struct stat status;

	return fstatfs(fd, &file_system) == 0 && file_system.f_type == PROC_SUPER_MAGIC && fstat(fd, &status) == 0 &&
	       status.st_ino == PROCFS_ROOT_INODE;
}

static int procfs_make(void)
{
	cleanup_fd int context = fsopen("proc", FSOPEN_CLOEXEC);
	int fd;

	if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return fd < 0 ? -errno : fd;
}

int procfs_open(struct error *err)
{
	cleanup_fd int fd = open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int made;

	if (fd >= 0 && is_procfs_root(fd))
		return take_fd(&fd);
	made = procfs_make();
	if (made < 0)
		return error_set(err, -made, "/proc is not a procfs, and a private one cannot be mounted");
	return made;
}

int procfs_open_file(int procfs, const char *path, int flags)
{
	return open_in_root(procfs, path, flags | O_NOCTTY, 0, RESOLVE_NO_XDEV);
}

int procfs_read(int procfs, const char *path, size_t max_bytes, struct strbuf *content)
{
	cleanup_fd int fd = procfs_open_file(procfs, path, O_RDONLY);

	return fd < 0 ? fd : file_read_fd(fd, max_bytes, content);
}

int procfs_write(int procfs, const char *path, const char *data)
{
	cleanup_fd int fd = procfs_open_file(procfs, path, O_WRONLY);

	return fd < 0 ? fd : file_write_fd(fd, data, strlen(data));
}
