/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text, piece by piece: commas and indentation are looked after here, well-formedness is the caller's.
 */
#ifndef DUET_OCI_JSON_WRITE_H
#define DUET_OCI_JSON_WRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"

struct json_writer {
	struct strbuf *out;
	const char *indent; /* of one level; NULL: everything on one line */
	unsigned int depth;
	bool filled;    /* something is there in the innermost object or array */
	bool after_key; /* the next value belongs to the key just written */
};

void json_write_open(struct json_writer *writer, char bracket);  /* '{' or '[' */
void json_write_close(struct json_writer *writer, char bracket); /* '}' or ']' */
void json_write_key(struct json_writer *writer, const char *key);
void json_write_string(struct json_writer *writer, const char *text);
void json_write_bool(struct json_writer *writer, bool value);
void json_write_i64(struct json_writer *writer, int64_t value);
void json_write_u64(struct json_writer *writer, uint64_t value);
void json_write_double(struct json_writer *writer, double value, int decimals); /* finite */
void json_write_null(struct json_writer *writer);

/* Members of an object. */
void json_write_string_member(struct json_writer *writer, const char *key, const char *text);
void json_write_u64_member(struct json_writer *writer, const char *key, uint64_t value);
void json_write_bool_member(struct json_writer *writer, const char *key, bool value);
void json_write_strings_member(struct json_writer *writer, const char *key, const char *const *texts);

#endif
