/* SPDX-License-Identifier: Apache-2.0 */
/* Reports: well-formed, of one piece, and nothing that was measured can become anything but text in them. */
#include <ctype.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/chart.h"
#include "bench/report.h"
#include "bench/report_html.h"

#define HOSTILE "<script>alert('x')</script>\"&\033[31m`touch /tmp/x`\xff\x01"

enum { DEPTH_MAX = 64 };

/* Tags close in the order in which they were opened, attributes are quoted, entities are those that XML has, and
 * nothing refers to another place. */
static const char *skip_attributes(const char *at)
{
	while (*at && *at != '>' && strncmp(at, "/>", 2) != 0) {
		char quote;

		at += strspn(at, " \n\t");
		if (*at == '>' || *at == '/')
			continue;
		assert_true(isalpha((unsigned char)*at));
		at += strcspn(at, "=") + 1;
		at += strspn(at, " ");
		quote = *at++;
		assert_true(quote == '"' || quote == '\'');
		while (*at && *at != quote)
			assert_true(*at++ != '<');
		assert_int_equal(*at++, quote);
	}
	return at;
}

static void assert_well_formed(const char *text)
{
	char open[DEPTH_MAX][32];
	size_t depth = 0;

	for (const char *at = text; *at;) {
		const char *name = at + 1;
		size_t length = strcspn(name, " \n\t/>");

		if (*at == '&') {
			assert_true(strncmp(at, "&amp;", 5) == 0 || strncmp(at, "&lt;", 4) == 0 ||
				    strncmp(at, "&gt;", 4) == 0 || strncmp(at, "&quot;", 6) == 0 ||
				    strncmp(at, "&#39;", 5) == 0);
			at++;
		} else if (*at != '<') {
			at++;
		} else if (*name == '!' || *name == '?') {
			at += strcspn(at, ">") + 1;
		} else if (*name == '/') {
			length = strcspn(name + 1, ">");
			assert_true(depth > 0);
			depth--;
			assert_int_equal(length, strlen(open[depth]));
			assert_memory_equal(name + 1, open[depth], length);
			at = name + 1 + length + 1;
		} else {
			assert_true(depth < DEPTH_MAX && length > 0 && length < sizeof(open[0]));
			memcpy(open[depth], name, length);
			open[depth][length] = '\0';
			at = skip_attributes(name + length);
			depth += *at == '>';
			at += *at == '>' ? 1 : 2;
		}
	}
	assert_int_equal(depth, 0);
}

static void assert_of_one_piece(const char *text)
{
	static const char *const strangers[] = { "<script", "<link", "<img", "<iframe", " src=", "@import", "url(http",
		"href='http", "href=\"", "\033" };

	for (size_t i = 0; i < ARRAY_SIZE(strangers); i++)
		assert_null(strstr(text, strangers[i]));
	for (const char *at = strstr(text, "http"); at; at = strstr(at + 1, "http"))
		assert_true(strncmp(at, "http://www.w3.org/", 18) == 0 || strncmp(at, "http-equiv", 10) == 0);
}

static char *written(const char *name)
{
	char directory[] = "/tmp/duet-test.XXXXXX";

	assert_non_null(mkdtemp(directory));
	return xprintf("%s/%s", directory, name);
}

static void read_and_remove(char *path, struct strbuf *text)
{
	assert_int_equal(file_read(AT_FDCWD, path, 16 << 20, text), 0);
	assert_int_equal(unlink(path), 0);
	*strrchr(path, '/') = '\0';
	assert_int_equal(rmdir(path), 0);
	free(path);
}

static void what_is_escaped_is_text(void **state)
{
	cleanup_strbuf struct strbuf html = STRBUF_INIT;

	(void)state;
	html_escape(&html, "<a href=\"x\">&'\033\xff\xc3\xa9\xc2\x9b");
	assert_string_equal(html.data, "&lt;a href=&quot;x&quot;&gt;&amp;&#39;??\xc3\xa9?");
}

static struct results *hostile_results(void)
{
	struct results *results = results_new();
	struct results_suite *suite;
	struct results_case *one;

