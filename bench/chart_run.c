/* SPDX-License-Identifier: Apache-2.0 */
/* gnuplot as a child, and its SVG made fit for a page. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"
#include "bench/chart_internal.h"
#include "bench/report_html.h"

#define PROGRAM "gnuplot"

enum { SVG_BYTES_MAX = 8 << 20, GNUPLOT_SECONDS = 60 };

static bool is_in_path(const char *directory, size_t length)
{
	cleanup_free char *path = xprintf("%.*s/" PROGRAM, (int)length, directory);

	return length > 0 && access(path, X_OK) == 0;
}

int chart_available(struct error *err)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t length = strcspn(path, ":");

		if (is_in_path(path, length))
			return 0;
		path += length;
		path += *path == ':';
	}
	return error_set(
		err, -ENOENT, PROGRAM " is not installed: it draws the charts (Debian: apt install gnuplot-nox)");
}

static void be_gnuplot(int input, int output, int complaint)
{
	/* -d: without anybody's settings. */
	static char *const arguments[] = { PROGRAM, "-d", "-", NULL };
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)alarm(GNUPLOT_SECONDS);
	if (dup2(input, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 || dup2(complaint, STDERR_FILENO) < 0)
		_exit(127);
	(void)execvp(PROGRAM, arguments);
	_exit(127);
}

static int run(int input, int output, int complaint, struct error *err)
{
	cleanup_strbuf struct strbuf said = STRBUF_INIT;
	pid_t pid = fork();
	int status;

	if (pid < 0)
		return error_set(err, errno, "make a process for " PROGRAM);
	if (pid == 0)
		be_gnuplot(input, output, complaint);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return error_set(err, errno, "wait for " PROGRAM);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return chart_available(err) < 0 ? -err->code
						: error_set(err, -ENOEXEC, PROGRAM " could not be executed");
	if (status == 0)
		return 0;
	if (lseek(complaint, 0, SEEK_SET) == 0)
		(void)file_read_fd(complaint, SVG_BYTES_MAX, &said);
	for (size_t i = 0; i < said.length; i++) {
		if (said.data[i] < ' ' || said.data[i] > '~')
			said.data[i] = ' ';
	}
	return error_set(err, -EIO, PROGRAM " failed: %.400s", said.data ? said.data : "it says nothing");
}

static void replace(struct strbuf *out, const char *text, const char *const (*pairs)[2], size_t count)
{
	while (*text) {
		size_t pair = 0;

		while (pair < count && strncmp(text, pairs[pair][0], strlen(pairs[pair][0])) != 0)
			pair++;
		if (pair < count) {
			strbuf_string(out, pairs[pair][1]);
			text += strlen(pairs[pair][0]);
		} else {
			strbuf_append(out, text++, 1);
		}
	}
}

/* The ink becomes the page's; names become those of this chart, since a page has several; what names the program goes,
 * and a title for who does not see it comes. */
static void adapt(struct strbuf *out, const char *svg, unsigned number, const char *title)
{
	cleanup_free char *double_id = xprintf("id=\"c%u-", number), *single_id = xprintf("id='c%u-", number);
	cleanup_free char *reference = xprintf("href='#c%u-", number);
	cleanup_free char *url_reference = xprintf("url(#c%u-", number);
	cleanup_strbuf struct strbuf escaped = STRBUF_INIT;
	const char *const pairs[][2] = {
		{ "id=\"", double_id },
		{ "id='", single_id },
		{ "href='#", reference },
		{ "url(#", url_reference },
		{ "\"black\"", "\"currentColor\"" },
		{ "'black'", "'currentColor'" },
		{ "rgb(  0,   0,   0)", "currentColor" },
		{ "<title>Gnuplot</title>", "" },
	};

	html_escape(&escaped, title);
	strbuf_printf(out, "<svg role=\"img\" aria-label=\"%s\"", escaped.data);
	replace(out, svg + strlen("<svg"), pairs, ARRAY_SIZE(pairs));
}

int chart_run(const struct strbuf *script, bool page, unsigned number, const char *title, struct strbuf *svg,
	struct error *err)
{
	cleanup_fd int input = memfd_create("chart", MFD_CLOEXEC);
	cleanup_fd int output = memfd_create("chart", MFD_CLOEXEC);
	cleanup_fd int complaint = memfd_create("chart", MFD_CLOEXEC);
	cleanup_strbuf struct strbuf drawn = STRBUF_INIT;
	const char *begin;
	int result;

	if (input < 0 || output < 0 || complaint < 0 || file_write_fd(input, script->data, script->length) < 0 ||
		lseek(input, 0, SEEK_SET) < 0)
		return error_set(err, errno, "write the script of a chart");
	result = run(input, output, complaint, err);
	if (result < 0)
		return result;
	if (lseek(output, 0, SEEK_SET) < 0 || file_read_fd(output, SVG_BYTES_MAX, &drawn) < 0)
		return error_set(err, errno, "read a chart");
	begin = drawn.data ? strstr(drawn.data, "<svg") : NULL;
	if (!begin || !strstr(begin, "</svg>"))
		return error_set(err, -EIO, PROGRAM " drew nothing");
	if (page)
		adapt(svg, begin, number, title);
	else
		strbuf_string(svg, drawn.data);
	return 0;
}
