/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a sandbox is asked to be: one table of settings, from which the options of `duet sandbox`, its --help, the
 * names in a profile file and the limits in a report all come.
 */
#ifndef DUET_SANDBOX_SETTINGS_H
#define DUET_SANDBOX_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SANDBOX_UNLIMITED UINT64_MAX

/* Strings and lists are owned; lists end with NULL and are NULL when empty. Times in ms, sizes in bytes;
 * SANDBOX_UNLIMITED where the setting was "none". */
struct sandbox_settings {
	/* root and files */
	bool vm;
	char *policy; /* "strict", "default", "build" */
	char *rootfs, *bundle;
	char *workdir; /* NULL: the current directory */
	union {
		char *workdir_mode, *workdir_overlay; /* one value, which two settings set */
	};
	char *disk_kind; /* "auto", "memory", "file" */
	char **binds, **read_only_binds, **tmpfs, **copy_in, **copy_out;
	char *keep_diff;
	char **environment, **pass_environment;
	/* limits */
	uint64_t timeout_ms, grace_ms, cpu_time_ms, memory_bytes, swap_bytes, cpus_milli, pids, disk_bytes;
	uint64_t file_size_bytes, open_files, output_limit_bytes, io_weight;
	/* network */
	char *network;
	char **allow_hosts, **publish;
	/* policy */
	char *seccomp_file;
	char **capabilities, **devices;
	bool gpu;
	/* result */
	char *report_file, *junit_file;
	bool quiet, time_stamps, terminal;
	uint64_t repeat, jobs;
	uint64_t given; /* bit N: entry N of the table was set by somebody; else it is a default */
};

enum sandbox_kind {
	SANDBOX_FLAG,     /* bool */
	SANDBOX_WORD,     /* a flag that sets another setting's text to one of its words */
	SANDBOX_TEXT,     /* char * */
	SANDBOX_LIST,     /* char **: each use appends */
	SANDBOX_DURATION, /* "90", "1.5s", "10m", "2h", "500ms" or "none" */
	SANDBOX_SIZE,     /* bytes, with K, M, G, T (powers of 1024) or "none" */
	SANDBOX_COUNT,    /* a whole number or "none" */
	SANDBOX_CPUS,     /* "1.5": thousandths of a processor, or "none" */
};

struct sandbox_setting {
	const char *name; /* as option: --NAME; in a profile: "NAME" */
	enum sandbox_kind kind;
	size_t offset;        /* in struct sandbox_settings */
	const char *argument; /* for --help; NULL: a flag */
	const char *help;     /* one line */
	const char *initial;  /* the value without any option; NULL: none */
	const char *values;   /* TEXT: words separated by '|' that alone are values; WORD: what it sets; amounts:
			       * "LEAST" or "LEAST..MOST", as typed; NULL: anything */
	bool limit;           /* printed among the limits in a report */
};

/* The one table: PLAIN(name, kind, member, argument, help, values, limit) and INITIAL(…, initial value, values, limit).
 */
