/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/isolation.h"

#include <string.h>

const struct isolation *const isolation_table[] = { &isolation_container, &isolation_microvm, NULL };

const struct isolation *isolation_find(const char *name)
{
	for (size_t i = 0; isolation_table[i]; i++) {
		if (strcmp(isolation_table[i]->name, name) == 0)
			return isolation_table[i];
	}
	return NULL;
}

int isolation_of(const struct container *container, const struct isolation **isolation, struct error *err)
{
	*isolation = isolation_find(container->record.isolation);
	if (!*isolation)
		return error_set(err, -EBADMSG, "container \"%s\" has the unknown isolation \"%s\"", container->id,
			container->record.isolation);
	return 0;
}
