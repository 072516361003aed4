/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   trace SECONDS
 *
 * Inside a container: tries to get hold of every process that appears in its pid namespace, by ptrace(2), its memory,
 * its descriptors and its directories, before it has become a process of the image (CVE-2016-9962). Writes to /result
 * "CAUGHT" and how, or "N processes came by, none was caught".
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX 4096

static void __attribute__((format(printf, 1, 2), noreturn)) end(const char *format, ...)
{
	FILE *result = fopen("/result", "w");
	va_list arguments;

	va_start(arguments, format);
	if (result)
		vfprintf(result, format, arguments);
	va_end(arguments);
	exit(0);
}

/* 1: it executes a program of the image; 0: it executes something else; -1: that cannot be seen. */
static int is_of_image(int pid)
{
	char path[64], program[PATH_MAX];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	length = readlink(path, program, sizeof(program) - 1);
	if (length < 0)
		return -1;
	program[length] = '\0';
	return strncmp(program, "/bin/", 5) == 0;
}

/* Whoever was let in has to find the runtime there: a process of the image may be looked at by its own kind. */
static void caught(int pid, const char *how)
{
	if (is_of_image(pid) == 0)
		end("CAUGHT process %d by %s\n", pid, how);
}

static void try_files(int pid)
{
	static const char *const files[] = { "mem", "root", "cwd", "fd/3", "fd/4", "fd/5", "fd/6", "fd/7", "fd/8",
		"environ", "ns/mnt" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char path[64];
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i]);
		fd = open(path, O_RDONLY | O_NONBLOCK);
		if (fd < 0)
			continue;
		caught(pid, files[i]);
		close(fd);
	}
}

static void try_descriptors(int pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	for (int fd = 0; fd < 12 && pidfd >= 0; fd++) {
		int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);

		if (copy < 0)
			continue;
		caught(pid, "pidfd_getfd");
		close(copy);
	}
	if (pidfd >= 0)
		close(pidfd);
}

static void try_trace(int pid)
{
	if (ptrace(PTRACE_SEIZE, pid, 0, 0) < 0)
		return;
	(void)ptrace(PTRACE_INTERRUPT, pid, 0, 0);
	caught(pid, "ptrace");
	(void)waitpid(pid, NULL, __WALL);
	caught(pid, "ptrace");
	(void)ptrace(PTRACE_DETACH, pid, 0, 0);
}

int main(int argc, char **argv)
{
	static bool known[PIDS_MAX];
	unsigned int seen = 0;
	time_t until;

	if (argc != 2)
		return 2;
	until = time(NULL) + atoi(argv[1]);
	for (int pid = 0; pid <= getpid(); pid++)
		known[pid] = true;
	while (time(NULL) < until && access("/enough", F_OK) < 0) {
		for (int pid = 2; pid < PIDS_MAX; pid++) {
			if (known[pid] || kill(pid, 0) < 0)
				continue;
			seen++;
			known[pid] = true;
			while (is_of_image(pid) != 1 && kill(pid, 0) == 0) {
				try_trace(pid);
				try_files(pid);
				try_descriptors(pid);
			}
		}
	}
	end("%u processes came by, none was caught\n", seen);
}
