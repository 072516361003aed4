/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/patch.h"

#include <string.h>

#include "oci/json_print.h"

/* RFC 7396, section 2. */
static void apply(json_t *target, const json_t *patch)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)patch, key, member)
	{
		json_t *old = json_object_get(target, key);

		if (json_is_null(member)) {
			(void)json_object_del(target, key);
		} else if (!json_is_object(member)) {
			(void)json_object_set(target, key, member);
		} else {
			if (!json_is_object(old)) {
				old = json_object();
				(void)json_object_set_new(target, key, old);
			}
			apply(old, member);
		}
	}
}

int oci_config_patch(const char *name, const char *config, size_t config_length, const char *patch,
	struct strbuf *patched, struct error *err)
{
	cleanup(json_document_free) struct json_document document = { .root = NULL };
	cleanup(json_document_free) struct json_document change = { .root = NULL };
	struct json_writer writer = { .out = patched, .indent = "\t" };
	int result = json_document_parse(&document, config, config_length, name, err);
	json_t *mounts;

	if (result == 0)
		result = json_document_parse(&change, patch, strlen(patch), "patch", err);
	if (result < 0)
		return result;
	if (!json_is_object(document.root) || !json_is_object(change.root))
		return error_set(err, -EINVAL, "%s: an object is expected", name);
	mounts = json_object_get(document.root, "mounts");
	if (json_is_array(mounts)) {
		(void)json_array_extend(mounts, json_object_get(change.root, "mounts"));
		(void)json_object_del(change.root, "mounts");
	}
	apply(document.root, change.root);
	json_document_print(&writer, &document, document.root);
	strbuf_string(patched, "\n");
	return 0;
}
