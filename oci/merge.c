/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/merge.h"

#include <string.h>

#include "oci/json_print.h"

struct merge {
	struct json_writer writer;
	struct json_document config, resources;
};

static void merge_free(struct merge *merge)
{
	json_document_free(&merge->config);
	json_document_free(&merge->resources);
}

/* Are two elements of a list about the same thing? */
static bool same_subject(const json_t *left, const json_t *right)
{
	static const char *const names[] = { "major", "minor", "pageSize", "name" };
	bool named = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const json_t *a = json_object_get(left, names[i]), *b = json_object_get(right, names[i]);

		if (!a && !b)
			continue;
		if (!a || !b || !json_equal(a, b))
			return false;
		named = true;
	}
	return named;
}

static bool is_replaced(const json_t *element, const json_t *array)
{
	size_t index;
	json_t *other;

	json_array_foreach(array, index, other)
	{
		if (same_subject(element, other))
			return true;
	}
	return false;
}

static void print_merged_lists(struct merge *merge, const json_t *old, const json_t *new)
{
	size_t index;
	json_t *element;

	json_write_open(&merge->writer, '[');
	json_array_foreach(old, index, element)
	{
		if (!is_replaced(element, new))
			json_document_print(&merge->writer, &merge->config, element);
	}
	json_array_foreach(new, index, element) json_document_print(&merge->writer, &merge->resources, element);
	json_write_close(&merge->writer, ']');
}

static void print_merged(struct merge *merge, const json_t *old, const json_t *new);

static void print_merged_objects(struct merge *merge, const json_t *old, const json_t *new)
{
	const char *key;
	json_t *member;

	json_write_open(&merge->writer, '{');
	json_object_foreach((json_t *)old, key, member)
	{
		json_write_key(&merge->writer, key);
		print_merged(merge, member, json_object_get(new, key));
	}
	json_object_foreach((json_t *)new, key, member)
	{
		if (json_object_get(old, key) || json_is_null(member))
			continue;
		json_write_key(&merge->writer, key);
		json_document_print(&merge->writer, &merge->resources, member);
	}
	json_write_close(&merge->writer, '}');
}

static void print_merged(struct merge *merge, const json_t *old, const json_t *new)
{
	if (!new || json_is_null(new))
		json_document_print(&merge->writer, &merge->config, old);
	else if (json_is_object(old) && json_is_object(new))
		print_merged_objects(merge, old, new);
	else if (json_is_array(old) && json_is_array(new))
		print_merged_lists(merge, old, new);
	else
		json_document_print(&merge->writer, &merge->resources, new);
}

/* No limit on memory alone is none on memory plus swap either (cgroups/): an older one must not stay beside it. */
static void lift_swap(json_t *memory)
{
	const json_t *limit = json_object_get(memory, "limit");

	if (json_is_integer(limit) && json_integer_value(limit) < 0 && !json_object_get(memory, "swap"))
		(void)json_object_set_new(memory, "swap", json_integer(-1));
}

int oci_merge_resources(const char *config, size_t config_length, const char *resources, size_t resources_length,
	struct strbuf *merged, struct error *err)
{
	cleanup(merge_free) struct merge merge = { .writer = { .out = merged, .indent = "  " } };
	int result = json_document_parse(&merge.config, config, config_length, "config.json", err);
	json_t *wrapped;

	if (result == 0)
		result = json_document_parse(&merge.resources, resources, resources_length, "resources", err);
	if (result < 0)
		return result;
	if (!json_is_object(merge.config.root) || !json_is_object(merge.resources.root))
		return error_set(err, -EINVAL, "the configuration and the resources must be JSON objects");
	(void)json_object_del(merge.resources.root, "devices");
	lift_swap(json_object_get(merge.resources.root, "memory"));
	wrapped = json_pack("{s{sO}}", "linux", "resources", merge.resources.root);
	if (!wrapped)
		return error_set(err, -ENOMEM, "merge the resources");
	print_merged(&merge, merge.config.root, wrapped);
	json_decref(wrapped);
	return 0;
}
