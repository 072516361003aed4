/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/settings.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/parse.h"
#include "microvm/vm.h"
#include "oci/annotations.h"
#include "runtime/isolation.h"

#define FILE_BYTES_MAX 65536
#define MEBIBYTE       (1ULL << 20)

struct line {
	unsigned number;
	const char *value;
};

/* Each reads one value. 0, or a negative errno with a message about the value alone. */
typedef int (*read_value)(struct settings *settings, const struct line *line, struct error *err);

static int refuse_value(const struct line *line, const char *expected, struct error *err)
{
	return error_set(err, -EINVAL, "\"%s\": %s", line->value, expected);
}

static int read_path(char **place, const struct line *line, struct error *err)
{
	if (line->value[0] != '/')
		return refuse_value(line, "an absolute path is expected", err);
	*place = xstrdup(line->value);
	return 0;
}

static int read_isolation(struct settings *settings, const struct line *line, struct error *err)
{
	if (!isolation_find(line->value))
		return refuse_value(line, "container and microvm are there", err);
	settings->isolation = xstrdup(line->value);
	return 0;
}

static bool is_annotation(const char *name, size_t length)
{
	for (size_t i = 0; oci_annotations[i]; i++) {
		if (strlen(oci_annotations[i]) == length && strncmp(oci_annotations[i], name, length) == 0)
			return true;
	}
	return false;
}

static int read_annotations(struct settings *settings, const struct line *line, struct error *err)
{
	const char *next = line->value;

	settings->annotations = xstrdup(line->value);
	settings->annotations_line = line->number;
	if (strcmp(line->value, "none") == 0)
		return 0;
	while (*next) {
		size_t length = strcspn(next, " \t");

		if (!is_annotation(next, length))
			return error_set(err, -EINVAL, "\"%.*s\" is no annotation that duet knows", (int)length, next);
		next += length + strspn(next + length, " \t");
	}
	return 0;
}

static int read_vcpus(struct settings *settings, const struct line *line, struct error *err)
{
	uint64_t value;

	if (parse_u64(line->value, &value) < 0 || value < 1 || value > VM_VCPUS_MAX)
		return refuse_value(line, "a number from 1 to 32 is expected", err);
	settings->vcpus = (unsigned)value;
	return 0;
}

static int read_memory(struct settings *settings, const struct line *line, struct error *err)
{
	int64_t value;

	if (parse_bytes(line->value, &value) < 0 || value < (int64_t)VM_MEMORY_MIN_BYTES)
		return refuse_value(line, "a size of 64M at least is expected", err);
	settings->memory_bytes = (uint64_t)value & ~(MEBIBYTE - 1);
	return 0;
}

static int read_kernel(struct settings *settings, const struct line *line, struct error *err)
{
	return read_path(&settings->kernel, line, err);
}

static int read_initrd(struct settings *settings, const struct line *line, struct error *err)
{
	return read_path(&settings->initrd, line, err);
}

static int read_kernel_parameters(struct settings *settings, const struct line *line, struct error *err)
{
	(void)err;
	settings->kernel_parameters = xstrdup(line->value);
	return 0;
}

static int read_boot(struct settings *settings, const struct line *line, struct error *err)
{
	for (int i = 0; boot_protocol_names[i]; i++) {
		if (strcmp(boot_protocol_names[i], line->value) == 0) {
			settings->boot = (enum boot_protocol)i;
			return 0;
		}
	}
	return refuse_value(line, "auto, linux and pvh are there", err);
}

static int read_huge_pages(struct settings *settings, const struct line *line, struct error *err)
{
	settings->huge_pages = strcmp(line->value, "yes") == 0;
	if (settings->huge_pages || strcmp(line->value, "no") == 0)
		return 0;
	return refuse_value(line, "yes or no is expected", err);
}

static const struct {
	const char *key;
	read_value read;
} keys[] = {
	{ "isolation", read_isolation },
	{ "annotations", read_annotations },
	{ "vcpus", read_vcpus },
	{ "memory", read_memory },
	{ "kernel", read_kernel },
	{ "initrd", read_initrd },
	{ "kernel-parameters", read_kernel_parameters },
	{ "boot", read_boot },
	{ "huge-pages", read_huge_pages },
};

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t");
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

