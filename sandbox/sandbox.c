/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/sandbox.h"

#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/log.h"
#include "oci/spec.h"
#include "runtime/container.h"
#include "sandbox/internal.h"

/* Host ids that distributions leave to nobody: above those of systemd's containers and far from /etc/subuid's. */
#define FIRST_ID_BASE  0x70000000U
#define FIRST_ID_SLOTS 4096U

static int name_it(struct sandbox *sandbox, struct error *err)
{
	uint32_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return error_set(err, errno, "choose a name for the sandbox");
	(void)snprintf(sandbox->id, sizeof(sandbox->id), "sandbox-%d-%08x", (int)getpid(), number);
	/* Of its own: two sandboxes share no user, neither in files nor in limits that count by user. */
	sandbox->first_id = sandbox->user_namespace && !sandbox->rootless
				    ? FIRST_ID_BASE + number % FIRST_ID_SLOTS * SANDBOX_IDS
				    : 0;
	return 0;
}

static int find_workdir(struct sandbox *sandbox, struct error *err)
{
	const char *wish = sandbox->settings->workdir ? sandbox->settings->workdir : ".";
	struct stat status;

	sandbox->workdir = realpath(wish, NULL);
	if (!sandbox->workdir || stat(sandbox->workdir, &status) < 0)
		return error_set(err, errno, "work directory %s", wish);
	if (!S_ISDIR(status.st_mode))
		return error_set(err, -ENOTDIR, "work directory %s: not a directory", wish);
	if (strcmp(sandbox->workdir, "/") == 0)
		return error_set(err, -EINVAL, "the work directory is / itself: name another one with --workdir");
	return 0;
}

/* A command that failed stays what the failure was; of one that did not the sandbox now failed. */
static int fetch(struct sandbox *sandbox, int status, struct error *err)
{
	struct error here;

	if (copy_all_out(sandbox, &here) == 0)
		return status;
	if (status == 0 && sandbox->result.cause == SANDBOX_ENDED) {
		*err = here;
		return -err->code;
	}
	log_warning("%s", here.message);
	return status;
}

static void free_spec(struct oci_spec **spec)
{
	oci_spec_free(*spec);
}

/* A bundle's root and environment; its mounts, limits and hooks are of another purpose than a sandbox's. */
static int find_bundle(struct sandbox *sandbox, const char *path, struct error *err)
{
	cleanup_fd int bundle = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cleanup(free_spec) struct oci_spec *spec = NULL;
	cleanup_free char *root = NULL;
	size_t count = 0;
	int result = bundle < 0 ? error_set(err, errno, "--bundle %s", path)
				: oci_spec_load(&spec, bundle, CONTAINER_CONFIG_FILE, err);

	if (result < 0)
		return result;
	root = spec->root.path[0] == '/' ? xstrdup(spec->root.path) : xprintf("%s/%s", path, spec->root.path);
	sandbox->base = realpath(root, NULL);
	if (!sandbox->base)
		return error_set(err, errno, "--bundle %s: root.path", path);
	while (spec->process && spec->process->env && spec->process->env[count])
		count++;
	sandbox->image.environment = xcalloc(count + 1, sizeof(char *));
	for (size_t i = 0; i < count; i++)
		sandbox->image.environment[i] = xstrdup(spec->process->env[i]);
	return 0;
}

/* What the root is made of; nothing is made yet. */
static int find_base(struct sandbox *sandbox, struct error *err)
{
	const struct sandbox_settings *settings = sandbox->settings;
	int result;

	if (settings->bundle && settings->rootfs)
		return error_set(err, -EINVAL, "--bundle and --rootfs: a sandbox has one root");
	if (settings->bundle)
		return find_bundle(sandbox, settings->bundle, err);
	if (!settings->rootfs) {
		sandbox->base = xstrdup("/");
		return 0;
	}
	result = image_open(settings->rootfs, &sandbox->image, err);
	if (result < 0)
		return result;
	if (sandbox->image.kind == IMAGE_FILE_SYSTEM && sandbox->rootless)
		return error_set(err, -EPERM, "--rootfs %s: only root can mount a disk image", settings->rootfs);
	if (sandbox->image.kind == IMAGE_DIRECTORY) {
		sandbox->base = realpath(settings->rootfs, NULL);
		return sandbox->base ? 0 : error_set(err, errno, "--rootfs %s", settings->rootfs);
	}
	return 0;
}

