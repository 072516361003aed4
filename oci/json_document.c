/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/json_document.h"

#include <ctype.h>
#include <math.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/alloc.h"

/* "\u0000N" with its quotes, as the literal is replaced: what remains of 19 or 20 digits holds any index. */
#define WIDE_PREFIX          "\"\\u0000"
#define WIDE_OVERHEAD        (sizeof(WIDE_PREFIX) - 1 + 1)
#define WIDE_DIGITS_AT_LEAST 19 /* of 9223372036854775808, and of everything beyond 64 bits */

struct scan {
	char *text; /* NUL-terminated copy, changed in place */
	size_t length;
	size_t next;
	bool nul_found;
	size_t nul_at; /* offset of the first \u0000 */
};

/* Passes over a string; next is at its opening quote. An unterminated one ends the scan: jansson will say so. */
static void scan_string(struct scan *scan)
{
	size_t i = scan->next + 1;

	while (i < scan->length && scan->text[i] != '"') {
		if (scan->text[i] != '\\') {
			i++;
			continue;
		}
		if (!scan->nul_found && scan->length - i >= 6 && memcmp(scan->text + i, "\\u0000", 6) == 0) {
			scan->nul_found = true;
			scan->nul_at = i;
		}
		i += 2;
	}
	scan->next = i < scan->length ? i + 1 : scan->length;
}

static size_t number_length(const struct scan *scan)
{
	size_t length = 0;

	while (scan->next + length < scan->length) {
		char c = scan->text[scan->next + length];

		if (!isdigit((unsigned char)c) && !strchr("+-.eE", c))
			break;
		if (c == '\0')
			break;
		length++;
	}
	return length;
}

/* Is it an integer as JSON writes one? Everything else is left to jansson, to take or to refuse. */
static bool is_integer(const char *token, size_t length)
{
	size_t first = token[0] == '-' ? 1 : 0;

	if (length == first || (token[first] == '0' && length > first + 1))
		return false;
	for (size_t i = first; i < length; i++) {
		if (!isdigit((unsigned char)token[i]))
			return false;
	}
	return true;
}

static void keep_wide(struct json_document *document, char *token, size_t length)
{
	struct json_wide_integer wide = { .fits = false };
	char digits[64];
	char *end = NULL;

	if (length < sizeof(digits)) {
		memcpy(digits, token, length);
		digits[length] = '\0';
		errno = 0;
		(void)strtoll(digits, &end, 10);
		if (errno == 0)
			return;
		errno = 0;
		wide.value = strtoull(digits, &end, 10);
		wide.fits = errno == 0 && token[0] != '-';
		if (!wide.fits)
			wide.value = 0;
	}
	document->wide = xrealloc(document->wide, document->wide_count + 1, sizeof(*document->wide));
	document->wide[document->wide_count] = wide;
	memcpy(token, WIDE_PREFIX, sizeof(WIDE_PREFIX) - 1);
	memset(token + sizeof(WIDE_PREFIX) - 1, '0', length - WIDE_OVERHEAD);
	token[length - 1] = '"';
	for (size_t index = document->wide_count, i = length - 2; index; index /= 10, i--)
		token[i] = (char)('0' + index % 10);
	document->wide_count++;
}

/* A real too large for a double would end jansson's reading, with no word of where in the document; as no field takes
 * reals, any other real does as well. */
static void tame_real(char *token, size_t length)
{
	char *copy = xstrndup(token, length);
	char *end;
	double value = strtod(copy, &end);

	if (*end == '\0' && isinf(value)) {
		memset(token, '0', length);
		token[1] = '.';
	}
	free(copy);
}

static void scan_number(struct json_document *document, struct scan *scan)
{
	char *token = scan->text + scan->next;
	size_t length = number_length(scan);

	if (is_integer(token, length)) {
		if (length >= WIDE_DIGITS_AT_LEAST)
			keep_wide(document, token, length);
	} else if (length >= 3 && isdigit((unsigned char)token[length - 1])) {
		tame_real(token, length);
	}
	scan->next += length ? length : 1;
}

static void scan_text(struct json_document *document, struct scan *scan)
{
	while (scan->next < scan->length) {
		char c = scan->text[scan->next];

		if (c == '"')
			scan_string(scan);
		else if (c == '-' || isdigit((unsigned char)c))
			scan_number(document, scan);
		else
			scan->next++;
	}
}

static int refuse_nul(const struct scan *scan, const char *name, struct error *err)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < scan->nul_at; i++) {
		if (scan->text[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)scan->text[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	return error_set(err, -EINVAL, "%s: line %zu, column %zu: a string must not hold the character \\u0000", name,
		line, column);
}

static int refuse_syntax(const char *text, size_t length, const char *name, json_error_t first, struct error *err)
{
	json_error_t again;
	json_t *root;

	/* A second look at the original, so that the message does not quote a replaced literal. */
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &again);
	if (root)
		again = first;
	json_decref(root);
	for (char *c = again.text; *c; c++) {
		if (iscntrl((unsigned char)*c))
			*c = ' ';
	}
	return error_set(err, -EINVAL, "%s: line %d, column %d: %s", name, again.line, again.column, again.text);
}

void json_document_seed(void)
{
	size_t seed = 0;

	if (getauxval(AT_RANDOM))
		memcpy(&seed, (const void *)getauxval(AT_RANDOM), sizeof(seed)); /* NOLINT(performance-no-int-to-ptr) */
	json_object_seed(seed);                                                  /* 0: by its own means */
}

int json_document_parse(
	struct json_document *document, const char *text, size_t length, const char *name, struct error *err)
{
	cleanup_free char *copy = xcalloc(length + 1, 1);
	struct json_document parsed = { .root = NULL };
	struct scan scan = { .text = copy, .length = length };
	json_error_t error;
	int result = 0;

	if (length)
		memcpy(copy, text, length);
	else
		text = "";
	scan_text(&parsed, &scan);
	parsed.root = json_loadb(copy, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!parsed.root)
		result = refuse_syntax(text, length, name, error, err);
	else if (scan.nul_found)
		result = refuse_nul(&scan, name, err);
	if (result < 0) {
		json_document_free(&parsed);
		return result;
	}
	*document = parsed;
	return 0;
}

void json_document_free(struct json_document *document)
{
	json_decref(document->root);
	free(document->wide);
	*document = (struct json_document){ .root = NULL };
}

const struct json_wide_integer *json_document_wide(const struct json_document *document, const json_t *value)
{
	size_t index;

	if (!json_is_string(value) || json_string_length(value) < 1 || json_string_value(value)[0] != '\0')
		return NULL;
	index = strtoull(json_string_value(value) + 1, NULL, 10);
	return index < document->wide_count ? &document->wide[index] : NULL;
}
