/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to people and engines: `--log FILE`, `--log-format text|json`, `--debug`.
 *
 * The destination is the one piece of process-wide state outside main(): it is set once, before any other thread, and
 * read afterwards. Text lines read `duet: MESSAGE` on stderr; JSON lines carry level, msg and time, as container
 * engines parse them (containerd takes the last line with level "error").
 */
#ifndef DUET_BASE_LOG_H
#define DUET_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_target { LOG_TARGET_FILE, LOG_TARGET_JOURNAL, LOG_TARGET_SYSLOG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_options {
	/* A file, perhaps with "file:" before it; "journald:IDENTIFIER" or "syslog:IDENTIFIER" (it stays the caller's,
	 * and has to live on); NULL: standard error. */
	const char *path;
	enum log_format format;
	bool debug; /* debug and info lines too; else warnings and errors */
};

/* Opens the destination. Returns 0 or a negative errno with *err set. */
int log_open(const struct log_options *options, struct error *err);

/* The descriptor that messages go to, for a process that closes all others. */
int log_descriptor(void);

/* Are lines of that level written? For what takes long to find out. */
bool log_shows(enum log_level level);

/* Writes one line when the level is enabled. Never fails, never changes errno. */
void log_write(enum log_level level, const char *format, ...) printf_like(2, 3);

/* An error line: to the log, and to standard error when the log goes elsewhere. */
void log_error(const struct error *err);

#define log_warning(...) log_write(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
