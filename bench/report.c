/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/report.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "bench/chart.h"
#include "bench/report_internal.h"

static bool ends_in(const char *path, const char *ending)
{
	size_t length = strlen(path), wanted = strlen(ending);

	return length > wanted && strcmp(path + length - wanted, ending) == 0;
}

int report_check(const char *path, struct error *err)
{
	struct error missing;
	int result = file_check_place(path);

	if (result < 0)
		return error_set(err, -result, "--report %s: write there", path);
	if (ends_in(path, ".svg"))
		return chart_available(err);
	if (!ends_in(path, ".html"))
		return error_set(err, -EINVAL, "--report %s: a name that ends in .html or .svg is expected", path);
	if (chart_available(&missing) < 0)
		log_warning("the report will have no charts: %s", missing.message);
	return 0;
}

static int write_file(const char *path, const struct strbuf *text, struct error *err)
{
	int result = file_replace(AT_FDCWD, path, text->data, text->length, 0666);

	return result < 0 ? error_set(err, -result, "write the report %s", path) : 0;
}

/* The chart, or why there is none: a report without a chart is better than none. */
void report_figure(struct strbuf *html, const struct chart *chart, unsigned *number, const char *caption)
{
	cleanup_strbuf struct strbuf svg = STRBUF_INIT;
	struct error err;

	report_put_figure(html, &svg, chart_draw(chart, true, ++*number, &svg, &err), &err, caption);
}

void report_put_figure(
	struct strbuf *html, const struct strbuf *svg, int result, const struct error *err, const char *caption)
{
	if (result == -ENODATA)
		return;
	if (result < 0)
		return html_element(html, "p", "note", err->message);
	strbuf_string(html, "<figure>\n");
	strbuf_string(html, svg->data);
	if (caption)
		html_element(html, "figcaption", NULL, caption);
	strbuf_string(html, "</figure>\n");
}

int report_write_comparison(const char *path, const struct comparison *comparison, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = 0;

	if (ends_in(path, ".svg"))
		result = report_comparison_chart(comparison, false, 0, &text, err);
	else
		report_comparison_page(comparison, &text);
	return result < 0 ? result : write_file(path, &text, err);
}

int report_write_results(const char *path, const struct results *results, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result = 0;

	if (ends_in(path, ".svg"))
		result = report_results_chart(results, false, 0, &text, err);
	else
		report_results_page(results, &text);
	return result < 0 ? result : write_file(path, &text, err);
}
