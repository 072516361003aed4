/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_read.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"

static void print_path(struct strbuf *out, const struct json_step *step)
{
	if (!step)
		return;
	print_path(out, step->before);
	if (!step->field)
		strbuf_printf(out, "[%zu]", step->index);
	else if (step->key)
		strbuf_printf(out, "[\"%s\"]", step->field);
	else
		strbuf_printf(out, "%s%s", step->before ? "." : "", step->field);
}

/* Reads a value one step further down. */
static int read_at(
	struct json_reader *reader, struct json_step step, const json_t *value, json_read_function *read, void *target)
{
	int result;

	step.before = reader->at;
	reader->at = &step;
	result = read(reader, value, target);
	reader->at = step.before;
	return result;
}

/* What the document says may hold anything; the message is one line. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (iscntrl((unsigned char)*text))
			*text = '?';
	}
}

static int fail_at(struct json_reader *reader, const struct json_step *at, const char *format, va_list arguments)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;
	char message[600];
	int result;

	print_path(&path, at);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	result = error_set(reader->err, -EINVAL, "%s: %s%s%s", reader->name, path.length ? path.data : "",
		path.length ? ": " : "", message);
	if (reader->err)
		make_printable(reader->err->message);
	return result;
}

int json_fail(struct json_reader *reader, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = fail_at(reader, reader->at, format, arguments);
	va_end(arguments);
	return result;
}

int json_fail_field(struct json_reader *reader, const char *field, const char *format, ...)
{
	struct json_step step = { .before = reader->at, .field = field };
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = fail_at(reader, &step, format, arguments);
	va_end(arguments);
	return result;
}

int json_fail_element(
	struct json_reader *reader, const char *array, size_t index, const char *field, const char *format, ...)
{
	struct json_step list = { .before = reader->at, .field = array };
	struct json_step element = { .before = &list, .index = index };
	struct json_step member = { .before = &element, .field = field };
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = fail_at(reader, field ? &member : &element, format, arguments);
	va_end(arguments);
	return result;
}

static const char *type_name(struct json_reader *reader, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return json_document_wide(reader->document, value) ? "an integer" : "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a real number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "an unknown type";
}

int json_fail_type(struct json_reader *reader, const json_t *value, const char *expected)
{
	return json_fail(reader, "wrong type: expected %s, found %s", expected, type_name(reader, value));
}

void json_warn(struct json_reader *reader, const char *format, ...)
{
	cleanup_strbuf struct strbuf path = STRBUF_INIT;
	char message[600];
	va_list arguments;

	print_path(&path, reader->at);
	va_start(arguments, format);
	(void)vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	make_printable(message);
	log_warning("%s: %s: %s", reader->name, path.length ? path.data : "", message);
}

int json_read_object(
	struct json_reader *reader, const json_t *value, const struct json_field *fields, size_t count, void *target)
{
	if (!json_is_object(value))
		return json_fail_type(reader, value, "an object");
	for (size_t i = 0; i < count; i++) {
		const json_t *member = json_object_get(value, fields[i].name);
		int result;

		if (!member || json_is_null(member)) {
			if (fields[i].required)
				return json_fail_field(reader, fields[i].name, "is missing");
			continue;
		}
		result = read_at(reader, (struct json_step){ .field = fields[i].name }, member, fields[i].read,
			(char *)target + fields[i].offset);
		if (result < 0)
			return result;
	}
	return 0;
}

int json_read_array(struct json_reader *reader, const json_t *value, size_t element_bytes, json_read_function *read,
	void *entries, size_t *count)
{
	char *elements;
	int result = 0;

	if (!json_is_array(value))
		return json_fail_type(reader, value, "an array");
	elements = xcalloc(json_array_size(value), element_bytes);
	/* The owner has it before it is filled, so that it frees whatever was read until a failure. */
	memcpy(entries, &elements, sizeof(elements));
	*count = json_array_size(value);
	for (size_t i = 0; result == 0 && i < *count; i++)
		result = read_at(reader, (struct json_step){ .index = i }, json_array_get(value, i), read,
			elements + i * element_bytes);
	return result;
}