	free(results->version);
	results->version = xstrdup(HOSTILE);
	results->started = xstrdup("2026-01-01T00:00:00Z");
	results->host.cpu = xstrdup(HOSTILE);
	results->host.kvm = xstrdup(HOSTILE);
	results_add_column(results, "host", HOSTILE, NULL);
	results_add_column(results, HOSTILE, HOSTILE, NULL);
	results_add_column(results, "microvm", "micro-VM", HOSTILE);
	for (int i = 0; i < 2; i++) {
		suite = results_suite(results, i ? "memory" : "startup", HOSTILE);
		one = results_case(results, suite, "first-output", HOSTILE, i ? "bytes" : "ns");
		for (int sample = 1; sample < 10; sample++) {
			results_add_sample(&one->cells[0], sample * 1e6, 1);
			results_add_sample(&one->cells[1], sample * 3e6, 1);
		}
		results_skip(&one->cells[2], HOSTILE);
	}
	results_note(results, "%s", HOSTILE);
	results_add_exit(results_add_exits(results, 1, "idle", HOSTILE, 10, 1), HOSTILE, 7);
	results_summarize(results);
	return results;
}

static void a_page_of_measurements_holds_whatever_was_measured(void **state)
{
	cleanup_results struct results *results = hostile_results();
	cleanup_strbuf struct strbuf html = STRBUF_INIT;
	char *path = written("x.html");
	struct error err;

	(void)state;
	assert_int_equal(report_write_results(path, results, &err), 0);
	read_and_remove(path, &html);
	assert_well_formed(html.data);
	assert_of_one_piece(html.data);
	assert_non_null(strstr(html.data, "&lt;script&gt;"));
	if (chart_available(&err) == 0)
		assert_non_null(strstr(html.data, "<svg role="));
	else
		assert_non_null(strstr(html.data, "gnuplot is not installed"));
}

static void the_main_chart_is_a_file_of_its_own(void **state)
{
	cleanup_results struct results *results = hostile_results();
	cleanup_strbuf struct strbuf svg = STRBUF_INIT;
	struct error err;
	char *path;

	(void)state;
	if (chart_available(&err) < 0)
		skip();
	path = written("x.svg");
	assert_int_equal(report_write_results(path, results, &err), 0);
	read_and_remove(path, &svg);
	assert_well_formed(svg.data);
	assert_of_one_piece(svg.data);
	assert_memory_equal(svg.data, "<?xml", 5);
}

static void a_page_of_a_comparison_holds_whatever_was_seen(void **state)
{
	struct compare_line lines[] = {
		{ .name = "one",
			.title = "one",
			.verdict = (char *)(uintptr_t)HOSTILE,
			.cells = { [COMPARE_CONTAINER] = { .state = COMPARE_DONE, .text = (char *)(uintptr_t)HOSTILE },
				[COMPARE_MICROVM] = { .state = COMPARE_REFUSED, .by = REFUSED_BY_FILTER } } },
	};
	struct comparison comparison = { .started = (char *)(uintptr_t) "now",
		.kernel = (char *)(uintptr_t)HOSTILE,
		.bundle = (char *)(uintptr_t)HOSTILE,
		.skipped = { [COMPARE_GUEST_ROOT] = (char *)(uintptr_t)HOSTILE },
		.sections = { [COMPARE_ATTEMPTS] = { .entries = lines, .count = 1 } } };
	cleanup_strbuf struct strbuf html = STRBUF_INIT;
	char *path = written("x.html");
	struct error err;

	(void)state;
	assert_int_equal(report_write_comparison(path, &comparison, &err), 0);
	read_and_remove(path, &html);
	assert_well_formed(html.data);
	assert_of_one_piece(html.data);
	assert_non_null(strstr(html.data, "refused by system call filter"));
}

static void other_names_and_a_missing_gnuplot_are_refused_by_name(void **state)
{
	cleanup_free char *path = xstrdup(getenv("PATH"));
	struct error err;

	(void)state;
	assert_int_equal(report_check("report.pdf", &err), -EINVAL);
	assert_non_null(strstr(err.message, ".html or .svg"));
	assert_int_equal(setenv("PATH", "/nonexistent", 1), 0);
	assert_int_equal(report_check("x.svg", &err), -ENOENT);
	assert_non_null(strstr(err.message, "gnuplot-nox"));
	assert_int_equal(setenv("PATH", path, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_escaped_is_text),
		cmocka_unit_test(a_page_of_measurements_holds_whatever_was_measured),
		cmocka_unit_test(the_main_chart_is_a_file_of_its_own),
		cmocka_unit_test(a_page_of_a_comparison_holds_whatever_was_seen),
		cmocka_unit_test(other_names_and_a_missing_gnuplot_are_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
