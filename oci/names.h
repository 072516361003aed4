/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words of config.json and what they mean: one table for each enumeration, read by the parser, by `duet features`
 * and by the rooms that apply them.
 *
 * Source: runtime-spec config.md, config-linux.md, config-vm.md; constants from <linux/seccomp.h>, <linux/ioprio.h>,
 * <linux/sched.h>, <linux/mempolicy.h>, <sys/resource.h>, <sys/personality.h>, <seccomp.h>.
 */
#ifndef DUET_OCI_NAMES_H
#define DUET_OCI_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct oci_name {
	const char *name;
	uint64_t value;
};

struct oci_name_table {
	const char *what; /* "namespace", "action", …: for errors */
	const struct oci_name *entries;
	size_t count;
};

enum oci_seccomp_action {
	OCI_SECCOMP_KILL_THREAD, /* SCMP_ACT_KILL and SCMP_ACT_KILL_THREAD */
	OCI_SECCOMP_KILL_PROCESS,
	OCI_SECCOMP_TRAP,
	OCI_SECCOMP_ERRNO,
	OCI_SECCOMP_TRACE,
	OCI_SECCOMP_LOG,
	OCI_SECCOMP_NOTIFY,
	OCI_SECCOMP_ALLOW,
};

enum oci_seccomp_operator {
	OCI_SECCOMP_NE,
	OCI_SECCOMP_LT,
	OCI_SECCOMP_LE,
	OCI_SECCOMP_EQ,
	OCI_SECCOMP_GE,
	OCI_SECCOMP_GT,
	OCI_SECCOMP_MASKED_EQ,
};

enum oci_image_format { OCI_IMAGE_RAW, OCI_IMAGE_QCOW2, OCI_IMAGE_VDI, OCI_IMAGE_VMDK, OCI_IMAGE_VHD };

extern const struct oci_name_table oci_seccomp_actions;       /* enum oci_seccomp_action */
extern const struct oci_name_table oci_seccomp_operators;     /* enum oci_seccomp_operator */
extern const struct oci_name_table oci_seccomp_architectures; /* SCMP_ARCH_* of libseccomp */
extern const struct oci_name_table oci_seccomp_flags;         /* SECCOMP_FILTER_FLAG_* */
extern const struct oci_name_table oci_hook_kinds;            /* enum oci_hook_kind of oci/spec.h, in its order */
extern const struct oci_name_table oci_capability_names;      /* "CAP_CHOWN" …: the number of the capability */
extern const struct oci_name_table oci_rlimits;               /* RLIMIT_* */
extern const struct oci_name_table oci_scheduler_policies;    /* SCHED_* */
extern const struct oci_name_table oci_scheduler_flags;       /* SCHED_FLAG_* */
extern const struct oci_name_table oci_io_priority_classes;   /* IOPRIO_CLASS_* */
extern const struct oci_name_table oci_memory_policy_modes;   /* MPOL_* */
extern const struct oci_name_table oci_memory_policy_flags;   /* MPOL_F_* */
extern const struct oci_name_table oci_personality_domains;   /* PER_* */
extern const struct oci_name_table oci_rootfs_propagations;   /* MS_* */
extern const struct oci_name_table oci_image_formats;         /* enum oci_image_format */

/* Looks a word up. Returns false, and leaves *value, when the table does not have it. */
bool oci_name_find(const struct oci_name_table *table, const char *name, uint64_t *value);

/* A capability as people write it: "CAP_NET_RAW", "net_raw". False when there is none of that name. */
bool oci_capability_find(const char *text, uint64_t *number);

/* The first word of that value, or NULL. */
const char *oci_name_of(const struct oci_name_table *table, uint64_t value);

#endif
