/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One failure, said once.
 *
 * A function that can fail returns 0 (or a count) or a negative errno, takes a `struct error *` last and fills it with
 * one sentence that says what was being done to what. A caller adds context only where it knows more (error_prefix).
 * The struct is plain data of a fixed size, so that a child can send it to its parent as it is.
 */
#ifndef DUET_BASE_ERROR_H
#define DUET_BASE_ERROR_H

#include "base/cleanup.h"

#define ERROR_MESSAGE_BYTES 1000

struct error {
	int code;                          /* errno value, positive; 0: no error */
	int exit_status;                   /* status that the command should end with; 0: the command's usual one (1) */
	char message[ERROR_MESSAGE_BYTES]; /* one line, no full stop, cut when longer */
};

/* Fills *err with the message and ": " + strerror(code) when code is positive; a negative code is taken as its absolute
 * value and its strerror is not appended (the message says all). Returns the negative errno. err may be NULL. */
int error_set(struct error *err, int code, const char *format, ...) printf_like(3, 4);

/* The same with the exit status that the command should end with (127, 126, …). */
int error_set_exit(struct error *err, int exit_status, int code, const char *format, ...) printf_like(4, 5);

/* Puts "TEXT: " before the message that is there. Returns -err->code. */
int error_prefix(struct error *err, const char *format, ...) printf_like(2, 3);

/* A static analyzer sees no body: it is told what the results are, or it follows failures as successes. */
#ifdef __clang_analyzer__
#define error_set(err, code, ...)                   ((void)error_set(err, code, __VA_ARGS__), -1)
#define error_set_exit(err, exit_status, code, ...) ((void)error_set_exit(err, exit_status, code, __VA_ARGS__), -1)
#define error_prefix(err, ...)                      ((void)error_prefix(err, __VA_ARGS__), -1)
#endif

#endif
