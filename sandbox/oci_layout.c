/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OCI image layouts, as `skopeo copy … oci:DIR` writes them. Every blob is read in full and has to have the digest that
 * it is named by, before anything of it is believed.
 */
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/sha256.h"
#include "sandbox/image.h"

#define DOCUMENT_BYTES_MAX (4U << 20)
#define INDEXES_MAX        4 /* one in another */
#define REFERENCE_NAME     "org.opencontainers.image.ref.name"

static void free_json(json_t **json)
{
	json_decref(*json);
}
#define cleanup_json cleanup(free_json)

static int hash_file(int file, const char *digest, struct error *err)
{
	cleanup_free char *chunk = xcalloc(1 << 16, 1);
	unsigned char result[SHA256_BYTES];
	struct sha256 hash;
	ssize_t count;

	sha256_start(&hash);
	while ((count = read(file, chunk, 1 << 16)) > 0)
		sha256_add(&hash, chunk, (size_t)count);
	sha256_finish(&hash, result);
	if (count < 0 || lseek(file, 0, SEEK_SET) < 0)
		return error_set(err, errno, "read the blob %s", digest);
	if (strcmp(sha256_text(result).text, digest + strlen("sha256:")) != 0)
		return error_set(
			err, -EBADMSG, "the blob %s has another digest: sha256:%s", digest, sha256_text(result).text);
	return 0;
}

