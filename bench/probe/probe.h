/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe of `duet compare`: one small static program that runs inside each wall as its process, looks around, tries
 * what it should not be able to do, and says so in lines on its standard output:
 *
 *   fact     NAME  VALUE                                      what a process sees
 *   attempt  NAME  OUTCOME  ERRNO  NUMBER  A0 … A5  DETAIL    OUTCOME is done, refused, absent or killed; NUMBER and
 *                                                             A0 … A5 (hexadecimal) are the deciding system call
 *   fault    NAME  begin | end  DETAIL                        around a piece of work that is meant to go wrong
 *
 * The fields are apart by tabs; tabs, newlines, backslashes and control characters in them are \xNN.
 *
 * Nothing that is tried does harm when it succeeds, on the host's kernel either: calls that change something get
 * arguments that the kernel refuses after it has checked the permission, files are opened for writing and closed, and
 * values are written back as they are. The exception is `crash`, which is for a virtual machine alone.
 */
#ifndef DUET_BENCH_PROBE_PROBE_H
#define DUET_BENCH_PROBE_PROBE_H

#include <stdbool.h>
#include <stddef.h>

void say(const char *kind, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Reads a file's first bytes, without the newline at its end. The length, or a negative errno; NUL-terminated. */
int read_text(const char *path, char *text, size_t size);

void probe_facts(void);
void probe_surface(void);
void probe_attempts(void);
void probe_faults(void);
/* Brings the kernel down. Returns when that was refused. */
void probe_crash(void);

/* ---- attempts ---- */

struct trial {
	const char *outcome; /* NULL: decided by error */
	int error;           /* 0: it was done */
	long number;         /* of the deciding system call */
	unsigned long arguments[6];
	char detail[256];
};

struct attempt {
	const char *name;
	void (*try)(struct trial *trial);
};

extern const struct attempt kernel_attempts[]; /* end with a NULL name */
extern const struct attempt file_attempts[];
extern const struct attempt escape_attempts[];

/* Makes a system call and notes it as the deciding one. Its result, or -1 with trial->error set. */
long trial_call(struct trial *trial, long number, unsigned long a0, unsigned long a1, unsigned long a2,
	unsigned long a3, unsigned long a4, unsigned long a5);
#define CALL_ARGUMENT(value) ((unsigned long)(value))
#define TRY_6(trial, number, a, b, c, d, e, f, ...)                                                       \
	trial_call(trial, number, CALL_ARGUMENT(a), CALL_ARGUMENT(b), CALL_ARGUMENT(c), CALL_ARGUMENT(d), \
		CALL_ARGUMENT(e), CALL_ARGUMENT(f))
/* TRY(trial, SYS_name, up to six arguments) */
#define TRY(trial, ...) TRY_6(trial, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
/* There is nothing to try it on. */
void trial_absent(struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trial_detail(struct trial *trial, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An errno that comes after the permission was given means done. */
void trial_permitted_by(struct trial *trial, int error);
/* Opens a file and closes it again. */
void trial_open(struct trial *trial, const char *path, int flags);
/* Writes a file's value into it. */
void trial_write_back(struct trial *trial, const char *path);

#endif
