/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON tree to C structs by tables of fields, with errors that name the JSON path. Private to oci/.
 *
 * A reader function takes one value and fills one target; the table of an object says which reader fills which member.
 * null counts as absent, as encoding/json of Go (the language of most writers of config.json) has it; fields without an
 * entry are passed over.
 */
#ifndef DUET_OCI_JSON_READ_H
#define DUET_OCI_JSON_READ_H

#include "oci/json_document.h"
#include "oci/names.h"
#include "oci/spec.h"

/* One step of the path to the value at hand, "linux", ".namespaces" or "[2]"; it lives on the stack of who took it, and
 * becomes text only when something is wrong. */
struct json_step {
	const struct json_step *before; /* NULL: the first */
	const char *field;              /* NULL: an index */
	bool key;                       /* the field is a key of a map: ["field"] */
	size_t index;
};

struct json_reader {
	const struct json_document *document;
	const char *name;           /* what errors begin with: "config.json" */
	const struct json_step *at; /* the last step taken; NULL: the document itself */
	struct error *err;
};

typedef int json_read_function(struct json_reader *reader, const json_t *value, void *target);

struct json_field {
	const char *name;
	json_read_function *read;
	size_t offset; /* of the target in the object's struct */
	bool required;
};

/* The reader that fits the member's type. */
#define JSON_READER_OF(member) \
	_Generic((member),                                                                                             \
		bool: json_read_bool,                                                                                  \
		char *: json_read_string,                                                                              \
		char **: json_read_strings,                                                                            \
		uint32_t: json_read_u32,                                                                               \
		uint64_t: json_read_u64,                                                                               \
		int64_t: json_read_i64,                                                                                \
		struct oci_u64: json_read_optional_u64,                                                                \
		struct oci_i64: json_read_optional_i64)

#define JSON_FIELD(key, type, member)                                                      \
	{                                                                                  \
		key, JSON_READER_OF(((type *)NULL)->member), offsetof(type, member), false \
	}
#define JSON_REQUIRED(key, type, member)                                                  \
	{                                                                                 \
		key, JSON_READER_OF(((type *)NULL)->member), offsetof(type, member), true \
	}
#define JSON_FIELD_BY(key, type, member, read)           \
	{                                                \
		key, read, offsetof(type, member), false \
	}
#define JSON_REQUIRED_BY(key, type, member, read)       \
	{                                               \
		key, read, offsetof(type, member), true \
	}
/* The reader gets the object's own struct. */
#define JSON_SECTION(key, read)     \
	{                           \
		key, read, 0, false \
	}

/* Fills *err with "NAME: PATH: " and the message, in one line. All of them return -EINVAL. */
int json_fail(struct json_reader *reader, const char *format, ...) printf_like(2, 3);
int json_fail_field(struct json_reader *reader, const char *field, const char *format, ...) printf_like(3, 4);
int json_fail_element(struct json_reader *reader, const char *array, size_t index, const char *field,
	const char *format, ...) printf_like(5, 6); /* field NULL: the element itself */
int json_fail_type(struct json_reader *reader, const json_t *value, const char *expected);

/* A warning with the same beginning. */
void json_warn(struct json_reader *reader, const char *format, ...) printf_like(2, 3);

int json_read_object(
	struct json_reader *reader, const json_t *value, const struct json_field *fields, size_t count, void *target);
#define json_read_fields(reader, value, fields, target) \
	json_read_object(reader, value, fields, ARRAY_SIZE(fields), target)

/* An array of structs: entries is a T **, set to an allocated, zeroed array that is filled element by element. */
int json_read_array(struct json_reader *reader, const json_t *value, size_t element_bytes, json_read_function *read,
	void *entries, size_t *count);

/* An object used as a map: read gets each value, with its key in *key_of(element), the element's first member (a char
 * *). */
int json_read_map(struct json_reader *reader, const json_t *value, size_t element_bytes, json_read_function *read,
	void *entries, size_t *count);

int json_read_unsigned(
	struct json_reader *reader, const json_t *value, uint64_t minimum, uint64_t maximum, uint64_t *number);
int json_read_signed(
	struct json_reader *reader, const json_t *value, int64_t minimum, int64_t maximum, int64_t *number);

/* A word of a table; unknown ones are refused as `unknown WHAT "word"`. */
int json_read_name(
	struct json_reader *reader, const json_t *value, const struct oci_name_table *table, uint64_t *number);
/* An array of words, or-ed together. */
int json_read_names(
	struct json_reader *reader, const json_t *value, const struct oci_name_table *table, uint64_t *bits);

/* Readers by type of target. */
int json_read_bool(struct json_reader *reader, const json_t *value, void *target);       /* bool */
int json_read_string(struct json_reader *reader, const json_t *value, void *target);     /* char *; NULL for "" */
int json_read_text(struct json_reader *reader, const json_t *value, void *target);       /* char *; "" is refused */
int json_read_any_string(struct json_reader *reader, const json_t *value, void *target); /* char *; "" is kept */
int json_read_absolute(struct json_reader *reader, const json_t *value, void *target);   /* char *; NULL for "" */
int json_read_strings(struct json_reader *reader, const json_t *value, void *target);    /* char ** */
int json_read_u16(struct json_reader *reader, const json_t *value, void *target);        /* uint32_t, at most 65535 */
int json_read_u32(struct json_reader *reader, const json_t *value, void *target);        /* uint32_t */
int json_read_u64(struct json_reader *reader, const json_t *value, void *target);        /* uint64_t */
int json_read_i64(struct json_reader *reader, const json_t *value, void *target);        /* int64_t */
int json_read_id(struct json_reader *reader, const json_t *value, void *target);         /* uid_t, gid_t: not 2^32-1 */
int json_read_optional_u64(struct json_reader *reader, const json_t *value, void *target); /* struct oci_u64 */
int json_read_optional_i64(struct json_reader *reader, const json_t *value, void *target); /* struct oci_i64 */
int json_read_key_value(struct json_reader *reader, const json_t *value, void *target);    /* for json_read_map */

#endif
