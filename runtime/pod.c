/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/pod.h"

#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "runtime/isolation.h"

static const struct dialect {
	const char *type, *sandbox_id;
} dialects[] = {
	{ "io.kubernetes.cri.container-type", "io.kubernetes.cri.sandbox-id" },
	{ "io.kubernetes.cri-o.ContainerType", "io.kubernetes.cri-o.SandboxID" },
};

static const struct dialect *dialect_of(const struct oci_spec *spec, const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(dialects); i++) {
		const char *value = oci_annotation(spec, dialects[i].type);

		if (value && strcmp(value, type) == 0)
			return &dialects[i];
	}
	return NULL;
}

bool pod_is_sandbox(const struct oci_spec *spec)
{
	return dialect_of(spec, "sandbox") != NULL;
}

static bool has_annotation(const struct container *container, const char *key, const char *value)
{
	for (size_t i = 0; i < container->record.annotation_count; i++) {
		const struct key_value *annotation = &container->record.annotations[i];

		if (strcmp(annotation->key, key) == 0 && strcmp(annotation->value, value) == 0)
			return true;
	}
	return false;
}

/* The id of a micro-VM of the same pod that has not ended, if there is one. Allocated. */
static int find_sibling(
	const char *root, const char *id, const char *key, const char *sandbox_id, char **ret, struct error *err)
{
	char **ids = NULL;
	int result = container_list_ids(root, &ids, err);

	for (char **other = ids; result == 0 && other && *other && !*ret; other++) {
		cleanup_container struct container *container = NULL;
		struct error ignored;

		if (strcmp(*other, id) == 0 || container_peek(root, *other, &container, &ignored) < 0)
			continue;
		if (strcmp(container->record.isolation, isolation_microvm.name) == 0 &&
			has_annotation(container, key, sandbox_id) && container_status(container) != OCI_STATUS_STOPPED)
			*ret = xstrdup(*other);
	}
	free_strings(ids);
	return result;
}

int pod_find_sandbox(
	const char *root, const char *id, const struct oci_spec *spec, struct container **sandbox, struct error *err)
{
	cleanup_container struct container *found = NULL;
	const struct dialect *dialect = dialect_of(spec, "container");
	const char *sandbox_id = dialect ? oci_annotation(spec, dialect->sandbox_id) : NULL;
	cleanup_free char *sibling = NULL;
	int result;

	if (!sandbox_id)
		return 0;
	result = container_peek(root, sandbox_id, &found, err);
	if (result < 0)
		return result == -ENOENT ? 0 : result;
	if (strcmp(found->record.isolation, isolation_container.name) != 0 ||
		container_status(found) != OCI_STATUS_RUNNING)
		return 0;
	result = find_sibling(root, id, dialect->sandbox_id, sandbox_id, &sibling, err);
	if (result < 0)
		return result;
	if (sibling)
		return error_set(err, -EBUSY,
			"config.json: annotations: pod %s has a micro-VM already (%s), and another cannot share its "
			"namespaces",
			sandbox_id, sibling);
	*sandbox = take_pointer(&found);
	return 0;
}

bool pod_holds_namespace(const struct container *sandbox, const struct oci_namespace *namespace)
{
	cleanup_free char *own = NULL;
	struct stat mine, theirs;

	if (namespace->kind != NAMESPACE_IPC && namespace->kind != NAMESPACE_UTS)
		return false;
	own = xprintf("/proc/%d/ns/%s", (int)sandbox->record.pid, namespace->kind == NAMESPACE_IPC ? "ipc" : "uts");
	return stat(own, &mine) == 0 && stat(namespace->path, &theirs) == 0 && mine.st_dev == theirs.st_dev &&
	       mine.st_ino == theirs.st_ino;
}

int pod_host_name(const struct container *sandbox, char **name, struct error *err)
{
	cleanup_oci_spec struct oci_spec *spec = NULL;
	int result = oci_spec_load(&spec, sandbox->directory_fd, CONTAINER_CONFIG_FILE, err);

	if (result == 0)
		*name = spec->hostname ? xstrdup(spec->hostname) : NULL;
	return result;
}
