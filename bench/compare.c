/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/compare.h"

#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/compare_internal.h"
#include "bench/faults.h"

/* A guest may have to boot on a slow machine first. */
enum { RUN_SECONDS = 180, EMULATED_RUN_SECONDS = 600, WORDS_MAX = 8 };

const char *const compare_column_names[COMPARE_COLUMNS] = { "host", "container", "microvm", "guest-root" };
const char *const compare_column_titles[COMPARE_COLUMNS] = { "host", "container", "micro-VM",
	"micro-VM, all privileges" };
const char *const compare_section_names[COMPARE_SECTIONS] = { "kernel", "surface", "attempts", "faults" };
const char *const compare_section_titles[COMPARE_SECTIONS] = { "Whose kernel, and what is seen of the host",
	"Attack surface", "Attempts", "Faults" };
const char *const compare_state_names[COMPARE_STATES] = { "not-measured", "seen", "shared", "own", "refused", "done",
	"absent" };
const char *const compare_refuser_names[REFUSERS] = { "nobody", "filter", "capability", "namespace", "mount",
	"device-rules", "limit", "host-kernel", "guest-kernel", "virtual-hardware" };
const char *const compare_refuser_titles[REFUSERS] = { "", "system call filter", "missing capability", "namespace",
	"read-only or masked mount", "device rules", "limit", "host's kernel", "guest's kernel", "virtual hardware" };

struct compare_line *compare_add_line(struct compare_lines *lines, const char *name, const char *title)
{
	lines->entries = xrealloc(lines->entries, lines->count + 1, sizeof(*lines->entries));
	lines->entries[lines->count] = (struct compare_line){ .name = name, .title = title };
	return &lines->entries[lines->count++];
}

void compare_set(struct compare_line *line, enum compare_column column, enum compare_state state,
	enum compare_refuser by, const char *format, ...)
{
	struct compare_cell *cell = &line->cells[column];
	va_list arguments;
	char text[1024];

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	free(cell->text);
	*cell = (struct compare_cell){ .state = state, .by = by, .text = *text ? xstrdup(text) : NULL };
}

bool compare_column_is_used(const struct compare_lines *lines, enum compare_column column)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (lines->entries[i].cells[column].state != COMPARE_NOT_MEASURED)
			return true;
	}
	return false;
}

static bool has_hardware_kvm(void)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	return file_read(AT_FDCWD, "/proc/cpuinfo", 16U << 20, &text) == 0 &&
	       (strstr(text.data, " vmx ") || strstr(text.data, " svm "));
}

static struct comparison *begin(const struct compare_options *options)
{
	struct comparison *comparison = xcalloc(1, sizeof(*comparison));
	time_t now = time(NULL);
	struct utsname names;
	struct tm utc;
	char text[32];

	(void)gmtime_r(&now, &utc);
	(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	comparison->started = xstrdup(text);
	comparison->bundle = options->bundle ? compare_printable(options->bundle) : NULL;
	comparison->kernel = xstrdup(uname(&names) == 0 ? names.release : "");
	comparison->kvm_hardware = has_hardware_kvm();
	memcpy(comparison->columns, options->columns, sizeof(comparison->columns));
	return comparison;
}

static void tell(const struct compare_options *options, const char *what)
{
	if (options->progress)
		options->progress(what);
}

/* There a page fault of the guest takes milliseconds and a process a fifth of a second: to fill its memory takes
 * minutes, and would say nothing of the wall. */
static bool is_emulated(const struct comparison *comparison, enum compare_column column)
{
	return (column == COMPARE_MICROVM || column == COMPARE_GUEST_ROOT) && !comparison->kvm_hardware;
}

static unsigned run_seconds(const struct comparison *comparison, enum compare_column column)
{
	return is_emulated(comparison, column) ? EMULATED_RUN_SECONDS : RUN_SECONDS;
}

/* Where limits cannot be set (an ordinary user without a cgroup) everything else is still tried. */
static int run_without_limits(struct compare_session *session, struct comparison *comparison,
	const struct probe_run *run, struct probe_output *output, const struct error *refused)
{
	struct compare_lines *faults = &comparison->sections[COMPARE_FAULTS];
	const char *words[WORDS_MAX];
	struct probe_run again = *run;
	struct error err;
	size_t count = 0;
	int result;

	for (const char *const *word = run->words; *word; word++) {
		if (strcmp(*word, "faults") != 0 && strcmp(*word, "crash") != 0)
			words[count++] = *word;
	}
	words[count] = NULL;
	again.words = words;
	session->unlimited = true;
	result = count ? compare_run(session, &again, output, &err) : -refused->code;
	if (result < 0)
		session->unlimited = false;
	else if (!faults->skipped && session->options->sections[COMPARE_FAULTS])
		faults->skipped = compare_printable(refused->message);
	return result;
}

/* A column that cannot be tried says why; -EINTR alone ends the comparison. */
static int run_column(struct compare_session *session, struct comparison *comparison, const struct probe_run *run,
	struct probe_output *output)
{
	struct error err;
	int result;

