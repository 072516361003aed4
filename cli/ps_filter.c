/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/ps_filter.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/alloc.h"
#include "base/file.h"

enum { PS_BYTES_MAX = 64 * 1024 * 1024 };

/* Both of its streams: when it refuses its arguments, what it says is all that there is to say. */
static int start_ps(char *const *arguments, int output, pid_t *pid)
{
	size_t count = 0;
	cleanup_free char **vector = NULL;
	posix_spawn_file_actions_t actions;
	int result;

	while (arguments[count])
		count++;
	vector = xcalloc(count + 2, sizeof(*vector));
	vector[0] = (char *)"ps";
	memcpy(vector + 1, arguments, count * sizeof(*vector));
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	result = posix_spawnp(pid, "ps", &actions, NULL, vector, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -result;
}

static int run_ps(char *const *arguments, struct strbuf *output, struct error *err)
{
	cleanup_fd int read_end = -EBADF, write_end = -EBADF;
	int pipe_fds[2], status, result;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_set(err, errno, "make a pipe");
	read_end = pipe_fds[0];
	write_end = pipe_fds[1];
	result = start_ps(arguments, write_end, &pid);
	if (result < 0)
		return error_set(err, -result, "run ps");
	close_fd(&write_end);
	result = file_read_fd(read_end, PS_BYTES_MAX, output);
	close_fd(&read_end);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (result < 0)
		return error_set(err, -result, "read what ps says");
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return error_set(err, -EINVAL, "ps: %.*s", output->length ? (int)strcspn(output->data, "\n") : 6,
			output->length ? output->data : "failed");
	return 0;
}

/* The word of that number, counted from 0; NULL when there are fewer. */
static const char *word_at(const char *line, int number)
{
	for (;; number--) {
		line += strspn(line, " \t");
		if (!*line || number == 0)
			return *line ? line : NULL;
		line += strcspn(line, " \t");
	}
}

static int pid_column(const char *header)
{
	const char *word;

	for (int column = 0; (word = word_at(header, column)); column++) {
		if (strncmp(word, "PID", 3) == 0 && (word[3] == '\0' || word[3] == ' ' || word[3] == '\t'))
			return column;
	}
	return -1;
}

static bool is_listed(const struct process_list *list, const char *line, int column)
{
	const char *word = word_at(line, column);
	long pid = word ? strtol(word, NULL, 10) : 0;

	for (size_t i = 0; i < list->count; i++) {
		if (list->entries[i].pid == pid)
			return true;
	}
	return false;
}

int ps_filter(char *const *arguments, const struct process_list *list, struct error *err)
{
	cleanup_strbuf struct strbuf output = STRBUF_INIT;
	int column, result = run_ps(arguments, &output, err);
	char *rest, *line;

	if (result < 0)
		return result;
	rest = output.data ? output.data : (char *)"";
	line = strsep(&rest, "\n");
	column = pid_column(line);
	if (column < 0)
		return error_set(err, -EINVAL, "ps with these options prints no column PID");
	printf("%s\n", line);
	while ((line = strsep(&rest, "\n"))) {
		if (*line && is_listed(list, line, column))
			printf("%s\n", line);
	}
	return fflush(stdout) == 0 ? 0 : error_set(err, errno, "write the processes");
}
