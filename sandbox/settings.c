/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/settings.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define PLAIN(name, kind, member, argument, help, values, limit) \
	{ name, SANDBOX_##kind, offsetof(struct sandbox_settings, member), argument, help, NULL, values, limit },
#define INITIAL(name, kind, member, argument, help, initial, values, limit) \
	{ name, SANDBOX_##kind, offsetof(struct sandbox_settings, member), argument, help, initial, values, limit },

const struct sandbox_setting sandbox_settings_table[] = {
	SANDBOX_SETTINGS(PLAIN, INITIAL){ NULL, SANDBOX_FLAG, 0, NULL, NULL, NULL, NULL, false },
};

const struct sandbox_setting *sandbox_setting_find(const char *name)
{
	const struct sandbox_setting *setting = sandbox_settings_table;

	while (setting->name && strcmp(setting->name, name) != 0)
		setting++;
	return setting->name ? setting : NULL;
}

_Static_assert(ARRAY_SIZE(sandbox_settings_table) <= 64, "a bit of sandbox_settings.given for each");

bool sandbox_setting_is_given(const struct sandbox_settings *settings, const char *name)
{
	const struct sandbox_setting *setting = sandbox_setting_find(name);

	return setting && (settings->given & 1ULL << (setting - sandbox_settings_table));
}

static void *sandbox_member(const struct sandbox_settings *settings, const struct sandbox_setting *setting)
{
	return (char *)settings + setting->offset;
}

struct unit {
	const char *name;
	double factor;
};

static const struct unit durations[] = { { "ms", 1 }, { "s", 1e3 }, { "m", 60e3 }, { "h", 3600e3 }, { "", 1e3 },
	{ NULL, 0 } };
static const struct unit sizes[] = { { "", 1 }, { "K", 0x1p10 }, { "M", 0x1p20 }, { "G", 0x1p30 }, { "T", 0x1p40 },
	{ "KiB", 0x1p10 }, { "MiB", 0x1p20 }, { "GiB", 0x1p30 }, { "TiB", 0x1p40 }, { NULL, 0 } };
static const struct unit counts[] = { { "", 1 }, { NULL, 0 } };
static const struct unit processors[] = { { "", 1e3 }, { NULL, 0 } };

static const struct unit *units_of(enum sandbox_kind kind)
{
	switch (kind) {
	case SANDBOX_DURATION:
		return durations;
	case SANDBOX_SIZE:
		return sizes;
	case SANDBOX_CPUS:
		return processors;
	default:
		return counts;
	}
}

static bool parse_amount(enum sandbox_kind kind, const char *text, uint64_t *amount)
{
	uint64_t whole;
	double value;
	char *end;

	if (strcmp(text, "none") == 0) {
		*amount = SANDBOX_UNLIMITED;
		return true;
	}
	/* strtod(3) would take signs, blanks, "inf" and hexadecimal digits. */
	if (strspn(text, "0123456789.") == 0 || text[0] == '.' || text[1] == 'x')
		return false;
	value = strtod(text, &end);
	for (const struct unit *unit = units_of(kind); unit->name; unit++) {
		if ((kind == SANDBOX_SIZE ? strcasecmp(end, unit->name) : strcmp(end, unit->name)) != 0)
			continue;
		value *= unit->factor;
		if (value >= 0x1p63)
			return false;
		/* Of a byte there are no parts; elsewhere a decimal fraction may be a little off. */
		whole = (uint64_t)(kind == SANDBOX_SIZE ? value : value + 0.5);
		if (kind != SANDBOX_SIZE && (value - (double)whole > 1e-6 || (double)whole - value > 1e-6))
			return false;
		*amount = whole;
		return true;
	}
	return false;
}

bool sandbox_parse_size(const char *text, uint64_t *bytes)
{
	return parse_amount(SANDBOX_SIZE, text, bytes) && *bytes != SANDBOX_UNLIMITED;
}

static const char *const kind_words[] = {
	[SANDBOX_DURATION] = "a time like 90s, 10m, 2h or none",
	[SANDBOX_SIZE] = "a size like 512M, 2G or none",
	[SANDBOX_COUNT] = "a whole number or none",
	[SANDBOX_CPUS] = "a number of processors like 1.5, or none",
};

static bool is_one_of(const char *text, const char *words)
{
	size_t length = strlen(text);

	for (const char *word = words; word; word = strchr(word, '|')) {
		word += *word == '|';
		if (strncmp(word, text, length) == 0 && (word[length] == '|' || !word[length]))
			return true;
	}
	return false;
}

static void list_append(char ***list, const char *text)
{
	size_t count = 0;

	while (*list && (*list)[count])
		count++;
	*list = xrealloc(*list, count + 2, sizeof(**list));
	(*list)[count] = xstrdup(text);
	(*list)[count + 1] = NULL;
}

static bool is_within(enum sandbox_kind kind, const char *range, uint64_t amount)
{
	const char *most = strstr(range, "..");
	cleanup_free char *least = xstrndup(range, most ? (size_t)(most - range) : strlen(range));
	uint64_t low = 0, high = UINT64_MAX;

	return parse_amount(kind, least, &low) && (!most || parse_amount(kind, most + 2, &high)) && amount >= low &&
	       amount <= high;
}

/* What is below the range may be no limit at all to the kernel: a memory limit of 0, a tmpfs of 0 bytes. */
static int set_amount(const struct sandbox_setting *setting, const char *text, uint64_t *member, struct error *err)
{
	uint64_t amount;

	if (!parse_amount(setting->kind, text, &amount))
		return error_set(err, -EINVAL, "%s is expected, not \"%s\"", kind_words[setting->kind], text);
	if (setting->values && amount != SANDBOX_UNLIMITED && !is_within(setting->kind, setting->values, amount))
		return error_set(err, -EINVAL, "%s is expected, not \"%s\": %s%s", kind_words[setting->kind], text,
			strstr(setting->values, "..") ? "the range is " : "the least is ", setting->values);
	*member = amount;
	return 0;
}

static int set_text(const struct sandbox_setting *setting, const char *text, char **member, struct error *err)
{
	if (setting->values && !is_one_of(text, setting->values))
		return error_set(err, -EINVAL, "one of %s is expected, not \"%s\"", setting->values, text);
	if (!*text)
		return error_set(err, -EINVAL, "the value is empty");
	free(*member);
	*member = xstrdup(text);
	return 0;
}

int sandbox_set(
	struct sandbox_settings *settings, const struct sandbox_setting *setting, const char *text, struct error *err)
{
	void *member = sandbox_member(settings, setting);

	int result = 0;

	switch (setting->kind) {
	case SANDBOX_FLAG:
		if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
			return error_set(err, -EINVAL, "true or false is expected, not \"%s\"", text);
		*(bool *)member = !text || strcmp(text, "true") == 0;
		break;
	case SANDBOX_WORD:
		if (text && strcmp(text, "true") != 0)
			return error_set(err, -EINVAL, "true alone is expected, not \"%s\"", text);
		free(*(char **)member);
		*(char **)member = xstrdup(setting->values);
		break;
	case SANDBOX_TEXT:
		result = set_text(setting, text, member, err);
		break;
	case SANDBOX_LIST:
		if (!*text)
			return error_set(err, -EINVAL, "the value is empty");
		list_append(member, text);
		break;
	default:
		result = set_amount(setting, text, member, err);
	}
	if (result == 0)
		settings->given |= 1ULL << (setting - sandbox_settings_table);
	return result;
}

void sandbox_settings_begin(struct sandbox_settings *settings)
{
	struct error err;

	*settings = (struct sandbox_settings){ .vm = false };
	for (const struct sandbox_setting *setting = sandbox_settings_table; setting->name; setting++) {
		if (setting->initial)
			(void)sandbox_set(settings, setting, setting->initial, &err);
	}
	settings->given = 0;
}

void sandbox_settings_free(struct sandbox_settings *settings)
{
	for (const struct sandbox_setting *setting = sandbox_settings_table; setting->name; setting++) {
		void *member = sandbox_member(settings, setting);

		if (setting->kind == SANDBOX_TEXT)
			free(*(char **)member);
		if (setting->kind == SANDBOX_LIST)
			free_strings(*(char ***)member);
	}
	*settings = (struct sandbox_settings){ .vm = false };
}

static void print_amount(enum sandbox_kind kind, uint64_t amount, char *text, size_t size)
{
	const struct unit *best = NULL;

	for (const struct unit *unit = units_of(kind); unit->name; unit++) {
		if ((*unit->name || unit->factor == 1) && unit->factor <= (double)amount &&
			(!best || unit->factor > best->factor))
			best = unit;
	}
	if (amount == SANDBOX_UNLIMITED)
		(void)snprintf(text, size, "none");
	else if (kind == SANDBOX_CPUS)
		(void)snprintf(text, size, "%g", (double)amount / 1e3);
	else
		(void)snprintf(text, size, "%g%s", (double)amount / (best ? best->factor : 1), best ? best->name : "");
}

void sandbox_setting_print(
	const struct sandbox_settings *settings, const struct sandbox_setting *setting, char *text, size_t size)
{
	const void *member = sandbox_member(settings, setting);

	if (setting->kind == SANDBOX_FLAG)
		(void)snprintf(text, size, "%s", *(const bool *)member ? "true" : "false");
	else if (setting->kind == SANDBOX_TEXT)
		(void)snprintf(text, size, "%s", *(char *const *)member ? *(char *const *)member : "");
	else if (setting->kind == SANDBOX_LIST)
		(void)snprintf(text, size, "%s", "");
	else
		print_amount(setting->kind, *(const uint64_t *)member, text, size);
}
