/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_calls DIRECTORY: every kind of call on a file system once, so that a server behind it gets every kind of request.
 * Prints what fails and ends with 1 then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static int failures;

#define TRY(call)                                                                            \
	do {                                                                                 \
		if ((long)(call) < 0) {                                                      \
			(void)fprintf(stderr, "fs_calls: " #call ": %s\n", strerror(errno)); \
			failures++;                                                          \
		}                                                                            \
	} while (0)

static void names(void)
{
	char target[64];

	TRY(mkdir("directory", 0700));
	TRY(symlink("elsewhere", "link"));
	TRY(readlink("link", target, sizeof(target)));
	TRY(mknod("pipe", S_IFIFO | 0600, 0));
	TRY(link("file", "second"));
	TRY(rename("second", "third"));
	TRY(renameat2(AT_FDCWD, "third", AT_FDCWD, "file", RENAME_EXCHANGE));
	TRY(unlink("third"));
	TRY(unlink("link"));
	TRY(unlink("pipe"));
	TRY(rmdir("directory"));
}

static void attributes(void)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 2 } };
	struct statvfs file_system;
	struct stat status;
	char text[256];

	TRY(stat("file", &status));
	TRY(statvfs("file", &file_system));
	TRY(chmod("file", 04755));
	TRY(chown("file", 1, 2));
	TRY(utimensat(AT_FDCWD, "file", times, 0));
	TRY(access("file", R_OK | W_OK));
	TRY(truncate("file", 100000));
	TRY(setxattr("file", "user.test", "value", 5, 0));
	TRY(getxattr("file", "user.test", text, sizeof(text)));
	TRY(listxattr("file", text, sizeof(text)));
	TRY(removexattr("file", "user.test"));
}

static void contents(int file)
{
	int other = open("other", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char block[4096] = { 1 };
	off_t from = 0, to = 0;
	void *mapped;

	TRY(other);
	TRY(pwrite(file, block, sizeof(block), 0));
	TRY(lseek(file, 0, SEEK_DATA));
	TRY(lseek(file, 0, SEEK_HOLE));
	TRY(fallocate(other, 0, 0, 65536));
	TRY(copy_file_range(file, &from, other, &to, sizeof(block), 0));
	TRY(fsync(other));
	TRY(fdatasync(other));
	TRY(syncfs(other));
	mapped = mmap(NULL, sizeof(block), PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	TRY(mapped == MAP_FAILED ? -1 : 0);
	if (mapped != MAP_FAILED) {
		memset(mapped, 2, sizeof(block));
		TRY(msync(mapped, sizeof(block), MS_SYNC));
		TRY(munmap(mapped, sizeof(block)));
	}
	TRY(close(other));
	TRY(unlink("other"));
}

static void directory(void)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), unnamed;
	char entries[4096];

	TRY(here);
	TRY(syscall(SYS_getdents64, here, entries, sizeof(entries)));
	TRY(fsync(here));
	TRY(close(here));
	/* A server may know nothing of files without a name. */
	unnamed = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (unnamed >= 0)
		TRY(close(unnamed));
}

/* As somebody else, with somebody else's mask. */
static void as_user(void)
{
	int file;

	(void)umask(077);
	TRY(syscall(SYS_setfsgid, 2));
	TRY(syscall(SYS_setfsuid, 1));
	file = open("users", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	TRY(file);
	/* Without CAP_FSETID by now: a write takes set-user-ID away. */
	TRY(fchmod(file, 04700));
	TRY(write(file, "x", 1));
	TRY(close(file));
	TRY(syscall(SYS_setfsuid, 0));
	TRY(syscall(SYS_setfsgid, 0));
	TRY(unlink("users"));
}

int main(int argc, char **argv)
{
	int file;

	if (argc != 2 || chdir(argv[1]) < 0 || chmod(".", 0777) < 0)
		return 2;
	file = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	TRY(file);
	contents(file);
	names();
	attributes();
	directory();
	as_user();
	TRY(close(file));
	TRY(unlink("file"));
	return failures ? 1 : 0;
}
