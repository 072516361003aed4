/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.json as C data: the one reader of the OCI runtime specification, versions 1.0 to 1.3.
 *
 * Everything is typed (capabilities as bit sets, rlimits as RLIMIT_*, mount options as MS_* flags), ranges are checked,
 * and what is wrong is refused with its JSON path: `config.json: linux.namespaces[2].type: unknown namespace "foo"`.
 * Unknown fields are passed over, as the specification asks. What the kernel at hand supports is not known here: that
 * is checked where it is applied.
 *
 * Conventions: strings are NUL-terminated copies, NULL where absent or empty (only elements of arrays and values of
 * maps keep ""); `char **` is a NULL-terminated array, NULL where absent; other arrays come with a `_count`; a pointer
 * to a section is NULL where the section is absent; a number whose absence differs from zero is a `struct
 * oci_u64`/`oci_i64` or has a `_set` flag. Paths are as written.
 *
 * Source: runtime-spec config.md, config-linux.md, config-vm.md.
 */
#ifndef DUET_OCI_SPEC_H
#define DUET_OCI_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "ns/container_plan.h" /* namespace_kind, id_mapping, key_value: plain types only */
#include "oci/mount_options.h"
#include "oci/names.h"

struct oci_u64 {
	bool set;
	uint64_t value;
};

struct oci_i64 {
	bool set;
	int64_t value;
};

/* ---- process ---- */

struct oci_rlimit {
	int resource;        /* RLIMIT_* */
	uint64_t soft, hard; /* UINT64_MAX: unlimited; soft above hard is for setrlimit(2) to refuse */
};

struct oci_capabilities { /* bit N: capability N (capabilities(7)); names unknown here are passed over with a warning */
	bool set;         /* false: process.capabilities is absent */
	uint64_t bounding, effective, inheritable, permitted, ambient;
};

struct oci_user {
	uid_t uid;
	gid_t gid;
	bool umask_set;
	mode_t umask;
	gid_t *additional_gids;
	size_t additional_gid_count;
};

struct oci_scheduler { /* sched_setattr(2) */
	bool set;
	int policy; /* SCHED_* */
	int nice, priority;
	uint64_t flags; /* SCHED_FLAG_* */
	uint64_t runtime_ns, deadline_ns, period_ns;
};

struct oci_io_priority { /* ioprio_set(2) */
	bool set;
	int class;    /* IOPRIO_CLASS_* */
	int priority; /* 0 … 7 */
};

struct oci_process {
	bool terminal;
	uint32_t console_rows, console_columns; /* consoleSize height and width; 0: absent */
	struct oci_user user;
	char **args; /* at least one */
	char **env;
	char *cwd; /* absolute */
	struct oci_capabilities capabilities;
	struct oci_rlimit *rlimits;
	size_t rlimit_count;
	bool no_new_privileges;
	char *apparmor_profile, *selinux_label; /* NULL when absent or empty */
	bool oom_score_adjust_set;
	int oom_score_adjust; /* -1000 … 1000 */
	struct oci_scheduler scheduler;
	struct oci_io_priority io_priority;
	char *cpu_affinity_initial, *cpu_affinity_final; /* execCPUAffinity: "0-3,7" */
};

/* ---- root, mounts, hooks ---- */

struct oci_root {
	char *path; /* absolute, or relative to the bundle */
	bool readonly;
};

struct oci_mount {
	char *destination; /* inside the container; relative ones count from "/" (deprecated, but in the specification)
			    */
	char *type, *source;
	struct oci_mount_options options;
	struct id_mapping *uid_mappings, *gid_mappings;
	uint32_t uid_mapping_count, gid_mapping_count;
};

enum oci_hook_kind { /* in the order of their lives */
	OCI_HOOK_PRESTART,
	OCI_HOOK_CREATE_RUNTIME,
	OCI_HOOK_CREATE_CONTAINER,
	OCI_HOOK_START_CONTAINER,
	OCI_HOOK_POSTSTART,
	OCI_HOOK_POSTSTOP,
	OCI_HOOK_KINDS,
};

struct oci_hook {
	char *path;  /* absolute */
	char **args; /* args[0] is the name of the program; NULL: path alone */
	char **env;
	uint32_t timeout_s; /* 0: none */
};

struct oci_hooks {
	struct oci_hook *entries;
	size_t count;
};

/* ---- linux.resources ---- */

enum oci_device_access {
	OCI_DEVICE_READ = 1,
	OCI_DEVICE_WRITE = 2,
	OCI_DEVICE_MKNOD = 4,
	OCI_DEVICE_ALL = 7,
};

struct oci_device_rule {
	bool allow;
	char type;            /* 'a' (all; also when absent), 'b', 'c' */
	int64_t major, minor; /* -1: any */
	unsigned int access;  /* OCI_DEVICE_* bits; all when absent */
};