/* A blob that a descriptor names, of its size and digest. */
static int open_blob(int layout, const json_t *descriptor, struct error *err)
{
	const char *digest = json_string_value(json_object_get(descriptor, "digest"));
	json_int_t size = json_integer_value(json_object_get(descriptor, "size"));
	cleanup_free char *path = NULL;
	cleanup_fd int blob = -EBADF;
	struct stat status;
	int result;

	if (!digest || strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 71 ||
		strspn(digest + 7, "0123456789abcdef") != 64)
		return error_set(err, -EINVAL, "the layout names a blob by \"%s\", which is no sha256 digest",
			digest ? digest : "");
	path = xprintf("blobs/sha256/%s", digest + 7);
	blob = open_in_root(layout, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, 0);
	if (blob < 0)
		return error_set(err, -blob, "open the blob %s", digest);
	if (fstat(blob, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size != size)
		return error_set(err, -EBADMSG, "the blob %s does not have the size %lld that it should have", digest,
			(long long)size);
	result = hash_file(blob, digest, err);
	return result < 0 ? result : take_fd(&blob);
}

static json_t *parse(const struct strbuf *text, const char *name, struct error *err)
{
	json_error_t where;
	json_t *json = json_loadb(text->data ? text->data : "", text->length, JSON_REJECT_DUPLICATES, &where);

	if (json && json_is_object(json))
		return json;
	(void)error_set(err, -EINVAL, "%s: line %d: %s", name, where.line, json ? "an object is expected" : where.text);
	json_decref(json);
	return NULL;
}

static json_t *read_blob(int layout, const json_t *descriptor, const char *name, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_fd int blob = open_blob(layout, descriptor, err);
	int result;

	if (blob < 0)
		return NULL;
	result = file_read_fd(blob, DOCUMENT_BYTES_MAX, &text);
	if (result < 0) {
		(void)error_set(err, -result, "read the %s", name);
		return NULL;
	}
	return parse(&text, name, err);
}

static bool is_of(const json_t *descriptor, const char *type)
{
	const char *media = json_string_value(json_object_get(descriptor, "mediaType"));

	return media && strstr(media, type);
}

static bool is_for_this_machine(const json_t *descriptor)
{
	const json_t *platform = json_object_get(descriptor, "platform");
	const char *machine = json_string_value(json_object_get(platform, "architecture"));
	const char *system = json_string_value(json_object_get(platform, "os"));

	return (!machine || strcmp(machine, "amd64") == 0) && (!system || strcmp(system, "linux") == 0);
}

static bool has_tag(const json_t *descriptor, const char *tag)
{
	const char *name =
		json_string_value(json_object_get(json_object_get(descriptor, "annotations"), REFERENCE_NAME));

	return !tag || (name && strcmp(name, tag) == 0);
}

/* The one manifest, or index of manifests, that is meant. */
static const json_t *choose(const json_t *index, const char *tag, struct error *err)
{
	const json_t *descriptor, *found = NULL;
	size_t number;

	json_array_foreach(json_object_get(index, "manifests"), number, descriptor)
	{
		if (!is_for_this_machine(descriptor) || !has_tag(descriptor, tag))
			continue;
		if (found) {
			(void)error_set(err, -EINVAL, "the layout has several images: name one, as DIR:TAG");
			return NULL;
		}
		found = descriptor;
	}
	if (!found)
		(void)error_set(err, -ENOENT, "the layout has no image for linux/amd64%s%s",
			tag ? " with the tag " : "", tag ? tag : "");
	return found;
}

static json_t *read_manifest(int layout, const char *tag, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	cleanup_json json_t *document = NULL;
	int result = file_read(layout, "index.json", DOCUMENT_BYTES_MAX, &text);

	if (result < 0) {
		(void)error_set(err, -result, "read index.json");
		return NULL;
	}
	document = parse(&text, "index.json", err);
	for (int i = 0; document && i < INDEXES_MAX; i++) {
		const json_t *descriptor = choose(document, i == 0 ? tag : NULL, err);
		json_t *next = descriptor ? read_blob(layout, descriptor, "image manifest", err) : NULL;
		bool is_index = descriptor && (is_of(descriptor, "image.index") || is_of(descriptor, "manifest.list"));

		json_decref(document);
		document = next;
		if (next && !is_index)
			return take_pointer(&document);
	}
	if (document)
		(void)error_set(err, -EINVAL, "an index of indexes of images");
	return NULL;
}

static int read_configuration(int layout, const json_t *descriptor, struct image *image, struct error *err)
{
	cleanup_json json_t *document = read_blob(layout, descriptor, "image configuration", err);
	const json_t *environment, *variable;
	size_t number, count;

	if (!document)
		return -err->code;
	if (!is_for_this_machine(descriptor))
		return error_set(err, -EINVAL, "the image is for another kind of machine");
	environment = json_object_get(json_object_get(document, "config"), "Env");
	count = json_array_size(environment);
	image->environment = xcalloc(count + 1, sizeof(*image->environment));
	json_array_foreach(environment, number, variable)
	{
		const char *value = json_string_value(variable);

		if (!value || !strchr(value, '='))
			return error_set(
				err, -EINVAL, "image configuration: config.Env[%zu]: NAME=VALUE is expected", number);
		image->environment[number] = xstrdup(value);
	}
	return 0;
}

int layout_open(int directory, const char *tag, struct image *image, struct error *err)
{
	cleanup_json json_t *manifest = read_manifest(directory, tag, err);
	const json_t *layers, *layer;
	size_t number;
	int result;

	if (!manifest)
		return -err->code;
	layers = json_object_get(manifest, "layers");
	if (json_array_size(layers) == 0 || json_array_size(layers) > IMAGE_LAYERS_MAX)
		return error_set(err, -EINVAL, "image manifest: from 1 to %d layers are expected", IMAGE_LAYERS_MAX);
	result = read_configuration(directory, json_object_get(manifest, "config"), image, err);
	json_array_foreach(layers, number, layer)
	{
		if (result >= 0 && !is_of(layer, "tar"))
			result = error_set(err, -ENOTSUP, "image manifest: layers[%zu] is no tar archive", number);
		if (result >= 0)
			result = open_blob(directory, layer, err);
		if (result >= 0)
			image->fds[image->count++] = result;
	}
	return result < 0 ? result : 0;
}
