/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the files of this folder.
 */
#ifndef DUET_SANDBOX_INTERNAL_H
#define DUET_SANDBOX_INTERNAL_H

#include <sys/types.h>
#include <time.h>

#include "base/strbuf.h"
#include "cgroups/cgroup.h"
#include "ns/namespaces.h"
#include "sandbox/image.h"
#include "sandbox/network.h"
#include "sandbox/sandbox.h"

#define SANDBOX_IDS 65536U /* ids of a user namespace that root makes */

enum { SANDBOX_LAYERS_MAX = 128 /* overlays */, SANDBOX_DEVICES_MAX = 64 };

/* Why the command ended, beside its own doing; the report's words are in report.c. */
enum sandbox_cause {
	SANDBOX_ENDED, /* by itself */
	SANDBOX_TIMED_OUT,
	SANDBOX_CPU_TIME,
	SANDBOX_OUT_OF_MEMORY,
	SANDBOX_INTERRUPTED, /* a signal to the supervisor */
	SANDBOX_NOT_STARTED,
};

struct sandbox_changes {
	bool counted, incomplete;
	uint64_t added, modified, deleted;
};

/* Limits that the command ran into; their settings are in report.c. */
enum sandbox_limit {
	SANDBOX_LIMIT_TIMEOUT = 1,
	SANDBOX_LIMIT_CPU_TIME = 2,
	SANDBOX_LIMIT_MEMORY = 4,
	SANDBOX_LIMIT_DISK = 8,
	SANDBOX_LIMIT_PIDS = 16,
	SANDBOX_LIMIT_OUTPUT = 32,
	SANDBOX_LIMIT_FILE_SIZE = 64,
	SANDBOX_LIMIT_CPUS = 128,
	SANDBOX_LIMIT_IO_WEIGHT = 256,
};

struct sandbox_result {
	enum sandbox_cause cause;
	int wait_status;
	int interrupted_by;        /* the signal */
	unsigned int reached;      /* bits of enum sandbox_limit */
	unsigned int not_in_force; /* the same, of defaults that nothing here can hold */
	bool guest_out_of_memory;
	uint64_t start_ms; /* until the command began, files apart */
	uint64_t wall_ms;  /* from then on */
	uint64_t output_bytes, cut_bytes;
	struct cgroup_statistics usage;
	uint64_t user_ms, system_ms, process_peak_bytes, voluntary_switches, forced_switches;
	bool statistics_there;
	bool disk_is_file;        /* not a tmpfs */
	uint64_t disk_used_bytes; /* at the end */
	struct sandbox_changes changes;
	bool network_there;
	struct egress_counts network;
};

struct sandbox_device {
	char *inside, *source; /* paths: in the sandbox, and of the node that is to be shown there */
	char type;             /* 'c' or 'b' */
	dev_t number;
};

struct sandbox {
	const struct sandbox_settings *settings;
	char *const *command;
	const char *state_root;
	char id[64];
	char *workdir;      /* absolute, without symbolic links */
	struct image image; /* of --rootfs, or of --bundle a directory */
	char *base;         /* the lower root as a directory of the host's: "/", --rootfs, --bundle's, SCRATCH/image */
	char *scratch;      /* absolute path of what --disk limits: a tmpfs, or an ext4 (disk.c) */
	int locks_fd;       /* the directory under it */
	int lock_fd;        /* a file in it, locked for as long as the supervisor lives */
	int scratch_fd;     /* of what is mounted there */
	int rootfs_fd;      /* SCRATCH/rootfs, once it is mounted */
	int lifeline_fd;    /* the guardian sees its other end close */
	pid_t guardian;
	bool user_namespace;
	uint32_t first_id; /* host id of the namespace's 0 */
	uint32_t ids;      /* so many, from there on */
	/* Without privilege this process has namespaces of its own, in which it is root; first_id is 0 there. */
	bool rootless;
	bool pids_by_rlimit, memory_by_machine; /* where no cgroup can be made */
	/* Where the overlay with the upper layer SCRATCH/up/N lies in the sandbox, by N. */
	char *layers[SANDBOX_LAYERS_MAX];
	unsigned int layer_count;
	struct sandbox_device devices[SANDBOX_DEVICES_MAX];
	unsigned int device_count;
	struct sandbox_network *network; /* NULL: none of its own */
	struct sandbox_result result;
	struct error failure; /* of one that was not started */
	unsigned int number;  /* of the run, from 1; 0: the only one */
};