	if (comparison->skipped[run->column])
		return 0;
	result = compare_run(session, run, output, &err);
	if (result < 0 && result != -EINTR && result != -ETIMEDOUT && run->column != COMPARE_HOST &&
		!session->unlimited && run_without_limits(session, comparison, run, output, &err) == 0)
		result = 0;
	if (result == -EINTR)
		return result;
	if (result < 0)
		comparison->skipped[run->column] = compare_printable(err.message);
	else if (!output->complete)
		comparison->skipped[run->column] =
			xprintf("what there is of it was said before the probe ended early%s%s",
				output->complaint ? ": " : "", output->complaint ? output->complaint : "");
	return 0;
}

/* What the probe does in a column; NULL-terminated. */
static void choose_words(
	const struct compare_options *options, enum compare_column column, bool harmless, const char *words[WORDS_MAX])
{
	bool faults = options->sections[COMPARE_FAULTS] && !harmless;
	size_t count = 0;

	if (column != COMPARE_GUEST_ROOT && options->sections[COMPARE_KERNEL])
		words[count++] = "facts";
	if (column != COMPARE_HOST && column != COMPARE_GUEST_ROOT && options->sections[COMPARE_SURFACE])
		words[count++] = "surface";
	if (column != COMPARE_HOST && options->sections[COMPARE_ATTEMPTS])
		words[count++] = "attempts";
	if (column != COMPARE_HOST && faults)
		words[count++] = "faults";
	/* Never on the host's kernel. */
	if (column == COMPARE_GUEST_ROOT && faults)
		words[count++] = "crash";
	words[count] = NULL;
}

/* What is looked at from outside while a probe runs. */
struct watch {
	struct compare_monitor monitor;
	struct compare_traces traces;
	struct fault_times times[COMPARE_COLUMNS];
	enum compare_column column;
};

static void look(void *context, const char *text, size_t length)
{
	struct watch *watch = context;

	if (watch->column == COMPARE_MICROVM)
		compare_look_at_monitor(&watch->monitor, text, length);
	faults_look(&watch->times[watch->column], text, length);
}

static int look_around(struct compare_session *session, struct comparison *comparison,
	struct probe_output outputs[COMPARE_COLUMNS], struct watch *watch)
{
	const struct compare_options *options = session->options;