int json_read_map(struct json_reader *reader, const json_t *value, size_t element_bytes, json_read_function *read,
	void *entries, size_t *count)
{
	json_t *object = (json_t *)value; /* the iteration takes no const; nothing is changed */
	const char *key;
	json_t *member;
	char *elements;
	size_t i = 0;

	if (!json_is_object(value))
		return json_fail_type(reader, value, "an object");
	elements = xcalloc(json_object_size(value), element_bytes);
	memcpy(entries, &elements, sizeof(elements));
	*count = json_object_size(value);
	json_object_foreach(object, key, member)
	{
		char *element = elements + i++ * element_bytes;
		char *copy = xstrdup(key);
		int result;

		memcpy(element, &copy, sizeof(copy));
		if (!*key)
			return json_fail(reader, "a key is empty");
		result = read_at(reader, (struct json_step){ .field = key, .key = true }, member, read, element);
		if (result < 0)
			return result;
	}
	return 0;
}

int json_read_unsigned(
	struct json_reader *reader, const json_t *value, uint64_t minimum, uint64_t maximum, uint64_t *number)
{
	const struct json_wide_integer *wide = json_document_wide(reader->document, value);
	uint64_t found;

	if (!wide && !json_is_integer(value))
		return json_fail_type(reader, value, "an integer");
	if (wide && !wide->fits)
		return json_fail(reader, "a number beyond 64 bits is out of range (%" PRIu64 " to %" PRIu64 ")",
			minimum, maximum);
	if (!wide && json_integer_value(value) < 0)
		return json_fail(reader, "%lld is out of range (%" PRIu64 " to %" PRIu64 ")",
			(long long)json_integer_value(value), minimum, maximum);
	found = wide ? wide->value : (uint64_t)json_integer_value(value);
	if (found < minimum || found > maximum)
		return json_fail(
			reader, "%" PRIu64 " is out of range (%" PRIu64 " to %" PRIu64 ")", found, minimum, maximum);
	*number = found;
	return 0;
}

int json_read_signed(struct json_reader *reader, const json_t *value, int64_t minimum, int64_t maximum, int64_t *number)
{
	const struct json_wide_integer *wide = json_document_wide(reader->document, value);
	int64_t found;

	if (wide && wide->fits)
		return json_fail(reader, "%" PRIu64 " is out of range (%" PRId64 " to %" PRId64 ")", wide->value,
			minimum, maximum);
	if (wide)
		return json_fail(reader, "a number beyond 64 bits is out of range (%" PRId64 " to %" PRId64 ")",
			minimum, maximum);
	if (!json_is_integer(value))
		return json_fail_type(reader, value, "an integer");
	found = json_integer_value(value);
	if (found < minimum || found > maximum)
		return json_fail(
			reader, "%" PRId64 " is out of range (%" PRId64 " to %" PRId64 ")", found, minimum, maximum);
	*number = found;
	return 0;
}

static const char *string_of(struct json_reader *reader, const json_t *value)
{
	return json_is_string(value) && !json_document_wide(reader->document, value) ? json_string_value(value) : NULL;
}

int json_read_name(
	struct json_reader *reader, const json_t *value, const struct oci_name_table *table, uint64_t *number)
{
	const char *word = string_of(reader, value);

	if (!word)
		return json_fail_type(reader, value, "a string");
	if (!oci_name_find(table, word, number))
		return json_fail(reader, "unknown %s \"%s\"", table->what, word);
	return 0;
}

