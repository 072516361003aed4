/* SPDX-License-Identifier: Apache-2.0 */
#include "process/accounts.h"

#include <string.h>

#include "base/alloc.h"

enum { FIELDS_MAX = 7 };

/* One line of fields that are separated by colons. */
struct account_line {
	const char *fields[FIELDS_MAX];
	size_t lengths[FIELDS_MAX];
	size_t count;
};

/* The last field runs to the end of the line, whatever is in it. Returns where the next line begins. */
static const char *split_line(const char *text, struct account_line *line)
{
	size_t left = strcspn(text, "\n");
	const char *end = text + left;

	for (line->count = 0; line->count < FIELDS_MAX; line->count++) {
		const char *colon = line->count + 1 < FIELDS_MAX ? memchr(text, ':', (size_t)(end - text)) : NULL;

		line->fields[line->count] = text;
		line->lengths[line->count] = colon ? (size_t)(colon - text) : (size_t)(end - text);
		if (!colon) {
			line->count++;
			break;
		}
		text = colon + 1;
	}
	return *end ? end + 1 : end;
}

static bool field_is(const struct account_line *line, size_t field, const char *wanted)
{
	size_t length = strlen(wanted);

	return field < line->count && line->lengths[field] == length &&
	       memcmp(line->fields[field], wanted, length) == 0;
}

static bool field_id(const struct account_line *line, size_t field, id_t *id)
{
	return field < line->count && account_parse_id(line->fields[field], line->lengths[field], id);
}

bool account_parse_id(const char *text, size_t length, id_t *id)
{
	unsigned long long value = 0;

	if (length == 0 || length > 10)
		return false;
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (unsigned long long)(text[i] - '0');
	}
	if (value >= (id_t)-1)
		return false;
	*id = (id_t)value;
	return true;
}

/* name:password:uid:gid:comment:home:shell */
char *account_home(const char *passwd, uid_t uid)
{
	struct account_line line;
	id_t found;

	for (const char *next = passwd; *next;) {
		next = split_line(next, &line);
		if (line.count >= 6 && line.lengths[5] > 0 && field_id(&line, 2, &found) && found == uid)
			return xstrndup(line.fields[5], line.lengths[5]);
	}
	return NULL;
}

bool account_find_user(const char *passwd, const char *name, uid_t *uid, gid_t *gid)
{
	struct account_line line;
	id_t user, group;

	for (const char *next = passwd; *next;) {
		next = split_line(next, &line);
		if (field_is(&line, 0, name) && field_id(&line, 2, &user) && field_id(&line, 3, &group)) {
			*uid = user;
			*gid = group;
			return true;
		}
	}
	return false;
}

/* name:password:gid:user,user,… */
bool account_find_group(const char *group, const char *name, gid_t *gid)
{
	struct account_line line;

	for (const char *next = group; *next;) {
		next = split_line(next, &line);
		if (field_is(&line, 0, name) && field_id(&line, 2, gid))
			return true;
	}
	return false;
}

static bool is_listed(const char *list, size_t length, const char *name)
{
	size_t name_length = strlen(name);

	for (const char *end = list + length; list < end;) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		size_t entry = comma ? (size_t)(comma - list) : (size_t)(end - list);

		if (entry == name_length && memcmp(list, name, entry) == 0)
			return true;
		list += entry + 1;
	}
	return false;
}

void account_groups_of(const char *group, const char *name, size_t count_max, gid_t **gids, size_t *count)
{
	struct account_line line;
	id_t gid;

	for (const char *next = group; *next && *count < count_max;) {
		bool known = false;

		next = split_line(next, &line);
		if (line.count < 4 || !field_id(&line, 2, &gid) || !is_listed(line.fields[3], line.lengths[3], name))
			continue;
		for (size_t i = 0; i < *count && !known; i++)
			known = (*gids)[i] == gid;
		if (known)
			continue;
		*gids = xrealloc(*gids, *count + 1, sizeof(**gids));
		(*gids)[(*count)++] = gid;
	}
}
