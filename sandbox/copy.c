/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --copy-in and --copy-out. What is fetched was written by the command: it is looked up inside the sandbox's root, when
 * no process of the sandbox is alive any more, and through no symbolic link, which the command could have put there to
 * have something else fetched for it.
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/internal.h"
#include "sandbox/tree.h"

/* The name in front of the separator, and what is behind it. */
static int split(
	const char *option, const char *wish, char separator, char **before, const char **after, struct error *err)
{
	const char *mark = strrchr(wish, separator);

	if (!mark || mark == wish || !mark[1])
		return error_set(err, -EINVAL, "--%s %s: two paths with \"%c\" between them are expected", option, wish,
			separator);
	*before = xstrndup(wish, (size_t)(mark - wish));
	*after = mark + 1;
	return 0;
}

/* As the command would name it: relative to the work directory. */
static char *absolute(const struct sandbox *sandbox, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xprintf("%s/%s", sandbox->workdir, path);
}

/* Without the slashes at its end; "/" becomes "". */
static void trim(char *path)
{
	size_t length = strlen(path);

	while (length > 0 && path[length - 1] == '/')
		path[--length] = '\0';
}

static bool is_plain_name(const char *name)
{
	return name[0] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* ---- in ---- */

static int copy_in(const struct sandbox *sandbox, const char *wish, struct error *err)
{
	struct tree_copy copy = { .confine_links = false };
	cleanup_free char *source = NULL, *real = NULL, *target = NULL;
	cleanup_fd int directory = -EBADF;
	const char *destination;
	char *name;
	int result = split("copy-in", wish, ':', &source, &destination, err);

	if (result < 0)
		return result;
	real = realpath(source, NULL);
	if (!real)
		return error_set(err, errno, "--copy-in %s", source);
	target = absolute(sandbox, destination);
	trim(target);
	name = strrchr(target, '/');
	if (!name || !is_plain_name(name + 1))
		return error_set(err, -EINVAL, "--copy-in %s: the place in the sandbox has no name", wish);
	*name++ = '\0';
	directory = root_make_path(sandbox, *target ? target : "/", true, err);
	if (directory < 0)
		return directory;
	sandbox_user(sandbox, &copy.owner, &copy.group);
	copy.owner = sandbox_owner(sandbox, copy.owner);
	copy.group = sandbox_owner(sandbox, copy.group);
	result = tree_copy(&copy, AT_FDCWD, real, directory, name, err);
	if (result < 0)
		return error_prefix(err, "--copy-in %s", wish);
	if (copy.left_out)
		return error_set(err, -ENOTSUP, "--copy-in %s: there are devices, sockets or pipes in it", wish);
	return 0;
}

int copy_all_in(const struct sandbox *sandbox, struct error *err)
{
	int result = 0;

	for (char **wish = sandbox->settings->copy_in; wish && *wish && result == 0; wish++)
		result = copy_in(sandbox, *wish, err);
	return result;
}

/* ---- out ---- */

/* The directory above a path of the sandbox, looked up without a link. */
static int open_above(const struct sandbox *sandbox, char *path, char **ret_name, struct error *err)
{
	char *name;
	int fd;

	trim(path);
	name = strrchr(path, '/');
	if (!name || !is_plain_name(name + 1))
		return error_set(err, -EINVAL, "%s/: this cannot be copied out", path);
	*name++ = '\0';
	fd = open_in_root(sandbox->rootfs_fd, *path ? path : "/", O_RDONLY | O_DIRECTORY, 0, RESOLVE_NO_SYMLINKS);
	if (fd == -ELOOP)
		return error_set(err, -ELOOP, "%s: a symbolic link is on the way, which is not followed", path);
	if (fd < 0)
		return error_set(err, -fd, "%s", path);
	*ret_name = name;
	return fd;
}

static int copy_out(const struct sandbox *sandbox, const char *wish, uint64_t *left_out, struct error *err)
{
	struct tree_copy copy = { .confine_links = true, .owner = geteuid(), .group = getegid() };
	cleanup_free char *path = NULL, *whole = NULL, *target = NULL;
	cleanup_fd int source = -EBADF, directory = -EBADF;
	const char *destination, *mark;
	char *name = NULL;
	int result = split("copy-out", wish, '=', &path, &destination, err);

	if (result < 0)
		return result;
	whole = absolute(sandbox, path);
	source = open_above(sandbox, whole, &name, err);
	if (source < 0)
		return error_prefix(err, "--copy-out");
	target = xstrdup(destination);
	trim(target);
	mark = strrchr(target, '/');
	mark = mark ? mark + 1 : target;
	if (!is_plain_name(mark))
		return error_set(err, -EINVAL, "--copy-out %s: the place outside has no name", wish);
	if (mark == target) {
		directory = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		target[mark - target - 1] = '\0';
		directory = open(*target ? target : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (directory < 0)
		return error_set(err, errno, "--copy-out %s: open the directory to copy to", wish);
	result = tree_copy(&copy, source, name, directory, mark, err);
	*left_out += copy.left_out;
	return result < 0 ? error_prefix(err, "--copy-out %s", wish) : 0;
}

int copy_all_out(struct sandbox *sandbox, struct error *err)
{
	uint64_t left_out = 0;
	int result = 0;

	for (char **wish = sandbox->settings->copy_out; wish && *wish; wish++) {
		struct error here;

		/* The others are fetched all the same. */
		if (copy_out(sandbox, *wish, &left_out, &here) == 0)
			continue;
		if (result < 0)
			log_warning("%s", err->message);
		*err = here;
		result = -here.code;
	}
	if (left_out)
		log_warning("--copy-out: %llu symbolic links out of what was copied, devices, sockets or pipes were "
			    "left out",
			(unsigned long long)left_out);
	return result;
}

int copy_check(const struct sandbox *sandbox, struct error *err)
{
	int result = 0;

	for (char **wish = sandbox->settings->copy_out; wish && *wish && result == 0; wish++) {
		cleanup_free char *path = NULL;
		const char *destination;

		result = split("copy-out", *wish, '=', &path, &destination, err);
	}
	return result;
}
