/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `duet bench`: statistics of known samples, and the JSON form there and back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "bench/bench.h"
#include "bench/results.h"
#include "bench/summary.h"

#define NEAR(a, b) assert_true((a) - (b) < 1e-9 && (b) - (a) < 1e-9)

static void test_quantiles_are_those_of_nearest_rank(void **state)
{
	const double twenty[] = { 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };
	struct results_summary summary = summary_of(twenty, 20);

	(void)state;
	NEAR(summary.minimum, 1);
	NEAR(summary.median, 10.5);
	NEAR(summary.p95, 19);
	NEAR(summary.p99, 20);
	NEAR(summary.mean, 10.5);
	NEAR(twenty[0], 20);
	summary = summary_of((const double[]){ 7 }, 1);
	NEAR(summary.p95, 7);
	NEAR(summary.median, 7);
}

static struct results_cell cell_of(const double *samples, size_t count, size_t round)
{
	struct results_cell cell = { 0 };

	for (size_t i = 0; i < count; i++) {
		if (i % round == 0)
			results_begin_round(&cell);
		results_add_sample(&cell, samples[i], 1);
	}
	return cell;
}

static struct results_ratio ratio_of(const double *a, const double *b, size_t count, size_t round)
{
	struct results_cell left = cell_of(a, count, round), right = cell_of(b, count, round);
	struct results_ratio ratio = summary_ratio(&left, &right);

	free(left.samples);
	free(left.rounds);
	free(right.samples);
	free(right.rounds);
	return ratio;
}

static void test_the_interval_of_a_ratio_holds_it(void **state)
{
	double a[101], b[101];
	struct results_ratio ratio, again;

	(void)state;
	for (int i = 0; i < 101; i++) {
		a[i] = 200 + i * 37 % 101;
		b[i] = 100 + i * 53 % 101;
	}
	ratio = ratio_of(a, b, 101, 1);
	again = ratio_of(a, b, 101, 1);
	NEAR(ratio.value, 250.0 / 150.0);
	/* The standard error of the median of 101 even samples is a twentieth of their range: 5 of 250, 5 of 150. */
	assert_true(ratio.low < ratio.value - 0.05 && ratio.low > ratio.value - 0.25);
	assert_true(ratio.high > ratio.value + 0.05 && ratio.high < ratio.value + 0.25);
	NEAR(ratio.low, again.low);
	ratio = ratio_of((const double[]){ 3, 3, 3, 3 }, (const double[]){ 2, 2, 2, 2 }, 4, 2);
	NEAR(ratio.low, 1.5);
	NEAR(ratio.high, 1.5);
}

/* A hundred samples that agree among themselves, in two rounds that do not, are two pieces of evidence. */
static void test_rounds_that_differ_widen_the_interval(void **state)
{
	double a[100], b[100];
	struct results_ratio together, apart;

	(void)state;
	for (int i = 0; i < 100; i++) {
		a[i] = i < 50 ? 100 + i % 3 : 200 + i % 3;
		b[i] = 100 + i % 3;
	}
	together = ratio_of(a, b, 100, 1);
	apart = ratio_of(a, b, 100, 50);
	assert_true(apart.low < 1.05 && apart.high > 1.95);
	assert_true(together.high - together.low <= apart.high - apart.low);
}

static struct results *make_report(void)
{
	struct results *results = results_new();
	struct results_case *entry;
	struct results_exits *exits;

	results->started = strdup("2026-01-02T03:04:05Z");
	results->seconds = 1.5;
	results->runs = 2;
	results->host.kernel = strdup("6.1");
	results->host.processors = 2;
	results->host.kvm = strdup("kvm_amd");
	results->host.kvm_hardware = true;
	results->host.transparent_pages = strdup("madvise");
	results->host.mitigations = strdup("on for spectre_v1; vulnerable to nothing known");
	results->host.seccomp = strdup("no filter");
	results->host.caches = strdup("warm");
	results->host.file_system = strdup("ext4");
	results_add_column(results, "host", "Host", NULL);
	results_add_column(results, "container", "Container", NULL);
	results_add_column(results, "microvm", "Micro-VM", "there is no /dev/kvm");
	results->columns[1].kernel = strdup("6.1.0");
	results->columns[1].mitigations = strdup("on for nothing; vulnerable to spectre_v1");
	entry = results_case(results, results_suite(results, "syscalls", "System calls"), "getpid", "getpid", "ns");
	for (int i = 0; i < 5; i++) {
		results_add_sample(entry->cells, 100 + i, 1000);
		results_add_sample(entry->cells + 1, 150.5 + i, 1000);
	}
	exits = results_add_exits(results, 1, "idle", "Idle", 10, 2);
	results_add_exit(exits, "io", 4);
	results_add_exit(exits, "mmio", 40);
	results_note(results, "said %s", "once");
	results_note(results, "said %s", "once");
	results_summarize(results);
	return results;
}

