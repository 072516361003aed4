/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/table.h"

#include <string.h>

#include "base/alloc.h"

#define TABLE_GAP 2

void table_add(struct table *table, const char *const *cells)
{
	size_t first = table->rows * table->columns;

	table->cells = xrealloc(table->cells, first + table->columns, sizeof(*table->cells));
	for (size_t column = 0; column < table->columns; column++)
		table->cells[first + column] = xstrdup(cells[column]);
	table->rows++;
}

static int table_width(const struct table *table, size_t column)
{
	size_t width = 0;

	for (size_t row = 0; row < table->rows; row++) {
		size_t length = strlen(table->cells[row * table->columns + column]);

		if (length > width)
			width = length;
	}
	return (int)width + TABLE_GAP;
}

void table_print(const struct table *table, FILE *stream)
{
	cleanup_free int *widths = xcalloc(table->columns, sizeof(*widths));

	for (size_t column = 0; column < table->columns; column++)
		widths[column] = table_width(table, column);
	for (size_t i = 0; i < table->rows * table->columns; i++) {
		size_t column = i % table->columns;

		/* Nothing behind the last one. */
		if (column + 1 == table->columns)
			fprintf(stream, "%s\n", table->cells[i]);
		else
			fprintf(stream, "%-*s", widths[column], table->cells[i]);
	}
}

void table_free(struct table *table)
{
	for (size_t i = 0; i < table->rows * table->columns; i++)
		free(table->cells[i]);
	free(table->cells);
	*table = (struct table){ 0 };
}
