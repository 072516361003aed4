/* SPDX-License-Identifier: Apache-2.0 */
/* --keep-diff FILE.tar, by libarchive(3). */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "sandbox/changes.h"
#include "sandbox/internal.h"
#include "sandbox/links.h"

struct diff_tar {
	const struct sandbox *sandbox;
	struct archive *archive;
	const char *path;
	int fd;
	uint64_t left_out;
	uint64_t left_bytes; /* of content that may still come */
	struct link_table links;
	locale_t names, former; /* libarchive asks the locale what names are written in */
	char chunk[65536];
};

static void tar_free(struct diff_tar **location)
{
	struct diff_tar *tar = *location;

	if (!tar)
		return;
	(void)archive_write_free(tar->archive);
	if (tar->names) {
		(void)uselocale(tar->former);
		freelocale(tar->names);
	}
	close_fd(&tar->fd);
	links_free(&tar->links);
	free(tar);
	*location = NULL;
}

static int tar_error(const struct diff_tar *tar, const char *what, struct error *err)
{
	int code = archive_errno(tar->archive);

	return error_set(err, code > 0 ? -code : -EIO, "--keep-diff %s: %s: %s", tar->path, what,
		archive_error_string(tar->archive));
}

int diff_tar_open(const struct sandbox *sandbox, const char *path, struct diff_tar **ret, struct error *err)
{
	cleanup(tar_free) struct diff_tar *tar = xcalloc(1, sizeof(*tar));

	tar->sandbox = sandbox;
	tar->path = path;
	tar->left_bytes = sandbox->settings->disk_bytes;
	tar->archive = archive_write_new();
	tar->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (tar->fd < 0)
		return error_set(err, errno, "--keep-diff %s", path);
	tar->names = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (tar->names)
		tar->former = uselocale(tar->names);
	if (!tar->archive || archive_write_set_format_pax_restricted(tar->archive) != ARCHIVE_OK ||
		archive_write_open_fd(tar->archive, tar->fd) != ARCHIVE_OK)
		return tar_error(tar, "begin", err);
	*ret = take_pointer(&tar);
	return 0;
}

static int put_content(struct diff_tar *tar, int file, uint64_t size)
{
	while (size > 0) {
		ssize_t count = read(file, tar->chunk, size < sizeof(tar->chunk) ? (size_t)size : sizeof(tar->chunk));

		if (count < 0 && errno == EINTR)
			continue;
		if (count <= 0)
			return count < 0 ? -errno : -EIO;
		if (archive_write_data(tar->archive, tar->chunk, (size_t)count) < 0)
			return -EIO;
		size -= (uint64_t)count;
	}
	return 0;
}

/* Fills in what kind of thing it is; the descriptor of a file's content, -EBADF for what has none. */
static int describe(
	struct diff_tar *tar, const struct change *change, struct archive_entry *entry, const char *name, int *ret_file)
{
	const char *first = links_find(&tar->links, &change->status);
	char target[PATH_MAX];
	ssize_t length;

	if (change->deleted || S_ISDIR(change->status.st_mode))
		return 0;
	if (first) {
		archive_entry_set_hardlink(entry, first);
		return 0;
	}
	if (S_ISLNK(change->status.st_mode)) {
		length = readlinkat(change->directory, change->name, target, sizeof(target) - 1);
		if (length < 0)
			return -errno;
		target[length] = '\0';
		archive_entry_set_symlink(entry, target);
		return 0;
	}
	*ret_file = openat(change->directory, change->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	links_note(&tar->links, &change->status, name);
	return *ret_file < 0 ? -errno : 0;
}

static uid_t outside_in(const struct diff_tar *tar, uid_t id)
{
	uint32_t first = tar->sandbox->first_id;

	return id >= first && id - first < tar->sandbox->ids ? id - first : id;
}

static int put_entry(struct diff_tar *tar, const struct change *change, const char *name, bool empty, struct error *err)
{
	struct archive_entry *entry = archive_entry_new();
	cleanup_fd int file = -EBADF;
	int result = empty ? 0 : describe(tar, change, entry, name, &file);

	archive_entry_set_pathname(entry, name);
	archive_entry_set_uid(entry, outside_in(tar, change->status.st_uid));
	archive_entry_set_gid(entry, outside_in(tar, change->status.st_gid));
	archive_entry_set_mtime(entry, change->status.st_mtime, change->status.st_mtim.tv_nsec);
	if (empty)
		archive_entry_set_mode(entry, S_IFREG | 0644);
	else
		archive_entry_set_mode(entry, change->status.st_mode);
	archive_entry_set_size(entry, file >= 0 ? change->status.st_size : 0);
	/* A warning is of a name that is no UTF-8, which is written as it is. */
	if (result == 0 && archive_write_header(tar->archive, entry) < ARCHIVE_WARN)
		result = tar_error(tar, change->path, err);
	else if (result < 0)
		result = error_set(err, -result, "--keep-diff %s: %s", tar->path, change->path);
	else if (file >= 0 && put_content(tar, file, (uint64_t)change->status.st_size) < 0)
		result = error_set(err, -EIO, "--keep-diff %s: write the content of %s", tar->path, change->path);
	archive_entry_free(entry);
	return result;
}

/* Holes can be of any size, and would be written as zeros: all files together have no more than was to be written. */
static bool fits(struct diff_tar *tar, const struct change *change)
{
	uint64_t bytes = links_find(&tar->links, &change->status) ? 0 : (uint64_t)change->status.st_size;

	if (bytes > tar->left_bytes)
		return false;
	tar->left_bytes -= tar->left_bytes == SANDBOX_UNLIMITED ? 0 : bytes;
	return true;
}

static bool is_wanted(struct diff_tar *tar, const struct change *change)
{
	mode_t mode = change->status.st_mode;

	if (strncmp(change->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0)
		return false;
	if (S_ISREG(mode))
		return fits(tar, change);
	return change->deleted || S_ISDIR(mode) || S_ISLNK(mode);
}

int diff_tar_add(void *context, const struct change *change, struct error *err)
{
	struct diff_tar *tar = context;
	cleanup_free char *name = xstrdup(change->path + 1);
	int result;

	if (S_ISDIR(change->status.st_mode) && change->only_on_the_way)
		return 0;
	if (!is_wanted(tar, change)) {
		tar->left_out++;
		return 0;
	}
	if (change->deleted) {
		free(name);
		name = xprintf("%.*s" WHITEOUT_PREFIX "%s", (int)(strrchr(change->path, '/') - change->path),
			change->path + 1, change->name);
		return put_entry(tar, change, name, true, err);
	}
	result = put_entry(tar, change, name, false, err);
	if (result == 0 && change->replaced) {
		cleanup_free char *opaque = xprintf("%s/" WHITEOUT_OPAQUE, name);

		result = put_entry(tar, change, opaque, true, err);
	}
	return result;
}

int diff_tar_close(struct diff_tar **location, uint64_t *left_out, struct error *err)
{
	struct diff_tar *tar = *location;
	int result = archive_write_close(tar->archive) == ARCHIVE_OK ? 0 : tar_error(tar, "end", err);

	*left_out = tar->left_out;
	tar_free(location);
	return result;
}
