/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at every process that appears in this pid namespace, as fast as it can, and writes down what it could see of
 * the host:
 *
 *   spy RESULT STOP [PATH]
 *
 * Until the file STOP appears: for each process but itself and the first one, the mount namespace it is in, the links
 * of its root, working directory and descriptors; with PATH, which only the host has, whether that can be reached
 * through any of these, as it is for processes that have a root and mounts of their own. RESULT gets a line for each
 * thing that a process of a container must not have, and at the end the number of processes that were seen.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *result;
static ino_t own_mounts;
static dev_t own_root_device;
static ino_t own_root;

static int last_seen, seen;
static const char *wanted; /* PATH */

static void reach_for_host(int pid, const char *what)
{
	static const char *const climbs[] = { "", "/../../../../../../.." };

	for (size_t i = 0; i < sizeof(climbs) / sizeof(climbs[0]); i++) {
		char path[512];

		(void)snprintf(path, sizeof(path), "/proc/%d/%s%s%s", pid, what, climbs[i], wanted);
		if (access(path, F_OK) == 0)
			fprintf(result, "the host can be reached by %s\n", path);
	}
}

static void look_at_descriptor(int pid, const char *name)
{
	char path[300], link[256];
	struct stat status;
	ssize_t length;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, name);
	if (wanted) {
		char what[300];

		(void)snprintf(what, sizeof(what), "fd/%s", name);
		reach_for_host(pid, what);
		return;
	}
	length = readlink(path, link, sizeof(link) - 1);
	if (length <= 0)
		return;
	link[length] = '\0';
	/* A directory other than our own root, or a control group's file, is a way out; streams, sockets and the file
	 * of standard output are not. */
	if (stat(path, &status) < 0 || (status.st_dev == own_root_device && status.st_ino == own_root))
		return;
	if (S_ISDIR(status.st_mode) || strstr(link, "tasks") || strstr(link, "cgroup"))
		fprintf(result, "descriptor %s of process %d is %s\n", name, pid, link);
}

static void look_at_descriptors(int pid)
{
	char path[64];
	struct dirent *entry;
	DIR *directory;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	directory = opendir(path);
	while (directory && (entry = readdir(directory))) {
		if (entry->d_name[0] != '.')
			look_at_descriptor(pid, entry->d_name);
	}
	if (directory)
		(void)closedir(directory);
}

static void look_at_process(int pid)
{
	char path[64];
	struct stat status;

	if (wanted) {
		reach_for_host(pid, "root");
		reach_for_host(pid, "cwd");
	}
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (!wanted && stat(path, &status) == 0 && status.st_ino != own_mounts)
		fprintf(result, "process %d is in another mount namespace\n", pid);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", pid);
	if (!wanted && stat(path, &status) == 0 && (status.st_ino != own_root || status.st_dev != own_root_device))
		fprintf(result, "process %d has another root\n", pid);
	look_at_descriptors(pid);
	if (pid > last_seen) {
		last_seen = pid;
		seen++;
	}
}

static void look_at_processes(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		int pid = atoi(entry->d_name);

		if (pid > 1 && pid != getpid())
			look_at_process(pid);
	}
	if (directory)
		(void)closedir(directory);
}

int main(int argc, char **argv)
{
	struct stat status;

	if (argc < 3 || argc > 4 || !(result = fopen(argv[1], "w")))
		return 2;
	wanted = argv[3];
	if (stat("/proc/self/ns/mnt", &status) == 0)
		own_mounts = status.st_ino;
	if (stat("/", &status) == 0) {
		own_root = status.st_ino;
		own_root_device = status.st_dev;
	}
	fprintf(result, "begun\n");
	(void)fflush(result);
	while (access(argv[2], F_OK) < 0)
		look_at_processes();
	fprintf(result, "%d processes seen\n", seen);
	return fclose(result) == 0 ? 0 : 1;
}
