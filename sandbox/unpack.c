/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <search.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "sandbox/changes.h"

enum { READ_BYTES = 1 << 16 };

struct unpacker {
	int root;
	bool layer;
	struct archive *archive;
	void *made; /* tsearch(3) of the paths that this layer made: its whiteouts are of former layers only */
	struct unpack_counts *counts;
};

/* Where an entry goes. */
struct target {
	char *path; /* without slashes at either end; "": the root itself */
	const char *name;
	int directory;
};

static void target_free(struct target *target)
{
	free(target->path);
	close_fd(&target->directory);
}

static int compare_paths(const void *left, const void *right)
{
	return strcmp(left, right);
}

static int archive_failed(struct archive *archive, const char *what, struct error *err)
{
	int code = archive_errno(archive);
	const char *words = archive_error_string(archive);

	return error_set(err, code > 0 ? -code : -EINVAL, "%s: %s", what, words ? words : "not an archive");
}

/* "./a//b/" becomes "a/b"; NULL for what has a ".." in it. */
static char *clean(const char *path)
{
	char *cleaned = xcalloc(strlen(path) + 1, 1), *end = cleaned;

	for (path += strspn(path, "/"); *path; path += strspn(path, "/")) {
		size_t length = strcspn(path, "/");

		if (length == 2 && path[0] == '.' && path[1] == '.') {
			free(cleaned);
			return NULL;
		}
		if (length > 1 || path[0] != '.') {
			if (end > cleaned)
				*end++ = '/';
			memcpy(end, path, length);
			end += length;
		}
		path += length;
	}
	return cleaned;
}

static int find_target(const struct unpacker *unpacker, const char *path, struct target *target, struct error *err)
{
	cleanup_free char *above = NULL;
	char *slash;

	*target = (struct target){ .directory = -EBADF };
	target->path = path ? clean(path) : NULL;
	if (!target->path)
		return error_set(
			err, -EINVAL, "the archive names \"%s\", which would lead out of it", path ? path : "");
	slash = strrchr(target->path, '/');
	target->name = slash ? slash + 1 : target->path;
	above = slash ? xstrndup(target->path, (size_t)(slash - target->path)) : xstrdup("/");
	target->directory = make_directories_in_root(unpacker->root, above, 0755);
	if (target->directory < 0)
		return error_set(err, -target->directory, "unpack %s", target->path);
	return 0;
}

/* ---- whiteouts ---- */

/* What former layers left in a directory. */
static int empty_directory(const struct unpacker *unpacker, const struct target *target)
{
	cleanup_fd int fd = openat(target->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	size_t above = (size_t)(target->name - target->path);
	const struct dirent *entry;
	int result = 0;

	if (!directory)
		return -errno;
	(void)take_fd(&fd);
	while (result == 0 && (entry = readdir(directory))) {
		cleanup_free char *path = xprintf("%.*s%s", (int)above, target->path, entry->d_name);

		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			!tfind(path, (void *const *)&unpacker->made, compare_paths))
			result = remove_tree(dirfd(directory), entry->d_name);
	}
	return result;
}

static int white_out(const struct unpacker *unpacker, const struct target *target, struct error *err)
{
	const char *name = target->name + strlen(WHITEOUT_PREFIX);
	cleanup_free char *path = NULL;
	int result = 0;

	if (strcmp(target->name, WHITEOUT_OPAQUE) == 0) {
		result = empty_directory(unpacker, target);
	} else if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
		return error_set(err, -EINVAL, "%s: a whiteout of nothing", target->path);
	} else {
		path = xprintf("%.*s%s", (int)(target->name - target->path), target->path, name);
		if (!tfind(path, (void *const *)&unpacker->made, compare_paths))
			result = remove_tree(target->directory, name);
	}
	return result < 0 ? error_set(err, -result, "apply the whiteout %s", target->path) : 0;
}

/* ---- entries ---- */

