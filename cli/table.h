/* SPDX-License-Identifier: Apache-2.0 */
/* Columns of text for people, as wide as what is in them. */
#ifndef DUET_CLI_TABLE_H
#define DUET_CLI_TABLE_H

#include <stdio.h>

struct table {
	size_t columns; /* set by the caller */
	char **cells;   /* row by row */
	size_t rows;
};

/* Copies one row of table->columns cells. */
void table_add(struct table *table, const char *const *cells);
void table_print(const struct table *table, FILE *stream);
void table_free(struct table *table);

#endif
