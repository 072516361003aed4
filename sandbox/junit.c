/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A report for dashboards: a test suite with a test case for each run. The form that Jenkins, GitLab and GitHub's
 * actions read has no standard; this keeps to the elements that all of them know.
 */
#include <string.h>

#include "sandbox/internal.h"

/* U+FFFE and U+FFFF (XML 1.0, 2.2). */
static bool is_no_character(const char *text, size_t length)
{
	return length == 3 && (memcmp(text, "\xef\xbf\xbe", 3) == 0 || memcmp(text, "\xef\xbf\xbf", 3) == 0);
}

/* What XML cannot hold, which a command's words may, becomes a question mark. */
static void put_xml(struct strbuf *out, const char *text)
{
	while (*text) {
		size_t length = strbuf_utf8_length(text);

		if (length == 1 && strchr("<>&\"", *text))
			strbuf_printf(out, "&#%d;", *text);
		else if (length == 0 || (length == 1 && *text < ' ') || is_no_character(text, length))
			strbuf_string(out, "?");
		else
			strbuf_append(out, text, length);
		text += length ? length : 1;
	}
}

static void put_name(const struct sandbox *sandbox, struct strbuf *out)
{
	for (char *const *word = sandbox->command; *word; word++) {
		put_xml(out, word == sandbox->command ? "" : " ");
		put_xml(out, *word);
	}
	if (sandbox->number)
		strbuf_printf(out, " (run %u)", sandbox->number);
}

static void put_case(const struct sandbox *sandbox, struct strbuf *out)
{
	char reason[SANDBOX_REASON_BYTES];

	strbuf_string(out, "  <testcase classname=\"sandbox\" name=\"");
	put_name(sandbox, out);
	strbuf_printf(out, "\" time=\"%.3f\"", (double)sandbox->result.wall_ms / 1e3);
	if (sandbox_exit_status(sandbox) == 0) {
		strbuf_string(out, "/>\n");
		return;
	}
	report_reason(sandbox, reason, sizeof(reason));
	strbuf_printf(out, ">\n    <%s type=\"%s\" message=\"",
		sandbox->result.cause == SANDBOX_NOT_STARTED ? "error" : "failure", report_status(&sandbox->result));
	put_xml(out, reason);
	strbuf_string(out, "\"/>\n  </testcase>\n");
}

void junit_write(const struct sandbox *sandboxes, size_t count, struct strbuf *out)
{
	uint64_t wall_ms = 0;
	size_t failures = 0, errors = 0;

	for (size_t i = 0; i < count; i++) {
		wall_ms += sandboxes[i].result.wall_ms;
		if (sandboxes[i].result.cause == SANDBOX_NOT_STARTED)
			errors++;
		else if (sandbox_exit_status(&sandboxes[i]) != 0)
			failures++;
	}
	strbuf_printf(out,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<testsuite name=\"duet sandbox\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" time=\"%.3f\">\n",
		count, failures, errors, (double)wall_ms / 1e3);
	for (size_t i = 0; i < count; i++)
		put_case(&sandboxes[i], out);
	strbuf_string(out, "</testsuite>\n");
}
