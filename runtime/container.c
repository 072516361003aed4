/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/container.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <poll.h>

#include "base/file.h"
#include "base/log.h"
#include "base/message.h"
#include "base/trace.h"
#include "runtime/control.h"
#include "runtime/record.h"

int container_id_check(const char *id, struct error *err)
{
	size_t length = strlen(id);

	if (length == 0)
		return error_set(err, -EINVAL, "the container id is empty");
	if (length > NAME_MAX)
		return error_set(err, -EINVAL, "the container id is longer than %d bytes", NAME_MAX);
	if (id[0] == '.' || id[0] == '-')
		return error_set(err, -EINVAL, "invalid container id \"%s\": it begins with '%c'", id, id[0]);
	for (const char *c = id; *c; c++) {
		bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');

		if (!letter && !strchr("_+.-", *c))
			return error_set(err, -EINVAL,
				"invalid container id \"%s\": only letters, digits and _+.- are allowed", id);
	}
	return 0;
}

/* The initial user namespace maps every id to itself (user_namespaces(7)). */
static bool in_user_namespace(void)
{
	cleanup_strbuf struct strbuf map = STRBUF_INIT;
	unsigned long inside, outside, length;

	return file_read(AT_FDCWD, "/proc/self/uid_map", 4096, &map) == 0 &&
	       !(sscanf(map.data, "%lu %lu %lu", &inside, &outside, &length) == 3 && length == UINT32_MAX);
}

/* An engine without privileges calls itself root in a user namespace of its own, where /run is still the host's root's.
 * What logged in as root there says so in USER. */
static bool is_real_root(void)
{
	const char *user = getenv("USER");

	return geteuid() == 0 && (!in_user_namespace() || (user && strcmp(user, "root") == 0));
}

char *container_default_root(void)
{
	const char *runtime_directory = getenv("XDG_RUNTIME_DIR");

	if (runtime_directory && runtime_directory[0] == '/' && !is_real_root())
		return xprintf("%s/duet", runtime_directory);
	if (geteuid() != 0)
		return xprintf("/tmp/duet-%u", (unsigned)geteuid());
	return xstrdup("/run/duet");
}

/* Without these nothing could be said of a container's process, or done to it, that is surely about that process. */
static int check_kernel(struct error *err)
{
	cleanup_fd int fd = pidfd_open(getpid(), 0);

	if (fd >= 0 && pidfd_send_signal(fd, 0, NULL, 0) == 0)
		return 0;
	return error_set(err, errno,
		"pidfd_open(2) and pidfd_send_signal(2) are needed (Linux 5.10, and no seccomp filter around duet that "
		"forbids "
		"them)");
}

static struct container *container_new(const char *root, const char *id)
{
	struct container *container = xcalloc(1, sizeof(*container));

	container->id = xstrdup(id);
	container->path = xprintf("%s/%s", root, id);
	container->root_fd = -EBADF;
	container->directory_fd = -EBADF;
	return container;
}

/* The directory holds sockets and configurations of every container, and says which process and which cgroup is whose:
 * it has to be the caller's own, and closed to others. */
static int root_open(const char *root, bool make, struct error *err)
{
	struct stat status;
	cleanup_fd int fd = -EBADF;

	if (make) {
		int result = make_directories(AT_FDCWD, root, 0711);

		if (result < 0)
			return error_set(err, -result, "make the state directory %s", root);
	}
	fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "open the state directory %s", root);
	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "look at the state directory %s", root);
	if (status.st_uid != geteuid() || (status.st_mode & S_IWOTH))
		return error_set(err, -EPERM,
			"the state directory %s belongs to somebody else or can be written by everybody", root);
	return take_fd(&fd);
}

