/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of processors and memory nodes: "0-3,7" (cpuset(7), "List format").
 */
#include <stdlib.h>

#include "process/process_internal.h"

/* One "N" or "N-M" of a list; returns what follows it, or NULL. */
static const char *parse_range(const char *text, unsigned long bits, unsigned long *first, unsigned long *last)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*first = *last = strtoul(text, &end, 10);
	if (*end == '-') {
		if (end[1] < '0' || end[1] > '9')
			return NULL;
		*last = strtoul(end + 1, &end, 10);
	}
	return *last < *first || *last >= bits ? NULL : end;
}

bool process_parse_number_list(const char *list, unsigned long *mask, unsigned long bits)
{
	const unsigned long word = 8 * sizeof(*mask);

	for (const char *next = list;; next++) {
		unsigned long first, last;

		next = parse_range(next, bits, &first, &last);
		if (!next || (*next && *next != ','))
			return false;
		for (unsigned long number = first; number <= last; number++)
			mask[number / word] |= 1UL << (number % word);
		if (!*next)
			return true;
	}
}