static int run_one(struct sandbox *sandbox, struct error *err)
{
	int result = scratch_open(sandbox, err);

	if (result == 0)
		result = root_make(sandbox, err);
	if (result == 0)
		result = devices_make(sandbox, err);
	if (result == 0)
		result = network_open(sandbox, err);
	if (result == 0)
		result = config_write(sandbox, err);
	if (result == 0)
		result = copy_all_in(sandbox, err);
	if (result == 0)
		result = supervise(sandbox, err);
	if (result >= 0 && sandbox->settings->copy_out)
		result = fetch(sandbox, result, err);
	network_close(sandbox);
	close_fd(&sandbox->rootfs_fd);
	scratch_close(sandbox);
	return result;
}

int sandbox_exit_status(const struct sandbox *sandbox)
{
	switch (sandbox->result.cause) {
	case SANDBOX_TIMED_OUT:
	case SANDBOX_CPU_TIME:
		return SANDBOX_EXIT_TIMEOUT;
	case SANDBOX_NOT_STARTED:
		return sandbox->failure.exit_status ? sandbox->failure.exit_status : SANDBOX_EXIT_FAILED;
	case SANDBOX_INTERRUPTED:
		return 128 + sandbox->result.interrupted_by;
	default:
		return sandbox->result.wait_status;
	}
}

void sandbox_once(struct sandbox *sandbox)
{
	struct error *err = &sandbox->failure;
	int result = sandbox_check(sandbox->settings, err);

	if (result == 0)
		result = name_it(sandbox, err);
	if (result == 0)
		result = find_workdir(sandbox, err);
	if (result == 0)
		result = find_base(sandbox, err);
	if (result == 0)
		result = network_check(sandbox, err);
	if (result == 0)
		result = copy_check(sandbox, err);
	if (result == 0)
		result = changes_prepare(sandbox, err);
	if (result == 0 && sandbox->rootless)
		result = rootless_plan(sandbox, err);
	if (result == 0)
		result = run_one(sandbox, err);
	if (result < 0) {
		sandbox->result.cause = SANDBOX_NOT_STARTED;
		err->exit_status = sandbox_exit_status(sandbox);
	}
	for (unsigned int i = 0; i < sandbox->layer_count; i++)
		free(sandbox->layers[i]);
	devices_free(sandbox);
	image_close(&sandbox->image);
	free(sandbox->base);
	free(sandbox->workdir);
	sandbox->base = sandbox->workdir = NULL;
}

/* The result of one is its exit status; its failure, that of a report included, is in *err. */
static int conclude(const struct sandbox *sandbox, struct error *err)
{
	int result = report_write(sandbox, 1, err);

	if (sandbox->result.cause == SANDBOX_NOT_STARTED) {
		*err = sandbox->failure;
		return -err->code;
	}
	if (result < 0)
		return result;
	summary_line(sandbox);
	return sandbox_exit_status(sandbox);
}

int sandbox_run(
	const struct sandbox_settings *settings, char *const *command, const char *state_root, struct error *err)
{
	struct sandbox sandbox = {
		.settings = settings,
		.command = command,
		.state_root = state_root,
		.locks_fd = -EBADF,
		.lock_fd = -EBADF,
		.scratch_fd = -EBADF,
		.rootfs_fd = -EBADF,
		.lifeline_fd = -EBADF,
		.user_namespace = !settings->vm && (geteuid() != 0 || strcmp(settings->network, "host") != 0),
		.ids = SANDBOX_IDS,
		.rootless = geteuid() != 0,
	};
	int result;

	if (settings->repeat != 1 || settings->jobs != 1) {
		result = repeat_run(&sandbox, err);
	} else {
		sandbox_once(&sandbox);
		result = conclude(&sandbox, err);
	}
	if (result < 0 && !err->exit_status)
		err->exit_status = SANDBOX_EXIT_FAILED;
	return result;
}
