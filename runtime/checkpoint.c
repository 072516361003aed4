/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/checkpoint.h"

#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <linux/sched.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "runtime/criu.h"
#include "runtime/isolation.h"
#include "runtime/lifecycle.h"

#define DUMP_LOG       "dump.log"
#define END_TIMEOUT_MS 10000

enum { CRIU_LOG_DEBUG = 4 };

void checkpoint_close(struct checkpoint_directories *directories)
{
	close_fd(&directories->images_fd);
	close_fd(&directories->work_fd);
	free(directories->log_path);
	directories->log_path = NULL;
}

static int open_directory(const char *path, bool make, struct error *err)
{
	int result = make ? make_directories(AT_FDCWD, path, 0700) : 0, fd;

	if (result < 0)
		return error_set(err, -result, "make the directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the directory %s", path) : fd;
}

int checkpoint_open(const struct checkpoint_options *options, bool make, const char *log_name,
	struct checkpoint_directories *directories, struct error *err)
{
	const char *images = options->image_path ? options->image_path : "checkpoint";
	const char *work = options->work_path ? options->work_path : images;
	cleanup(checkpoint_close) struct checkpoint_directories opened = CHECKPOINT_DIRECTORIES_NONE;

	opened.images_fd = open_directory(images, make, err);
	if (opened.images_fd < 0)
		return opened.images_fd;
	opened.work_fd = open_directory(work, true, err);
	if (opened.work_fd < 0)
		return opened.work_fd;
	opened.log_path = xprintf("%s/%s", work, log_name);
	/* That of an earlier run would be taken for this one's. */
	(void)unlinkat(opened.work_fd, log_name, 0);
	*directories = (struct checkpoint_directories){
		.images_fd = take_fd(&opened.images_fd),
		.work_fd = take_fd(&opened.work_fd),
		.images_path = images,
		.work_path = work,
		.log_path = take_pointer(&opened.log_path),
	};
	return 0;
}

void checkpoint_put_options(struct strbuf *request, const struct checkpoint_options *options,
	const struct checkpoint_directories *directories, const char *log_name)
{
	const struct {
		enum criu_option option;
		bool set;
	} flags[] = {
		{ CRIU_TCP_ESTABLISHED, options->tcp_established },
		{ CRIU_EXT_UNIX_SK, options->ext_unix_sockets },
		{ CRIU_SHELL_JOB, options->shell_job },
		{ CRIU_FILE_LOCKS, options->file_locks },
		{ CRIU_LAZY_PAGES, options->lazy_pages },
		{ CRIU_AUTO_DEDUP, options->auto_dedup },
		{ CRIU_LINK_REMAP, options->link_remap },
		{ CRIU_ORPHAN_PTS_MASTER, true },
		{ CRIU_MANAGE_CGROUPS, true },
	};

	criu_put_number(request, CRIU_IMAGES_FD, directories->images_fd);
	criu_put_number(request, CRIU_WORK_FD, directories->work_fd);
	criu_put_number(request, CRIU_LOG_LEVEL, CRIU_LOG_DEBUG);
	criu_put_text(request, CRIU_LOG_FILE, log_name);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].set)
			criu_put_number(request, flags[i].option, 1);
	}
	criu_put_number(request, CRIU_MANAGE_CGROUPS_MODE, options->cgroups);
	if (options->empty_network)
		criu_put_number(request, CRIU_EMPTY_NS, CLONE_NEWNET);
}

const char *checkpoint_external_namespace(enum namespace_kind kind)
{
	return kind == NAMESPACE_NETWORK ? "net" : kind == NAMESPACE_PID ? "pid" : NULL;
}

char *checkpoint_external_name(enum namespace_kind kind)
{
	return xprintf("extRoot%sNS", kind == NAMESPACE_NETWORK ? "Net" : "Pid");
}

/* ---- what of the container criu must not look into ---- */

/* A namespace that was joined by its path belongs to somebody else, who will have it again at the restore. */
static int put_namespaces(struct strbuf *request, const struct oci_spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];
		const char *word = checkpoint_external_namespace(namespace->kind);
		cleanup_free char *name = NULL, *external = NULL;
		struct stat status;

		/* The container would be gone, and nothing could bring it back. */
		if (namespace->kind == NAMESPACE_USER)
			return error_set(err, -ENOTSUP,
				"config.json: linux.namespaces[%zu]: a container with a user namespace cannot be "
				"checkpointed: its root could not read criu's images at the restore",
				i);
		if (!namespace->path)
			continue;
		if (!word)
			return error_set(err, -ENOTSUP,
				"config.json: linux.namespaces[%zu].path: criu cannot checkpoint a container that "
				"joined an "
				"existing %s namespace",
				i, namespace_table[namespace->kind].name);
		if (stat(namespace->path, &status) < 0)
			return error_set(err, errno, "look at the %s namespace %s",
				namespace_table[namespace->kind].name, namespace->path);
		name = checkpoint_external_name(namespace->kind);
		external = xprintf("%s[%" PRIu64 "]:%s", word, (uint64_t)status.st_ino, name);
		criu_put_text(request, CRIU_EXTERNAL, external);
	}
	return 0;
}

