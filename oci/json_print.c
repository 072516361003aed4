/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_print.h"

static void print_members(struct json_writer *writer, const struct json_document *document, const json_t *object)
{
	const char *key;
	json_t *member;

	json_object_foreach((json_t *)object, key, member)
	{
		json_write_key(writer, key);
		json_document_print(writer, document, member);
	}
}

static void print_elements(struct json_writer *writer, const struct json_document *document, const json_t *array)
{
	size_t index;
	json_t *element;

	json_array_foreach(array, index, element) json_document_print(writer, document, element);
}

static void print_string(struct json_writer *writer, const struct json_document *document, const json_t *value)
{
	const struct json_wide_integer *wide = json_document_wide(document, value);

	if (wide)
		json_write_u64(writer, wide->value);
	else
		json_write_string(writer, json_string_value(value));
}

void json_document_print(struct json_writer *writer, const struct json_document *document, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		json_write_open(writer, '{');
		print_members(writer, document, value);
		json_write_close(writer, '}');
		break;
	case JSON_ARRAY:
		json_write_open(writer, '[');
		print_elements(writer, document, value);
		json_write_close(writer, ']');
		break;
	case JSON_STRING:
		print_string(writer, document, value);
		break;
	case JSON_INTEGER:
		json_write_i64(writer, json_integer_value(value));
		break;
	case JSON_REAL:
		json_write_double(writer, json_real_value(value), 17);
		break;
	case JSON_NULL:
		json_write_null(writer);
		break;
	default:
		json_write_bool(writer, json_is_true(value));
		break;
	}
}
