/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a program cannot be executed, in words that name the cause.
 *
 * The texts hold the phrases that docker looks for, in its case: "executable file not found in $PATH" and "no such file
 * or directory" come with exit status 127, "permission denied" and everything else with 126.
 */
#ifndef DUET_PROCESS_EXEC_ERROR_H
#define DUET_PROCESS_EXEC_ERROR_H

#include "base/error.h"

/* Fills *err for an execve(2) of path, or an attempt to find it there, that failed with code (positive): missing file,
 * missing interpreter of a script or program by name, CR LF in the #! line, architecture by name, permission,
 * directory, noexec mount, busy text. Returns -code. */
int exec_error_diagnose(const char *path, int code, struct error *err);

/* A name without a slash that is nowhere in PATH. Returns -ENOENT. */
int exec_error_not_in_path(const char *name, struct error *err);

#endif