/* What a standard stream is connected to, in criu's words for what comes from outside (allocated), or its path. */
static char *describe_stream(pid_t pid, int number, const char *mountinfo, struct strbuf *request)
{
	cleanup_free char *path = xprintf("/proc/%d/fd/%d", (int)pid, number);
	cleanup_free char *info = xprintf("/proc/%d/fdinfo/%d", (int)pid, number), *point = NULL;
	char target[4096];
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	struct stat status;
	char *name;
	int id;

	if (length < 0 || stat(path, &status) < 0)
		return xstrdup("");
	target[length] = '\0';
	id = checkpoint_mount_id(info);
	point = checkpoint_mount_point(mountinfo, id);
	if (target[0] != '/' || point)
		return xstrdup(target);
	/* A file of the host's. */
	if (S_ISCHR(status.st_mode))
		name = xprintf("tty[%" PRIx64 ":%" PRIx64 "]", (uint64_t)status.st_rdev, (uint64_t)status.st_dev);
	else
		name = xprintf("file[%x:%" PRIx64 "]", (unsigned)id, (uint64_t)status.st_ino);
	criu_put_text(request, CRIU_EXTERNAL, name);
	return name;
}

static int put_streams(struct strbuf *request, pid_t pid, const char *mountinfo, int images_fd, struct error *err)
{
	json_t *streams = json_array();
	cleanup_free char *text = NULL;
	int result;

	for (int number = 0; number <= STDERR_FILENO; number++) {
		cleanup_free char *stream = describe_stream(pid, number, mountinfo, request);

		(void)json_array_append_new(streams, json_string(stream));
	}
	text = json_dumps(streams, JSON_COMPACT);
	json_decref(streams);
	if (!text)
		return error_set(err, -EINVAL, "the name of a standard stream is not UTF-8");
	result = file_replace(images_fd, CHECKPOINT_DESCRIPTORS_FILE, text, strlen(text), 0600);
	return result < 0 ? error_set(err, -result, "write " CHECKPOINT_DESCRIPTORS_FILE) : 0;
}

static int put_page_server(struct strbuf *request, const char *text, struct error *err)
{
	cleanup_strbuf struct strbuf server = STRBUF_INIT;
	const char *colon = strrchr(text, ':');
	cleanup_free char *address = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	uint64_t port = 0;

	if (!colon || parse_u64(colon + 1, &port) < 0 || port == 0 || port > UINT16_MAX)
		return error_set(err, -EINVAL, "--page-server %s: ADDRESS:PORT is expected", text);
	criu_put_text(&server, 1, address);
	criu_put_number(&server, 2, (int64_t)port);
	criu_put_message(request, CRIU_PAGE_SERVER, &server);
	return 0;
}

static int put_parent(
	struct strbuf *request, const struct checkpoint_options *options, int images_fd, struct error *err)
{
	if (options->pre_dump || options->parent_path)
		criu_put_number(request, CRIU_TRACK_MEMORY, 1);
	if (!options->parent_path)
		return 0;
	if (faccessat(images_fd, options->parent_path, F_OK, 0) < 0)
		return error_set(err, errno, "--parent-path %s", options->parent_path);
	criu_put_text(request, CRIU_PARENT_IMAGES, options->parent_path);
	return 0;
}

/* criu stops the processes by their group rather than one by one. */
static void put_freezer(struct strbuf *request, const struct cgroup *cgroup)
{
	const struct cgroup_entry *entry = cgroup ? cgroup_find(cgroup, CGROUP_FREEZER) : NULL;

	if (entry)
		criu_put_text(request, CRIU_FREEZE_CGROUP, entry->directory);
}

