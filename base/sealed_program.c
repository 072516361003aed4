/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sealed_program.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/executable_swap.h"
#include "base/file.h"
#include "base/sys.h"
#include "base/trace.h"

/* "PID PATH": execve(2) keeps the pid, so a marker that was inherited from another process does not count. */
#define MARKER_VARIABLE "DUET_SEALED_PROGRAM"

#define SELF "/proc/self/exe"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U /* Linux 6.3 */
#endif

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* The path in the marker of that process; NULL: the marker is not its. */
static const char *path_marked_by(pid_t process)
{
	const char *marker = getenv(MARKER_VARIABLE);
	char *end;

	if (!marker || strtol(marker, &end, 10) != process || *end != ' ')
		return NULL;
	return end + 1;
}

/* The path in this process's marker; NULL: it has none. */
static const char *marked_path(void)
{
	return path_marked_by(getpid());
}

static char *executed_path(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink(SELF, path, sizeof(path));

	return length > 0 && length < (ssize_t)sizeof(path) ? xstrndup(path, (size_t)length) : NULL;
}

char *sealed_program_path(void)
{
	const char *path = marked_path();

	return path ? xstrdup(path) : executed_path();
}

static bool is_sealed(void)
{
	cleanup_fd int fd = open(SELF, O_RDONLY | O_CLOEXEC);
	struct statvfs file_system;
	int seals;

	if (fd < 0 || fstatvfs(fd, &file_system) < 0)
		return false;
	if (file_system.f_flag & ST_RDONLY)
		return true;
	seals = fcntl(fd, F_GET_SEALS);
	return seals >= 0 && (seals & SEALS) == SEALS;
}

/* A descriptor of the program's file on a read-only mount of its own, or a negative errno. */
static int clone_mount(void)
{
	const struct mount_attr readonly = { .attr_set = MOUNT_ATTR_RDONLY };
	struct mount_attr attributes = readonly;
	cleanup_fd int tree = open_tree(AT_FDCWD, SELF, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return -errno;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
		return -errno;
	return take_fd(&tree);
}

static int make_memory_file(void)
{
	const unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("duet", flags | MFD_EXEC);

	/* Before Linux 6.3 the flag is unknown and what it asks for is the rule. */
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("duet", flags);
	return fd < 0 ? -errno : fd;
}

static int copy_to_memory(void)
{
	cleanup_fd int source = open(SELF, O_RDONLY | O_CLOEXEC);
	cleanup_fd int copy = make_memory_file();
	struct stat status;
	off_t done = 0;

	if (source < 0 || copy < 0)
		return source < 0 ? -errno : copy;
	if (fstat(source, &status) < 0)
		return -errno;
	while (done < status.st_size) {
		ssize_t sent = sendfile(copy, source, &done, (size_t)(status.st_size - done));

		if (sent <= 0)
			return sent < 0 ? -errno : -EIO;
	}
	return fcntl(copy, F_ADD_SEALS, SEALS) < 0 ? -errno : take_fd(&copy);
}

static int mark(const char *path)
{
	cleanup_free char *marker = xprintf("%d %s", (int)getpid(), path ? path : "");

	return setenv(MARKER_VARIABLE, marker, 1) < 0 ? -errno : 0;
}

int sealed_program_forked(void)
{
	const char *path = path_marked_by(getppid());
	cleanup_free char *copy = path ? xstrdup(path) : NULL;

	return copy ? mark(copy) : 0;
}

static int execute(int program, char *const *argv)
{
	cleanup_free char *path = executed_path();
	int result = mark(path);

	if (result < 0)
		return result;
	trace_close(true);
	(void)execveat(program, "", argv, environ, AT_EMPTY_PATH);
	if (errno == ENOSYS)
		(void)execve(fd_path(program).text, argv, environ);
	return -errno;
}

/* Without an execution, where the kernel lets a process name its program's file. */
static int swap(int clone)
{
	cleanup_free char *path = executed_path();
	cleanup_fd int file = open(fd_path(clone).text, O_RDONLY | O_CLOEXEC);
	int result = file < 0 ? -errno : executable_swap(file);

	if (result == 0 && !is_sealed())
		result = -EPERM;
	return result < 0 ? result : mark(path);
}

int sealed_program_enter(char *const *argv, struct error *err)
{
	cleanup_fd int program = -EBADF;
	int result;

	if (marked_path()) {
		if (!is_sealed())
			return error_set(err, -EPERM, "this program could not be sealed: it can still be written to");
		/* What was executed by a descriptor is called by its number. */
		(void)prctl(PR_SET_NAME, "duet");
		return 0;
	}
	trace_scope("make the sealed copy");
	program = clone_mount();
	if (program >= 0 && swap(program) == 0)
		return 0;
	if (program < 0)
		program = copy_to_memory();
	if (program < 0)
		return error_set(err, -program,
			"make a copy of this program that the container cannot write to (/proc/self/exe)");
	result = execute(program, argv);
	return error_set(err, -result, "execute the sealed copy of this program");
}
