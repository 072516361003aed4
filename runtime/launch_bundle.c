/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bundle to a launch: what is read, decided and kept of it.
 */
#include "runtime/launch_bundle.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/timestamp.h"
#include "oci/annotations.h"
#include "runtime/isolation.h"
#include "runtime/plan.h"
#include "runtime/pod.h"

static int launch_choose_isolation(struct launch *launch, struct error *err)
{
	const char *name = launch->options->isolation;

	if (!name)
		name = oci_annotation(launch->spec, OCI_ANNOTATION_ISOLATION);
	if (!name && launch->spec->vm)
		name = "microvm";
	/* It runs nothing of the pod's, and its namespaces are needed on the host. */
	if (!name && pod_is_sandbox(launch->spec))
		name = isolation_container.name;
	if (!name)
		name = launch->options->default_isolation;
	if (!name)
		name = launch->settings.isolation;
	if (!name)
		name = isolation_table[0]->name;
	launch->isolation = isolation_find(name);
	if (!launch->isolation)
		return error_set(
			err, -EINVAL, "unknown isolation \"%s\": \"container\" and \"microvm\" are there", name);
	return 0;
}

int launch_load(struct launch *launch, char **ret_bundle, struct error *err)
{
	cleanup_free char *bundle = realpath(launch->options->bundle, NULL);
	cleanup_fd int bundle_fd = -EBADF;
	struct stat status;
	int result;

	if (!bundle)
		return error_set(err, errno, "bundle %s", launch->options->bundle);
	bundle_fd = open(bundle, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (bundle_fd < 0)
		return error_set(err, errno, "open bundle %s", bundle);
	result = oci_read_file(&launch->config, bundle_fd, CONTAINER_CONFIG_FILE, err);
	if (result == 0)
		result = oci_spec_parse(
			&launch->spec, launch->config.data, launch->config.length, CONTAINER_CONFIG_FILE, err);
	if (result < 0)
		return result;
	result = settings_load(launch->options->settings_file, &launch->settings, err);
	if (result == 0)
		result = settings_check_annotations(&launch->settings, launch->spec, err);
	if (result == 0)
		result = launch_choose_isolation(launch, err);
	if (result < 0)
		return result;
	result = plan_container(launch->spec, bundle, &launch->plan, err);
	if (result < 0)
		return result;
	result = plan_process(launch->spec, launch->spec->process, &launch->process, err);
	if (result < 0)
		return result;
	launch->plan.rootfs.no_pivot = launch->options->no_pivot;
	launch->process.init = launch->options->init;
	launch->process.new_keyring = !launch->options->no_new_keyring;
	launch->process.keyring_name = xprintf("_ses.%s", launch->options->id);
	launch->process.preserve_fds = launch->options->preserve_fds;
	if (launch->options->listen_fds)
		plan_listen(&launch->process, launch->options->listen_fds);
	/* execCPUAffinity is not for the container's first process. */
	free_pointer(&launch->process.cpu_affinity_initial);
	free_pointer(&launch->process.cpu_affinity_final);
	/* A micro-VM may have its root on a disk image. */
	if (!launch->isolation->has_image || !launch->isolation->has_image(launch->spec)) {
		if (stat(launch->plan.rootfs.root, &status) < 0)
			return error_set(err, errno, "config.json: root.path: %s", launch->plan.rootfs.root);
		if (!S_ISDIR(status.st_mode))
			return error_set(err, ENOTDIR, "config.json: root.path: %s", launch->plan.rootfs.root);
	}
	*ret_bundle = take_pointer(&bundle);
	return 0;
}

void launch_fill_record(struct launch *launch, char *bundle)
{
	struct container_record *record = &launch->container->record;
	const struct oci_spec *spec = launch->spec;

	record->oci_version = xstrdup(spec->version);
	record->bundle = bundle;
	record->rootfs = xstrdup(launch->plan.rootfs.root);
	record->isolation = xstrdup(launch->isolation->name);
	record->created = xstrdup(timestamp_now(9).text);
	record->owner = getuid();
	record->no_new_keyring = launch->options->no_new_keyring;
	record->annotations = xcalloc(spec->annotation_count, sizeof(*record->annotations));
	record->annotation_count = spec->annotation_count;
	for (size_t i = 0; i < spec->annotation_count; i++) {
		record->annotations[i].key = xstrdup(spec->annotations[i].key);
		record->annotations[i].value = xstrdup(spec->annotations[i].value);
	}
}

int launch_keep_config(struct launch *launch, struct error *err)
{
	cleanup_fd int fd = openat(launch->container->directory_fd, CONTAINER_CONFIG_FILE,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result = fd < 0 ? -errno : file_write_fd(fd, launch->config.data, launch->config.length);

	/* Some file systems tell of a full disk at close(2) only. */
	if (fd >= 0 && close(take_fd(&fd)) < 0 && result == 0)
		result = -errno;
	strbuf_free(&launch->config);
	return result < 0 ? error_set(err, -result, "keep a copy of config.json in %s", launch->container->path) : 0;
}