static int write_all(int fd, const char *data, size_t length, la_int64_t offset)
{
	while (length > 0) {
		ssize_t count = pwrite(fd, data, length, offset);

		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return -errno;
		data += count;
		offset += count;
		length -= (size_t)count;
	}
	return 0;
}

static int make_file(
	const struct unpacker *unpacker, struct archive_entry *entry, const struct target *target, struct error *err)
{
	cleanup_fd int fd =
		openat(target->directory, target->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	const void *data;
	la_int64_t offset;
	size_t length;
	int result;

	if (fd < 0)
		return error_set(err, errno, "unpack %s", target->path);
	while ((result = archive_read_data_block(unpacker->archive, &data, &length, &offset)) == ARCHIVE_OK) {
		result = write_all(fd, data, length, offset);
		if (result < 0)
			return error_set(err, -result, "unpack %s", target->path);
	}
	if (result != ARCHIVE_EOF)
		return archive_failed(unpacker->archive, target->path, err);
	/* What ends in a hole. */
	if (ftruncate(fd, archive_entry_size(entry)) < 0)
		return error_set(err, errno, "unpack %s", target->path);
	return 0;
}

static int make_hard_link(
	const struct unpacker *unpacker, const char *of, const struct target *target, struct error *err)
{
	cleanup(target_free) struct target source;
	int result = find_target(unpacker, of, &source, err);

	if (result < 0)
		return result;
	if (linkat(source.directory, source.name, target->directory, target->name, 0) < 0)
		return error_set(err, errno, "unpack %s, another name of %s", target->path, source.path);
	return 0;
}

static int make_directory(const struct target *target, struct error *err)
{
	if (mkdirat(target->directory, target->name, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "unpack %s", target->path);
	return 0;
}

/* Former contents of that name, of this layer or another, but for a directory that stays one. */
static int make_room(const struct target *target, mode_t type, struct error *err)
{
	struct stat status;
	int result;

	if (fstatat(target->directory, target->name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_set(err, errno, "unpack %s", target->path);
	if (S_ISDIR(status.st_mode) && type == AE_IFDIR)
		return 0;
	result = remove_tree(target->directory, target->name);
	return result < 0 ? error_set(err, -result, "unpack %s: remove what was there", target->path) : 0;
}

static void set_attributes(const struct unpacker *unpacker, struct archive_entry *entry, const struct target *target)
{
	cleanup_fd int fd = -EBADF;
	const char *name;
	const void *value;
	size_t size;

	if (archive_entry_xattr_reset(entry) == 0)
		return;
	fd = openat(target->directory, target->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		/* Those of overlays would mean something to the overlay that this is to be under. */
		if (fd < 0 || strstr(name, "overlay.") || fsetxattr(fd, name, value, size, 0) < 0)
			unpacker->counts->attributes_left_out++;
	}
}

/* Owner first: a change of owner takes set-user-id bits away. */
static int set_status(
	const struct unpacker *unpacker, struct archive_entry *entry, const struct target *target, struct error *err)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry) } };
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (uid < 0 || uid > UINT16_MAX || gid < 0 || gid > UINT16_MAX)
		return error_set(err, -EINVAL, "unpack %s: its owner %lld:%lld is not among the sandbox's 65536",
			target->path, (long long)uid, (long long)gid);
	/* EINVAL: the caller has no privilege, and fewer ids than that. */
	if (fchownat(target->directory, target->name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == EINVAL)
			unpacker->counts->owners_left_out++;
		else
			return error_set(err, errno, "unpack %s: set its owner", target->path);
	}
	if (archive_entry_filetype(entry) != AE_IFLNK &&
		fchmodat(target->directory, target->name, archive_entry_perm(entry), 0) < 0)
		return error_set(err, errno, "unpack %s: set its mode", target->path);
	set_attributes(unpacker, entry, target);
	if (utimensat(target->directory, target->name, times, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "unpack %s: set its time", target->path);
	return 0;
}

static int make(
	const struct unpacker *unpacker, struct archive_entry *entry, const struct target *target, struct error *err)
{
	const char *words;

	switch (archive_entry_filetype(entry)) {
	case AE_IFREG:
		return make_file(unpacker, entry, target, err);
	case AE_IFDIR:
		return make_directory(target, err);
	case AE_IFLNK:
		words = archive_entry_symlink(entry);
		if (words && symlinkat(words, target->directory, target->name) == 0)
			return 0;
		return error_set(err, words ? errno : EINVAL, "unpack the symbolic link %s", target->path);
	case AE_IFIFO:
		if (mknodat(target->directory, target->name, S_IFIFO | 0600, 0) == 0)
			return 0;
		return error_set(err, errno, "unpack the pipe %s", target->path);
	default:
		return error_set(err, -EINVAL, "unpack %s: a kind of file that is not known", target->path);
	}
}

static int place(struct unpacker *unpacker, struct archive_entry *entry, const struct target *target, struct error *err)
{
	const char *hard_link = archive_entry_hardlink(entry);
	mode_t type = archive_entry_filetype(entry);
	int result;

	if (unpacker->layer && strncmp(target->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
		return white_out(unpacker, target, err);
	if (!hard_link && (type == AE_IFCHR || type == AE_IFBLK)) {
		unpacker->counts->devices_left_out++;
		return 0;
	}
	result = make_room(target, hard_link ? AE_IFREG : type, err);
	if (result < 0)
		return result;
	if (unpacker->layer && !tfind(target->path, (void *const *)&unpacker->made, compare_paths))
		(void)tsearch(xstrdup(target->path), &unpacker->made, compare_paths);
	if (hard_link)
		return make_hard_link(unpacker, hard_link, target, err);
	result = make(unpacker, entry, target, err);
	return result < 0 ? result : set_status(unpacker, entry, target, err);
}

static int take_entry(struct unpacker *unpacker, struct archive_entry *entry, struct error *err)
{
	cleanup(target_free) struct target target;
	int result = find_target(unpacker, archive_entry_pathname(entry), &target, err);

	if (result < 0)
		return result;
	/* The root's own entry: its mode is of interest, its being there is not. */
	if (!target.path[0]) {
		if (archive_entry_filetype(entry) == AE_IFDIR && fchmod(unpacker->root, archive_entry_perm(entry)) < 0)
			return error_set(err, errno, "set the mode of the root");
		return 0;
	}
	return place(unpacker, entry, &target, err);
}

static void reader_free(struct archive **archive)
{
	(void)archive_read_free(*archive);
}

static int open_archive(struct archive *archive, int file, struct error *err)
{
	if (!archive)
		return error_set(err, ENOMEM, "read an archive");
	if (archive_read_support_format_tar(archive) != ARCHIVE_OK ||
		archive_read_support_filter_gzip(archive) != ARCHIVE_OK ||
		archive_read_support_filter_zstd(archive) != ARCHIVE_OK)
		return archive_failed(archive, "prepare to read an archive", err);
	if (lseek(file, 0, SEEK_SET) < 0 || archive_read_open_fd(archive, file, READ_BYTES) != ARCHIVE_OK)
		return archive_failed(archive, "neither a tar archive (plain, gzip, zstd) nor a known image", err);
	return 0;
}

int unpack_archive(int root, int file, bool layer, struct unpack_counts *counts, struct error *err)
{
	cleanup(reader_free) struct archive *archive = archive_read_new();
	struct unpacker unpacker = { .root = root, .layer = layer, .archive = archive, .counts = counts };
	struct archive_entry *entry;
	int result = open_archive(archive, file, err), next = ARCHIVE_OK;

	while (result == 0 && (next = archive_read_next_header(archive, &entry)) >= ARCHIVE_WARN && next != ARCHIVE_EOF)
		result = take_entry(&unpacker, entry, err);
	tdestroy(unpacker.made, free);
	if (result == 0 && next != ARCHIVE_EOF)
		return archive_failed(archive, "read the archive", err);
	return result;
}
