/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs_random DIRECTORY SEED COUNT: makes COUNT calls on a file system that a seed decides, as several users, and prints
 * one line for each: what was asked, what came back, and what the file looks like afterwards. The same seed on two file
 * systems that behave alike prints the same; DIRECTORY has to be empty, and belongs to the program alone.
 *
 * What two runs cannot agree in is left out: inode numbers, sizes of directories, numbers of blocks, times that are not
 * set by a call (those are below TIME_SET_MAX and printed; all others are "now"), the time of access but where it was
 * just set, the order of names in a directory. O_TMPFILE, which virtio-fs has from Linux 6.2 on, is not asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#define FILES        6
#define TIME_SET_MAX 100000000
#define BLOCK_MAX    20000
#define OFFSET_MAX   60000
#define NAMES_MAX    64

static uint64_t state;
static int files[FILES];
static unsigned char block[BLOCK_MAX];

static uint32_t draw(uint32_t below)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (uint32_t)((state * 2685821657736338717ULL) >> 33) % below;
}

/* One of ten or so, where the rare one is worth a visit. */
static bool rarely(void)
{
	return draw(12) == 0;
}

/* What a name is most often used for: else nearly everything would be the wrong kind of thing. */
enum use { ANY, FILE_NAME, DIRECTORY_NAME };

static const char *draw_name(enum use use)
{
	static const char *const names[] = { "a", "b", "c", "d", "p", "q", "r", "l" };

	if (use == ANY || rarely())
		return names[draw(8)];
	return use == FILE_NAME ? names[draw(4)] : names[4 + draw(3)];
}

static void draw_path_for(enum use use, char *path, size_t size)
{
	static const char *const directories[] = { "p", "q", "r", "p/q", "p/r", "q/p", "l", "p/..", "a", "." };
	char *end = path + size;

	path[0] = '\0';
	if (draw(3))
		path += snprintf(path, size, "%s/", directories[draw(rarely() ? 10 : 6)]);
	if (draw(150) == 0) {
		/* The longest name that there is, or one longer. */
		size_t length = 255 + draw(2);

		memset(path, 'n', length);
		path[length] = '\0';
		return;
	}
	(void)snprintf(path, (size_t)(end - path), "%s%s", draw_name(use), rarely() && rarely() ? "/" : "");
}

static void draw_path(char *path, size_t size)
{
	draw_path_for(ANY, path, size);
}

static int draw_file(void)
{
	return files[draw(FILES)];
}

static mode_t draw_mode(void)
{
	return rarely() ? draw(010000) : draw(01000) | 0600;
}

/* ---- what is printed ---- */

static void say_result(long result)
{
	if (result < 0)
		printf(" = %s", strerrorname_np(errno));
	else
		printf(" = %ld", result);
}

static void say_time(char what, const struct timespec *time)
{
	if (time->tv_sec < TIME_SET_MAX)
		printf(" %c%lld.%09ld", what, (long long)time->tv_sec, time->tv_nsec);
	else
		printf(" %cnow", what);
}

static void say_status(const struct stat *status, bool accessed)
{
	printf(" [%o x%lu %u:%u", status->st_mode, (unsigned long)status->st_nlink, status->st_uid, status->st_gid);
	if (S_ISREG(status->st_mode) || S_ISLNK(status->st_mode))
		printf(" %lld", (long long)status->st_size);
	if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
		printf(" %u,%u", major(status->st_rdev), minor(status->st_rdev));
	/* What goes through a pipe never comes to the file system. */
	if (!S_ISFIFO(status->st_mode))
		say_time('m', &status->st_mtim);
	/* A link is read by whoever goes through it, its own path included. */
	if (accessed && !S_ISLNK(status->st_mode))
		say_time('a', &status->st_atim);
	printf("]");
}

static void say_path(const char *path, bool accessed)
{
	struct stat status;

	if (lstat(path, &status) == 0)
		say_status(&status, accessed);
	else
		printf(" [%s]", strerrorname_np(errno));
}

static void say_file(int fd, bool accessed)
{
	struct stat status;

	if (fstat(fd, &status) == 0)
		say_status(&status, accessed);
}

static void say_bytes(const void *bytes, ssize_t length)
{
	const unsigned char *next = bytes;
	uint32_t hash = 2166136261U;

	for (ssize_t i = 0; i < length; i++)
		hash = (hash ^ next[i]) * 16777619U;
	if (length > 0)
		printf(" #%08x", hash);
}

/* ---- calls on files that are open ---- */

