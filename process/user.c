/* SPDX-License-Identifier: Apache-2.0 */
/*
 * USER[:GROUP] of `exec --user`: numbers at once, names where the container's own files can be read.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "process/accounts.h"
#include "process/process_internal.h"

enum { ACCOUNT_FILE_BYTES_MAX = 4 << 20, ACCOUNT_NAME_MAX = 255 };

/* What begins with a digit or a sign is a number that went wrong, and never looked up: an image could hold such a name.
 */
static bool is_name(const char *text, size_t length)
{
	if (length == 0 || length > ACCOUNT_NAME_MAX)
		return false;
	if (!strchr("_", text[0]) && !((text[0] | 0x20) >= 'a' && (text[0] | 0x20) <= 'z') && !(text[0] & 0x80))
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c <= ' ' || c == 0x7f || strchr(":,/", c))
			return false;
	}
	return true;
}

int process_set_user(struct process_plan *plan, const char *text, struct error *err)
{
	const char *colon = strchr(text, ':');
	size_t length = colon ? (size_t)(colon - text) : strlen(text);
	const char *group = colon ? colon + 1 : NULL;
	id_t uid = plan->uid, gid = plan->gid;
	bool user_is_id = account_parse_id(text, length, &uid);
	bool group_is_id = group && account_parse_id(group, strlen(group), &gid);

	if (!user_is_id && !is_name(text, length))
		return error_set(err, -EINVAL,
			"user \"%s\": \"%.*s\" is neither a user id (0 to 4294967294) nor the name of a user", text,
			(int)length, text);
	if (group && !group_is_id && !is_name(group, strlen(group)))
		return error_set(err, -EINVAL,
			"user \"%s\": \"%s\" is neither a group id (0 to 4294967294) nor the name of a group", text,
			group);
	plan->uid = uid;
	plan->gid = gid;
	free_pointer(&plan->user_name);
	free_pointer(&plan->group_name);
	if (!user_is_id) {
		plan->user_name = xstrndup(text, length);
		plan->user_groups = !group;
		plan->additional_gid_count = 0;
	}
	if (group && !group_is_id)
		plan->group_name = xstrdup(group);
	return 0;
}

static bool is_plain(int fd)
{
	struct stat status;

	return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

int process_read_account_file(const char *path, struct strbuf *content)
{
	cleanup_fd int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_fd int seen = root < 0 ? -errno : open_in_root(root, path, O_PATH, 0, 0);
	cleanup_fd int fd = -EBADF;

	if (seen < 0)
		return seen;
	/* Looked at before it is opened: to open a device node may do anything. */
	if (!is_plain(seen))
		return -EINVAL;
	fd = open_in_root(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, 0);
	if (fd < 0)
		return fd;
	return is_plain(fd) ? file_read_fd(fd, ACCOUNT_FILE_BYTES_MAX, content) : -EINVAL;
}

static int resolve_user_name(struct process_plan *plan, struct error *err)
{
	cleanup_strbuf struct strbuf passwd = STRBUF_INIT;
	gid_t gid;
	int result = process_read_account_file("etc/passwd", &passwd);

	if (result < 0)
		return error_set(err, -result, "find user \"%s\": read the container's /etc/passwd", plan->user_name);
	if (!account_find_user(passwd.data ? passwd.data : "", plan->user_name, &plan->uid, &gid))
		return error_set(err, -ENOENT,
			"unable to find user \"%s\": no matching entries in the container's /etc/passwd",
			plan->user_name);
	if (plan->user_groups)
		plan->gid = gid;
	return 0;
}

static int resolve_group_name(struct process_plan *plan, const char *group, struct error *err)
{
	if (account_find_group(group, plan->group_name, &plan->gid))
		return 0;
	return error_set(err, -ENOENT, "unable to find group \"%s\": no matching entries in the container's /etc/group",
		plan->group_name);
}

static int resolve_groups(struct process_plan *plan, struct error *err)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	size_t count = plan->additional_gid_count;
	int result = process_read_account_file("etc/group", &content);
	const char *group = content.data ? content.data : "";

	if (result < 0 && plan->group_name)
		return error_set(err, -result, "find group \"%s\": read the container's /etc/group", plan->group_name);
	/* A user who is in no list has the groups that were asked for. */
	if (result < 0)
		return 0;
	if (plan->group_name)
		return resolve_group_name(plan, group, err);
	account_groups_of(group, plan->user_name, NGROUPS_MAX, &plan->additional_gids, &count);
	plan->additional_gid_count = (uint32_t)count;
	return 0;
}

int process_resolve_user(struct process_plan *plan, struct error *err)
{
	int result = 0;

	if (plan->user_name)
		result = resolve_user_name(plan, err);
	if (result == 0 && (plan->group_name || plan->user_groups))
		result = resolve_groups(plan, err);
	if (result < 0)
		return result;
	free_pointer(&plan->user_name);
	free_pointer(&plan->group_name);
	plan->user_groups = false;
	return 0;
}
