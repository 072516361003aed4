/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DUET_BENCH_REPORT_INTERNAL_H
#define DUET_BENCH_REPORT_INTERNAL_H

#include "bench/chart.h"
#include "bench/report.h"
#include "bench/report_html.h"

/* <figure> with a chart; a note where it could not be drawn, nothing where there is nothing to draw. */
void report_figure(struct strbuf *html, const struct chart *chart, unsigned *number, const char *caption);
/* The same with what a chart_draw…() returned. */
void report_put_figure(
	struct strbuf *html, const struct strbuf *svg, int result, const struct error *err, const char *caption);

void report_comparison_page(const struct comparison *comparison, struct strbuf *html);
int report_comparison_chart(
	const struct comparison *comparison, bool page, unsigned number, struct strbuf *svg, struct error *err);

void report_results_page(const struct results *results, struct strbuf *html);
int report_results_chart(
	const struct results *results, bool page, unsigned number, struct strbuf *svg, struct error *err);

#endif