/* `seen`: the lines on which each key was found. */
static int read_line(struct settings *settings, unsigned number, char *text, unsigned *seen, struct error *err)
{
	struct line line = { .number = number };
	char *equals = strchr(text, '=');
	const char *key;

	text = trim(text);
	if (!*text || *text == '#')
		return 0;
	if (!equals)
		return error_set(err, -EINVAL, "%s:%u: \"key = value\" is expected", settings->file, number);
	*equals = '\0';
	key = trim(text);
	line.value = trim(equals + 1);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].key, key) != 0)
			continue;
		if (seen[i])
			return error_set(err, -EINVAL, "%s:%u: %s was set on line %u already", settings->file, number,
				key, seen[i]);
		seen[i] = number;
		if (!*line.value)
			return error_set(err, -EINVAL, "%s:%u: %s has no value", settings->file, number, key);
		if (keys[i].read(settings, &line, err) < 0)
			return error_prefix(err, "%s:%u: %s", settings->file, number, key);
		return 0;
	}
	return error_set(err, -EINVAL, "%s:%u: unknown key \"%s\"", settings->file, number, key);
}

static int read_lines(struct settings *settings, char *text, struct error *err)
{
	unsigned seen[ARRAY_SIZE(keys)] = { 0 };
	unsigned number = 0;
	int result = 0;

	while (text && result == 0) {
		char *line = strsep(&text, "\n");

		result = read_line(settings, ++number, line, seen, err);
	}
	return result;
}

/* Whoever can write it decides what stands between containers and the host. */
static int check_owner(int fd, const char *file, struct error *err)
{
	struct stat status;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "read %s", file);
	if ((status.st_uid != 0 && status.st_uid != geteuid()) || (status.st_mode & (S_IWGRP | S_IWOTH)))
		return error_set(err, -EPERM, "%s can be written by others: duet does not follow it", file);
	return 0;
}

static int read_file(const char *file, bool required, struct strbuf *text, struct error *err)
{
	cleanup_fd int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int result;

	if (fd < 0 && errno == ENOENT && !required)
		return 0;
	if (fd < 0)
		return error_set(err, errno, "open %s", file);
	result = check_owner(fd, file, err);
	if (result < 0)
		return result;
	result = file_read_fd(fd, FILE_BYTES_MAX, text);
	if (result < 0)
		return error_set(err, -result, "read %s", file);
	if (text->data && strlen(text->data) != text->length)
		return error_set(err, -EINVAL, "%s: is no text", file);
	return 0;
}

int settings_load(const char *file, struct settings *settings, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct settings loaded = { .file = xstrdup(file ? file : SETTINGS_FILE) };
	int result = read_file(loaded.file, file != NULL, &text, err);

	if (result == 0)
		result = read_lines(&loaded, text.data, err);
	if (result < 0) {
		settings_free(&loaded);
		return result;
	}
	*settings = loaded;
	return 0;
}

void settings_free(struct settings *settings)
{
	free(settings->file);
	free(settings->isolation);
	free(settings->annotations);
	free(settings->kernel);
	free(settings->initrd);
	free(settings->kernel_parameters);
	*settings = (struct settings){ 0 };
}

static bool is_allowed(const struct settings *settings, const char *name)
{
	const char *next = settings->annotations;

	while (next && *next) {
		size_t length = strcspn(next, " \t");

		if (strlen(name) == length && strncmp(next, name, length) == 0)
			return true;
		next += length + strspn(next + length, " \t");
	}
	return !settings->annotations;
}

int settings_check_annotations(const struct settings *settings, const struct oci_spec *spec, struct error *err)
{
	for (size_t i = 0; i < spec->annotation_count; i++) {
		const char *name = spec->annotations[i].key;

		if (strncmp(name, OCI_ANNOTATION_PREFIX, strlen(OCI_ANNOTATION_PREFIX)) != 0)
			continue;
		if (!is_annotation(name, strlen(name)))
			return error_set(err, -EINVAL, "config.json: annotations: duet knows no \"%s\"", name);
		if (!is_allowed(settings, name))
			return error_set(err, -EPERM, "config.json: annotations: \"%s\" is not allowed here (%s:%u)",
				name, settings->file, settings->annotations_line);
	}
	return 0;
}
