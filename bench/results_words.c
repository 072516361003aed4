/* SPDX-License-Identifier: Apache-2.0 */
/* What both forms for people, text and page, say in the same words. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "bench/bench.h"

/* Below so many exits an operation does not leave the guest; what costs so much more or less than on the host (the
 * larger of the two is that many times the smaller) wants a reason. */
#define EXITS_NONE 0.1
#define RATIO_SAME 1.2

void results_format_value(char text[RESULTS_VALUE_BYTES], double value, const char *unit)
{
	static const char *const times[] = { "ns", "us", "ms", "s" }, *const sizes[] = { "B", "KiB", "MiB", "GiB" };
	bool bytes = strcmp(unit, "bytes") == 0;
	double step = bytes ? 1024 : 1000;
	size_t scale = 0;

	while (scale + 1 < ARRAY_SIZE(times) && value >= step) {
		value /= step;
		scale++;
	}
	(void)snprintf(text, RESULTS_VALUE_BYTES, "%.*f %s",
		value < 10    ? 2
		: value < 100 ? 1
			      : 0,
		value, bytes ? sizes[scale] : times[scale]);
}

void results_print_number(struct strbuf *text, double value)
{
	strbuf_printf(text, value >= 100 ? "%.0f" : value >= 10 ? "%.1f" : value >= 0.001 ? "%.3g" : "%.3f", value);
}

bool results_describe_kernel(const struct results *results, size_t column, struct strbuf *words)
{
	const struct results_column *one = results->columns + column;

	if (!one->kernel || !results->host.kernel || strcmp(one->kernel, results->host.kernel) == 0)
		return false;
	strbuf_printf(words, "kernel %s", one->kernel);
	if (one->mitigations)
		strbuf_printf(words, ", mitigations %s", one->mitigations);
	return true;
}

/* Kinds of exits, each counted once: the monitor's own by reason, and those that KVM deals with itself. */
static bool is_kind(const char *reason)
{
	return strcmp(reason, "kvm.exits") != 0 &&
	       (strncmp(reason, "kvm.", 4) != 0 || strstr(reason, "_exits") || strcmp(reason, "kvm.pf_taken") == 0);
}

static void print_after(struct strbuf *words, const char *separator, const char *name, double value)
{
	strbuf_printf(words, "%s%s ", separator, name);
	results_print_number(words, value);
}

static void name_kinds(const struct results_exits *exits, struct strbuf *words)
{
	size_t named = 0;

	for (size_t i = 0; i < exits->count && named < 3; i++) {
		const struct results_exit *exit = exits->entries + i;

		if (is_kind(exit->reason) && exit->per_operation >= 0.01)
			print_after(words, named++ ? ", " : ", among them ", exit->reason, exit->per_operation);
	}
}

static double per_operation_of(const struct results_exits *exits, const char *reason)
{
	for (size_t i = 0; i < exits->count; i++) {
		if (strcmp(exits->entries[i].reason, reason) == 0)
			return exits->entries[i].per_operation;
	}
	return 0;
}

/* The difference of two counts may have lost some of a kind: what leaves is told by any of them. */
static bool leaves_the_guest(const struct results_exits *exits)
{
	for (size_t i = 0; i < exits->count; i++) {
		const struct results_exit *exit = exits->entries + i;

		if (exit->per_operation >= EXITS_NONE &&
			(is_kind(exit->reason) || strcmp(exit->reason, "kvm.exits") == 0 ||
				strcmp(exit->reason, "kvm.insn_emulation") == 0))
			return true;
	}
	return false;
}

/* Why one operation takes what it takes there, as far as the exits tell. */
void exits_explain(const struct results *results, const struct results_exits *exits, struct strbuf *words)
{
	const struct results_case *entry = exits_find_case(results, exits->work);
	const struct results_cell *cell = entry ? entry->cells + exits->column : NULL;
	double per_operation = per_operation_of(exits, "kvm.exits");
	double emulated = per_operation_of(exits, "kvm.insn_emulation");
	char figure[RESULTS_VALUE_BYTES];

	if (!cell || !cell->sample_count)
		return;
	results_format_value(figure, cell->summary.median, entry->unit);
	strbuf_printf(words, "one takes %s", figure);
	if (cell->has_ratio)
		print_after(words, ", ", "x", cell->ratio.value);
	strbuf_string(words, cell->has_ratio ? " of the host's, " : ", ");
	print_after(words, "", "with", per_operation);
	strbuf_string(words, " exits");
	name_kinds(exits, words);
	if (emulated >= 1) {
		print_after(words, ", ", "and", emulated);
		strbuf_string(words, " instructions that KVM emulated");
	}
	if (leaves_the_guest(exits))
		return;
	strbuf_string(words, ": it does not leave the guest");
	if (!cell->has_ratio)
		return;
	if (cell->ratio.value > RATIO_SAME)
		strbuf_string(words, "; what it costs more is the guest's page tables being walked through the host's, "
				     "or the guest's kernel doing more");
	else if (cell->ratio.value * RATIO_SAME < 1)
		strbuf_string(words, "; what it costs less is the guest's kernel doing less than the host's, which is "
				     "built and hardened in another way");
	else
		strbuf_string(words, ", and costs what it costs on the host");
}
