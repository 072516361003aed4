/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/alloc.h"
#include "bench/compare_internal.h"

enum { PRINTABLE_BYTES_MAX = 500 };

/* What a guest says reaches terminals: nothing but printable ASCII does. Tabs part the fields, newlines the lines. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((*text < ' ' || *text > '~') && *text != '\t' && *text != '\n')
			*text = '?';
	}
}

char *compare_printable(const char *text)
{
	char *line = xstrndup(text, PRINTABLE_BYTES_MAX);

	for (char *c = line; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
		else if (*c > '~' || *c < ' ')
			*c = '?';
	}
	return line;
}

static void take_line(struct probe_output *output, char *text)
{
	struct probe_line line = { .count = 0 };

	while (text && line.count < PROBE_FIELDS_MAX) {
		char *next = strchr(text, '\t');

		if (next)
			*next++ = '\0';
		line.fields[line.count++] = text;
		text = next;
	}
	if (line.count < 2)
		return;
	output->lines = xrealloc(output->lines, output->count + 1, sizeof(*output->lines));
	output->lines[output->count++] = line;
}

void probe_output_parse(struct probe_output *output, char *text)
{
	output->storage = text;
	make_printable(text);
	while (text) {
		char *next = strchr(text, '\n');

		/* The last one may have been cut. */
		if (!next)
			break;
		*next++ = '\0';
		take_line(output, text);
		text = next;
	}
	/* The crash of a machine is an end as well. */
	output->complete = probe_find(output, "fact", "end") || probe_find(output, "fault", "crash");
}

void probe_output_free(struct probe_output *output)
{
	free(output->lines);
	free(output->storage);
	free(output->complaint);
	*output = (struct probe_output){ 0 };
}

const struct probe_line *probe_find(const struct probe_output *output, const char *kind, const char *name)
{
	for (size_t i = 0; i < output->count; i++) {
		const struct probe_line *line = &output->lines[i];

		if (strcmp(line->fields[0], kind) == 0 && strcmp(line->fields[1], name) == 0)
			return line;
	}
	return NULL;
}

const char *probe_field(const struct probe_line *line, size_t index)
{
	return line && index < line->count ? line->fields[index] : "";
}