static void call_open(void)
{
	static const int ways[] = { O_RDONLY, O_WRONLY, O_RDWR, O_RDWR };
	static const int extras[] = { O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_TRUNC, O_PATH, O_SYNC };
	int flags = ways[draw(4)] | (draw(3) ? O_CREAT : 0) | (draw(3) ? 0 : extras[draw(8)]), slot = (int)draw(FILES),
	    fd;
	mode_t mode = draw_mode();
	char path[600];

	draw_path_for(FILE_NAME, path, sizeof(path));
	fd = open(path, flags | O_NONBLOCK | O_CLOEXEC, mode);
	printf("open(%s, %x, %o)", path, flags, mode);
	say_result(fd < 0 ? -1 : 0);
	if (fd < 0)
		return;
	say_file(fd, false);
	if (files[slot] >= 0)
		(void)close(files[slot]);
	files[slot] = fd;
}

static void call_close(void)
{
	int slot = (int)draw(FILES);

	printf("close(%d)", slot);
	if (draw(3)) {
		printf(" passed over");
		return;
	}
	say_result(close(files[slot]));
	files[slot] = -1;
}

static void call_read(void)
{
	size_t length = draw(BLOCK_MAX);
	off_t offset = draw(OFFSET_MAX);
	int fd = draw_file();
	bool at = draw(2);
	ssize_t got = at ? pread(fd, block, length, offset) : read(fd, block, length);

	printf("%s(%zu, %lld)", at ? "pread" : "read", length, (long long)offset);
	say_result(got);
	say_bytes(block, got);
}

static void call_write(void)
{
	size_t length = draw(rarely() ? BLOCK_MAX : 700);
	off_t offset = draw(OFFSET_MAX);
	int fd = draw_file();
	bool at = draw(2);
	ssize_t put;

	for (size_t i = 0; i < length; i++)
		block[i] = (unsigned char)(state >> (i % 7) * 8);
	put = at ? pwrite(fd, block, length, offset) : write(fd, block, length);
	printf("%s(%zu, %lld)", at ? "pwrite" : "write", length, (long long)offset);
	say_result(put);
	say_file(fd, false);
}

static void call_seek(void)
{
	static const int whences[] = { SEEK_SET, SEEK_CUR, SEEK_END };
	int fd = draw_file(), whence = whences[draw(3)];
	struct stat status;
	off_t offset = (off_t)draw(OFFSET_MAX) - (whence == SEEK_SET && !rarely() ? 0 : OFFSET_MAX / 2);

	printf("lseek(%lld, %d)", (long long)offset, whence);
	/* What a place in a directory is, every file system decides for itself. */
	if (fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
		printf(" passed over");
		return;
	}
	say_result(lseek(fd, offset, whence));
}

static void call_truncate(void)
{
	off_t length = (off_t)draw(OFFSET_MAX) - (rarely() ? 2000 : 0);
	char path[600];
	int fd = draw_file();

	if (draw(2)) {
		printf("ftruncate(%lld)", (long long)length);
		say_result(ftruncate(fd, length));
		say_file(fd, false);
		return;
	}
	draw_path(path, sizeof(path));
	printf("truncate(%s, %lld)", path, (long long)length);
	say_result(truncate(path, length));
	say_path(path, false);
}

static void call_allocate(void)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE };
	int mode = modes[draw(3)], fd = draw_file();
	off_t offset = (off_t)draw(OFFSET_MAX) - (rarely() ? 100 : 0), length = draw(OFFSET_MAX);

	printf("fallocate(%x, %lld, %lld)", (unsigned)mode, (long long)offset, (long long)length);
	say_result(fallocate(fd, mode, offset, length));
	say_file(fd, false);
}

static void call_copy(void)
{
	off_t from = draw(OFFSET_MAX), to = draw(OFFSET_MAX);
	int source = draw_file(), target = draw_file();
	size_t length = draw(BLOCK_MAX);

	printf("copy_file_range(%lld, %lld, %zu)", (long long)from, (long long)to, length);
	say_result(copy_file_range(source, &from, target, &to, length, 0));
	say_file(target, false);
}

static void call_map(void)
{
	int fd = draw_file();
	struct stat status;
	unsigned char *mapped;

	printf("mmap()");
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
		printf(" passed over");
		return;
	}
	mapped = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say_result(mapped == MAP_FAILED ? -1 : 0);
	if (mapped == MAP_FAILED)
		return;
	say_bytes(mapped, status.st_size);
	mapped[draw((uint32_t)status.st_size)]++;
	say_result(msync(mapped, (size_t)status.st_size, MS_SYNC));
	(void)munmap(mapped, (size_t)status.st_size);
}

