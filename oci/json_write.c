/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_write.h"

#include <inttypes.h>

static void new_line(struct json_writer *writer)
{
	if (!writer->indent)
		return;
	strbuf_string(writer->out, "\n");
	for (unsigned int i = 0; i < writer->depth; i++)
		strbuf_string(writer->out, writer->indent);
}

/* Before a value or a key. */
static void separate(struct json_writer *writer)
{
	if (writer->after_key) {
		writer->after_key = false;
		return;
	}
	if (writer->filled)
		strbuf_string(writer->out, ",");
	if (writer->depth)
		new_line(writer);
	writer->filled = true;
}

void json_write_open(struct json_writer *writer, char bracket)
{
	separate(writer);
	strbuf_append(writer->out, &bracket, 1);
	writer->depth++;
	writer->filled = false;
}

void json_write_close(struct json_writer *writer, char bracket)
{
	writer->depth--;
	if (writer->filled)
		new_line(writer);
	strbuf_append(writer->out, &bracket, 1);
	writer->filled = true;
}

void json_write_key(struct json_writer *writer, const char *key)
{
	separate(writer);
	strbuf_json_string(writer->out, key);
	strbuf_string(writer->out, writer->indent ? ": " : ":");
	writer->after_key = true;
}

void json_write_string(struct json_writer *writer, const char *text)
{
	separate(writer);
	strbuf_json_string(writer->out, text);
}

void json_write_bool(struct json_writer *writer, bool value)
{
	separate(writer);
	strbuf_string(writer->out, value ? "true" : "false");
}

void json_write_i64(struct json_writer *writer, int64_t value)
{
	separate(writer);
	strbuf_printf(writer->out, "%" PRId64, value);
}

void json_write_u64(struct json_writer *writer, uint64_t value)
{
	separate(writer);
	strbuf_printf(writer->out, "%" PRIu64, value);
}

void json_write_double(struct json_writer *writer, double value, int decimals)
{
	separate(writer);
	strbuf_printf(writer->out, "%.*f", decimals, value);
}

void json_write_null(struct json_writer *writer)
{
	separate(writer);
	strbuf_string(writer->out, "null");
}

void json_write_u64_member(struct json_writer *writer, const char *key, uint64_t value)
{
	json_write_key(writer, key);
	json_write_u64(writer, value);
}

void json_write_string_member(struct json_writer *writer, const char *key, const char *text)
{
	json_write_key(writer, key);
	json_write_string(writer, text);
}

void json_write_bool_member(struct json_writer *writer, const char *key, bool value)
{
	json_write_key(writer, key);
	json_write_bool(writer, value);
}

void json_write_strings_member(struct json_writer *writer, const char *key, const char *const *texts)
{
	json_write_key(writer, key);
	json_write_open(writer, '[');
	for (size_t i = 0; texts[i]; i++)
		json_write_string(writer, texts[i]);
	json_write_close(writer, ']');
}