int json_read_names(struct json_reader *reader, const json_t *value, const struct oci_name_table *table, uint64_t *bits)
{
	uint64_t found = 0;

	if (!json_is_array(value))
		return json_fail_type(reader, value, "an array");
	for (size_t i = 0; i < json_array_size(value); i++) {
		struct json_step step = { .before = reader->at, .index = i };
		uint64_t bit = 0;
		int result;

		reader->at = &step;
		result = json_read_name(reader, json_array_get(value, i), table, &bit);
		reader->at = step.before;
		if (result < 0)
			return result;
		found |= bit;
	}
	*bits = found;
	return 0;
}

int json_read_bool(struct json_reader *reader, const json_t *value, void *target)
{
	bool *flag = target;

	if (!json_is_boolean(value))
		return json_fail_type(reader, value, "a boolean");
	*flag = json_is_true(value);
	return 0;
}

int json_read_any_string(struct json_reader *reader, const json_t *value, void *target)
{
	const char *text = string_of(reader, value);
	char **string = target;

	if (!text)
		return json_fail_type(reader, value, "a string");
	*string = xstrdup(text);
	return 0;
}

int json_read_string(struct json_reader *reader, const json_t *value, void *target)
{
	const char *text = string_of(reader, value);

	return text && !*text ? 0 : json_read_any_string(reader, value, target);
}

int json_read_text(struct json_reader *reader, const json_t *value, void *target)
{
	const char *text = string_of(reader, value);

	return text && !*text ? json_fail(reader, "is empty") : json_read_any_string(reader, value, target);
}

int json_read_absolute(struct json_reader *reader, const json_t *value, void *target)
{
	const char *text = string_of(reader, value);

	if (text && *text && *text != '/')
		return json_fail(reader, "must be an absolute path, not \"%s\"", text);
	return json_read_string(reader, value, target);
}

int json_read_strings(struct json_reader *reader, const json_t *value, void *target)
{
	char ***strings = target;
	int result = 0;

	if (!json_is_array(value))
		return json_fail_type(reader, value, "an array");
	*strings = xcalloc(json_array_size(value) + 1, sizeof(**strings));
	for (size_t i = 0; result == 0 && i < json_array_size(value); i++)
		result = read_at(reader, (struct json_step){ .index = i }, json_array_get(value, i),
			json_read_any_string, &(*strings)[i]);
	return result;
}

static int read_u32_up_to(struct json_reader *reader, const json_t *value, uint32_t maximum, uint32_t *number)
{
	uint64_t found = 0;
	int result = json_read_unsigned(reader, value, 0, maximum, &found);

	if (result == 0)
		*number = (uint32_t)found;
	return result;
}

int json_read_u16(struct json_reader *reader, const json_t *value, void *target)
{
	return read_u32_up_to(reader, value, UINT16_MAX, target);
}

int json_read_u32(struct json_reader *reader, const json_t *value, void *target)
{
	return read_u32_up_to(reader, value, UINT32_MAX, target);
}

int json_read_id(struct json_reader *reader, const json_t *value, void *target)
{
	/* 2^32-1 is (uid_t)-1, which setresuid(2) and chown(2) take for "leave as it is". */
	return read_u32_up_to(reader, value, UINT32_MAX - 1, target);
}

int json_read_u64(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_unsigned(reader, value, 0, UINT64_MAX, target);
}

int json_read_i64(struct json_reader *reader, const json_t *value, void *target)
{
	return json_read_signed(reader, value, INT64_MIN, INT64_MAX, target);
}

int json_read_optional_u64(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_u64 *number = target;
	int result = json_read_u64(reader, value, &number->value);

	number->set = result == 0;
	return result;
}

int json_read_optional_i64(struct json_reader *reader, const json_t *value, void *target)
{
	struct oci_i64 *number = target;
	int result = json_read_i64(reader, value, &number->value);

	number->set = result == 0;
	return result;
}

int json_read_key_value(struct json_reader *reader, const json_t *value, void *target)
{
	struct key_value *pair = target;

	return json_read_any_string(reader, value, &pair->value);
}