int container_make(const char *root, const char *id, struct container **ret, struct error *err)
{
	trace_scope("state directory");
	cleanup_container struct container *container = NULL;
	int result = container_id_check(id, err);

	if (result == 0)
		result = check_kernel(err);
	if (result < 0)
		return result;
	container = container_new(root, id);
	container->root_fd = root_open(root, true, err);
	if (container->root_fd < 0)
		return container->root_fd;
	if (mkdirat(container->root_fd, id, 0700) < 0) {
		if (errno == EEXIST)
			return error_set(err, -EEXIST, "container with id \"%s\" exists already", id);
		return error_set(err, errno, "make the state directory %s", container->path);
	}
	container->directory_fd = openat(container->root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (container->directory_fd < 0)
		return error_set(err, errno, "open the state directory %s", container->path);
	result = container_lock(container, err);
	if (result < 0)
		return result;
	*ret = take_pointer(&container);
	return 0;
}

static int directory_open(int root_fd, struct container *container, struct error *err)
{
	container->directory_fd = openat(root_fd, container->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (container->directory_fd >= 0)
		return 0;
	if (errno == ENOENT)
		return error_set(err, -ENOENT, "container \"%s\" does not exist", container->id);
	return error_set(err, errno, "open the state directory %s", container->path);
}

static int container_find(const char *root, const char *id, struct container **ret, struct error *err)
{
	cleanup_container struct container *container = NULL;
	int result = container_id_check(id, err);

	if (result == 0)
		result = check_kernel(err);
	if (result < 0)
		return result;
	container = container_new(root, id);
	container->root_fd = root_open(root, false, err);
	/* Without a root there is no container in it. */
	if (container->root_fd == -ENOENT)
		return error_set(err, -ENOENT, "container \"%s\" does not exist", id);
	if (container->root_fd < 0)
		return container->root_fd;
	result = directory_open(container->root_fd, container, err);
	if (result < 0)
		return result;
	*ret = take_pointer(&container);
	return 0;
}

static int load_for_a_look(struct container *container, struct error *err)
{
	int result = record_load(container, err);

	if (result == -ENOENT)
		return error_set(err, -ENOENT, "container \"%s\" was never created completely", container->id);
	return result;
}

int container_peek(const char *root, const char *id, struct container **ret, struct error *err)
{
	cleanup_container struct container *container = NULL;
	int result = container_find(root, id, &container, err);

	if (result == 0)
		result = load_for_a_look(container, err);
	if (result < 0)
		return result;
	*ret = take_pointer(&container);
	return 0;
}

int container_open(const char *root, const char *id, bool *damaged, struct container **ret, struct error *err)
{
	cleanup_container struct container *container = NULL;
	int result = container_find(root, id, &container, err);

	if (result == 0 && container)
		result = container_lock(container, err);
	if (result < 0 || !container)
		return result;
	result = record_load(container, err);
	if (result < 0 && !(damaged && (result == -ENOENT || result == -EBADMSG)))
		return result == -ENOENT
			       ? error_set(err, -EBADMSG,
					 "container \"%s\" was never created completely: delete it with --force", id)
			       : result;
	if (damaged)
		*damaged = result < 0;
	*ret = take_pointer(&container);
	return 0;
}

int container_lock(struct container *container, struct error *err)
{
	struct stat status;

	while (flock(container->directory_fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "lock %s", container->path);
	}
	/* Deleted while this command waited for the lock. */
	if (fstat(container->directory_fd, &status) < 0 || status.st_nlink == 0)
		return error_set(err, -ENOENT, "container \"%s\" does not exist", container->id);
	return 0;
}

void container_unlock(struct container *container)
{
	(void)flock(container->directory_fd, LOCK_UN);
}

int container_save(struct container *container, struct error *err)
{
	trace_scope("record");
	return record_save(container, err);
}

int container_remove(struct container *container, struct error *err)
{
	trace_scope("remove the state");
	int result = remove_tree(container->root_fd, container->id);

	if (result < 0)
		return error_set(err, -result, "remove %s", container->path);
	return 0;
}

void container_close(struct container **location)
{
	struct container *container = *location;

	if (!container)
		return;
	record_free(&container->record);
	close_fd(&container->directory_fd);
	close_fd(&container->root_fd);
	free(container->path);
	free(container->id);
	free(container);
	*location = NULL;
}

uint64_t process_start_ticks(pid_t pid)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char path[64];
	char *field;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	if (file_read(AT_FDCWD, path, 4096, &content) < 0)
		return 0;
	/* The second field is the command's name in parentheses and may hold anything. */
	field = strrchr(content.data, ')');
	if (!field)
		return 0;
	for (int number = 2; field && number < 22; number++)
		field = strchr(field + 1, ' ');
	return field ? strtoull(field + 1, NULL, 10) : 0;
}

int container_pidfd(const struct container *container)
{
	const struct container_record *record = &container->record;
	cleanup_fd int fd = -EBADF;
	struct pollfd ended;

	if (record->pid <= 0)
		return -ESRCH;
	fd = pidfd_open(record->pid, 0);
	if (fd < 0)
		return -errno;
	if (process_start_ticks(record->pid) != record->pid_start_ticks)
		return -ESRCH;
	ended = (struct pollfd){ .fd = fd, .events = POLLIN };
	if (poll(&ended, 1, 0) > 0)
		return -ESRCH; /* a zombie */
	return take_fd(&fd);
}

int container_load_cgroup(const struct container *container, struct cgroup **cgroup, struct error *err)
{
	return cgroup_load(container->record.cgroup ? container->record.cgroup : CGROUP_SAVED_NONE, cgroup, err);
}

bool container_has_cgroup(const struct container *container)
{
	const char *saved = container->record.cgroup;

	return saved && strncmp(saved, CGROUP_SAVED_NONE, strlen(CGROUP_SAVED_NONE)) != 0;
}

/* A monitor knows, whatever command was killed before it could note what it had done. */
static enum oci_status status_of_monitor(const struct container *container)
{
	struct control_status status = { .started = container->record.started };

	(void)control_ask_status(container, &status);
	if (status.paused)
		return OCI_STATUS_PAUSED;
	return status.started ? OCI_STATUS_RUNNING : OCI_STATUS_CREATED;
}

enum oci_status container_status(const struct container *container)
{
	cleanup_fd int pidfd = container_pidfd(container);
	cleanup_fd int control = -EBADF;

	if (container->record.pid == 0)
		return OCI_STATUS_CREATING;
	if (pidfd < 0)
		return OCI_STATUS_STOPPED;
	if (!container->record.prepared)
		return OCI_STATUS_CREATING;
	if (container->record.cgroup && cgroup_saved_is_frozen(container->record.cgroup))
		return OCI_STATUS_PAUSED;
	if (strcmp(container->record.isolation, "container") != 0)
		return status_of_monitor(container);
	if (container->record.started)
		return OCI_STATUS_RUNNING;
	/* `start` may have been killed before it could note its success: a container that no longer listens has
	 * started. */
	control = message_connect(container->directory_fd, CONTAINER_CONTROL_FILE);
	return control >= 0 ? OCI_STATUS_CREATED : OCI_STATUS_RUNNING;
}

struct oci_state container_state(const struct container *container, enum oci_status status)
{
	const struct container_record *record = &container->record;

	return (struct oci_state){
		.version = record->oci_version,
		.id = container->id,
		.status = status,
		.pid = status == OCI_STATUS_STOPPED ? 0 : record->pid,
		.bundle = record->bundle,
		.annotations = record->annotations,
		.annotation_count = record->annotation_count,
	};
}

static int compare_strings(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

int container_list_ids(const char *root, char ***ret, struct error *err)
{
	cleanup_directory DIR *directory = opendir(root);
	char **ids = xcalloc(1, sizeof(*ids));
	size_t count = 0;
	struct dirent *entry;

	if (!directory && errno != ENOENT) {
		free(ids);
		return error_set(err, errno, "open the state directory %s", root);
	}
	while (directory && (entry = readdir(directory))) {
		if (container_id_check(entry->d_name, NULL) < 0)
			continue;
		ids = xrealloc(ids, count + 2, sizeof(*ids));
		ids[count++] = xstrdup(entry->d_name);
		ids[count] = NULL;
	}
	qsort(ids, count, sizeof(*ids), compare_strings);
	*ret = ids;
	return 0;
}

int container_each(
	const char *root, void (*look)(const struct container *container, void *data), void *data, struct error *err)
{
	cleanup_fd int root_fd = -EBADF;
	char **ids = NULL;
	int result = container_list_ids(root, &ids, err);

	if (result == 0 && *ids)
		result = check_kernel(err);
	if (result == 0 && *ids) {
		root_fd = root_open(root, false, err);
		result = root_fd < 0 ? root_fd : 0;
	}
	for (char **id = ids; result == 0 && *id; id++) {
		cleanup_container struct container *container = container_new(root, *id);
		struct error reason;

		if (directory_open(root_fd, container, &reason) == 0 && load_for_a_look(container, &reason) == 0)
			look(container, data);
		else if (reason.code == ENOENT || reason.code == ENOTDIR)
			log_debug("%s", reason.message);
		else
			log_warning("%s", reason.message);
	}
	free_strings(ids);
	return result;
}