static void call_sync(void)
{
	int fd = draw_file();

	printf("fsync()");
	say_result(draw(2) ? fsync(fd) : fdatasync(fd));
	say_file(fd, false);
}

/* ---- calls on names ---- */

static void call_make(void)
{
	static const mode_t kinds[] = { S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR };
	static const char *const targets[] = { "a", "p", "p/b", "nowhere", ".", "l", "q/../a", "" };
	mode_t mode = draw_mode(), kind = kinds[draw(4)];
	const char *target = targets[draw(8)];
	uint32_t what = draw(5);
	char path[600];

	draw_path_for(what < 2 ? FILE_NAME : DIRECTORY_NAME, path, sizeof(path));
	if (what == 0) {
		printf("mknod(%s, %o)", path, kind | mode);
		say_result(mknod(path, kind | mode, kind == S_IFCHR ? makedev(1, 3) : 0));
	} else if (what == 1) {
		printf("symlink(%s, %s)", target, path);
		say_result(symlink(target, path));
	} else {
		printf("mkdir(%s, %o)", path, mode);
		say_result(mkdir(path, mode));
	}
	say_path(path, false);
}

static void call_remove(void)
{
	char path[600];
	bool directory = draw(3) == 0;

	draw_path(path, sizeof(path));
	printf("%s(%s)", directory ? "rmdir" : "unlink", path);
	say_result(directory ? rmdir(path) : unlink(path));
	say_path(path, false);
}

static void call_rename(void)
{
	static const unsigned kinds[] = { 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE };
	unsigned flags = kinds[draw(4)];
	char from[600], to[600];

	draw_path(from, sizeof(from));
	draw_path(to, sizeof(to));
	printf("renameat2(%s, %s, %u)", from, to, flags);
	say_result(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
	say_path(from, false);
	say_path(to, false);
}

static void call_link(void)
{
	char from[600], to[600];
	bool follow = draw(2);

	draw_path(from, sizeof(from));
	draw_path(to, sizeof(to));
	printf("linkat(%s, %s, %d)", from, to, follow);
	say_result(linkat(AT_FDCWD, from, AT_FDCWD, to, follow ? AT_SYMLINK_FOLLOW : 0));
	say_path(to, false);
}

static void call_look(void)
{
	char path[600], target[100];
	int mode = (int)draw(8);
	ssize_t length;

	draw_path(path, sizeof(path));
	if (draw(2)) {
		printf("readlink(%s)", path);
		length = readlink(path, target, sizeof(target));
		say_result(length);
		say_bytes(target, length);
		return;
	}
	printf("faccessat(%s, %d)", path, mode);
	say_result(faccessat(AT_FDCWD, path, mode, AT_EACCESS));
	say_path(path, false);
}

static int compare_names(const void *left, const void *right)
{
	return strcmp(left, right);
}

static void call_list(void)
{
	char path[600], names[NAMES_MAX][260];
	struct dirent *entry;
	size_t count = 0;
	DIR *directory;

	draw_path(path, sizeof(path));
	directory = opendir(path);
	printf("readdir(%s)", path);
	say_result(directory ? 0 : -1);
	if (!directory)
		return;
	while (count < NAMES_MAX && (entry = readdir(directory)))
		(void)snprintf(names[count++], sizeof(names[0]), "%u%s", entry->d_type, entry->d_name);
	(void)closedir(directory);
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++)
		printf(" %s", names[i]);
}

/* ---- calls on attributes ---- */

static void call_change_mode(void)
{
	mode_t mode = draw_mode();
	char path[600];
	int fd = draw_file();

	if (draw(2)) {
		printf("fchmod(%o)", mode);
		say_result(fchmod(fd, mode));
		say_file(fd, false);
		return;
	}
	draw_path(path, sizeof(path));
	printf("chmod(%s, %o)", path, mode);
	say_result(chmod(path, mode));
	say_path(path, false);
}

/* To nothing by whom it does not belong to: EPERM with set-user-ID, but FUSE has no word for it. */
static void call_change_owner(void)
{
	static const unsigned ids[] = { 0, 1000, 1001, (unsigned)-1 };
	unsigned uid = ids[draw(4)], gid = ids[draw(geteuid() == 0 || uid != (unsigned)-1 ? 4 : 3)];
	char path[600];
	int fd = draw_file();

	if (draw(2)) {
		printf("fchown(%d, %d)", (int)uid, (int)gid);
		say_result(fchown(fd, uid, gid));
		say_file(fd, false);
		return;
	}
	draw_path(path, sizeof(path));
	printf("lchown(%s, %d, %d)", path, (int)uid, (int)gid);
	say_result(lchown(path, uid, gid));
	say_path(path, false);
}

