/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "runtime/lifecycle.h"

static int signal_real_time(const char *name)
{
	long offset;
	char *end;
	bool minimum = strncasecmp(name, "RTMIN", 5) == 0;

	if (!minimum && strncasecmp(name, "RTMAX", 5) != 0)
		return -EINVAL;
	if (!name[5])
		return minimum ? SIGRTMIN : SIGRTMAX;
	if (name[5] != (minimum ? '+' : '-') || name[6] < '0' || name[6] > '9')
		return -EINVAL;
	offset = strtol(name + 6, &end, 10);
	if (*end || offset > SIGRTMAX - SIGRTMIN)
		return -EINVAL;
	return minimum ? SIGRTMIN + (int)offset : SIGRTMAX - (int)offset;
}

/* Older names, which kill(1) still knows. */
static int signal_alias(const char *name)
{
	static const struct {
		const char *name;
		int number;
	} aliases[] = { { "IO", SIGIO }, { "IOT", SIGIOT }, { "CLD", SIGCHLD }, { "UNUSED", SIGSYS } };

	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
		if (strcasecmp(aliases[i].name, name) == 0)
			return aliases[i].number;
	}
	return -EINVAL;
}

int signal_parse(const char *text, struct error *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	int result;

	if (text[0] >= '0' && text[0] <= '9') {
		char *end;
		unsigned long number = strtoul(text, &end, 10);

		if (*end || number > (unsigned long)SIGRTMAX)
			return error_set(err, -EINVAL, "unknown signal \"%s\"", text);
		return (int)number;
	}
	for (int number = 1; number < 32; number++) {
		const char *known = sigabbrev_np(number);

		if (known && strcasecmp(known, name) == 0)
			return number;
	}
	result = signal_alias(name);
	if (result < 0)
		result = signal_real_time(name);
	return result < 0 ? error_set(err, -EINVAL, "unknown signal \"%s\"", text) : result;
}
