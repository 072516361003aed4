/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of cgroups/ share.
 */
#ifndef DUET_CGROUPS_INTERNAL_H
#define DUET_CGROUPS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "cgroups/cgroup.h"

enum { CGROUP_FILE_BYTES_MAX = 4 * 1024 * 1024 };

#define CGROUP_BIT(controller) (1U << (controller))

struct cgroup_controller_info {
	const char *name_v1, *name_v2; /* NULL: not a controller there */
};
extern const struct cgroup_controller_info cgroup_controller_table[CGROUP_CONTROLLERS];

/* ---- host.c ---- */

struct cgroup_hierarchy {
	bool unified;
	uint32_t controllers; /* v2: what the root of the mount offers */
	char *name;
	char *mount_point;
	char *own_path; /* the caller's group, below the mount point; "/" when it is outside what is mounted */
	int root_fd;    /* O_PATH, of the mount point */
};

struct cgroup_host {
	struct cgroup_hierarchy hierarchies[CGROUP_HIERARCHIES_MAX];
	size_t count;
};

/* The same host as another process sees itself in it. */
int cgroup_host_open_of(pid_t pid, struct cgroup_host **host, struct error *err);
/* From the texts of /proc/self/mountinfo and /proc/self/cgroup; nothing is looked at on disk, root_fd stays -EBADF. */
void cgroup_host_parse(struct cgroup_host *host, const char *mountinfo, const char *self);
/* The controllers of a list like "cpu,cpuacct" (v1) or "cpu io memory" (v2); unknown names are passed over. */
uint32_t cgroup_controllers_of(const char *list, bool unified);

/* ---- path.c ---- */

/* The group's path below the mount point (allocated), or NULL with *err set. */
char *cgroup_path_in(const struct cgroup_hierarchy *hierarchy, const struct cgroup_request *request, struct error *err);
/* Checks a path and brings it to the form "/a/b" (allocated); NULL with *err set. what names it in errors. */
char *cgroup_path_clean(const char *path, const char *what, struct error *err);

/* ---- cgroup.c ---- */

/* A line of cgroup_save(): made, name, controllers (hexadecimal), mount point, path; cut in place. False when it is
 * malformed. */
enum { CGROUP_SAVED_FIELDS = 5 };
bool cgroup_split_saved(char *line, char *fields[CGROUP_SAVED_FIELDS]);

/* ---- files.c: the files of a group ---- */

/* Writes one value. field (of config.json) and the file's path stand in the error. */
int cgroup_write(
	const struct cgroup_entry *entry, const char *file, const char *value, const char *field, struct error *err);
/* The same without an error's words. */
int cgroup_try_write(const struct cgroup_entry *entry, const char *file, const char *value);
int cgroup_read(const struct cgroup_entry *entry, const char *file, struct strbuf *content);
bool cgroup_has_file(const struct cgroup_entry *entry, const char *file);
/* A number from a file of one number; CGROUP_UNLIMITED for "max"; CGROUP_UNKNOWN when the file is not there. */
uint64_t cgroup_read_number(const struct cgroup_entry *entry, const char *file);
/* The number behind a key of "KEY NUMBER" lines; CGROUP_UNKNOWN when the key is not there. */
uint64_t cgroup_keyed_number(const char *text, const char *key);
/* Reports what writing `value` to `file` failed with. */
int cgroup_write_failed(const struct cgroup_entry *entry, const char *file, const char *value, const char *field,
	int result, struct error *err);

/* ---- diagnose.c ---- */

/* Reports that a field needs a controller that the group does not have, and why it does not. Returns -EOPNOTSUPP. */
int cgroup_missing(const struct cgroup *group, enum cgroup_controller controller, const char *field, struct error *err);
/* Does the caller lack the privilege to make groups (not root, or root of a user namespace)? */
bool cgroup_caller_is_rootless(void);

/* ---- apply.c, v1.c, v2.c ---- */

/* The entry for a controller, or NULL with *err saying that `field` needs it. */
const struct cgroup_entry *cgroup_need(
	const struct cgroup *group, enum cgroup_controller controller, const char *field, struct error *err);
/* cgroup_apply() but for telling systemd. */
int cgroup_apply_files(struct cgroup *group, const struct oci_resources *resources, struct error *err);
/* The name of the first limit that resources hold, device rules apart; NULL: none. */
const char *cgroup_first_limit(const struct oci_resources *resources);
/* The v2 controllers that these limits need. */
uint32_t cgroup_controllers_needed(const struct oci_resources *resources);

int cgroup_v1_apply(const struct cgroup *group, const struct oci_resources *resources, struct error *err);
int cgroup_v2_apply(const struct cgroup *group, const struct oci_resources *resources, struct error *err);
/* v1: gives every cpuset on the way to the group the CPUs and memory nodes of its parent where it has none. */
int cgroup_v1_prepare_cpuset(const struct cgroup_entry *entry, struct error *err);
/* v2: hands the wanted controllers down to the group as far as possible and fills entry->controllers with what works in
 * it. limited: limits were asked that threads cannot have. */
int cgroup_v2_enable(struct cgroup_entry *entry, uint32_t wanted, bool limited, struct error *err);

/* ---- values.c ---- */

uint64_t cgroup_weight_of_shares(uint64_t shares);      /* cpu.shares 2 … 262144 -> cpu.weight 1 … 10000 */
uint64_t cgroup_weight_of_blkio(uint64_t blkio_weight); /* blkio.weight 10 … 1000 -> io.weight 1 … 10000 */
/* A byte count as v1 (-1) and v2 (max) want it. */
struct cgroup_number {
	char text[24];
};
struct cgroup_number cgroup_number(int64_t value, bool unified);
/* pids.max of pids.limit. 0 becomes 1, which forbids the same: the first process itself must come in. */
struct cgroup_number cgroup_pids_limit(int64_t limit);
/* Is every number of list `part` ("0-3,7") in list `whole`? False too when part is empty or either is malformed. */
bool cgroup_list_within(const char *part, const char *whole);

/* ---- devices ---- */

struct cgroup_device_rules { /* in order: the last that matches a kind of access decides */
	struct oci_device_rule *rules;
	size_t count;
	bool allow; /* what holds where no rule matches */
};

/* The rules of config.json between "deny all" and the default devices, with what a later rule for everything makes void
 * left out. */
int cgroup_device_rules(const struct oci_resources *resources, struct cgroup_device_rules *rules, struct error *err);
void cgroup_device_rules_free(struct cgroup_device_rules *rules);
/* v1 knows one default and exceptions from it. Turns the rules into that; -EOPNOTSUPP when it cannot be said so. */
int cgroup_device_exceptions(
	const struct cgroup_device_rules *rules, struct cgroup_device_rules *exceptions, struct error *err);
int cgroup_devices_v1(const struct cgroup_entry *entry, const struct cgroup_device_rules *rules, struct error *err);
int cgroup_devices_v2(const struct cgroup_entry *entry, const struct cgroup_device_rules *rules,
	const struct cgroup_prepared_devices *prepared, struct error *err);
/* v2: the program (struct bpf_insn), for the tests as well. */
void cgroup_device_program(const struct cgroup_device_rules *rules, struct strbuf *program);
int cgroup_devices_apply(const struct cgroup *group, const struct cgroup_request *request, struct error *err);

/* ---- delete.c ---- */

/* Calls `visit` for the group and every group below it, deepest first; stops at the first failure. */
int cgroup_walk(int group_fd, int (*visit)(int directory, void *context), void *context);
/* Removes what cgroup_create() made, after a failure. */
void cgroup_undo(const struct cgroup *group);

#endif