struct oci_memory {
	struct oci_i64 limit, reservation, swap, kernel,
		kernel_tcp;        /* bytes, -1: unlimited; swap is memory plus swap */
	struct oci_u64 swappiness; /* 0 … 100 */
	bool disable_oom_killer, use_hierarchy, check_before_update;
};

struct oci_cpu {
	struct oci_u64 shares; /* v1 weight, 2 … 262144; 0: leave */
	struct oci_i64 quota;  /* microseconds per period; negative: unlimited */
	struct oci_u64 burst, period;
	struct oci_i64 realtime_runtime;
	struct oci_u64 realtime_period;
	char *cpus, *mems;   /* cpuset lists: "0-3,7" */
	struct oci_i64 idle; /* 1: SCHED_IDLE for the whole group */
};

struct oci_block_device_weight {
	uint32_t major, minor;
	struct oci_u64 weight, leaf_weight;
};

struct oci_block_device_rate {
	uint32_t major, minor;
	uint64_t rate; /* bytes or operations per second; 0: no limit */
};

struct oci_block_device_rates {
	struct oci_block_device_rate *entries;
	size_t count;
};

struct oci_block_io {
	struct oci_u64 weight, leaf_weight; /* 10 … 1000; 0: leave */
	struct oci_block_device_weight *weight_devices;
	size_t weight_device_count;
	struct oci_block_device_rates read_bytes, write_bytes, read_operations, write_operations;
};

struct oci_hugepage_limit {
	char *page_size; /* "2MB", "1GB", … */
	uint64_t limit_bytes;
};

struct oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct oci_rdma_limit {
	char *device;
	struct oci_u64 handles, objects; /* hcaHandles, hcaObjects */
};

struct oci_resources {
	struct oci_device_rule *device_rules;
	size_t device_rule_count;
	struct oci_memory memory;
	struct oci_cpu cpu;
	struct oci_i64 pids_limit; /* -1 (or any negative): unlimited; 0: none may be made (see the specification's
				    * pids), but in a config.json of before 1.3.0 it is read as -1 */
	struct oci_block_io block_io;
	struct oci_hugepage_limit *hugepage_limits;
	size_t hugepage_limit_count;
	struct oci_u64 network_class_id;
	struct oci_interface_priority *network_priorities;
	size_t network_priority_count;
	struct oci_rdma_limit *rdma_limits;
	size_t rdma_limit_count;
	struct key_value *unified; /* cgroup v2 file name and what to write to it */
	size_t unified_count;
};

/* ---- linux.seccomp ---- */

struct oci_seccomp_argument {
	unsigned int index;        /* 0 … 5 */
	uint64_t value, value_two; /* value_two: of OCI_SECCOMP_MASKED_EQ, (argument & value) == value_two */
	enum oci_seccomp_operator operator;
};

struct oci_seccomp_rule {
	char **names; /* at least one */
	enum oci_seccomp_action action;
	struct oci_u64 errno_ret; /* at most 0xffff; of ERRNO (absent: EPERM) and TRACE */
	struct oci_seccomp_argument *arguments;
	size_t argument_count;
};

struct oci_seccomp {
	enum oci_seccomp_action default_action;
	struct oci_u64 default_errno_ret;
	uint32_t *architectures; /* libseccomp's SCMP_ARCH_* */
	size_t architecture_count;
	bool flags_set; /* an empty list of flags differs from none: absent means the runtime's default */
	uint32_t flags; /* SECCOMP_FILTER_FLAG_* (linux/seccomp.h) */
	char *listener_path, *listener_metadata;
	struct oci_seccomp_rule *rules; /* "syscalls" */
	size_t rule_count;
};

/* ---- the rest of linux ---- */

struct oci_namespace {
	enum namespace_kind kind;
	char *path; /* absolute; NULL: a new namespace */
};

struct oci_time_offset {
	bool set;
	int64_t seconds;
	uint32_t nanoseconds; /* below 1,000,000,000 */
};

struct oci_device {
	char *path; /* absolute */
	char type;  /* 'c' ('u' becomes 'c'), 'b', 'p' */
	uint32_t major, minor;
	bool mode_set;
	mode_t mode; /* permission bits; 0666 when absent */
	uid_t uid;
	gid_t gid;
};

struct oci_network_device {
	char *host_name;      /* the interface's name in the runtime's namespace */
	char *container_name; /* NULL: the same */
};

struct oci_intel_rdt {
	char *closid;
	char **schemata;
	char *l3_cache_schema, *memory_bandwidth_schema;
	bool enable_monitoring, enable_cmt, enable_mbm;
};

struct oci_memory_policy {  /* set_mempolicy(2) */
	int mode;           /* MPOL_* */
	unsigned int flags; /* MPOL_F_* */
	char *nodes;        /* "0-3,7"; NULL when absent or empty */
};

