/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container_processes.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/procfs.h"

enum { STATUS_BYTES_MAX = 64 * 1024, NAMESPACE_DEPTH_MAX = 32 /* pid_namespaces(7) */ };

bool container_is_namespace_init(const struct container *container)
{
	cleanup_strbuf struct strbuf status = STRBUF_INIT;
	cleanup_fd int procfs = procfs_open(NULL);
	char path[32];
	char *line, *last;

	(void)snprintf(path, sizeof(path), "%d/status", (int)container->record.pid);
	if (procfs < 0 || procfs_read(procfs, path, STATUS_BYTES_MAX, &status) < 0)
		return false;
	/* "NSpid:\t4711\t1": its pid in each namespace, the innermost last. */
	line = strstr(status.data, "\nNSpid:\t");
	if (!line)
		return false;
	line[1 + strcspn(line + 1, "\n")] = '\0';
	last = strrchr(line, '\t');
	return strcmp(last, "\t1") == 0;
}

static int open_pid_namespace(int procfs, pid_t pid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%d/ns/pid", (int)pid);
	/* A magic link of a procfs that was verified. */
	return openat(procfs, path, O_RDONLY | O_CLOEXEC);
}

/* Is `namespace` the one of `inode`, or one below it? Takes the descriptor. */
static bool is_within(int namespace, const struct stat *wanted)
{
	for (int depth = 0; namespace >= 0 && depth <= NAMESPACE_DEPTH_MAX; depth++) {
		struct stat status;
		int parent;

		if (fstat(namespace, &status) == 0 && status.st_ino == wanted->st_ino &&
			status.st_dev == wanted->st_dev) {
			close_fd(&namespace);
			return true;
		}
		parent = ioctl(namespace, NS_GET_PARENT);
		close_fd(&namespace);
		namespace = parent;
	}
	close_fd(&namespace);
	return false;
}

static int namespace_of(const struct container *container, int procfs, struct stat *wanted, struct error *err)
{
	cleanup_fd int namespace = open_pid_namespace(procfs, container->record.pid);

	if (namespace < 0 || fstat(namespace, wanted) < 0)
		return error_set(err, errno, "find the pid namespace of container \"%s\"", container->id);
	if (!container_is_namespace_init(container))
		return error_set(err, -EOPNOTSUPP,
			"container \"%s\" has neither a cgroup nor a pid namespace of its own: its processes cannot be "
			"told from others",
			container->id);
	return 0;
}

static int pids_of_namespace(const struct container *container, pid_t **ret, size_t *ret_count, struct error *err)
{
	cleanup_fd int procfs = procfs_open(err);
	cleanup_directory DIR *directory = NULL;
	cleanup_free pid_t *pids = NULL;
	struct stat wanted;
	struct dirent *entry;
	size_t count = 0;
	int result;

	if (procfs < 0)
		return procfs;
	result = namespace_of(container, procfs, &wanted, err);
	if (result < 0)
		return result;
	directory = opendir(fd_path(procfs).text);
	if (!directory)
		return error_set(err, errno, "list the processes of the host");
	while ((entry = readdir(directory))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || !is_within(open_pid_namespace(procfs, pid), &wanted))
			continue;
		pids = xrealloc(pids, count + 1, sizeof(*pids));
		pids[count++] = pid;
	}
	*ret = take_pointer(&pids);
	*ret_count = count;
	return 0;
}

int container_pids(const struct container *container, pid_t **pids, size_t *count, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	if (result < 0)
		return result;
	return cgroup->count ? cgroup_processes(cgroup, pids, count, err)
			     : pids_of_namespace(container, pids, count, err);
}

/* A pid may have been taken anew since it was listed: the namespace is looked at again behind the pidfd. */
static int signal_in_namespace(int procfs, pid_t pid, const struct stat *wanted, int signal, struct error *err)
{
	cleanup_fd int pidfd = pidfd_open(pid, 0);

	if (pidfd < 0 || !is_within(open_pid_namespace(procfs, pid), wanted))
		return 0;
	if (pidfd_send_signal(pidfd, signal, NULL, 0) < 0 && errno != ESRCH)
		return error_set(err, errno, "send signal %d to process %d", signal, (int)pid);
	return 0;
}

static int signal_namespace(const struct container *container, int signal, struct error *err)
{
	cleanup_fd int procfs = procfs_open(err);
	cleanup_free pid_t *pids = NULL;
	struct stat wanted;
	size_t count = 0;
	int result = procfs < 0 ? procfs : namespace_of(container, procfs, &wanted, err);

	if (result == 0)
		result = pids_of_namespace(container, &pids, &count, err);
	for (size_t i = 0; i < count && result == 0; i++)
		result = signal_in_namespace(procfs, pids[i], &wanted, signal, err);
	return result;
}

int container_signal_all(const struct container *container, int signal, struct error *err)
{
	cleanup_cgroup struct cgroup *cgroup = NULL;
	int result = container_load_cgroup(container, &cgroup, err);

	if (result < 0)
		return result;
	return cgroup->count ? cgroup_kill_all(cgroup, signal, err) : signal_namespace(container, signal, err);
}
