/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/trace.h"
#include "oci/spec_sections.h"

#define FILE_BYTES_MAX (16 << 20)

static const char *skip_number(const char *text)
{
	while (isdigit((unsigned char)*text))
		text++;
	return text;
}

/* "1.N", "1.N.N", and whatever pre-release or build suffix behind: all of 1.x is one language, read with the newest
 * grammar. */
static int read_version(struct json_reader *reader, const json_t *value, void *target)
{
	char **version = target;
	int result = json_read_text(reader, value, version);
	const char *next = *version, *before;

	if (result < 0)
		return result;
	for (int numbers = 0; numbers < 3; numbers++) {
		before = next;
		next = skip_number(next);
		if (next == before)
			return json_fail(reader, "\"%s\" is not a version such as \"1.2.0\"", *version);
		if (*next != '.' || numbers == 2)
			break;
		next++;
	}
	if (*next && *next != '-' && *next != '+')
		return json_fail(reader, "\"%s\" is not a version such as \"1.2.0\"", *version);
	if (strncmp(*version, "1.", 2) != 0)
		return json_fail(reader, "\"%s\" is not supported (1.x is)", *version);
	return 0;
}

static int read_annotations(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_spec *spec = target;

	return json_read_map(reader, value, sizeof(*spec->annotations), json_read_key_value, &spec->annotations,
		&spec->annotation_count);
}

static int refuse_platform(struct json_reader *reader, const json_t *value, void *target)
{
	(void)target;
	if (!json_is_object(value))
		return json_fail_type(reader, value, "an object");
	return json_fail(reader, "containers of this platform do not run here (Linux is what does)");
}

/* Before 1.3.0 the specification left open what a limit of 0 processes means; engines of that time (podman 4, CRI-O)
 * write it for none. */
static void read_by_version(struct oci_spec *spec)
{
	if (strtoul(spec->version + strlen("1."), NULL, 10) >= 3 || !spec->resources)
		return;
	if (spec->resources->pids_limit.set && spec->resources->pids_limit.value == 0)
		spec->resources->pids_limit.value = -1;
}

static int read_spec(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = {
		JSON_REQUIRED_BY("ociVersion", struct oci_spec, version, read_version),
		JSON_SECTION("windows", refuse_platform),
		JSON_SECTION("solaris", refuse_platform),
		JSON_SECTION("freebsd", refuse_platform),
		JSON_SECTION("zos", refuse_platform),
		JSON_FIELD_BY("process", struct oci_spec, process, oci_read_process),
		JSON_REQUIRED_BY("root", struct oci_spec, root, oci_read_root),
		JSON_SECTION("mounts", oci_read_mounts),
		JSON_FIELD("hostname", struct oci_spec, hostname),
		JSON_FIELD("domainname", struct oci_spec, domainname),
		JSON_SECTION("hooks", oci_read_hooks),
		JSON_SECTION("annotations", read_annotations),
		JSON_SECTION("linux", oci_read_linux),
		JSON_FIELD_BY("vm", struct oci_spec, vm, oci_read_vm),
	};
	struct oci_spec **spec = target;
	int result;

	*spec = xcalloc(1, sizeof(**spec));
	result = json_read_fields(reader, value, fields, *spec);
	if (result < 0)
		return result;
	read_by_version(*spec);
	/* The specification lets it be absent until `start`; here `create` checks everything that start will do. */
	if (!(*spec)->process)
		return json_fail_field(reader, "process", "is missing: there is nothing to run");
	return oci_check_linux(reader, *spec);
}

static int parse(
	json_read_function *read, void *location, const char *text, size_t length, const char *name, struct error *err)
{
	struct json_document document = { .root = NULL };
	struct json_reader reader = { .document = &document, .name = name, .err = err };
	int result = json_document_parse(&document, text, length, name, err);

	if (result == 0)
		result = read(&reader, document.root, location);
	json_document_free(&document);
	return result;
}