/* ---- vm ---- */

struct oci_io_memory {
	uint64_t first_gfn, first_mfn, count;
};

struct oci_vm {
	char *hypervisor_path; /* NULL: absent */
	char **hypervisor_parameters;
	char *kernel_path; /* NULL: absent (allowed: duet has a kernel of its own) */
	char **kernel_parameters;
	char *kernel_initrd;
	char *image_path; /* NULL: no image */
	enum oci_image_format image_format;
	/* hwConfig (also spelled hwconfig, as the specification's Go types have it) */
	char *device_tree;
	struct oci_u64 vcpus, memory_bytes;
	char **device_tree_devices; /* dtdevs */
	struct oci_io_memory *io_memories;
	size_t io_memory_count;
	uint32_t *irqs;
	size_t irq_count;
};

/* ---- the whole ---- */

struct oci_spec {
	char *version;               /* ociVersion */
	struct oci_process *process; /* never NULL after a successful load */
	struct oci_root root;
	struct oci_mount *mounts;
	size_t mount_count;
	char *hostname, *domainname;
	struct oci_hooks hooks[OCI_HOOK_KINDS];
	struct key_value *annotations;
	size_t annotation_count;

	/* linux.* (not in a member of its own: `linux` is a macro in GNU C) */
	struct oci_namespace *namespaces; /* each kind at most once */
	size_t namespace_count;
	struct id_mapping *uid_mappings, *gid_mappings;
	uint32_t uid_mapping_count, gid_mapping_count;
	struct oci_time_offset monotonic_offset, boottime_offset;
	struct oci_device *devices;
	size_t device_count;
	struct oci_network_device *network_devices;
	size_t network_device_count;
	char *cgroups_path;
	struct oci_resources *resources;
	uint64_t rootfs_propagation; /* MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE, with MS_REC for the r… forms;
					0: absent */
	char **masked_paths, **readonly_paths;
	char *mount_label;
	struct oci_seccomp *seccomp;
	struct key_value *sysctls;
	size_t sysctl_count;
	struct oci_intel_rdt *intel_rdt;
	bool personality_set;
	uint64_t personality; /* personality(2) */
	struct oci_memory_policy *memory_policy;

	struct oci_vm *vm;
};

/*
 * Reads and checks a configuration. `name` is what errors begin with; loading takes the last component of the path
 * ("config.json"). On success *spec is owned by the caller (oci_spec_free); on failure it is left as it was.
 * oci_read_file() is the loading's first half, for who keeps the text; it refuses what is no plain file. What a caller
 * names for a process or for resources may be a pipe. Errors: -EINVAL for what the document says; the
 * errno of open(2)/read(2); -EFBIG beyond 16 MiB.
 */
int oci_read_file(struct strbuf *text, int directory, const char *path, struct error *err);
int oci_spec_load(struct oci_spec **spec, int directory, const char *path, struct error *err);
int oci_spec_parse(struct oci_spec **spec, const char *text, size_t length, const char *name, struct error *err);
void oci_spec_free(struct oci_spec *spec); /* NULL is fine */

/* `exec --process FILE`: a process object of its own. Same rules. */
int oci_process_load(struct oci_process **process, int directory, const char *path, struct error *err);
int oci_process_parse(
	struct oci_process **process, const char *text, size_t length, const char *name, struct error *err);
void oci_process_free(struct oci_process *process);

/* `update --resources FILE`: a linux.resources object of its own. */
int oci_resources_load(struct oci_resources **resources, int directory, const char *path, struct error *err);
/* Reads an array of mounts, or an object with "mounts", into the place of those that the specification has. */
int oci_mounts_parse(struct oci_spec *spec, const char *text, size_t length, const char *name, struct error *err);
int oci_resources_parse(
	struct oci_resources **resources, const char *text, size_t length, const char *name, struct error *err);
void oci_resources_free(struct oci_resources *resources);

/* The value of an annotation, or NULL. */
const char *oci_annotation(const struct oci_spec *spec, const char *key);

/* The namespace of that kind, or NULL: none asked for. */
const struct oci_namespace *oci_namespace_find(const struct oci_spec *spec, enum namespace_kind kind);

static inline void oci_spec_release(struct oci_spec **spec)
{
	oci_spec_free(*spec);
	*spec = NULL;
}

static inline void oci_process_release(struct oci_process **process)
{
	oci_process_free(*process);
	*process = NULL;
}

static inline void oci_resources_release(struct oci_resources **resources)
{
	oci_resources_free(*resources);
	*resources = NULL;
}

#define cleanup_oci_spec      cleanup(oci_spec_release)
#define cleanup_oci_process   cleanup(oci_process_release)
#define cleanup_oci_resources cleanup(oci_resources_release)

#endif
