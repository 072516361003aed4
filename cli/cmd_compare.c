/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <string.h>
#include <sys/ioctl.h>

#include "bench/compare.h"
#include "bench/report.h"
#include "cli/command.h"

#define INTERRUPTED_EXIT 130

enum { OPTION_ISOLATION = OPTION_LONG, OPTION_SECTIONS, OPTION_FORMAT, OPTION_REPORT };

enum { WIDTH_DEFAULT = 120, WIDTH_MIN = 60 };

static const struct command_option compare_options_table[] = {
	{ "bundle", 'b', "DIR", "the bundle (default: one of duet's own, with what engines give by default)" },
	{ "isolation", OPTION_ISOLATION, "LIST", "columns: container, microvm, guest-root (default: all)" },
	{ "sections", OPTION_SECTIONS, "LIST", "kernel, surface, attempts, faults (default: all)" },
	{ "format", OPTION_FORMAT, "text|json", "how it is printed (default: text)" },
	{ "report", OPTION_REPORT, "FILE",
		"also write a page (FILE.html) or its chart alone (FILE.svg); charts need gnuplot" },
	{ 0 },
};

struct request {
	struct compare_options options;
	bool json;
	const char *report;
};

/* "a,b" into flags by the names of a table. */
static int take_list(
	const char *option, const char *list, const char *const *names, size_t count, bool *flags, struct error *err)
{
	const char *all = list;

	memset(flags, 0, count * sizeof(*flags));
	while (*list) {
		size_t length = strcspn(list, ","), index = 0;

		while (index < count && (strlen(names[index]) != length || strncmp(names[index], list, length) != 0))
			index++;
		if (index == count)
			return error_set(err, -EINVAL, "--%s %s: there is no \"%.*s\"", option, all, (int)length, list);
		flags[index] = true;
		list += length;
		list += *list == ',';
	}
	return 0;
}

static int take_option(struct request *request, int option, struct error *err)
{
	switch (option) {
	case 'b':
		request->options.bundle = optarg;
		return 0;
	case OPTION_ISOLATION:
		return take_list(
			"isolation", optarg, compare_column_names, COMPARE_COLUMNS, request->options.columns, err);
	case OPTION_SECTIONS:
		return take_list(
			"sections", optarg, compare_section_names, COMPARE_SECTIONS, request->options.sections, err);
	case OPTION_REPORT:
		request->report = optarg;
		return report_check(optarg, err);
	default:
		if (strcmp(optarg, "text") != 0 && strcmp(optarg, "json") != 0)
			return error_set(err, -EINVAL, "--format %s: text and json are there", optarg);
		request->json = strcmp(optarg, "json") == 0;
		return 0;
	}
}

/* Of a terminal only, and on one line that is written over. */
static void show_progress(const char *what)
{
	fprintf(stderr, "\r\033[K%s%s", *what ? "duet compare: " : "", what);
}

static unsigned terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		return WIDTH_DEFAULT;
	return size.ws_col < WIDTH_MIN ? WIDTH_MIN : size.ws_col;
}

static int print(const struct request *request, const struct comparison *comparison, struct error *err)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;

	if (request->json)
		compare_write_json(comparison, &text);
	else
		compare_write_text(comparison, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), terminal_width(), &text);
	return command_output(&text, "the comparison", err);
}

static int compare_run_command(const struct global_options *global, int argc, char **argv, struct error *err)
{
	cleanup_comparison struct comparison *comparison = NULL;
	struct request request = {
		.options = {
			.state_root = global->root,
			.settings_file = global->settings_file,
			.cgroup_manager = global->cgroup_manager,
			.rootless = global->rootless,
			.columns = { true, true, true, true },
			.sections = { true, true, true, true },
			.progress = isatty(STDERR_FILENO) ? show_progress : NULL,
		},
	};
	int option, result = 0, printed, written;

	while (result == 0 && (option = command_next_option(&command_compare, argc, argv, err)) != -1)
		result = option < 0 ? option : take_option(&request, option, err);
	if (result == 0)
		result = command_expect_arguments(&command_compare, argc, 0, err);
	if (result < 0)
		return result;
	result = compare(&request.options, &comparison, err);
	if (request.options.progress)
		show_progress("");
	if (result < 0 && !comparison)
		return result;
	/* First what stays. */
	written = request.report ? report_write_comparison(request.report, comparison, err) : 0;
	printed = print(&request, comparison, written < 0 ? NULL : err);
	if (written < 0 || printed < 0)
		return written < 0 ? written : printed;
	return result == -EINTR ? INTERRUPTED_EXIT : result;
}

const struct command command_compare = {
	.name = "compare",
	.arguments = "",
	.summary = "Show what a workload sees and can do behind each wall, side by side",
	.description =
		"A probe runs as the bundle's process: as a container, in a micro-VM, and in a micro-VM with every "
		"privilege "
		"there is (guest-root), since there the wall does not rest on them. Lines say what was seen or tried, "
		"what "
		"happened, and who refused; there is no score. Nothing that is tried does harm when it succeeds; what "
		"goes "
		"wrong on purpose does so within limits of 128 MiB of memory and 64 processes.",
	.options = compare_options_table,
	.operands = OPERANDS_NONE,
	.enters_container = true,
	.run = compare_run_command,
};
