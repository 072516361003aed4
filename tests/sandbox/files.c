/* SPDX-License-Identifier: Apache-2.0 */
/* Files that lead outside, and files that give rights. CANARY is the path of a file of the host that nobody may read,
 * SECRET what stands in it. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define ORDINARY_USER 1000
#define HANDLE_BYTES  128

static void copy_self(const char *to)
{
	int from_fd = open("/proc/self/exe", O_RDONLY), to_fd = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	char buffer[65536];
	ssize_t count;

	while ((count = read(from_fd, buffer, sizeof(buffer))) > 0)
		(void)write(to_fd, buffer, (size_t)count);
	(void)close(from_fd);
	(void)close(to_fd);
}

/* Status of the program as an ordinary user. */
static int run_as_user(const char *program, const char *verb)
{
	int status = 0;

	(void)fflush(stdout);
	if (fork() == 0) {
		if (setgid(ORDINARY_USER) < 0 || setuid(ORDINARY_USER) < 0)
			_exit(0);
		(void)execl(program, program, verb, NULL);
		_exit(0);
	}
	(void)wait(&status);
	return WEXITSTATUS(status);
}

static int am_i_root(void)
{
	must_not("user 0 by a set-user-ID program", geteuid() == 0);
	return verdict();
}

static int am_i_capable(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	extern int capget(cap_user_header_t, cap_user_data_t);

	(void)capget(&header, data);
	must_not("a capability by a program's file", data[0].permitted || data[1].permitted);
	return verdict();
}

static int setuid_user(void)
{
	copy_self("./setuid");
	if (chown("./setuid", 0, 0) < 0 || chmod("./setuid", 06755) < 0)
		printf("no set-user-ID program can be made: %s\n", strerrorname_np(errno));
	return run_as_user("./setuid", "am-i-root");
}

static int file_capability_user(void)
{
	struct vfs_cap_data data = { .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = 0xffffffff,
		.data[1].permitted = 0xffffffff };

	copy_self("./capable");
	if (setxattr("./capable", "security.capability", &data, XATTR_CAPS_SZ_2, 0) < 0)
		printf("no program with capabilities can be made: %s\n", strerrorname_np(errno));
	return run_as_user("./capable", "am-i-capable");
}

static void look(const char *path)
{
	const char *secret = getenv("SECRET");
	char text[256] = "";
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	(void)read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	must_not(path, secret && strstr(text, secret));
}

static int link_farm(void)
{
	static const char *const roads[] = { "", "/proc/1/root", "/proc/self/root", "/proc/1/cwd/../../..",
		"/proc/thread-self/root", "../../../../../../../..", "/proc/1/fd/3", "/proc/1/fd/4",
		"/proc/self/fd/3/..", "/proc/self/cwd/../../../../..", "/dev/fd/../..", "/proc/1/task/1/root", NULL };
	const char *canary = getenv("CANARY");
	char path[512], name[32];

	for (int i = 0; roads[i]; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", roads[i], canary);
		(void)snprintf(name, sizeof(name), "road-%d", i);
		look(path);
		(void)symlink(path, name);
		look(name);
		(void)snprintf(name, sizeof(name), "hard-%d", i);
		(void)link(path, name);
		look(name);
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "farm-%d", i);
		(void)symlink(canary, name);
	}
	/* For whoever follows what is left here. */
	(void)unlink("file");
	(void)symlink(canary, "file");
	return verdict();
}

static int outside_writer(void)
{
	static const char *const targets[] = { "/etc/passwd", "/usr/bin/env", "/bin/sh", "/etc/ld.so.preload", NULL };

	/* Allowed, in a layer of its own: the host's must stay as they are, which the test looks at. */
	for (int i = 0; targets[i]; i++) {
		int fd = open(targets[i], O_WRONLY | O_CREAT | O_TRUNC, 0644);

		if (fd >= 0)
			(void)write(fd, "owned", 5);
	}
	return 0;
}

static int device_writer(void)
{
	const struct {
		const char *name;
		mode_t kind;
		dev_t device;
	} devices[] = {
		{ "memory", S_IFCHR, makedev(1, 1) },
		{ "ports", S_IFCHR, makedev(1, 4) },
		{ "log", S_IFCHR, makedev(1, 11) },
		{ "terminal", S_IFCHR, makedev(4, 0) },
		{ "kvm", S_IFCHR, makedev(10, 232) },
		{ "fuse", S_IFCHR, makedev(10, 229) },
		{ "disk", S_IFBLK, makedev(8, 0) },
		{ "virtio-disk", S_IFBLK, makedev(254, 0) },
		{ "nvme", S_IFBLK, makedev(259, 0) },
		{ "loop", S_IFBLK, makedev(7, 0) },
	};
	static const char *const places[] = { ".", "/tmp", "/dev", "/dev/shm" };
	char path[64];

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices) * 4; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", places[i % 4], devices[i / 4].name);
		if (mknod(path, devices[i / 4].kind | 0666, devices[i / 4].device) < 0)
			continue;
		must_fail(path, open(path, O_RDONLY | O_NONBLOCK));
		must_fail(path, open(path, O_WRONLY | O_NONBLOCK));
	}
	must_fail("/dev/mem", open("/dev/mem", O_RDONLY));
	must_fail("/dev/kvm", open("/dev/kvm", O_RDWR));
	must_fail("/dev/kmsg", open("/dev/kmsg", O_WRONLY));
	must_fail("/dev/fuse", open("/dev/fuse", O_RDWR));
	return verdict();
}

/* Things on which a careless reader of the work directory hangs. */
static int planter(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket" };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)mkfifo("fifo", 0666);
	(void)bind(fd, (struct sockaddr *)&address, sizeof(address));
	(void)mkdir("closed", 0);
	(void)close(open("sparse", O_WRONLY | O_CREAT, 0600));
	(void)truncate("sparse", 1LL << 40);
	(void)symlink(".", "loop");
	(void)close(open("\n-rf *\t\033[31m\xff", O_WRONLY | O_CREAT, 0));
	return 0;
}

/* By the number of an inode instead of its name: CVE-2014-3519 and its kind. */
static int handle_opener(void)
{
	char space[sizeof(struct file_handle) + HANDLE_BYTES];
	struct file_handle *handle = (struct file_handle *)space;
	int root = open("/", O_RDONLY | O_DIRECTORY);

	memset(space, 0, sizeof(space));
	handle->handle_bytes = 8;
	handle->handle_type = 1;
	handle->f_handle[0] = 2;
	must_fail("open_by_handle_at", open_by_handle_at(root, handle, O_RDONLY));
	must_fail("open_by_handle_at", open_by_handle_at(AT_FDCWD, handle, O_PATH));
	return verdict();
}

const struct verb file_verbs[] = {
	{ "am-i-root", am_i_root },
	{ "am-i-capable", am_i_capable },
	{ "setuid-user", setuid_user },
	{ "file-capability-user", file_capability_user },
	{ "link-farm", link_farm },
	{ "outside-writer", outside_writer },
	{ "device-writer", device_writer },
	{ "planter", planter },
	{ "handle-opener", handle_opener },
	{ NULL, NULL },
};