static int put_container(struct strbuf *request, const struct container *container, const struct oci_spec *spec,
	const struct checkpoint_options *options, int images_fd, struct error *err)
{
	cleanup_strbuf struct strbuf mountinfo = STRBUF_INIT;
	cleanup_cgroup struct cgroup *cgroup = NULL;
	pid_t pid = container->record.pid;
	int result = checkpoint_read_mountinfo(pid, &mountinfo, err);

	criu_put_number(request, CRIU_PID, pid);
	criu_put_text(request, CRIU_ROOT, container->record.rootfs);
	if (options->leave_running || options->pre_dump)
		criu_put_number(request, CRIU_LEAVE_RUNNING, 1);
	if (options->tcp_skip_in_flight)
		criu_put_number(request, CRIU_TCP_SKIP_IN_FLIGHT, 1);
	if (options->status_fd >= 0)
		criu_put_number(request, CRIU_STATUS_FD, options->status_fd);
	if (result == 0 && container->record.cgroup)
		result = cgroup_load(container->record.cgroup, &cgroup, err);
	put_freezer(request, cgroup);
	if (result == 0)
		result = put_namespaces(request, spec, err);
	if (result == 0)
		result = checkpoint_put_mounts(request, spec, pid, mountinfo.data, err);
	if (result == 0)
		result = put_streams(request, pid, mountinfo.data, images_fd, err);
	if (result == 0)
		result = put_parent(request, options, images_fd, err);
	if (result == 0 && options->page_server)
		result = put_page_server(request, options->page_server, err);
	return result;
}

/* What can be known before anything is made. */
static int check(const struct oci_spec *spec, const struct checkpoint_options *options, struct error *err)
{
	cleanup_strbuf struct strbuf unused = STRBUF_INIT;
	int result = put_namespaces(&unused, spec, err);

	if (result < 0)
		return result;
	if (options->parent_path && options->parent_path[0] == '/')
		return error_set(err, -EINVAL, "--parent-path %s: a path relative to the image directory is expected",
			options->parent_path);
	return options->page_server ? put_page_server(&unused, options->page_server, err) : 0;
}

static int check_state(const struct container *container, struct error *err)
{
	enum oci_status status = container_status(container);

	if (status != OCI_STATUS_RUNNING && status != OCI_STATUS_PAUSED)
		return error_set(err, -EINVAL, "cannot checkpoint container \"%s\": it is %s, not running",
			container->id, oci_status_name(status));
	return 0;
}

static int dump(const struct container *container, const struct checkpoint_options *options, struct error *err)
{
	cleanup(checkpoint_close) struct checkpoint_directories directories = CHECKPOINT_DIRECTORIES_NONE;
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_oci_spec struct oci_spec *spec = NULL;
	const char *config_file;
	struct criu_inherited inherited[3] = { 0 };
	int result = oci_spec_load(&spec, container->directory_fd, CONTAINER_CONFIG_FILE, err);
	struct criu_job job = {
		.type = options->pre_dump ? CRIU_PRE_DUMP : CRIU_DUMP,
		.options = &request,
		.inherited = inherited,
		.inherited_count = 2,
	};
	pid_t nobody = 0;

	if (result == 0)
		result = check(spec, options, err);
	if (result == 0)
		result = criu_check(err);
	if (result == 0)
		result = checkpoint_open(options, true, DUMP_LOG, &directories, err);
	if (result < 0)
		return result;
	checkpoint_put_options(&request, options, &directories, DUMP_LOG);
	config_file = oci_annotation(spec, "org.criu.config");
	if (config_file)
		criu_put_text(&request, CRIU_CONFIG_FILE, config_file);
	result = put_container(&request, container, spec, options, directories.images_fd, err);
	if (result < 0)
		return result;
	job.log_path = directories.log_path;
	inherited[0].fd = directories.images_fd;
	inherited[1].fd = directories.work_fd;
	if (options->status_fd >= 0)
		inherited[job.inherited_count++].fd = options->status_fd;
	return criu_run(&job, &nobody, err);
}

int lifecycle_checkpoint(const char *root, const char *id, const struct checkpoint_options *options, struct error *err)
{
	cleanup_container struct container *container = NULL;
	cleanup_fd int pidfd = -EBADF;
	const struct isolation *isolation;
	struct pollfd ended;
	int result = container_open(root, id, NULL, &container, err);

	if (result == 0)
		result = isolation_of(container, &isolation, err);
	if (result == 0)
		result = check_state(container, err);
	if (result != 0)
		return result;
	if (options->compress && !isolation->checkpoint)
		return error_set(
			err, -ENOTSUP, "--compress zstd: the container is no micro-VM, and criu does not compress");
	pidfd = container_pidfd(container);
	result = isolation->checkpoint ? isolation->checkpoint(container, options, err) : dump(container, options, err);
	if (result < 0 || options->leave_running || options->pre_dump)
		return result;
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	(void)poll(&ended, 1, END_TIMEOUT_MS);
	return lifecycle_cleanup(container, err);
}
