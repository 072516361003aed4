/* SPDX-License-Identifier: Apache-2.0 */
/* The ways out of containers that others have found, as far as they can be tried without harm. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/probe/probe.h"

/* The controllers of a v1 hierarchy that is there already: mounting it once more changes nothing. */
static bool find_v1_hierarchy(char *controllers, size_t size)
{
	FILE *stream = fopen("/proc/self/cgroup", "re");
	char line[1024];
	bool found = false;

	while (stream && !found && fgets(line, sizeof(line), stream)) {
		char *names = strchr(line, ':'), *end = names ? strchr(names + 1, ':') : NULL;

		if (!end || end == names + 1)
			continue;
		*end = '\0';
		(void)snprintf(
			controllers, size, "%s%s", strncmp(names + 1, "name=", 5) == 0 ? "none," : "", names + 1);
		found = true;
	}
	if (stream)
		(void)fclose(stream);
	return found;
}

/* CVE-2022-0492: with a user namespace of its own a process mounted cgroup v1 and named a program that the host's
 * kernel would run. */
static void try_release_agent(struct trial *trial)
{
	char controllers[512];

	if (!find_v1_hierarchy(controllers, sizeof(controllers)))
		return trial_absent(trial, "there is no cgroup v1 hierarchy");
	(void)syscall(SYS_unshare, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP);
	if (TRY(trial, SYS_mount, "none", "/dev/shm", "cgroup", 0, controllers) < 0) {
		trial_detail(trial, "mounting cgroup v1: %s", strerror(trial->error));
		return;
	}
	trial_open(trial, "/dev/shm/release_agent", O_WRONLY);
	(void)umount2("/dev/shm", MNT_DETACH);
}

/* CVE-2019-5736: /proc/PID/exe of the runtime, while it is inside. */
static void try_runtime_binary(struct trial *trial)
{
	DIR *directory = opendir("/proc");
	struct stat own, other;
	struct dirent *entry;
	char path[300] = "";

	if (!directory || stat("/proc/self/exe", &own) < 0)
		return trial_absent(trial, "no other program is visible");
	while ((entry = readdir(directory))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
		if (stat(path, &other) == 0 && (other.st_dev != own.st_dev || other.st_ino != own.st_ino))
			break;
		path[0] = '\0';
	}
	(void)closedir(directory);
	if (!path[0])
		return trial_absent(trial, "the runtime is gone before the process runs");
	trial_open(trial, path, O_WRONLY);
}

/* Process 1's root, where that process is the host's. */
static void try_first_root(struct trial *trial)
{
	struct stat own, other;

	if (stat("/", &own) < 0 || TRY(trial, SYS_stat, "/proc/1/root/.", &other) < 0)
		return;
	if (own.st_dev == other.st_dev && own.st_ino == other.st_ino) {
		trial->outcome = "refused";
		trial_detail(trial, "process 1 is its own");
	}
}

/* The "shocker" of 2014: inode 2, the root of most file systems, by a handle that nobody has given. */
static void try_file_handle(struct trial *trial)
{
	union {
		struct file_handle handle;
		unsigned char space[sizeof(struct file_handle) + 8];
	} guess = { .handle = { .handle_bytes = 8, .handle_type = 1 } };
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long fd;

	guess.handle.f_handle[0] = 2;
	fd = TRY(trial, SYS_open_by_handle_at, root, &guess, O_RDONLY | O_CLOEXEC);
	trial_permitted_by(trial, ESTALE);
	trial_permitted_by(trial, EOPNOTSUPP);
	if (fd >= 0)
		(void)close((int)fd);
	(void)close(root);
}

/* CVE-2017-5226 and its like: TIOCSTI puts words into the caller's shell. Where there is a terminal nothing is put. */
static void try_terminal(struct trial *trial)
{
	long fd = TRY(trial, SYS_openat, AT_FDCWD, "/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 && (trial->error == ENXIO || trial->error == ENOENT))
		return trial_absent(trial, "the process has no terminal of the caller's");
	if (fd >= 0) {
		trial_detail(trial, "there is a terminal; nothing was put into it");
		(void)close((int)fd);
	}
}

static void try_cgroup_procs(struct trial *trial)
{
	static const char *const paths[] = { "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs",
		"/sys/fs/cgroup/memory/cgroup.procs" };

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		trial_open(trial, paths[i], O_WRONLY);
		if (trial->error != ENOENT)
			return;
	}
	trial_absent(trial, "no control group is visible");
}

/* The oldest: a directory that was opened before stays outside of a new root. */
static void try_chroot(struct trial *trial)
{
	struct stat before, after;
	int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (root < 0 || fstat(root, &before) < 0 || TRY(trial, SYS_chroot, "/proc") < 0)
		return;
	if (fchdir(root) < 0 || chdir("../../../../../../..") < 0 || stat(".", &after) < 0)
		return;
	if (before.st_dev == after.st_dev && before.st_ino == after.st_ino) {
		trial->outcome = "refused";
		trial_detail(trial, "nothing lies above its root");
	}
}

/* CVE-2020-15257: sockets without a file belong to a network namespace. */
static void try_abstract_sockets(struct trial *trial)
{
	FILE *stream = fopen("/proc/net/unix", "re");
	char line[400];
	unsigned count = 0;

	while (stream && fgets(line, sizeof(line), stream))
		count += strstr(line, " @") != NULL;
	if (stream)
		(void)fclose(stream);
	if (!count)
		return trial_absent(trial, "no socket of others is visible");
	trial_detail(trial, "%u sockets of others are visible", count);
}

/* CVE-2024-21626: a directory of the host's that was left open. */
static void try_descriptors(struct trial *trial)
{
	struct stat root, here;

	for (int fd = 3; fd < 1024; fd++) {
		if (fcntl(fd, F_GETFD) >= 0) {
			trial_detail(trial, "descriptor %d was left open", fd);
			return;
		}
	}
	if (stat("/", &root) == 0 && stat(".", &here) == 0 &&
		(root.st_dev != here.st_dev || root.st_ino != here.st_ino))
		trial_detail(trial, "the working directory is not the root it was told to be");
	else
		trial_absent(trial, "none was left open");
}

static void try_core_pattern(struct trial *trial)
{
	trial_write_back(trial, "/proc/sys/kernel/core_pattern");
}

static void try_modprobe_path(struct trial *trial)
{
	trial_open(trial, "/proc/sys/kernel/modprobe", O_WRONLY);
}

static void try_uevent_helper(struct trial *trial)
{
	trial_open(trial, "/sys/kernel/uevent_helper", O_WRONLY);
}

static void try_binfmt(struct trial *trial)
{
	trial_open(trial, "/proc/sys/fs/binfmt_misc/register", O_WRONLY);
}

const struct attempt escape_attempts[] = {
	{ "core-pattern", try_core_pattern },
	{ "modprobe-path", try_modprobe_path },
	{ "uevent-helper", try_uevent_helper },
	{ "binfmt-misc", try_binfmt },
	{ "release-agent", try_release_agent },
	{ "runtime-binary", try_runtime_binary },
	{ "first-root", try_first_root },
	{ "file-handle", try_file_handle },
	{ "terminal", try_terminal },
	{ "cgroup-procs", try_cgroup_procs },
	{ "chroot", try_chroot },
	{ "abstract-sockets", try_abstract_sockets },
	{ "descriptors", try_descriptors },
	{ 0 },
};
