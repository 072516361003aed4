/* SPDX-License-Identifier: Apache-2.0 */
/* The probe as a bundle's process, behind one wall, and what it said. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sealed_program.h"
#include "bench/compare_internal.h"
#include "oci/names.h"
#include "oci/patch.h"
#include "runtime/lifecycle.h"

/* Below /dev, which is a file system of the container's own as a rule: nothing is made in the image. */
#define PROBE_INSIDE "/dev/duet-probe"

enum { OUTPUT_BYTES_MAX = 4 << 20, LOOK_MS = 50 };

/* What the child leaves to the comparison, in memory that both have. */
struct outcome {
	int result; /* as of lifecycle_run() */
	struct error err;
};

struct running {
	const struct probe_run *run;
	pid_t pid;
	int output_fd, complaint_fd;
	struct outcome *outcome;
	struct strbuf output, complaint;
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void write_arguments(struct strbuf *patch, const struct probe_run *run)
{
	strbuf_string(patch, "\"args\":[\"" PROBE_INSIDE "\"");
	for (const char *const *word = run->words; *word; word++) {
		strbuf_string(patch, ",");
		strbuf_json_string(patch, *word);
	}
	strbuf_string(patch, "]");
}

/* A process to which its kernel refuses nothing by configuration. For a virtual machine alone. */
static void write_privileges(struct strbuf *patch)
{
	static const char *const sets[] = { "bounding", "effective", "permitted", "inheritable", "ambient" };

	strbuf_string(patch, ",\"user\":{\"uid\":0,\"gid\":0},\"noNewPrivileges\":false,\"capabilities\":{");
	for (size_t set = 0; set < ARRAY_SIZE(sets); set++) {
		strbuf_printf(patch, "%s\"%s\":[", set ? "," : "", sets[set]);
		for (size_t i = 0; i < oci_capability_names.count; i++)
			strbuf_printf(patch, "%s\"%s\"", i ? "," : "", oci_capability_names.entries[i].name);
		strbuf_string(patch, "]");
	}
	strbuf_string(patch, "}");
}

static void write_resources(struct strbuf *patch, const struct compare_session *session, const struct probe_run *run)
{
	const char *before = "";

	strbuf_string(patch, "\"resources\":{");
	if (run->column == COMPARE_GUEST_ROOT) {
		strbuf_string(patch, "\"devices\":[{\"allow\":true,\"access\":\"rwm\"}]");
		before = ",";
	}
	if (!session->unlimited)
		strbuf_printf(patch, "%s\"memory\":{\"limit\":%llu,\"swap\":%llu},\"pids\":{\"limit\":%u}", before,
			(unsigned long long)COMPARE_MEMORY_BYTES, (unsigned long long)COMPARE_MEMORY_BYTES,
			COMPARE_PIDS);
	strbuf_string(patch, "}");
}

static void write_patch(struct strbuf *patch, const struct compare_session *session, const struct probe_run *run)
{
	strbuf_string(patch, "{\"process\":{\"terminal\":false,\"cwd\":\"/\",");
	write_arguments(patch, run);
	if (run->column == COMPARE_GUEST_ROOT)
		write_privileges(patch);
	strbuf_string(patch, "},\"mounts\":[{\"destination\":\"" PROBE_INSIDE "\",\"type\":\"bind\",\"source\":");
	strbuf_json_string(patch, session->probe_path);
	strbuf_string(patch, ",\"options\":[\"bind\",\"ro\"]}],\"linux\":{");
	write_resources(patch, session, run);
	if (run->column == COMPARE_GUEST_ROOT)
		strbuf_string(patch, ",\"seccomp\":null,\"maskedPaths\":[],\"readonlyPaths\":[]");
	strbuf_string(patch, "}}");
}

static int write_bundle(const struct compare_session *session, const struct probe_run *run, struct error *err)
{
	cleanup_strbuf struct strbuf patch = STRBUF_INIT;
	cleanup_strbuf struct strbuf text = STRBUF_INIT;
	int result;

	write_patch(&patch, session, run);
	result = oci_config_patch(
		"config.json", session->configuration, strlen(session->configuration), patch.data, &text, err);
	if (result < 0)
		return result;
	result = file_replace(session->directory_fd, "config.json", text.data, text.length, 0600);
	return result < 0 ? error_set(err, -result, "write the bundle of the comparison") : 0;
}

static void run_on_host(const struct compare_session *session, const struct probe_run *run)
{
	const char *arguments[8] = { "probe" };

	for (size_t i = 0; run->words[i] && i + 2 < ARRAY_SIZE(arguments); i++)
		arguments[i + 1] = run->words[i];
	(void)fexecve(session->probe_fd, (char *const *)(uintptr_t)arguments, environ);
	_exit(127);
}

/* What the child needs to know. */
struct role {
	struct compare_session *session;
	struct running *running;
	int output, complaint;
};

/* In a child of its own session, to which Ctrl-C does not go: its parent decides. */
static void be_the_runtime(void *context)
{
	const struct role *role = context;
	const struct compare_session *session = role->session;
	const struct probe_run *run = role->running->run;
	struct outcome *outcome = role->running->outcome;
	struct launch_options options = {
		.root = session->options->state_root,
		.id = session->id,
		.bundle = session->path,
		.isolation = run->column == COMPARE_CONTAINER ? "container" : "microvm",
		.settings_file = session->options->settings_file,
		.cgroup_manager = session->options->cgroup_manager,
		.rootless = session->options->rootless,
		.foreground = true,
	};

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sealed_program_forked() < 0 || dup2(role->output, STDOUT_FILENO) < 0 ||
		dup2(role->complaint, STDERR_FILENO) < 0)
		_exit(127);
	if (run->column == COMPARE_HOST)
		run_on_host(session, run);
	outcome->result = lifecycle_run(&options, false, &outcome->err);
	_exit(0);
}

