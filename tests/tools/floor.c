/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor under every container runtime: the kernel's work for the template bundle and nothing else. One clone with
 * its six namespaces, its group in every cgroup hierarchy, its mounts, devices, links, masked and read-only paths,
 * pivot_root, exec, and everything taken away again. No configuration, no state, no checks, no error but "failed".
 *
 *   floor [--shared-network] ROOTFS PROGRAM
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(call) ((call) >= 0 ? (void)0 : fail(#call))

static const char *const v1[] = { "systemd", "pids", "blkio", "freezer", "devices", "memory", "cpuset", "cpuacct",
	"cpu" };
static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
	"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi",
	"/sys/devices/virtual/tpm" };
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = { { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 },
	{ "tty", 5, 0 } };

static char group[256];
static int shared_network;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *directory, const char *file, const char *text)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, file);
	MUST(fd = open(path, O_WRONLY));
	MUST(write(fd, text, strlen(text)));
	(void)close(fd);
}

/* The name of the group in a v1 hierarchy; false: there is none of that name. */
static int group_in(const char *name, char path[512])
{
	(void)snprintf(path, 512, "/sys/fs/cgroup/%s", name);
	if (access(path, F_OK) < 0)
		return 0;
	(void)snprintf(path, 512, "/sys/fs/cgroup/%s/%s", name, group);
	return 1;
}

static void make_groups(int *into)
{
	char path[512];

	*into = -1;
	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", group);
		MUST(mkdir(path, 0755));
		MUST(*into = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
		return;
	}
	for (size_t i = 0; i < sizeof(v1) / sizeof(*v1); i++) {
		if (!group_in(v1[i], path))
			continue;
		MUST(mkdir(path, 0755));
		if (strcmp(v1[i], "cpuset") == 0) {
			put(path, "cpuset.cpus", "0");
			put(path, "cpuset.mems", "0");
		} else if (strcmp(v1[i], "devices") == 0) {
			put(path, "devices.deny", "a");
			put(path, "devices.allow", "c *:* m");
		}
	}
}

static void remove_groups(void)
{
	char path[512];

	if (access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0) {
		(void)snprintf(path, sizeof(path), "/sys/fs/cgroup/%s", group);
		(void)rmdir(path);
		return;
	}
	for (size_t i = 0; i < sizeof(v1) / sizeof(*v1); i++) {
		if (group_in(v1[i], path))
			(void)rmdir(path);
	}
}

static void join_groups(void)
{
	char path[512];

	for (size_t i = 0; i < sizeof(v1) / sizeof(*v1); i++) {
		if (group_in(v1[i], path))
			put(path, "tasks", "0");
	}
}

static void mount_at(const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	(void)mkdir(target, 0755);
	MUST(mount(source, target, type, flags, data));
}

static void mount_groups(int unified)
{
	char target[64], options[64];
	unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	if (unified) {
		mount_at("cgroup", "sys/fs/cgroup", "cgroup2", flags | MS_RDONLY, NULL);
		return;
	}
	mount_at("tmpfs", "sys/fs/cgroup", "tmpfs", flags, "mode=755");
	for (size_t i = 0; i < sizeof(v1) / sizeof(*v1); i++) {
		char path[512];

		if (!group_in(v1[i], path))
			continue;
		(void)snprintf(target, sizeof(target), "sys/fs/cgroup/%s", v1[i]);
		(void)snprintf(
			options, sizeof(options), "%s%s", strcmp(v1[i], "systemd") == 0 ? "none,name=" : "", v1[i]);
		mount_at("cgroup", target, "cgroup", flags | MS_RDONLY, options);
	}
	MUST(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, NULL));
}

static void make_root(const char *rootfs, int unified)
{
	unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;

	MUST(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	MUST(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
	MUST(chdir(rootfs));
	mount_at("proc", "proc", "proc", 0, NULL);
	mount_at("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	mount_at("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
	mount_at("shm", "dev/shm", "tmpfs", strict, "mode=1777,size=65536k");
	mount_at("mqueue", "dev/mqueue", "mqueue", strict, NULL);
	mount_at("sysfs", "sys", "sysfs", strict | MS_RDONLY, NULL);
	mount_groups(unified);
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		char path[32];

		(void)snprintf(path, sizeof(path), "dev/%s", devices[i].name);
		MUST(mknod(path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)));
	}
	MUST(symlink("/proc/self/fd", "dev/fd"));
	MUST(symlink("/proc/self/fd/0", "dev/stdin"));
	MUST(symlink("/proc/self/fd/1", "dev/stdout"));
	MUST(symlink("/proc/self/fd/2", "dev/stderr"));
	MUST(symlink("pts/ptmx", "dev/ptmx"));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
}

static void restrict_paths(void)
{
	struct stat status;

	for (size_t i = 0; i < sizeof(readonly) / sizeof(*readonly); i++) {
		if (mount(readonly[i], readonly[i], NULL, MS_BIND | MS_REC, NULL) == 0)
			MUST(mount(NULL, readonly[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
	}
	for (size_t i = 0; i < sizeof(masked) / sizeof(*masked); i++) {
		if (stat(masked[i], &status) < 0)
			continue;
		if (S_ISDIR(status.st_mode))
			MUST(mount("tmpfs", masked[i], "tmpfs", MS_RDONLY, "nr_inodes=1"));
		else
			MUST(mount("/dev/null", masked[i], NULL, MS_BIND, NULL));
	}
	MUST(mount(NULL, "/", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL));
}

static void child(char **arguments, int unified)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (!unified)
		join_groups();
	MUST(unshare(CLONE_NEWCGROUP));
	MUST(setsid());
	make_root(arguments[1], unified);
	MUST(sethostname("floor", 5));
	MUST(fd = socket(AF_UNIX, SOCK_DGRAM, 0));
	if (!shared_network)
		MUST(ioctl(fd, SIOCSIFFLAGS, &request));
	restrict_paths();
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	(void)close_range(3, ~0U, 0);
	(void)execv(arguments[2], arguments + 2);
	fail(arguments[2]);
}

int main(int argc, char **argv)
{
	struct clone_args arguments = {
		.flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET, .exit_signal = SIGCHLD
	};
	int into, status;
	pid_t pid;

	if (argc > 1 && strcmp(argv[1], "--shared-network") == 0) {
		arguments.flags &= ~(uint64_t)CLONE_NEWNET;
		shared_network = 1;
		argc--;
		argv++;
	}
	if (argc < 3)
		return 2;
	(void)snprintf(group, sizeof(group), "duet-floor-%d", (int)getpid());
	make_groups(&into);
	if (into >= 0) {
		arguments.flags |= CLONE_INTO_CGROUP;
		arguments.cgroup = (uint64_t)into;
	}
	MUST(pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments)));
	if (pid == 0)
		child(argv, into >= 0);
	(void)waitpid(pid, &status, 0);
	remove_groups();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