	for (enum compare_column column = COMPARE_HOST; column < COMPARE_COLUMNS; column++) {
		const char *words[WORDS_MAX];
		const struct probe_run run = { .column = column,
			.words = words,
			.timeout_s = run_seconds(comparison, column),
			.look = look,
			.context = watch };
		int result;

		choose_words(options, column, session->unlimited || is_emulated(comparison, column), words);
		if (!words[0] || (column != COMPARE_HOST && !options->columns[column]))
			continue;
		tell(options, compare_column_titles[column]);
		watch->column = column;
		result = run_column(session, comparison, &run, &outputs[column]);
		faults_ended(&watch->times[column]);
		if (result < 0)
			return result;
	}
	return 0;
}

/* Once more, traced: it takes longer, and would be felt in what is measured. That it cannot be done is no failure. */
static int trace_column(struct compare_session *session, struct compare_traces *traces, enum compare_column column)
{
	static const char *const words[] = { "facts", NULL };
	cleanup_probe_output struct probe_output output = { 0 };
	struct trace *trace = mmap(NULL, sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct probe_run run = {
		.column = column, .words = words, .timeout_s = EMULATED_RUN_SECONDS, .trace = trace
	};
	struct error err;
	int result;

	if (trace == MAP_FAILED)
		return 0;
	trace->from = column == COMPARE_CONTAINER ? TRACE_FROM_EXECUTION : TRACE_FROM_FILTER;
	traces->columns[column] = trace;
	result = compare_run(session, &run, &output, &err);
	if (result < 0)
		traces->refused[column] = compare_printable(err.message);
	else if (!trace->count)
		traces->refused[column] = xstrdup(trace->possible ? "nothing was seen" : strerror(EPERM));
	return result == -EINTR ? result : 0;
}

static int trace_columns(
	struct compare_session *session, const struct comparison *comparison, struct compare_traces *traces)
{
	int result = 0;

	for (enum compare_column column = COMPARE_CONTAINER; column <= COMPARE_MICROVM && result == 0; column++) {
		if (!session->options->sections[COMPARE_SURFACE] || !session->options->columns[column] ||
			comparison->skipped[column])
			continue;
		tell(session->options, "tracing");
		result = trace_column(session, traces, column);
	}
	return result;
}

static void traces_free(struct compare_traces *traces)
{
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++) {
		if (traces->columns[column])
			(void)munmap(traces->columns[column], sizeof(*traces->columns[column]));
		free(traces->refused[column]);
	}
}

static void conclude(const struct compare_session *session, struct comparison *comparison,
	const struct probe_output outputs[COMPARE_COLUMNS], const struct watch *watch,
	const struct neighbour *neighbour)
{
	const bool *sections = session->options->sections;

	if (sections[COMPARE_KERNEL])
		compare_kernel(comparison, outputs);
	if (sections[COMPARE_SURFACE])
		compare_surface(comparison, session, outputs, &watch->monitor, &watch->traces);
	if (sections[COMPARE_ATTEMPTS])
		compare_attempts(comparison, session, outputs);
	if (sections[COMPARE_FAULTS])
		compare_faults(comparison, outputs, watch->times, neighbour);
}

static int measure(struct compare_session *session, struct comparison *comparison, struct error *err)
{
	struct probe_output outputs[COMPARE_COLUMNS] = { { 0 } };
	cleanup_neighbour struct neighbour *neighbour = NULL;
	struct watch watch = { .monitor = { .state_root = session->options->state_root, .id = session->id } };
	int result = session->options->sections[COMPARE_FAULTS] ? neighbour_begin(&neighbour, err) : 0;

	if (result == 0)
		result = look_around(session, comparison, outputs, &watch);
	if (result == 0)
		result = trace_columns(session, comparison, &watch.traces);
	conclude(session, comparison, outputs, &watch, neighbour);
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++)
		probe_output_free(&outputs[column]);
	traces_free(&watch.traces);
	strbuf_free(&watch.monitor.descriptors);
	strbuf_free(&watch.monitor.capabilities);
	return result;
}

int compare(const struct compare_options *options, struct comparison **comparison, struct error *err)
{
	cleanup_compare_session struct compare_session session = { 0 };
	int result = compare_session_open(&session, options, err);

	if (result < 0)
		return result;
	*comparison = begin(options);
	result = measure(&session, *comparison, err);
	if (result == -EINTR) {
		(*comparison)->interrupted = true;
		return error_set(err, -EINTR, "interrupted");
	}
	return result;
}

static void lines_free(struct compare_lines *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++)
			free(lines->entries[i].cells[column].text);
		free(lines->entries[i].verdict);
	}
	free(lines->entries);
	free(lines->skipped);
}

void comparison_free(struct comparison **comparison)
{
	struct comparison *old = *comparison;

	*comparison = NULL;
	if (!old)
		return;
	for (enum compare_section section = 0; section < COMPARE_SECTIONS; section++)
		lines_free(&old->sections[section]);
	for (enum compare_column column = 0; column < COMPARE_COLUMNS; column++)
		free(old->skipped[column]);
	free(old->started);
	free(old->bundle);
	free(old->kernel);
	free(old);
}
