/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The properties that a scope is made with.
 */
#include "cgroups/systemd.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define ANNOTATION "org.systemd.property."

static int refuse(const char *name, const char *text, struct error *err)
{
	return error_set(err, -EINVAL,
		"annotation " ANNOTATION
		"%s: \"%s\" is no value in GVariant's text format: 'text', true, 5, uint64 5 or "
		"['a', 'b'] are",
		name, text);
}

static const char *skip_space(const char *text)
{
	return text + strspn(text, " \t\n");
}

/* A string in single or double quotes; *text is moved behind it. Allocated; NULL: there is none. */
static char *parse_string(const char **text)
{
	const char *position = *text;
	cleanup_strbuf struct strbuf string = STRBUF_INIT;
	char quote = *position;

	if (quote != '\'' && quote != '"')
		return NULL;
	strbuf_append(&string, "", 0);
	for (position++; *position != quote; position++) {
		if (*position == '\\')
			position++;
		if (!*position)
			return NULL;
		strbuf_append(&string, position, 1);
	}
	*text = position + 1;
	return take_pointer(&string.data);
}

static bool parse_strings(const char *text, char ***ret)
{
	char **strings = xcalloc(1, sizeof(*strings));
	size_t count = 0;

	for (text = skip_space(text + 1); *text != ']'; text = skip_space(text)) {
		char *string = parse_string(&text);

		if (string) {
			strings = xrealloc(strings, count + 2, sizeof(*strings));
			strings[count++] = string;
			strings[count] = NULL;
			text = skip_space(text);
		}
		if (!string || (*text != ',' && *text != ']')) {
			free_strings(strings);
			return false;
		}
		text += *text == ',';
	}
	if (*skip_space(text + 1)) {
		free_strings(strings);
		return false;
	}
	*ret = strings;
	return true;
}

static const struct {
	const char *word;
	enum systemd_property_kind kind;
	int64_t least;
	uint64_t greatest;
} number_types[] = {
	{ "int16 ", SYSTEMD_INT16, INT16_MIN, INT16_MAX }, { "uint16 ", SYSTEMD_UINT16, 0, UINT16_MAX },
	{ "int32 ", SYSTEMD_INT32, INT32_MIN, INT32_MAX }, { "uint32 ", SYSTEMD_UINT32, 0, UINT32_MAX },
	{ "int64 ", SYSTEMD_INT64, INT64_MIN, INT64_MAX }, { "uint64 ", SYSTEMD_UINT64, 0, UINT64_MAX },
	{ "", SYSTEMD_INT32, INT32_MIN, INT32_MAX }, /* a bare number */
};

static bool parse_number(const char *text, struct systemd_property *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(number_types); i++) {
		const char *digits;
		bool negative;
		char *end;

		if (strncmp(text, number_types[i].word, strlen(number_types[i].word)) != 0)
			continue;
		digits = skip_space(text + strlen(number_types[i].word));
		negative = *digits == '-';
		if (!isdigit((unsigned char)digits[negative]))
			return false;
		errno = 0;
		value->kind = number_types[i].kind;
		value->number = negative ? (uint64_t)strtoll(digits, &end, 0) : strtoull(digits, &end, 0);
		return errno == 0 && !*skip_space(end) &&
		       (negative ? (int64_t)value->number >= number_types[i].least
				 : value->number <= number_types[i].greatest);
	}
	return false;
}

static bool parse_value(const char *text, struct systemd_property *value)
{
	text = skip_space(text);
	if (*text == '\'' || *text == '"') {
		value->kind = SYSTEMD_STRING;
		value->text = parse_string(&text);
		return value->text && !*skip_space(text);
	}
	if (*text == '[') {
		value->kind = SYSTEMD_STRINGS;
		return parse_strings(text, &value->strings);
	}
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
		value->kind = SYSTEMD_BOOLEAN;
		value->number = *text == 't';
		return true;
	}
	if (strncmp(text, "double ", 7) == 0) {
		char *end;

		value->kind = SYSTEMD_DOUBLE;
		value->real = strtod(text + 7, &end);
		return end > text + 7 && !*skip_space(end);
	}
	return parse_number(text, value);
}

/* The manager's properties are in microseconds, the unit files' and so the annotations' in seconds. */
static bool to_microseconds(struct systemd_property *value)
{
	uint64_t seconds = value->number;

	if (value->kind == SYSTEMD_DOUBLE)
		value->number = (uint64_t)(value->real * 1e6);
	else if (value->kind < SYSTEMD_INT16 || value->kind > SYSTEMD_UINT64 ||
		 __builtin_mul_overflow(seconds, (uint64_t)1000000, &value->number))
		return false;
	value->kind = SYSTEMD_UINT64;
	return true;
}

int systemd_property_parse(struct systemd_properties *properties, const char *name, const char *text, struct error *err)
{
	struct systemd_property value = { 0 }, *property;
	size_t length = strlen(name);
	bool seconds = length > 3 && strcmp(name + length - 3, "Sec") == 0 &&
		       !(length > 4 && strcmp(name + length - 4, "USec") == 0);
	cleanup_free char *full = seconds ? xprintf("%.*sUSec", (int)(length - 3), name) : xstrdup(name);

	if (length == 0 || strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") != length)
		return error_set(err, -EINVAL, "annotation " ANNOTATION "%s: that is no property's name", name);
	if (!parse_value(text, &value) || (seconds && !to_microseconds(&value))) {
		free(value.text);
		free_strings(value.strings);
		return refuse(name, text, err);
	}
	property = systemd_property_add(properties, full, value.kind);
	value.name = property->name;
	*property = value;
	return 0;
}

static void add_flag(struct systemd_properties *properties, const char *name, bool value)
{
	systemd_property_add(properties, name, SYSTEMD_BOOLEAN)->number = value;
}

static void add_text(struct systemd_properties *properties, const char *name, char *value)
{
	systemd_property_add(properties, name, SYSTEMD_STRING)->text = value;
}

int systemd_scope_properties(const struct cgroup_request *request, const struct systemd_unit *unit, bool unified,
	struct systemd_properties *properties, struct error *err)
{
	add_text(properties, "Description", xprintf("duet container %s", request->id));
	add_text(properties, "Slice", xstrdup(unit->slice));
	/* Not to be stopped before what it depends on, since it depends on nothing. */
	add_flag(properties, "DefaultDependencies", false);
	add_flag(properties, "Delegate", true);
	add_flag(properties, "CPUAccounting", true);
	add_flag(properties, "MemoryAccounting", true);
	add_flag(properties, "TasksAccounting", true);
	add_flag(properties, unified ? "IOAccounting" : "BlockIOAccounting", true);
	/* Nothing stays of a scope that ended in failure: its name is free again. */
	add_text(properties, "CollectMode", xstrdup("inactive-or-failed"));
	for (size_t i = 0; i < request->annotation_count; i++) {
		const struct key_value *annotation = &request->annotations[i];
		int result;

		if (strncmp(annotation->key, ANNOTATION, strlen(ANNOTATION)) != 0)
			continue;
		result = systemd_property_parse(
			properties, annotation->key + strlen(ANNOTATION), annotation->value, err);
		if (result < 0)
			return result;
	}
	return 0;
}
