/* SPDX-License-Identifier: Apache-2.0 */
/* From values to gnuplot's language. */
#include "bench/chart.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/chart_internal.h"

/* Colours that can be read on a light and on a dark ground; neighbours differ in brightness too. */
const unsigned chart_colours[CHART_COLOURS] = { 0x7f8c8d, 0x2f81c4, 0xd9822b, 0x8e5bd0, 0x3a9b5c, 0xc7477f, 0x2aa5a0,
	0xb59a00 };

enum {
	WIDTH = 480,
	ROW_HEIGHT = 22,
	FRAME_HEIGHT = 130,
	SERIES_LINE_HEIGHT = 18,
	DISTRIBUTION_HEIGHT = 340,
	SAMPLES_MAX = 400, /* of a group: more dots than that are a blot */
};

/* Inside single quotes gnuplot expands nothing; quotes of either kind and backticks do not come through at all. */
static void append_text(struct strbuf *script, const char *text)
{
	strbuf_string(script, "'");
	for (; *text; text++) {
		char letter = isalnum((unsigned char)*text) || strchr(" ,.:;+()/_-%=<>*", *text) ? *text : ' ';

		strbuf_append(script, &letter, 1);
	}
	strbuf_string(script, "'");
}

static void begin(struct strbuf *script, const char *title, unsigned height, bool page)
{
	strbuf_printf(script,
		"set terminal svg size %d,%u dynamic noenhanced font 'sans-serif,13'%s\nset encoding utf8\nset title ",
		WIDTH, height, page ? "" : " background '#ffffff'");
	append_text(script, title);
	strbuf_string(script, "\nset border 1\nset tics nomirror scale 0.5\nset grid xtics linewidth 0.4\n");
}

static unsigned colour_of(const struct chart *chart, size_t series)
{
	return chart->colours ? chart->colours[series] : chart_colours[series % CHART_COLOURS];
}

/* Of a row's height: bars of a row stand below each other, dots too, so that intervals do not cover each other. */
static double offset(const struct chart *chart, size_t series)
{
	if (chart->form == CHART_STACKED)
		return 0;
	return ((double)series - ((double)chart->series_count - 1) / 2) * 0.8 / (double)chart->series_count;
}

static double thickness(const struct chart *chart)
{
	return chart->form == CHART_STACKED ? 0.6 : 0.7 / (double)chart->series_count;
}

static double behind(const struct chart *chart, const struct chart_row *row, size_t series)
{
	double sum = 0;

	for (size_t i = 0; chart->form == CHART_STACKED && i < series; i++)
		sum += isnan(row->values[i].value) ? 0 : row->values[i].value;
	return sum;
}

/* x, y, left, right, lower, upper of each value; nothing for an absent one. Returns how many there are. */
static size_t append_data(struct strbuf *script, const struct chart *chart, size_t series)
{
	size_t count = 0;

	strbuf_printf(script, "$series%zu << END\n", series);
	for (size_t i = 0; i < chart->row_count; i++) {
		const struct chart_value *value = &chart->rows[i].values[series];
		double y = (double)i + offset(chart, series), half = thickness(chart) / 2;
		double left = behind(chart, &chart->rows[i], series);

		if (isnan(value->value) || (chart->form == CHART_DOTS && value->value <= 0))
			continue;
		count++;
		if (chart->form == CHART_DOTS)
			strbuf_printf(script, "%.9g %.9g %.9g %.9g\n", value->value, y, value->low, value->high);
		else
			strbuf_printf(script, "%.9g %.9g %.9g %.9g %.9g %.9g\n", left + value->value / 2, y, left,
				left + value->value, y - half, y + half);
	}
	strbuf_string(script, "END\n");
	return count;
}

static void append_axes(struct strbuf *script, const struct chart *chart)
{
	strbuf_printf(script, "set yrange [%.9g:-0.6]\nset ytics (", (double)chart->row_count - 0.4);
	for (size_t i = 0; i < chart->row_count; i++) {
		strbuf_string(script, i ? "," : "");
		append_text(script, chart->rows[i].label);
		strbuf_printf(script, " %zu", i);
	}
	strbuf_string(script, ")\nset xlabel ");
	append_text(script, chart->axis);
	strbuf_string(script, "\nset key below reverse Left samplen 1\nset style fill solid 0.85 noborder\n");
	if (chart->form == CHART_DOTS)
		strbuf_string(script, "set logscale x\nset format x '%g'\nset xtics rotate by -45\nset rmargin 4\n");
	else
		strbuf_string(script, "set xrange [0:*]\n");
	if (chart->form == CHART_DOTS && chart->mark > 0)
		strbuf_printf(script, "set arrow from %.9g, graph 0 to %.9g, graph 1 nohead linewidth 1 dashtype 2\n",
			chart->mark, chart->mark);
}