int oci_spec_parse(struct oci_spec **spec, const char *text, size_t length, const char *name, struct error *err)
{
	cleanup_oci_spec struct oci_spec *read = NULL;
	int result = parse(read_spec, &read, text, length, name, err);

	if (result == 0)
		*spec = take_pointer(&read);
	return result;
}

int oci_process_parse(
	struct oci_process **process, const char *text, size_t length, const char *name, struct error *err)
{
	cleanup_oci_process struct oci_process *read = NULL;
	int result = parse(oci_read_process, &read, text, length, name, err);

	if (result == 0)
		*process = take_pointer(&read);
	return result;
}

int oci_resources_parse(
	struct oci_resources **resources, const char *text, size_t length, const char *name, struct error *err)
{
	cleanup_oci_resources struct oci_resources *read = NULL;
	int result = parse(oci_read_resources, &read, text, length, name, err);

	if (result == 0)
		*resources = take_pointer(&read);
	return result;
}

/* Into the place of the mounts that the specification has. */
static int read_other_mounts(struct json_reader *reader, const json_t *value, void *target)
{
	static const struct json_field fields[] = { JSON_SECTION("mounts", oci_read_mounts) };
	struct oci_spec *spec = target;

	oci_mounts_free(spec);
	spec->mounts = NULL;
	spec->mount_count = 0;
	return json_is_array(value) ? oci_read_mounts(reader, value, spec)
				    : json_read_fields(reader, value, fields, spec);
}

int oci_mounts_parse(struct oci_spec *spec, const char *text, size_t length, const char *name, struct error *err)
{
	return parse(read_other_mounts, spec, text, length, name, err);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

int oci_read_file(struct strbuf *content, int directory, const char *path, struct error *err)
{
	/* A pipe would keep whoever opens it waiting. */
	cleanup_fd int fd = openat(directory, path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	int result;

	if (fd < 0 || fstat(fd, &status) < 0)
		return error_set(err, errno, "read %s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, -EINVAL, "read %s: this is no plain file", path);
	result = file_read_fd(fd, FILE_BYTES_MAX, content);
	return result < 0 ? error_set(err, -result, "read %s", path) : 0;
}

int oci_spec_load(struct oci_spec **spec, int directory, const char *path, struct error *err)
{
	trace_scope("read config.json");
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	int result = oci_read_file(&content, directory, path, err);

	return result < 0 ? result : oci_spec_parse(spec, content.data, content.length, last_component(path), err);
}

/* What a caller names on the command line may be a pipe: exec --process <(…). */
static int read_named(struct strbuf *content, int directory, const char *path, struct error *err)
{
	int result = file_read(directory, path, FILE_BYTES_MAX, content);

	return result < 0 ? error_set(err, -result, "read %s", path) : 0;
}

int oci_process_load(struct oci_process **process, int directory, const char *path, struct error *err)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	int result = read_named(&content, directory, path, err);

	return result < 0 ? result
			  : oci_process_parse(process, content.data, content.length, last_component(path), err);
}

int oci_resources_load(struct oci_resources **resources, int directory, const char *path, struct error *err)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	int result = read_named(&content, directory, path, err);

	return result < 0 ? result
			  : oci_resources_parse(resources, content.data, content.length, last_component(path), err);
}

void oci_spec_free(struct oci_spec *spec)
{
	if (!spec)
		return;
	free(spec->version);
	oci_process_free(spec->process);
	free(spec->root.path);
	oci_mounts_free(spec);
	free(spec->hostname);
	free(spec->domainname);
	oci_hooks_free(spec);
	oci_key_values_free(spec->annotations, spec->annotation_count);
	oci_linux_free(spec);
	oci_vm_free(spec->vm);
	free(spec);
}

const char *oci_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->annotation_count; i++) {
		if (strcmp(spec->annotations[i].key, key) == 0)
			return spec->annotations[i].value;
	}
	return NULL;
}

const struct oci_namespace *oci_namespace_find(const struct oci_spec *spec, enum namespace_kind kind)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		if (spec->namespaces[i].kind == kind)
			return &spec->namespaces[i];
	}
	return NULL;
}
