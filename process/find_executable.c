/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "process/exec_error.h"
#include "process/process_internal.h"

/* Of execvp(3), for an environment without PATH. */
#define DEFAULT_PATH "/bin:/usr/bin"

/* 0 when the effective user may execute a regular file of this name, else the errno. */
static int executable_status(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (!S_ISREG(status.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

int process_find_executable(const char *name, const char *path_variable, char **executable, struct error *err)
{
	cleanup_free char *refused = NULL;
	int code;

	if (strchr(name, '/')) {
		code = executable_status(name);
		if (code)
			return exec_error_diagnose(name, code, err);
		*executable = xstrdup(name);
		return 0;
	}
	if (!name[0])
		return exec_error_not_in_path(name, err);
	for (const char *directory = path_variable ? path_variable : DEFAULT_PATH;; directory++) {
		size_t length = strcspn(directory, ":");
		cleanup_free char *candidate =
			length ? xprintf("%.*s/%s", (int)length, directory, name) : xprintf("./%s", name);

		code = executable_status(candidate);
		if (code == 0) {
			*executable = take_pointer(&candidate);
			return 0;
		}
		/* Remembered: "permission denied" says more than "not found", but a later one that works comes first.
		 */
		if (code == EACCES && !refused && access(candidate, F_OK) == 0)
			refused = take_pointer(&candidate);
		directory += length;
		if (!*directory)
			break;
	}
	return refused ? exec_error_diagnose(refused, EACCES, err) : exec_error_not_in_path(name, err);
}
