/* SPDX-License-Identifier: Apache-2.0 */
#include "base/trace.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/strbuf.h"

/* "PID NANOSECONDS NANOSECONDS", when the command and when the execution began: execve(2) keeps the pid. */
#define BEGIN_VARIABLE "DUET_TRACE_BEGIN"

enum { SPANS_MAX = 1024, NAME_BYTES = 48, PROCESSES_MAX = 8 };

struct span {
	char name[NAME_BYTES];
	uint32_t process;
	int64_t begin_ns, end_ns; /* 0: it has not ended */
};

/* Shared with children, one of which may be a monitor that a guest broke: no number or text in it is trusted. */
struct spans {
	atomic_uint count, process_count;
	char processes[PROCESSES_MAX][NAME_BYTES];
	struct span spans[SPANS_MAX];
};

static struct {
	struct spans *shared; /* NULL: nothing is noted */
	int fd;
	uint32_t process; /* this one's number in the trace */
	int64_t begin_ns;
} trace_state = { .fd = -1 };

/* Of day, since a time namespace has monotonic clocks of its own. */
static int64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* When this command began, and when it executed its sealed copy; false: it has not. */
static bool inherit(int64_t *begun_ns, int64_t *executed_ns)
{
	const char *text = getenv(BEGIN_VARIABLE);
	char *end;

	if (!text || strtol(text, &end, 10) != getpid())
		return false;
	*begun_ns = strtoll(end, &end, 10);
	*executed_ns = strtoll(end, &end, 10);
	return true;
}

static void note_execution(int64_t executed_ns)
{
	int span = trace_begin("execute the sealed copy");

	trace_state.shared->spans[span].begin_ns = executed_ns;
	trace_end(&span);
}

int trace_open(const char *path, struct error *err)
{
	int64_t begun_ns = now_ns(), executed_ns;
	bool goes_on = inherit(&begun_ns, &executed_ns);
	struct spans *shared;

	(void)unsetenv(BEGIN_VARIABLE);
	if (!path)
		return 0;
	trace_state.fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_APPEND | (goes_on ? 0 : O_TRUNC), 0644);
	if (trace_state.fd < 0)
		return error_set(err, errno, "open the trace file %s", path);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) /* NOLINT(performance-no-int-to-ptr): the system's */
		return error_set(err, errno, "get memory for the trace");
	trace_state.begin_ns = begun_ns;
	trace_state.shared = shared;
	trace_child("duet");
	if (goes_on)
		note_execution(executed_ns);
	return 0;
}

void trace_child(const char *name)
{
	struct spans *shared = trace_state.shared;
	unsigned int process;

	if (!shared)
		return;
	process = atomic_fetch_add(&shared->process_count, 1);
	if (process >= PROCESSES_MAX)
		return;
	trace_state.process = process;
	(void)snprintf(shared->processes[process], NAME_BYTES, "%s", name);
}

int trace_begin(const char *name)
{
	struct spans *shared = trace_state.shared;
	unsigned int number = shared ? atomic_fetch_add(&shared->count, 1) : SPANS_MAX;
	struct span *span;

	if (number >= SPANS_MAX)
		return -1;
	span = &shared->spans[number];
	(void)snprintf(span->name, NAME_BYTES, "%s", name);
	span->process = trace_state.process;
	span->begin_ns = now_ns();
	return (int)number;
}

void trace_end(const int *span)
{
	if (*span >= 0 && trace_state.shared)
		trace_state.shared->spans[*span].end_ns = now_ns();
}

void trace_end_children(void)
{
	struct spans *shared = trace_state.shared;
	unsigned int count = shared ? atomic_load(&shared->count) : 0;
	int64_t now = now_ns();

	for (unsigned int i = 0; i < count && i < SPANS_MAX; i++) {
		if (shared->spans[i].process != trace_state.process && !shared->spans[i].end_ns)
			shared->spans[i].end_ns = now;
	}
}

static void add_span(struct strbuf *text, const struct span *shared, int64_t now)
{
	struct span span = *shared;
	int64_t end_ns = span.end_ns ? span.end_ns : now;

	span.name[NAME_BYTES - 1] = '\0';
	strbuf_printf(text, "{\"name\":");
	strbuf_json_string(text, span.name);
	strbuf_printf(text, ",\"ph\":\"X\",\"pid\":%d,\"tid\":%u,\"ts\":%.3f,\"dur\":%.3f},\n", (int)getpid(),
		span.process, (double)(span.begin_ns - trace_state.begin_ns) / 1e3,
		(double)(end_ns - span.begin_ns) / 1e3);
}

static void add_process(struct strbuf *text, const char *shared, unsigned int number)
{
	char name[NAME_BYTES];

	(void)snprintf(name, sizeof(name), "%.*s", NAME_BYTES - 1, shared);
	strbuf_printf(text,
		"{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":%d,\"tid\":%u,\"args\":{\"name\":", (int)getpid(),
		number);
	strbuf_json_string(text, name);
	strbuf_printf(text, "}},\n");
}

/* The last event has no comma behind it: the whole is JSON. */
static void add_last(struct strbuf *text, int64_t now)
{
	strbuf_printf(text, "{\"name\":\"end\",\"ph\":\"i\",\"s\":\"p\",\"pid\":%d,\"tid\":0,\"ts\":%.3f}]\n",
		(int)getpid(), (double)(now - trace_state.begin_ns) / 1e3);
}

void trace_close(bool goes_on)
{
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	struct spans *shared = trace_state.shared;
	int64_t now = now_ns();
	unsigned int count, process_count;

	if (!shared)
		return;
	trace_state.shared = NULL;
	count = atomic_load(&shared->count);
	process_count = atomic_load(&shared->process_count);
	if (lseek(trace_state.fd, 0, SEEK_END) == 0)
		strbuf_printf(&text, "[\n");
	for (unsigned int i = 0; i < process_count && i < PROCESSES_MAX; i++)
		add_process(&text, shared->processes[i], i);
	for (unsigned int i = 0; i < count && i < SPANS_MAX; i++)
		add_span(&text, &shared->spans[i], now);
	if (!goes_on)
		add_last(&text, now);
	if (file_write_fd(trace_state.fd, text.data, text.length) < 0)
		log_warning("write the trace: %s", strerror(errno));
	if (goes_on) {
		cleanup_free char *mark =
			xprintf("%d %lld %lld", (int)getpid(), (long long)trace_state.begin_ns, (long long)now_ns());

		(void)setenv(BEGIN_VARIABLE, mark, 1);
	}
	close_fd(&trace_state.fd);
	(void)munmap(shared, sizeof(*shared));
}
