/* SPDX-License-Identifier: Apache-2.0 */
#include "base/helper_program.h"

#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

extern char **environ;

int helper_program_run(char *const arguments[], int input, char *complaint, size_t size)
{
	posix_spawn_file_actions_t actions;
	int pipe_fds[2], status = 0, code;
	size_t length = 0;
	ssize_t got;
	pid_t pid;

	complaint[0] = '\0';
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	(void)posix_spawn_file_actions_init(&actions);
	if (input >= 0)
		(void)posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	(void)posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDERR_FILENO);
	code = posix_spawnp(&pid, arguments[0], &actions, NULL, arguments, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	close_fd(&pipe_fds[1]);
	while (!code && length + 1 < size && (got = read(pipe_fds[0], complaint + length, size - 1 - length)) > 0)
		length += (size_t)got;
	complaint[length] = '\0';
	complaint[strcspn(complaint, "\n")] = '\0';
	close_fd(&pipe_fds[0]);
	if (code)
		return -code;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status == 0 ? 0 : -EPERM;
}
