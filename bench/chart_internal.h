/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DUET_BENCH_CHART_INTERNAL_H
#define DUET_BENCH_CHART_INTERNAL_H

#include "bench/chart.h"

/* gnuplot on a script: see chart_draw(). */
int chart_run(const struct strbuf *script, bool page, unsigned number, const char *title, struct strbuf *svg,
	struct error *err);

#endif