/* check.c: refuses what cannot be had or does not go together, naming the option. -EINVAL, or why a report could not be
 * written. */
int sandbox_check(const struct sandbox_settings *settings, struct error *err);

/* scratch.c */
int scratch_open(struct sandbox *sandbox, struct error *err);
/* Everything was cleaned up: the guardian may go. */
void scratch_close(struct sandbox *sandbox);

/* disk.c: mounts what --disk limits at sandbox->scratch, of this mount namespace. */
int disk_mount(struct sandbox *sandbox, struct error *err);

/* rootless.c: of a caller without privilege. What holds the limits is found out; one that was asked for and cannot be
 * held is refused. */
int rootless_plan(struct sandbox *sandbox, struct error *err);
/* Makes a user namespace, in which this process is root, and a mount namespace of its. */
int rootless_enter(struct sandbox *sandbox, struct error *err);

/* The maps of the command's user namespace, as many as there are. A range must not reach over those of this process's
 * own namespace (user_namespaces(7)). */
enum { SANDBOX_ID_MAPS = 2 };
uint32_t sandbox_id_maps(const struct sandbox *sandbox, struct id_mapping maps[SANDBOX_ID_MAPS]);
/* A descriptor of a user namespace with these maps, see namespaces_make_user(). */
int sandbox_make_user_namespace(const struct sandbox *sandbox, struct error *err);

/* root.c: makes SCRATCH/rootfs, complete with the work directory. */
int root_make(struct sandbox *sandbox, struct error *err);

/* Makes what is missing of an absolute path inside, owned by the sandbox's root; the last component is a directory or
 * an empty file. Returns an O_PATH descriptor. */
int root_make_path(const struct sandbox *sandbox, const char *path, bool directory, struct error *err);

/* mask.c: the layers mask/N and up/N over the host's directory get its attributes and, of_the_host, what hides secrets.
 */
int mask_layers(const struct sandbox *sandbox, const char *host_path, bool of_the_host, const char *mask,
	const char *up, struct error *err);
bool path_is_below(const char *path, const char *directory);
/* The owner that a file of the host has inside, for what is made on the scratch tmpfs. */
uid_t sandbox_owner(const struct sandbox *sandbox, uid_t host);

/* copy.c: what the options say is checked before, and fetched after the command. A failure to fetch one thing does not
 * keep the others. */
int copy_check(const struct sandbox *sandbox, struct error *err);
int copy_all_in(const struct sandbox *sandbox, struct error *err);
int copy_all_out(struct sandbox *sandbox, struct error *err);

/* changes.c: makes the directory of --keep-diff, which has to be new or empty. */
int changes_prepare(const struct sandbox *sandbox, struct error *err);

/* device.c: the nodes of --device and --gpu. */
int devices_make(struct sandbox *sandbox, struct error *err);
void devices_free(struct sandbox *sandbox);

/* seccomp_file.c: reads and checks --seccomp's file; its text. */
int seccomp_file_read(const char *path, struct strbuf *text, struct error *err);

/* config.c: who the command is, inside. */
void sandbox_user(const struct sandbox *sandbox, uid_t *uid, gid_t *gid);
/* Writes SCRATCH/config.json. */
int config_write(const struct sandbox *sandbox, struct error *err);

/* supervise.c: creates, starts, watches, deletes. */
int supervise(struct sandbox *sandbox, struct error *err);

/* From the checks to the last file removed; what came of it is in sandbox->result, and in failure when that is
 * SANDBOX_NOT_STARTED. */
void sandbox_once(struct sandbox *sandbox);
int sandbox_exit_status(const struct sandbox *sandbox);

/* repeat.c: --repeat and --jobs. pattern: what each run begins as. The exit status, or a negative errno. */
int repeat_run(const struct sandbox *pattern, struct error *err);

/* report.c: writes --report's and --junit's files about as many runs as there were. */
int report_write(const struct sandbox *sandboxes, size_t count, struct error *err);
const char *report_status(const struct sandbox_result *result);
/* One sentence. */
#define SANDBOX_REASON_BYTES 1200
void report_reason(const struct sandbox *sandbox, char *text, size_t size);

/* junit.c */
void junit_write(const struct sandbox *sandboxes, size_t count, struct strbuf *out);

/* summary.c: to standard error, unless --quiet; the line for a terminal only. asked: how many runs there should have
 * been. */
void summary_line(const struct sandbox *sandbox);
void summary_table(const struct sandbox *sandboxes, size_t count, size_t asked);

#endif