/* clang-format off */
#define SANDBOX_SETTINGS(PLAIN, INITIAL) \
	PLAIN("vm", FLAG, vm, NULL, "run in a micro-VM instead of a container", NULL, false) \
	INITIAL("policy", TEXT, policy, "NAME", "strict: no capabilities; default and build: those of package managers, in a user namespace", "default", "strict|default|build", false) \
	PLAIN("rootfs", TEXT, rootfs, "DIR|FILE", "another root file system than the host's: a directory, an OCI layout (DIR or DIR:TAG), a tar archive, or a disk image (erofs, ext4, squashfs)", NULL, false) \
	PLAIN("bundle", TEXT, bundle, "DIR", "the root file system and the environment of an OCI bundle", NULL, false) \
	PLAIN("workdir", TEXT, workdir, "DIR", "directory that the command works in and sees (default: the current one)", NULL, false) \
	INITIAL("workdir-mode", TEXT, workdir_mode, "MODE", "overlay: changes vanish or stay in a diff; ro: read-only; rw: changes are made", "overlay", "overlay|ro|rw", false) \
	PLAIN("workdir-overlay", WORD, workdir_overlay, NULL, "the same as --workdir-mode overlay", "overlay", false) \
	PLAIN("bind", LIST, binds, "SRC[:DST]", "show a file or directory of the host, writable", NULL, false) \
	PLAIN("ro-bind", LIST, read_only_binds, "SRC[:DST]", "the same, read-only", NULL, false) \
	PLAIN("tmpfs", LIST, tmpfs, "DST[:SIZE]", "an empty directory in memory", NULL, false) \
	PLAIN("copy-in", LIST, copy_in, "SRC:DST", "copy a file or directory in before the start", NULL, false) \
	PLAIN("copy-out", LIST, copy_out, "SRC=DEST", "copy a file or directory out at the end, also of a command that failed", NULL, false) \
	PLAIN("keep-diff", TEXT, keep_diff, "DIR|FILE.tar", "keep what the command changed, with whiteouts (.wh.NAME) for what it deleted", NULL, false) \
	PLAIN("env", LIST, environment, "NAME=VALUE", "set a variable of the command's environment", NULL, false) \
	PLAIN("pass-env", LIST, pass_environment, "NAME", "keep a variable of this environment", NULL, false) \
	INITIAL("timeout", DURATION, timeout_ms, "TIME", "wall time; then TERM, then KILL", "10m", "1ms", true) \
	INITIAL("grace", DURATION, grace_ms, "TIME", "between TERM and KILL", "5s", NULL, true) \
	INITIAL("cpu-time", DURATION, cpu_time_ms, "TIME", "processor time of everything together", "none", "1ms", true) \
	INITIAL("memory", SIZE, memory_bytes, "SIZE", "memory of everything together, files in memory included", "2G", "4K", true) \
	INITIAL("swap", SIZE, swap_bytes, "SIZE", "swap on top of it", "0", NULL, true) \
	INITIAL("cpus", CPUS, cpus_milli, "N", "processors, 1.5 for one and a half", "none", "0.01", true) \
	INITIAL("pids", COUNT, pids, "N", "processes and threads", "512", "1", true) \
	INITIAL("disk", SIZE, disk_bytes, "SIZE", "what may be written to the root and the work directory", "1G", "64K", true) \
	INITIAL("disk-kind", TEXT, disk_kind, "KIND", "where that lies: memory; file: in a nameless file beside the work directory's files; auto: file if --disk is more than --memory and it can be had", "auto", "auto|memory|file", false) \
	INITIAL("file-size", SIZE, file_size_bytes, "SIZE", "the largest file", "none", NULL, true) \
	INITIAL("open-files", COUNT, open_files, "N", "open files of one process", "1024", NULL, true) \
	INITIAL("output-limit", SIZE, output_limit_bytes, "SIZE", "standard output and error together; what is beyond is cut, and said", "64M", NULL, true) \
	INITIAL("io-weight", COUNT, io_weight, "N", "share of the disks' time, 10 to 1000", "none", "10..1000", true) \
	INITIAL("net", TEXT, network, "KIND", "none; user: outgoing connections through passt(1), not to the host's own neighbourhood; host: the host's network itself", "none", "none|user|host", false) \
	PLAIN("allow-host", LIST, allow_hosts, "NAME[:PORT]", "with --net=user: only to these names and addresses; *.NAME: to all below a name", NULL, false) \
	PLAIN("publish", LIST, publish, "[ADDRESS:]HOST:GUEST", "with --net=user: a TCP port of the host's, of 127.0.0.1 without an address", NULL, false) \
	PLAIN("seccomp", TEXT, seccomp_file, "FILE", "another system call profile (linux.seccomp as JSON)", NULL, false) \
	PLAIN("cap-add", LIST, capabilities, "CAP", "one more capability, inside the user namespace", NULL, false) \
	PLAIN("device", LIST, devices, "PATH[:INSIDE]", "pass a device of the host's through (container only)", NULL, false) \
	PLAIN("gpu", FLAG, gpu, NULL, "pass the host's graphics processors through (container only)", NULL, false) \
	PLAIN("report", TEXT, report_file, "FILE", "write what happened as JSON", NULL, false) \
	PLAIN("junit", TEXT, junit_file, "FILE", "write what happened as JUnit XML", NULL, false) \
	PLAIN("quiet", FLAG, quiet, NULL, "no summary", NULL, false) \
	PLAIN("time-stamps", FLAG, time_stamps, NULL, "put the time before every line of output", NULL, false) \
	PLAIN("tty", FLAG, terminal, NULL, "give the command a terminal", NULL, false) \
	INITIAL("repeat", COUNT, repeat, "N", "run it N times, each in a fresh sandbox, with a summary table", "1", NULL, false) \
	INITIAL("jobs", COUNT, jobs, "N", "so many at a time; each line of output then begins with the number of its run", "1", NULL, false)
/* clang-format on */

extern const struct sandbox_setting sandbox_settings_table[]; /* ends with a NULL name */

const struct sandbox_setting *sandbox_setting_find(const char *name);
/* Not a default, nor from a built-in profile. */
bool sandbox_setting_is_given(const struct sandbox_settings *settings, const char *name);

/* The initial values. */
void sandbox_settings_begin(struct sandbox_settings *settings);
void sandbox_settings_free(struct sandbox_settings *settings);
#define cleanup_sandbox_settings cleanup(sandbox_settings_free)

/* Sets one; text is NULL for a flag that is to be true. -EINVAL with what would be right, without the name. */
int sandbox_set(
	struct sandbox_settings *settings, const struct sandbox_setting *setting, const char *text, struct error *err);

/* "64M", "1.5G", "4096"; false: it is none. */
bool sandbox_parse_size(const char *text, uint64_t *bytes);

/* Sets what a profile says: an object {"NAME": value, …} in a JSON file, or the words "strict", "default", "build" of
 * the built-in ones. Values are strings as on the command line, numbers, booleans, or arrays of strings for lists. */
int sandbox_profile_apply(struct sandbox_settings *settings, const char *file_or_name, struct error *err);

/* "10m", "2.0 GiB", …: a value as a person reads it; the buffer is the caller's. */
void sandbox_setting_print(
	const struct sandbox_settings *settings, const struct sandbox_setting *setting, char *text, size_t size);

#endif
