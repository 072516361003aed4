/* SPDX-License-Identifier: Apache-2.0 */
/* What the bundles of a comparison are made from, and where they lie. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/signalfd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/compare_internal.h"
#include "oci/patch.h"
#include "oci/spec.h"
#include "oci/template.h"
#include "runtime/guest_files.h"
#include "runtime/lifecycle.h"

/* Below the state root; no container's id begins with a dot. */
#define COMPARE_DIRECTORY ".compare"

enum { CONFIGURATION_BYTES_MAX = 16 << 20 };

/* What engines give by default: these capabilities, and the limits that keep what goes wrong on purpose small. */
static const char default_capabilities[] =
	"[\"CAP_CHOWN\",\"CAP_DAC_OVERRIDE\",\"CAP_FSETID\",\"CAP_FOWNER\",\"CAP_MKNOD\",\"CAP_NET_RAW\","
	"\"CAP_SETGID\",\"CAP_SETUID\",\"CAP_SETFCAP\",\"CAP_SETPCAP\",\"CAP_NET_BIND_SERVICE\",\"CAP_SYS_CHROOT\","
	"\"CAP_KILL\",\"CAP_AUDIT_WRITE\"]";

/* The directory of a comparison that was killed is not locked any more. */
static void collect_one(const char *root, int parent, const char *id)
{
	cleanup_fd int directory = openat(parent, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct error err;

	if (directory < 0 || flock(directory, LOCK_EX | LOCK_NB) < 0)
		return;
	if (lifecycle_delete(root, id, true, &err) < 0)
		log_warning("%s", err.message);
	if (remove_tree(parent, id) < 0)
		log_warning("remove what a comparison left in %s/" COMPARE_DIRECTORY "/%s", root, id);
}

static void collect(const char *root, int parent)
{
	int copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup_directory DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	while (stream && (entry = readdir(stream))) {
		if (entry->d_name[0] != '.')
			collect_one(root, parent, entry->d_name);
	}
}

static int make_directory(struct compare_session *session, struct error *err)
{
	const char *root = session->options->state_root;
	cleanup_free char *parent = xprintf("%s/%s", root, COMPARE_DIRECTORY);
	cleanup_fd int parent_fd = -EBADF;
	uint32_t number;
	int result = make_directories(AT_FDCWD, parent, 0711);

	if (result < 0)
		return error_set(err, -result, "make %s", parent);
	parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent_fd < 0 || getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return error_set(err, errno, "open %s", parent);
	/* Until the new one is locked nobody else collects. */
	if (flock(parent_fd, LOCK_EX) < 0)
		return error_set(err, errno, "lock %s", parent);
	collect(root, parent_fd);
	session->id = xprintf("compare-%d-%08x", (int)getpid(), number);
	session->path = xprintf("%s/%s", parent, session->id);
	/* The root file system is for whoever the bundle's process is. */
	if (mkdirat(parent_fd, session->id, 0711) < 0)
		return error_set(err, errno, "make %s", session->path);
	session->directory_fd = openat(parent_fd, session->id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (session->directory_fd < 0 || flock(session->directory_fd, LOCK_EX | LOCK_NB) < 0 ||
		mkdirat(session->directory_fd, "rootfs", 0755) < 0)
		return error_set(err, errno, "make the bundles' directory %s", session->path);
	return 0;
}

static int find_probe(struct compare_session *session, struct error *err)
{
	cleanup_free char *name = NULL;

	session->probe_fd = guest_file_open(NULL, "probe", &name, err);
	if (session->probe_fd < 0)
		return session->probe_fd;
	session->probe_path = realpath(name, NULL);
	return session->probe_path ? 0 : error_set(err, errno, "find %s", name);
}

/* The root file system, absolute or below the bundle that is made; `engine`: what engines give. */
static void default_patch(struct strbuf *patch, const char *rootfs, bool engine)
{
	strbuf_string(patch, "{\"root\":{\"path\":");
	strbuf_json_string(patch, rootfs);
	strbuf_string(patch, "}");
	if (engine) {
		strbuf_printf(patch,
			",\"process\":{\"capabilities\":{\"bounding\":%s,\"effective\":%s,\"permitted\":%s}},"
			"\"hostname\":\"compare\",\"linux\":{\"seccomp\":",
			default_capabilities, default_capabilities, default_capabilities);
		compare_default_filter(patch);
		strbuf_string(patch, "}");
	}
	strbuf_string(patch, "}");
}

static int own_configuration(struct compare_session *session, struct error *err)
{
	const struct oci_template template = { .rootless = geteuid() != 0, .uid = geteuid(), .gid = getegid() };
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_strbuf struct strbuf patch = STRBUF_INIT;
	cleanup_strbuf struct strbuf patched = STRBUF_INIT;
	int result;

	oci_template_print(&text, &template);
	default_patch(&patch, "rootfs", true);
	result = oci_config_patch("config.json", text.data, text.length, patch.data, &patched, err);
	if (result == 0)
		session->configuration = take_pointer(&patched.data);
	return result;
}

static int bundles_configuration(struct compare_session *session, struct error *err)
{
	const char *bundle = session->options->bundle;
	cleanup_free char *real = realpath(bundle, NULL);
	cleanup_fd int directory = real ? open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -EBADF;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_strbuf struct strbuf patch = STRBUF_INIT;
	cleanup_strbuf struct strbuf patched = STRBUF_INIT;
	cleanup_free char *rootfs = NULL;
	struct oci_spec *spec = NULL;
	int result;

	if (directory < 0)
		return error_set(err, errno, "open the bundle %s", bundle);
	result = oci_spec_load(&spec, directory, "config.json", err);
	if (result < 0)
		return result;
	rootfs = spec->root.path && spec->root.path[0] == '/'
			 ? xstrdup(spec->root.path)
			 : xprintf("%s/%s", real, spec->root.path ? spec->root.path : "rootfs");
	oci_spec_free(spec);
	result = file_read(directory, "config.json", CONFIGURATION_BYTES_MAX, &text);
	if (result < 0)
		return error_set(err, -result, "read %s/config.json", bundle);
	default_patch(&patch, rootfs, false);
	result = oci_config_patch("config.json", text.data, text.length, patch.data, &patched, err);
	if (result == 0)
		session->configuration = take_pointer(&patched.data);
	return result;
}

/* The filter and the capabilities that the bundle's process has: who refused an attempt follows from them. */
static int read_walls(struct compare_session *session, struct error *err)
{
	struct oci_spec *spec = NULL;
	int result = file_replace(
		session->directory_fd, "config.json", session->configuration, strlen(session->configuration), 0600);

	if (result < 0)
		return error_set(err, -result, "write the bundle of the comparison");
	result = oci_spec_load(&spec, session->directory_fd, "config.json", err);
	if (result < 0)
		return result;
	if (spec->process)
		session->capabilities = spec->process->capabilities.effective;
	for (size_t i = 0; i < spec->namespace_count; i++)
		session->user_namespace = session->user_namespace || spec->namespaces[i].kind == NAMESPACE_USER;
	if (spec->seccomp)
		result = seccomp_compile(spec->seccomp, &session->filter, err);
	oci_spec_free(spec);
	return result;
}

static int block_signals(struct compare_session *session, struct error *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return error_set(err, errno, "block signals");
	session->signals_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return session->signals_fd < 0 ? error_set(err, errno, "make a signalfd") : 0;
}

int compare_session_open(struct compare_session *session, const struct compare_options *options, struct error *err)
{
	int result;

	*session = (struct compare_session){
		.options = options,
		.directory_fd = -EBADF,
		.probe_fd = -EBADF,
		.signals_fd = -EBADF,
	};
	result = find_probe(session, err);
	if (result == 0)
		result = make_directory(session, err);
	if (result == 0)
		result = options->bundle ? bundles_configuration(session, err) : own_configuration(session, err);
	if (result == 0)
		result = read_walls(session, err);
	if (result == 0)
		result = block_signals(session, err);
	return result;
}

void compare_session_close(struct compare_session *session)
{
	if (session->directory_fd >= 0 && remove_tree(AT_FDCWD, session->path) < 0)
		log_warning("remove %s", session->path);
	close_fd(&session->directory_fd);
	close_fd(&session->probe_fd);
	close_fd(&session->signals_fd);
	free(session->id);
	free(session->path);
	free(session->probe_path);
	free(session->configuration);
	seccomp_program_free(&session->filter);
}
