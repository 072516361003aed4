/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Charts as SVG, drawn by gnuplot (a program of its own; package gnuplot-nox in Debian). Every text of a chart is made
 * harmless before gnuplot sees it: letters, digits and a few signs stay, everything else becomes a blank.
 *
 * Charts for a page take their ink from the text around them (currentColor), so that they fit light and dark; charts
 * for a file have a white ground.
 */
#ifndef DUET_BENCH_CHART_H
#define DUET_BENCH_CHART_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strbuf.h"

enum chart_form {
	CHART_BARS,    /* a bar for each value, from 0 */
	CHART_STACKED, /* the values of a row one behind the other */
	CHART_DOTS,    /* a dot for each value, with its interval; the axis is logarithmic */
};

struct chart_value {
	double value, low, high; /* low and high: of dots. value NAN: none */
};

struct chart_row {
	const char *label;
	const struct chart_value *values; /* as many as series */
};

/* Rows from top to bottom, values from left to right. Strings stay the caller's. */
struct chart {
	enum chart_form form;
	const char *title, *axis;
	const char *const *series;
	const unsigned *colours; /* of each series, 0xRRGGBB; NULL: the usual ones in their order */
	size_t series_count;
	const struct chart_row *rows;
	size_t row_count;
	double mark; /* of dots: a line at this value; 0: none */
};

/* One column of dots for each group, on a logarithmic axis, with a line at the median. */
struct chart_samples {
	const char *label;
	const double *samples;
	size_t count;
	double median;
	unsigned colour;
};

struct chart_distribution {
	const char *title, *axis;
	const struct chart_samples *groups;
	size_t count;
};

extern const unsigned chart_colours[];
#define CHART_COLOURS 8U

/* Can charts be drawn here? -ENOENT with *err naming the program that is missing and its package. */
int chart_available(struct error *err);

/* Appends <svg>…</svg>. `page`: for a page, where the number tells its charts apart; else a complete file. */
int chart_draw(const struct chart *chart, bool page, unsigned number, struct strbuf *svg, struct error *err);
int chart_draw_distribution(
	const struct chart_distribution *chart, bool page, unsigned number, struct strbuf *svg, struct error *err);

#endif