static void append_plot(struct strbuf *script, const struct chart *chart, const size_t *counts)
{
	const char *before = "plot ";

	for (size_t series = 0; series < chart->series_count; series++) {
		if (!counts[series])
			continue;
		strbuf_printf(script, "%s$series%zu using %s linecolor rgb '#%06x' title ", before, series,
			chart->form == CHART_DOTS ? "1:2:3:4 with xerrorbars pointtype 7 pointsize 0.6"
						  : "1:2:3:4:5:6 with boxxyerror",
			colour_of(chart, series));
		append_text(script, chart->series[series]);
		before = ", ";
	}
	strbuf_string(script, "\n");
}

int chart_draw(const struct chart *chart, bool page, unsigned number, struct strbuf *svg, struct error *err)
{
	cleanup_strbuf struct strbuf script = STRBUF_INIT;
	cleanup_free size_t *counts = xcalloc(chart->series_count + 1, sizeof(*counts));
	size_t rows = chart->row_count * (chart->form == CHART_STACKED ? 2 : 1), total = 0;

	begin(&script, chart->title,
		(unsigned)(FRAME_HEIGHT + rows * ROW_HEIGHT + chart->series_count * SERIES_LINE_HEIGHT / 2), page);
	for (size_t series = 0; series < chart->series_count; series++)
		total += counts[series] = append_data(&script, chart, series);
	if (!total)
		return error_set(err, -ENODATA, "chart \"%s\": there is nothing to draw", chart->title);
	append_axes(&script, chart);
	append_plot(&script, chart, counts);
	return chart_run(&script, page, number, chart->title, svg, err);
}

/* Beside each other by the golden ratio: no two neighbours in time lie above each other, and every run draws the same.
 */
static double beside(size_t index)
{
	double place = (double)index * 0.6180339887;

	return (place - (double)(size_t)place - 0.5) * 0.5;
}

static void append_group(struct strbuf *script, const struct chart_samples *group, size_t index)
{
	size_t stride = group->count / SAMPLES_MAX + 1;

	strbuf_printf(script, "$group%zu << END\n", index);
	for (size_t i = 0; i < group->count; i += stride) {
		if (group->samples[i] > 0)
			strbuf_printf(script, "%.9g %.9g\n", (double)index + beside(i), group->samples[i]);
	}
	strbuf_printf(script,
		"END\nset arrow from %.9g,%.9g to %.9g,%.9g nohead front linewidth 2.5 linecolor rgb '#%06x'\n",
		(double)index - 0.38, group->median, (double)index + 0.38, group->median, group->colour);
	strbuf_printf(script, "set label '%.*f' at %.9g,%.9g offset 0,0.5 left front\n",
		group->median >= 100  ? 0
		: group->median >= 10 ? 1
				      : 2,
		group->median, (double)index + 0.26, group->median);
}

int chart_draw_distribution(
	const struct chart_distribution *chart, bool page, unsigned number, struct strbuf *svg, struct error *err)
{
	cleanup_strbuf struct strbuf script = STRBUF_INIT;

	if (!chart->count)
		return error_set(err, -ENODATA, "chart \"%s\": there is nothing to draw", chart->title);
	begin(&script, chart->title, DISTRIBUTION_HEIGHT, page);
	for (size_t i = 0; i < chart->count; i++)
		append_group(&script, &chart->groups[i], i);
	strbuf_string(&script, "unset grid\nset grid ytics linewidth 0.4\nset border 2\nunset key\nset logscale y\nset "
			       "format y '%g'\nset ylabel ");
	append_text(&script, chart->axis);
	strbuf_printf(&script, "\nset xrange [-0.6:%.9g]\nset xtics (", (double)chart->count - 0.4);
	for (size_t i = 0; i < chart->count; i++) {
		strbuf_string(&script, i ? "," : "");
		append_text(&script, chart->groups[i].label);
		strbuf_printf(&script, " %zu", i);
	}
	strbuf_string(&script, ") rotate by -25\nplot ");
	for (size_t i = 0; i < chart->count; i++)
		strbuf_printf(&script, "%s$group%zu with points pointtype 7 pointsize 0.5 linecolor rgb '#%06x'",
			i ? ", " : "", i, chart->groups[i].colour);
	strbuf_string(&script, "\n");
	return chart_run(&script, page, number, chart->title, svg, err);
}