static struct timespec draw_time(void)
{
	static const long special[] = { UTIME_NOW, UTIME_OMIT };

	if (draw(4) == 0)
		return (struct timespec){ .tv_nsec = special[draw(2)] };
	return (struct timespec){ .tv_sec = draw(TIME_SET_MAX), .tv_nsec = draw(1000000000) };
}

static void call_set_times(void)
{
	const struct timespec times[2] = { draw_time(), draw_time() };
	bool accessed = times[0].tv_nsec != UTIME_OMIT, follow = draw(2);
	char path[600];
	int fd = draw_file(), result;

	if (draw(2)) {
		result = futimens(fd, times);
		printf("futimens()");
		say_result(result);
		say_file(fd, accessed && result == 0);
		return;
	}
	draw_path(path, sizeof(path));
	result = utimensat(AT_FDCWD, path, times, follow ? 0 : AT_SYMLINK_NOFOLLOW);
	printf("utimensat(%s, %d)", path, follow);
	say_result(result);
	say_path(path, accessed && result == 0 && !follow);
}

static void call_attribute(void)
{
	static const char *const names[] = { "user.one", "user.two", "user.", "user.three", "unknown.x" };
	const char *name = names[draw(5)];
	size_t length = draw(300);
	uint32_t what = draw(4), flags = draw(3);
	char path[600], value[400];
	ssize_t result;

	draw_path(path, sizeof(path));
	memset(value, (int)length, sizeof(value));
	printf("xattr %u(%s, %s, %zu, %u)", what, path, name, length, flags);
	if (what == 0)
		result = lsetxattr(path, name, value, length, (int)flags);
	else if (what == 1)
		result = lgetxattr(path, name, value, length);
	else if (what == 2)
		result = lremovexattr(path, name);
	else
		result = llistxattr(path, value, sizeof(value));
	say_result(result);
	if (what == 1)
		say_bytes(value, length ? result : 0);
	say_path(path, false);
}

/* ---- the program ---- */

static void become(unsigned uid, unsigned gid)
{
	if (seteuid(0) < 0 || setegid(gid) < 0 || seteuid(uid) < 0) {
		perror("fs_random: become another user");
		exit(2);
	}
}

static void step(unsigned number)
{
	static void (*const calls[])(void) = { call_open, call_open, call_open, call_close, call_read, call_read,
		call_write, call_write, call_write, call_seek, call_truncate, call_allocate, call_copy, call_map,
		call_sync, call_make, call_make, call_make, call_remove, call_rename, call_rename, call_link, call_look,
		call_look, call_list, call_change_mode, call_change_owner, call_set_times, call_set_times,
		call_attribute, call_attribute };
	static const unsigned users[][2] = { { 0, 0 }, { 0, 0 }, { 1000, 1000 }, { 1001, 1000 }, { 1000, 1001 } };
	static const mode_t masks[] = { 0, 022, 027, 077 };
	uint32_t user = draw(5);
	mode_t mask = masks[draw(4)];

	(void)umask(mask);
	become(users[user][0], users[user][1]);
	printf("%u %u:%u/%o ", number, users[user][0], users[user][1], mask);
	calls[draw(sizeof(calls) / sizeof(calls[0]))]();
	printf("\n");
	become(0, 0);
}

/* So deep that no ".." of the names above leaves the directory. */
static void enter(const char *directory)
{
	if (chdir(directory) < 0) {
		perror(directory);
		exit(2);
	}
	(void)umask(0);
	for (unsigned i = 0; i < 6; i++) {
		if (mkdir("inner", 0777) < 0 || chdir("inner") < 0) {
			perror("fs_random: make a directory to work in");
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	/* None that files belong to: a server of files does not know them. */
	static const gid_t groups[] = { 1002, 1003 };
	unsigned count = argc == 4 ? (unsigned)atoi(argv[3]) : 0;

	if (argc != 4 || setgroups(2, groups) < 0) {
		(void)fprintf(stderr, "usage: fs_random DIRECTORY SEED COUNT (as root)\n");
		return 2;
	}
	/* From a pipe that nobody reads. */
	(void)signal(SIGPIPE, SIG_IGN);
	state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ULL + 1;
	enter(argv[1]);
	for (int i = 0; i < FILES; i++)
		files[i] = open("a", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	for (unsigned i = 0; i < count; i++)
		step(i);
	for (int i = 0; i < FILES; i++)
		(void)close(files[i]);
	return 0;
}
