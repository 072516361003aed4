/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/progress.h"

#include <stdio.h>
#include <time.h>

enum { BAR_CELLS = 24, REDRAW_MS = 50 };

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void progress_expect(struct progress *progress, uint64_t expected_ms)
{
	progress->expected_ms += expected_ms;
}

/* The plan's own time, corrected by how well it was kept so far. */
static uint64_t left_ms(const struct progress *progress, uint64_t elapsed_ms)
{
	uint64_t left = progress->expected_ms - progress->done_ms;

	if (progress->done_ms < 1000)
		return left;
	return (uint64_t)((double)left * (double)elapsed_ms / (double)progress->done_ms);
}

void progress_show(struct progress *progress, const char *what, uint64_t expected_ms)
{
	char bar[BAR_CELLS + 1];
	uint64_t now = now_ms(), left;
	unsigned int full;

	if (!progress->begin_ms)
		progress->begin_ms = now;
	if (progress->expected_ms < progress->done_ms)
		progress->expected_ms = progress->done_ms;
	left = left_ms(progress, now - progress->begin_ms);
	full = progress->expected_ms ? (unsigned int)(progress->done_ms * BAR_CELLS / progress->expected_ms) : 0;
	progress->done_ms += expected_ms;
	if (!progress->shown || now - progress->drawn_ms < REDRAW_MS)
		return;
	progress->drawn_ms = now;
	for (unsigned int i = 0; i < BAR_CELLS; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	fprintf(stderr, "\r\033[K[%s] %3u %%  %.48s  (%llu:%02llu left)", bar, full * 100 / BAR_CELLS, what,
		(unsigned long long)(left / 60000), (unsigned long long)(left / 1000 % 60));
	(void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
	if (!progress->shown)
		return;
	fprintf(stderr, "\r\033[K");
	(void)fflush(stderr);
	progress->shown = false;
}
