/* SPDX-License-Identifier: Apache-2.0 */
/* Files through which a kernel or its devices can be read or changed. What can be opened is not used, but for values
 * that are written back as they are. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bench/probe/probe.h"

#define NODE "/dev/duet-node"

/* Masked files are empty ones in their place. */
static void read_some(struct trial *trial, const char *path)
{
	long fd = TRY(trial, SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char bytes[64];

	if (fd < 0)
		return;
	if (TRY(trial, SYS_read, fd, bytes, sizeof(bytes)) == 0) {
		trial->outcome = "refused";
		trial_detail(trial, "it is empty");
	}
	(void)close((int)fd);
}

static void open_node(struct trial *trial, mode_t type, unsigned major_number, unsigned minor_number, int flags)
{
	if (TRY(trial, SYS_mknodat, AT_FDCWD, NODE, type | 0600, makedev(major_number, minor_number)) < 0) {
		trial_detail(trial, "making the node: %s", strerror(trial->error));
		return;
	}
	trial_open(trial, NODE, flags);
	if (trial->error)
		trial_detail(trial, "opening the node: %s", strerror(trial->error));
	(void)unlink(NODE);
}

void trial_write_back(struct trial *trial, const char *path)
{
	char value[4096];
	int length = read_text(path, value, sizeof(value));
	long fd;

	if (length < 0)
		return trial_open(trial, path, O_WRONLY);
	fd = TRY(trial, SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)TRY(trial, SYS_write, fd, value, length);
	(void)close((int)fd);
}

static void try_dev_mem(struct trial *trial)
{
	open_node(trial, S_IFCHR, 1, 1, O_RDONLY);
}

static void try_kcore(struct trial *trial)
{
	read_some(trial, "/proc/kcore");
}

static void try_kernel_messages(struct trial *trial)
{
	open_node(trial, S_IFCHR, 1, 11, O_RDONLY | O_NONBLOCK);
}

static void try_sysctl(struct trial *trial)
{
	trial_write_back(trial, "/proc/sys/vm/swappiness");
}

static void try_sysrq(struct trial *trial)
{
	trial_open(trial, "/proc/sysrq-trigger", O_WRONLY);
}

static void try_kvm(struct trial *trial)
{
	open_node(trial, S_IFCHR, 10, 232, O_RDWR);
}

/* The first that the kernel lists. */
static void try_block_device(struct trial *trial)
{
	FILE *stream = fopen("/proc/partitions", "re");
	unsigned major_number, minor_number;
	char line[200], name[100] = "";

	while (stream && !name[0] && fgets(line, sizeof(line), stream)) {
		if (sscanf(line, "%u %u %*u %99s", &major_number, &minor_number, name) != 3)
			name[0] = '\0';
	}
	if (stream)
		(void)fclose(stream);
	if (!name[0])
		return trial_absent(trial, "the kernel lists no disk");
	open_node(trial, S_IFBLK, major_number, minor_number, O_RDONLY);
	if (!trial->error)
		trial_detail(trial, "%.60s", name);
}

static void try_firmware(struct trial *trial)
{
	read_some(trial, "/sys/firmware/dmi/tables/DMI");
}

const struct attempt file_attempts[] = {
	{ "dev-mem", try_dev_mem },
	{ "kcore", try_kcore },
	{ "kernel-messages", try_kernel_messages },
	{ "sysctl", try_sysctl },
	{ "sysrq", try_sysrq },
	{ "kvm", try_kvm },
	{ "block-device", try_block_device },
	{ "firmware", try_firmware },
	{ 0 },
};
