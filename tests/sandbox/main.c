/* SPDX-License-Identifier: Apache-2.0 */
#include "hostile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

char **hostile_arguments;

static int breaches;

void must_fail(const char *what, long result)
{
	const char *why = strerrorname_np(errno);

	if (result < 0)
		printf("%s: %s\n", what, why ? why : "?");
	else
		must_not(what, true);
	(void)fflush(stdout);
}

void must_not(const char *what, bool happened)
{
	if (happened) {
		breaches++;
		printf("BREACH: %s\n", what);
		(void)fflush(stdout);
	}
}

int verdict(void)
{
	return breaches ? HOSTILE_BREACH : 0;
}

int main(int argc, char **argv)
{
	const struct verb *const tables[] = { resource_verbs, process_verbs, file_verbs, kernel_verbs, network_verbs };

	if (argc < 2)
		return 2;
	hostile_arguments = argv + 2;
	for (size_t table = 0; table < sizeof(tables) / sizeof(*tables); table++) {
		for (const struct verb *verb = tables[table]; verb->name; verb++) {
			if (strcmp(verb->name, argv[1]) == 0)
				return verb->run();
		}
	}
	fprintf(stderr, "hostile: no verb %s\n", argv[1]);
	return 2;
}
