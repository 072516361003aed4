/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "process/accounts.h"
#include "process/process_internal.h"

const char *process_environment_value(char *const *env, const char *name)
{
	size_t length = strlen(name);

	for (; env && *env; env++) {
		if (strncmp(*env, name, length) == 0 && (*env)[length] == '=')
			return *env + length + 1;
	}
	return NULL;
}

static char *home_of(uid_t uid)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *home = NULL;

	if (process_read_account_file("etc/passwd", &content) == 0 && content.data)
		home = account_home(content.data, uid);
	return home ? home : xstrdup("/");
}

static uint64_t name_hash(const char *entry, size_t length)
{
	uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)entry[i]) * 0x100000001b3U;
	return hash;
}

/* Of several entries with one name the last counts, in the place of the first. */
static size_t keep_last_of_each(char **env, size_t count)
{
	size_t slots = 16, kept = 0;
	size_t *table;

	while (slots < count * 2)
		slots *= 2;
	table = xcalloc(slots, sizeof(*table)); /* index + 1 into env */
	for (size_t i = 0; i < count; i++) {
		size_t length = strcspn(env[i], "=");
		size_t slot = name_hash(env[i], length) & (slots - 1);

		while (table[slot] && (strncmp(env[table[slot] - 1], env[i], length) != 0 ||
					      strcspn(env[table[slot] - 1], "=") != length))
			slot = (slot + 1) & (slots - 1);
		if (table[slot]) {
			free(env[table[slot] - 1]);
			env[table[slot] - 1] = env[i];
		} else {
			env[kept++] = env[i];
			table[slot] = kept;
		}
	}
	free(table);
	return kept;
}

void process_complete_environment(struct process_plan *plan)
{
	size_t count = 0, kept = 0;

	while (plan->env && plan->env[count])
		count++;
	plan->env = xrealloc(plan->env, count + 2, sizeof(*plan->env));
	count = keep_last_of_each(plan->env, count);
	/* An empty HOME is as none. */
	for (size_t i = 0; i < count; i++) {
		if (strcmp(plan->env[i], "HOME=") == 0)
			free(plan->env[i]);
		else
			plan->env[kept++] = plan->env[i];
	}
	plan->env[kept] = NULL;
	if (!process_environment_value(plan->env, "HOME")) {
		cleanup_free char *home = home_of(plan->uid);

		plan->env[kept++] = xprintf("HOME=%s", home);
		plan->env[kept] = NULL;
	}
}
