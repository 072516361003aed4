/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/changes.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <search.h>
#include <string.h>
#include <sys/xattr.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/internal.h"
#include "sandbox/links.h"
#include "sandbox/tree.h"

struct known {
	char *path; /* in the sandbox */
	struct timespec changed;
};

struct baseline {
	void *tree; /* tsearch(3) of struct known */
};

struct walk {
	const struct sandbox *sandbox;
	const struct baseline *baseline; /* NULL: all of it is looked at */
	const struct change_visitor *visitor;
	unsigned int layer;
	bool *incomplete;
};

static int compare_known(const void *left, const void *right)
{
	return strcmp(((const struct known *)left)->path, ((const struct known *)right)->path);
}

static bool was_there(const struct baseline *baseline, const struct change *change)
{
	struct known wanted = { .path = (char *)change->path };
	struct known **found = baseline ? tfind(&wanted, (void *const *)&baseline->tree, compare_known) : NULL;

	if (!found)
		return false;
	/* The time of a directory says that of what is in it, which is looked at by itself. */
	return S_ISDIR(change->status.st_mode) || ((*found)->changed.tv_sec == change->status.st_ctim.tv_sec &&
							  (*found)->changed.tv_nsec == change->status.st_ctim.tv_nsec);
}

/* In the layers below the upper one. below: relative to the overlay's root. */
static bool lies_below(const struct walk *walk, const char *below)
{
	const struct sandbox *sandbox = walk->sandbox;
	cleanup_free char *mask = xprintf("mask/%u/%s", walk->layer, below);
	cleanup_free char *lower = xprintf("lower/%u", walk->layer);
	cleanup_fd int directory = -EBADF, found = -EBADF;
	struct stat status;

	if (fstatat(sandbox->scratch_fd, mask, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode))
		return false;
	directory = openat(sandbox->scratch_fd, lower, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (directory < 0)
		return false;
	found = open_in_root(directory, below, O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS);
	return found >= 0;
}

static bool is_opaque(const struct sandbox *sandbox, int directory)
{
	const char *name = sandbox->rootless ? "user.overlay.opaque" : "trusted.overlay.opaque";
	char value = 0;

	return fgetxattr(directory, name, &value, 1) == 1 && value == 'y';
}

static int walk_directory(
	const struct walk *walk, int directory, const char *below, unsigned int depth, struct error *err);

static int look_at(const struct walk *walk, int directory, const char *name, const char *below, unsigned int depth,
	struct error *err)
{
	const char *top = walk->sandbox->layers[walk->layer];
	cleanup_free char *path = xprintf("%s/%s", strcmp(top, "/") == 0 ? "" : top, below);
	struct change change = { .directory = directory, .name = name, .path = path };
	cleanup_fd int inside = -EBADF;
	bool known;
	int result = 0;

	if (fstatat(directory, name, &change.status, AT_SYMLINK_NOFOLLOW) < 0)
		return error_set(err, errno, "look at what was changed: %s", path);
	change.deleted = S_ISCHR(change.status.st_mode) && change.status.st_rdev == 0;
	change.added = !lies_below(walk, below);
	known = was_there(walk->baseline, &change) || (change.deleted && change.added);
	if (!S_ISDIR(change.status.st_mode))
		return known ? 0 : walk->visitor->visit(walk->visitor->context, &change, err);
	inside = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (inside < 0)
		return error_set(err, errno, "look at what was changed: %s", path);
	change.replaced = !known && !change.added && is_opaque(walk->sandbox, inside);
	change.only_on_the_way = known || !(change.added || change.replaced);
	result = walk->visitor->visit(walk->visitor->context, &change, err);
	return result < 0 ? result : walk_directory(walk, inside, below, depth + 1, err);
}

static int walk_directory(
	const struct walk *walk, int directory, const char *below, unsigned int depth, struct error *err)
{
	cleanup_fd int reader = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *entries = reader < 0 ? NULL : fdopendir(reader);
	const struct dirent *entry;
	int result = 0;

	if (!entries)
		return error_set(err, errno, "look at what was changed: %s", below);
	(void)take_fd(&reader);
	if (depth > TREE_DEPTH_MAX) {
		*walk->incomplete = true;
		return 0;
	}
	while (result == 0 && (entry = readdir(entries))) {
		cleanup_free char *path = NULL;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		path = *below ? xprintf("%s/%s", below, entry->d_name) : xstrdup(entry->d_name);
		result = look_at(walk, directory, entry->d_name, path, depth, err);
	}
	return result;
}

int changes_visit(const struct sandbox *sandbox, const struct baseline *baseline, const struct change_visitor *visitor,
	bool *incomplete, struct error *err)
{
	struct walk walk = { .sandbox = sandbox, .baseline = baseline, .visitor = visitor, .incomplete = incomplete };
	int result = 0;

	*incomplete = false;
	for (; walk.layer < sandbox->layer_count && result == 0; walk.layer++) {
		cleanup_free char *name = xprintf("up/%u", walk.layer);
		cleanup_fd int up = openat(sandbox->scratch_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		result =
			up < 0 ? error_set(err, errno, "open what was changed") : walk_directory(&walk, up, "", 0, err);
	}
	return result;
}

/* ---- before the start ---- */

static void known_free(void *known)
{
	free(((struct known *)known)->path);
	free(known);
}

void baseline_free(struct baseline **location)
{
	if (*location)
		tdestroy((*location)->tree, known_free);
	free(*location);
	*location = NULL;
}

static int note(void *context, const struct change *change, struct error *err)
{
	struct baseline *baseline = context;
	struct known *known = xcalloc(1, sizeof(*known));

	(void)err;
	known->path = xstrdup(change->path);
	known->changed = change->status.st_ctim;
	(void)tsearch(known, &baseline->tree, compare_known);
	return 0;
}

int changes_begin(const struct sandbox *sandbox, struct baseline **ret, struct error *err)
{
	struct baseline *baseline = xcalloc(1, sizeof(*baseline));
	const struct change_visitor visitor = { .visit = note, .context = baseline };
	bool incomplete;
	int result = changes_visit(sandbox, NULL, &visitor, &incomplete, err);

	if (result < 0)
		baseline_free(&baseline);
	*ret = baseline;
	return result;
}

/* ---- after the end ---- */

static int count(void *context, const struct change *change, struct error *err)
{
	struct sandbox_changes *changes = context;

	(void)err;
	if (change->only_on_the_way)
		return 0;
	changes->deleted += change->deleted || change->replaced;
	changes->added += !change->deleted && (change->added || change->replaced);
	changes->modified += !change->deleted && !change->added && !change->replaced;
	return 0;
}

struct kept {
	int directory;
	uint64_t left_out;
	struct link_table links;
};

static unsigned int depth_of(const char *path)
{
	unsigned int depth = 0;

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
		depth++;
	return depth;
}

static int mark(int directory, const char *name)
{
	cleanup_fd int fd = openat(directory, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : 0;
}

static int keep_link(struct kept *kept, const struct change *change, int directory)
{
	char target[4096];
	ssize_t length = readlinkat(change->directory, change->name, target, sizeof(target) - 1);

	if (length < 0)
		return -errno;
	target[length] = '\0';
	if (!tree_link_is_confined(target, depth_of(change->path))) {
		kept->left_out++;
		return 0;
	}
	return symlinkat(target, directory, change->name) < 0 ? -errno : 0;
}

static int keep_file(struct kept *kept, const struct change *change, int directory, struct error *err)
{
	struct tree_copy copy = { .owner = geteuid(), .group = getegid() };
	const char *first = links_find(&kept->links, &change->status);
	int result;

	if (first && links_make(kept->directory, first, directory, change->name) == 0)
		return 0;
	result = tree_copy(&copy, change->directory, change->name, directory, change->name, err);
	if (result == 0)
		links_note(&kept->links, &change->status, change->path);
	return result;
}

/* Inside the directory whatever links were kept in it: what is looked up stays there. */
static int keep(void *context, const struct change *change, struct error *err)
{
	struct kept *kept = context;
	bool is_directory = S_ISDIR(change->status.st_mode);
	cleanup_free char *above = xstrndup(change->path, (size_t)(strrchr(change->path, '/') - change->path));
	cleanup_fd int directory = -EBADF;
	int result = 0;

	if (is_directory && change->only_on_the_way)
		return 0;
	if (strncmp(change->name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0) {
		kept->left_out++;
		return 0;
	}
	directory = make_directories_in_root(kept->directory, is_directory ? change->path : *above ? above : "/", 0755);
	if (directory < 0)
		return error_set(err, -directory, "keep the change of %s", change->path);
	if (is_directory) {
		result = change->replaced ? mark(directory, WHITEOUT_OPAQUE) : 0;
	} else if (change->deleted) {
		cleanup_free char *name = xprintf(WHITEOUT_PREFIX "%s", change->name);

		result = mark(directory, name);
	} else if (S_ISLNK(change->status.st_mode)) {
		result = keep_link(kept, change, directory);
	} else if (S_ISREG(change->status.st_mode)) {
		return keep_file(kept, change, directory, err);
	} else {
		kept->left_out++;
	}
	return result < 0 ? error_set(err, -result, "keep the change of %s", change->path) : 0;
}

static bool is_tar(const char *path)
{
	size_t length = strlen(path);

	return length > 4 && strcmp(path + length - 4, ".tar") == 0;
}

static int keep_all(struct sandbox *sandbox, const struct baseline *baseline, uint64_t *left_out, struct error *err)
{
	struct kept kept = { .directory = -EBADF };
	struct change_visitor visitor = { .visit = keep, .context = &kept };
	struct diff_tar *tar = NULL;
	struct error closing;
	bool incomplete = false;
	int result;

	if (is_tar(sandbox->settings->keep_diff)) {
		result = diff_tar_open(sandbox, sandbox->settings->keep_diff, &tar, err);
		visitor = (struct change_visitor){ .visit = diff_tar_add, .context = tar };
	} else {
		kept.directory = open(sandbox->settings->keep_diff, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		result = kept.directory < 0 ? error_set(err, errno, "--keep-diff %s", sandbox->settings->keep_diff) : 0;
	}
	if (result == 0)
		result = changes_visit(sandbox, baseline, &visitor, &incomplete, err);
	*left_out = kept.left_out;
	links_free(&kept.links);
	if (tar && diff_tar_close(&tar, left_out, &closing) < 0 && result == 0) {
		*err = closing;
		result = -err->code;
	}
	close_fd(&kept.directory);
	return result;
}

int changes_end(struct sandbox *sandbox, const struct baseline *baseline, struct error *err)
{
	struct sandbox_changes *changes = &sandbox->result.changes;
	const struct change_visitor visitor = { .visit = count, .context = changes };
	uint64_t left_out = 0;
	int result = changes_visit(sandbox, baseline, &visitor, &changes->incomplete, err);

	changes->counted = result == 0;
	if (result == 0 && sandbox->settings->keep_diff)
		result = keep_all(sandbox, baseline, &left_out, err);
	if (left_out)
		log_warning("--keep-diff: %llu names, links out of what is kept, or special files were left out",
			(unsigned long long)left_out);
	if (changes->incomplete)
		log_warning("what the command changed below %d directories was not looked at", TREE_DEPTH_MAX);
	return result;
}

/* New or empty: nothing that an earlier command planted is there. */
int changes_prepare(const struct sandbox *sandbox, struct error *err)
{
	const char *path = sandbox->settings->keep_diff;
	cleanup_directory DIR *directory = NULL;
	const struct dirent *entry;

	if (!path || is_tar(path))
		return 0;
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return error_set(err, errno, "--keep-diff %s", path);
	directory = opendir(path);
	if (!directory)
		return error_set(err, errno, "--keep-diff %s", path);
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			return error_set(err, -ENOTEMPTY, "--keep-diff %s: the directory is not empty", path);
	}
	return 0;
}