static void test_a_report_is_read_back_as_it_was_written(void **state)
{
	cleanup_results struct results *results = make_report();
	cleanup_results struct results *back = NULL;
	cleanup_strbuf struct strbuf json = STRBUF_INIT, again = STRBUF_INIT;
	struct error err;
	const struct results_cell *cell;

	(void)state;
	results_write_json(results, &json);
	assert_int_equal(results_read("file", json.data, json.length, &back, &err), 0);
	results_write_json(back, &again);
	assert_string_equal(json.data, again.data);
	cell = results_find_case(results_find_suite(back, "syscalls"), "getpid")->cells + 1;
	assert_int_equal(cell->sample_count, 5);
	NEAR(cell->summary.median, 152.5);
	NEAR(cell->ratio.value, 1.49510);
	assert_string_equal(cell[1].skipped, "there is no /dev/kvm");
	assert_string_equal(back->exits[0].entries[0].reason, "mmio");
	NEAR(back->exits[0].entries[0].per_second, 20);
	NEAR(back->exits[0].entries[0].per_operation, 4);
	assert_null(back->notes[1]);
}

static void test_other_forms_are_refused_by_name(void **state)
{
	static const char *const texts[][2] = {
		{ "{", "x.json: line 1" },
		{ "{}", "not a report" },
		{ "{\"schema\":\"duet-bench\",\"schemaVersion\":9}", "schema version 9" },
		{ "{\"schema\":\"duet-bench\",\"schemaVersion\":1}", "duetVersion" },
	};
	struct results *results = NULL;
	struct error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_true(results_read("x.json", texts[i][0], strlen(texts[i][0]), &results, &err) < 0);
		assert_non_null(strstr(err.message, texts[i][1]));
		assert_null(results);
	}
}

static void explain(double nanoseconds, const char *reason, uint64_t count, struct strbuf *words)
{
	cleanup_results struct results *results = results_new();
	struct results_case *entry;
	struct results_exits *exits;

	results_add_column(results, "host", "Host", NULL);
	results_add_column(results, "microvm", "Micro-VM", NULL);
	entry = results_case(results, results_suite(results, "syscalls", "System calls"), "getpid", "getpid", "ns");
	results_add_sample(entry->cells, 100, 1);
	results_add_sample(entry->cells + 1, nanoseconds, 1);
	exits = results_add_exits(results, 1, "getpid", "getpid", 1000, 1);
	results_add_exit(exits, reason, count);
	results_summarize(results);
	exits_explain(results, exits, words);
}

static void test_the_cost_of_an_operation_is_explained_by_its_exits(void **state)
{
	static const struct {
		double nanoseconds;
		const char *reason;
		uint64_t count;
		const char *words;
	} cases[] = {
		{ 110, "kvm.exits", 1,
			"x 1.1 of the host's, with 0.001 exits: it does not leave the guest, and costs what" },
		{ 300, "kvm.exits", 1, "the guest's page tables being walked" },
		{ 50, "kvm.exits", 1, "the guest's kernel doing less than the host's" },
		{ 3000, "kvm.exits", 2000, "x 30.0 of the host's, with 2 exits" },
		{ 3000, "mmio", 6000, "among them mmio 6" },
		{ 300000, "kvm.insn_emulation", 1234000, "and 1234 instructions that KVM emulated" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_strbuf struct strbuf words = STRBUF_INIT;

		explain(cases[i].nanoseconds, cases[i].reason, cases[i].count, &words);
		assert_non_null(strstr(words.data, cases[i].words));
		assert_true(!strstr(words.data, "does not leave") == (cases[i].nanoseconds >= 3000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quantiles_are_those_of_nearest_rank),
		cmocka_unit_test(test_the_interval_of_a_ratio_holds_it),
		cmocka_unit_test(test_rounds_that_differ_widen_the_interval),
		cmocka_unit_test(test_a_report_is_read_back_as_it_was_written),
		cmocka_unit_test(test_other_forms_are_refused_by_name),
		cmocka_unit_test(test_the_cost_of_an_operation_is_explained_by_its_exits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