static void be_the_child(struct role *role)
{
	struct trace *trace = role->running->run->trace;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)setsid();
	/* The lock is the comparison's alone. */
	close_fd(&role->session->directory_fd);
	if (!trace)
		be_the_runtime(role);
	if (sealed_program_forked() < 0)
		_exit(127);
	trace_follow(trace, be_the_runtime, role);
}

static int begin(struct compare_session *session, struct running *running, struct error *err)
{
	int output[2], complaint[2];

	if (pipe2(output, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	if (pipe2(complaint, O_CLOEXEC) < 0) {
		(void)close(output[0]);
		(void)close(output[1]);
		return error_set(err, errno, "make a pipe");
	}
	running->pid = fork();
	if (running->pid == 0)
		be_the_child(&(struct role){ session, running, output[1], complaint[1] });
	running->output_fd = output[0];
	running->complaint_fd = complaint[0];
	(void)close(output[1]);
	(void)close(complaint[1]);
	return running->pid < 0 ? error_set(err, errno, "make a process") : 0;
}

/* Whoever says more than that is not listened to any longer. */
static void take(int *fd, struct strbuf *text)
{
	char piece[8192];
	ssize_t count = read(*fd, piece, sizeof(piece));

	if (count < 0 && errno == EINTR)
		return;
	if (count <= 0 || text->length > OUTPUT_BYTES_MAX)
		return close_fd(fd);
	strbuf_append(text, piece, (size_t)count);
}

/* Until nobody holds the other ends any more. */
static int listen_to(const struct compare_session *session, struct running *running, struct error *err)
{
	uint64_t deadline = now_ms() + running->run->timeout_s * 1000ULL;

	while (running->output_fd >= 0 || running->complaint_fd >= 0) {
		struct pollfd sources[] = {
			{ .fd = running->output_fd, .events = POLLIN },
			{ .fd = running->complaint_fd, .events = POLLIN },
			{ .fd = session->signals_fd, .events = POLLIN },
		};

		if (poll(sources, ARRAY_SIZE(sources), LOOK_MS) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for the probe");
		if (sources[2].revents)
			return error_set(err, -EINTR, "interrupted");
		if (sources[0].revents)
			take(&running->output_fd, &running->output);
		if (sources[1].revents)
			take(&running->complaint_fd, &running->complaint);
		if (running->run->look)
			running->run->look(running->run->context, running->output.data, running->output.length);
		if (now_ms() > deadline)
			return error_set(err, -ETIMEDOUT, "the probe did not end within %u s", running->run->timeout_s);
	}
	return 0;
}

static void end(const struct compare_session *session, struct running *running, bool by_force)
{
	struct error err;

	if (by_force)
		(void)kill(running->pid, SIGKILL);
	while (waitpid(running->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (by_force && lifecycle_delete(session->options->state_root, session->id, true, &err) < 0)
		log_warning("%s", err.message);
}

static char *one_line(const char *text)
{
	char *line = compare_printable(text ? text : "");
	size_t length = strlen(line);

	while (length && line[length - 1] == ' ')
		line[--length] = '\0';
	if (length)
		return line;
	free(line);
	return NULL;
}

static int conclude(struct running *running, struct probe_output *output, struct error *err)
{
	int result = running->outcome->result;

	/* A machine that stopped on the way is an error of the run, and yet its process has said something. */
	if (result < 0 && !running->output.length) {
		*err = running->outcome->err;
		return result;
	}
	output->status = result < 0 ? -1 : result;
	output->complaint = one_line(result < 0 ? running->outcome->err.message : running->complaint.data);
	strbuf_append(&running->output, "", 0);
	probe_output_parse(output, take_pointer(&running->output.data));
	return 0;
}

int compare_run(
	struct compare_session *session, const struct probe_run *run, struct probe_output *output, struct error *err)
{
	struct running running = { .run = run, .output_fd = -EBADF, .complaint_fd = -EBADF };
	int result = run->column == COMPARE_HOST ? 0 : write_bundle(session, run, err);

	if (result < 0)
		return result;
	running.outcome =
		mmap(NULL, sizeof(*running.outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (running.outcome == MAP_FAILED)
		return error_set(err, errno, "share memory with the run");
	result = begin(session, &running, err);
	if (result == 0) {
		result = listen_to(session, &running, err);
		end(session, &running, result < 0);
	}
	/* What it had said by then holds. */
	if (result == -ETIMEDOUT && running.output.length) {
		running.outcome->result = result;
		running.outcome->err = *err;
		result = 0;
	}
	if (result == 0)
		result = conclude(&running, output, err);
	close_fd(&running.output_fd);
	close_fd(&running.complaint_fd);
	strbuf_free(&running.output);
	strbuf_free(&running.complaint);
	(void)munmap(running.outcome, sizeof(*running.outcome));
	return result;
}
