/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What --disk limits: a tmpfs, or an ext4 of that size in a file beside the work directory's files. That file has no
 * name and its loop device goes with the mount, so that nothing of either is left, however the sandbox ends.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/helper_program.h"
#include "base/log.h"
#include "sandbox/image.h"
#include "sandbox/internal.h"

/* So many files may be there: a file costs the kernel memory even when it is empty. */
#define BYTES_A_FILE 4096
#define FILES_MIN    16384

#define FEATURES "^has_journal,^resize_inode"

static uint64_t files_of(uint64_t size_bytes)
{
	return size_bytes / BYTES_A_FILE > FILES_MIN ? size_bytes / BYTES_A_FILE : FILES_MIN;
}

static int mount_tmpfs(struct sandbox *sandbox, struct error *err)
{
	uint64_t size = sandbox->settings->disk_bytes;
	cleanup_free char *options =
		size == SANDBOX_UNLIMITED
			? xstrdup("mode=0755,size=100%")
			: xprintf("mode=0755,size=%" PRIu64 ",nr_inodes=%" PRIu64, size, files_of(size));

	if (mount("sandbox", sandbox->scratch, "tmpfs", MS_NODEV, options) < 0)
		return error_set(err, errno, "mount a tmpfs for the sandbox");
	return 0;
}

/* Not to be kept over a crash of the host: no journal, nothing zeroed before it is needed. */
static int make_file_system(int file, uint64_t size_bytes, struct error *err)
{
	char complaint[256];
	char *const arguments[] = { (char[]){ "mkfs.ext4" }, (char[]){ "-q" }, (char[]){ "-F" }, (char[]){ "-m" },
		(char[]){ "0" }, (char[]){ "-O" }, (char[]){ FEATURES }, (char[]){ "-i" }, (char[]){ "16384" },
		(char[]){ "-E" }, (char[]){ "nodiscard,lazy_itable_init=1" }, (char[]){ "/dev/stdin" }, NULL };
	int result;

	if (ftruncate(file, (off_t)size_bytes) < 0)
		return error_set(
			err, errno, "make a file of %" PRIu64 " bytes beside the work directory's", size_bytes);
	result = helper_program_run(arguments, file, complaint, sizeof(complaint));
	if (result == -EPERM)
		return error_set(err, -EIO, "make the sandbox's disk with mkfs.ext4: %s",
			complaint[0] ? complaint : "it failed");
	return result < 0 ? error_set(err, result, "run mkfs.ext4 (Debian package e2fsprogs)") : 0;
}

static int remove_lost_and_found(const char *path, struct error *err)
{
	cleanup_fd int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory >= 0 && unlinkat(directory, "lost+found", AT_REMOVEDIR) == 0)
		return 0;
	(void)error_set(err, errno, "prepare the sandbox's disk");
	(void)umount2(path, MNT_DETACH);
	return -err->code;
}

static int mount_file(struct sandbox *sandbox, struct error *err)
{
	uint64_t size = sandbox->settings->disk_bytes;
	cleanup_fd int file = -EBADF;
	struct statfs status;
	int result;

	if (sandbox->rootless)
		return error_set(err, -EPERM, "--disk-kind file: only root can mount a file system");
	if (size == SANDBOX_UNLIMITED)
		return error_set(err, -EINVAL, "--disk-kind file: --disk has to say how large");
	file = open(sandbox->workdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (file < 0)
		return error_set(err, errno, "make a file without a name in the work directory's file system");
	if (fstatfs(file, &status) < 0)
		return error_set(err, errno, "look at the work directory's file system");
	if (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC)
		return error_set(
			err, -EINVAL, "--disk-kind file: the work directory's file system is in memory itself");
	result = make_file_system(file, size, err);
	if (result == 0)
		result = loop_mount_disk(file, sandbox->scratch, err);
	if (result == 0)
		result = remove_lost_and_found(sandbox->scratch, err);
	if (result == 0)
		sandbox->result.disk_is_file = true;
	return result;
}

/* A tmpfs larger than the memory that may be used would end the command before it is full. */
static bool is_better_a_file(const struct sandbox_settings *settings)
{
	return settings->disk_bytes != SANDBOX_UNLIMITED && settings->memory_bytes != SANDBOX_UNLIMITED &&
	       settings->disk_bytes > settings->memory_bytes;
}

int disk_mount(struct sandbox *sandbox, struct error *err)
{
	const char *kind = sandbox->settings->disk_kind;
	struct error why;

	if (strcmp(kind, "file") == 0)
		return mount_file(sandbox, err);
	if (strcmp(kind, "auto") == 0 && !sandbox->rootless && is_better_a_file(sandbox->settings)) {
		if (mount_file(sandbox, &why) == 0)
			return 0;
		log_info("--disk is in memory: %s", why.message);
	}
	return mount_tmpfs(sandbox, err);
}
