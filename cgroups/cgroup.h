/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: one group for a container, in every hierarchy that the host has. v1, hybrid and v2 stand behind this
 * header.
 *
 * The walk of a container: cgroup_host_open() finds the hierarchies; cgroup_create() makes the group everywhere and
 * sets its limits before anybody is in it; cgroup_join_open() opens what the new process needs to enter it: a directory
 * for CLONE_INTO_CGROUP where there is v2, and for each v1 hierarchy a `tasks` file, to which the child, still
 * single-threaded, writes "0" itself (cgroup_join_self()). Both are some 50 times cheaper than moving a process that
 * exists. cgroup_save() and cgroup_load() carry the group from one command to the next.
 *
 * Paths (linux.cgroupsPath): an absolute one counts from the root of the mounted hierarchy; a relative one from the
 * caller's own group on v1 and from its parent on v2, where a group with processes cannot have limited children.
 * Without one the relative path is "duet-ID". ".." is refused. With the systemd manager it is "SLICE:PREFIX:NAME": the
 * scope PREFIX-NAME.scope in SLICE, by default system.slice (user.slice of an ordinary user's own manager), "duet" and
 * the id. systemd is told of the limits, and of what annotations "org.systemd.property.NAME" say.
 *
 * No limit is silently weaker than asked: what cannot be set, because the controller is missing or the kernel refuses,
 * is an error that names the field of config.json. 0 and -1 mean what they mean to runc: 0 leaves a value alone (but
 * for pids.limit, where it means that the container may not fork), -1 is no limit.
 *
 * Why not libcgroup on this path: measured on one machine with eight v1 hierarchies, its cgroup_init(),
 * cgroup_create_cgroup() and cgroup_delete_cgroup_ext() took 4.1 ms and 870 system calls together, the same work here
 * through directory descriptors 1.2 ms and 200; it gives out no descriptor (CLONE_INTO_CGROUP needs one), keeps the
 * mount table in global variables, and moves processes to the parent group when it deletes. It tells what the kernel
 * has (kernel_controllers.c) where a host lacks something, and the tests read the groups made here through it.
 *
 * Source: cgroups(7), Linux Documentation/admin-guide/cgroup-v1 and cgroup-v2.rst; runtime-spec config-linux.md
 * "Control groups".
 */
#ifndef DUET_CGROUPS_CGROUP_H
#define DUET_CGROUPS_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "oci/spec.h"

enum cgroup_manager {
	CGROUP_MANAGER_CGROUPFS,
	CGROUP_MANAGER_SYSTEMD,  /* a transient scope that systemd makes; see linux.cgroupsPath below */
	CGROUP_MANAGER_DISABLED, /* the container stays in the caller's groups */
};

enum cgroup_layout {
	CGROUP_LAYOUT_NONE,
	CGROUP_LAYOUT_V1,
	CGROUP_LAYOUT_HYBRID, /* v1 hierarchies, and a v2 one beside them */
	CGROUP_LAYOUT_V2,
};

enum cgroup_controller { /* the names are v1's; v2 has CPUACCT in CPU, and DEVICES and FREEZER in its core */
	CGROUP_CPU,
	CGROUP_CPUACCT,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_DEVICES,
	CGROUP_FREEZER,
	CGROUP_IO, /* "blkio" on v1 */
	CGROUP_HUGETLB,
	CGROUP_NET_CLS,
	CGROUP_NET_PRIO,
	CGROUP_PERF_EVENT,
	CGROUP_RDMA,
	CGROUP_MISC,
	CGROUP_CONTROLLERS,
};

enum { CGROUP_HIERARCHIES_MAX = 24 };

/* ---- what the host has ---- */

struct cgroup_host;

/* Finds the mounted hierarchies and the caller's place in them. A host without any is no error here. */
int cgroup_host_open(struct cgroup_host **host, struct error *err);
void cgroup_host_close(struct cgroup_host **host);
#define cleanup_cgroup_host cleanup(cgroup_host_close)

enum cgroup_layout cgroup_host_layout(const struct cgroup_host *host);
bool cgroup_host_has(const struct cgroup_host *host, enum cgroup_controller controller);

/* ---- a group ---- */

struct cgroup_entry {         /* the group in one hierarchy */
	bool unified;         /* v2 */
	uint32_t controllers; /* bit N: enum cgroup_controller N works in this group */
	char *name;           /* as in /proc/PID/cgroup: "cpu,cpuacct", "name=systemd", "" for v2 */
	char *mount_point;    /* "/sys/fs/cgroup/cpu" */
	char *path;           /* below the mount point: "/a/duet-ID" */
	char *directory;      /* both */
	unsigned int made;    /* so many of the last components of path were made by cgroup_create() */
	int fd;               /* O_PATH; -EBADF when the group is gone */
};

struct cgroup {
	enum cgroup_manager manager;
	bool planned;      /* from cgroup_plan(): where it will be; nobody can be in it yet */
	char *unit;        /* the systemd manager's scope; NULL: none */
	bool user_unit;    /* it is of the caller's own systemd, not of the system's */
	pid_t placeholder; /* a process that keeps the scope until cgroup_settle(); 0: none */
	struct cgroup_entry entries[CGROUP_HIERARCHIES_MAX];
	size_t count; /* 0 with CGROUP_MANAGER_DISABLED */
};

/* May a caller who is not allowed to make groups go on without, as long as no limit was asked? */
enum cgroup_rootless {
	CGROUP_ROOTLESS_AUTO, /* only one without privilege */
	CGROUP_ROOTLESS_TRUE,
	CGROUP_ROOTLESS_FALSE,
};

/*
 * Device rules as a v2 program that the kernel has checked already, for groups that are made later: where the kernel is
 * slow (emulated), the check takes long.
 */
struct cgroup_prepared_devices {
	struct strbuf program; /* of struct bpf_insn */
	int fd;                /* of the program; -EBADF: none */
};
#define CGROUP_PREPARED_DEVICES_NONE                 \
	{                                            \
		.program = STRBUF_INIT, .fd = -EBADF \
	}

/* Loads the program for these rules, as cgroup_create() would have it. 0 or a negative errno with *err set. */
int cgroup_prepare_devices(
	const struct oci_resources *resources, struct cgroup_prepared_devices *prepared, struct error *err);

struct cgroup_request {
	enum cgroup_manager manager;
	enum cgroup_rootless rootless;
	const char *path; /* linux.cgroupsPath; NULL: none */
	const char *id;
	const struct oci_resources *resources; /* NULL: none */
	uint32_t controllers; /* bit N: enum cgroup_controller N; where there is only v2: handed down besides what
				 limits need; 0: those that statistics are made of */
	bool any_device;      /* without device rules in resources every device is allowed */
	const struct cgroup_prepared_devices *prepared; /* used where the rules come to the same; NULL: none */
	const struct key_value *annotations;
	size_t annotation_count;
	bool delegate; /* v2: give the group to owner, so that the container's root can make groups in it (user
			  namespace) */
	uid_t owner_uid;
	gid_t owner_gid;
};

/*
 * Makes the group and applies the limits and device rules. What was made is removed again on failure. Device rules
 * begin with "deny all" and end with the devices that every container may use (runtime-spec "Default Devices"). A
 * caller who may not make groups (no privilege, or a user namespace) gets a group whose manager is
 * CGROUP_MANAGER_DISABLED, unless limits were asked (request->rootless). Errors: -EINVAL a path that is refused; -EBUSY
 * the group exists and has processes; -EOPNOTSUPP a limit that this host cannot set; else what the kernel said.
 */
int cgroup_create(
	const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **group, struct error *err);

/* The container's process has entered the group: what kept it alive until then (systemd manager) ends. */
void cgroup_settle(struct cgroup *group);

/*
 * Where cgroup_create() would make the group for this request, to be saved before it is called: a command that is
 * killed in between leaves nothing that nobody knows of. Of such a group only empty directories that were not there at
 * the time of planning are removed by cgroup_delete(), which waits for two seconds for them to be empty, and none of
 * its processes are touched: they would be somebody else's.
 */
int cgroup_plan(const struct cgroup_host *host, const struct cgroup_request *request, struct cgroup **planned,
	struct error *err);

/* Sets the limits of a group that exists (`update`); absent fields stay as they are, device rules too. Not atomic: on
 * failure some limits may have been set. */
int cgroup_apply(struct cgroup *group, const struct oci_resources *resources, struct error *err);

void cgroup_close(struct cgroup **group); /* the descriptors, not the group */
#define cleanup_cgroup cleanup(cgroup_close)

/* The group as one string of printable characters, tabs and newlines, for the state file (allocated), and back. A group
 * that is gone loads too. -EINVAL for a string of another form. */
#define CGROUP_SAVED_NONE "disabled\n" /* what is saved of a container that has no group */
char *cgroup_save(const struct cgroup *group);
int cgroup_load(const char *text, struct cgroup **group, struct error *err);

/* The entry in which a controller works, or NULL. */
const struct cgroup_entry *cgroup_find(const struct cgroup *group, enum cgroup_controller controller);
/* The v2 entry, or NULL. */
const struct cgroup_entry *cgroup_unified(const struct cgroup *group);

/* ---- entering it ---- */

struct cgroup_join {
	int clone_into_fd; /* for clone_args.cgroup with CLONE_INTO_CGROUP; -EBADF: none */
	int fds[CGROUP_HIERARCHIES_MAX];
	const char *directories[CGROUP_HIERARCHIES_MAX]; /* the group's own strings, for errors */
	size_t count;
};

/*
 * Opens what a new process needs. subgroup (NULL: none) is a path below the group (`exec --cgroup`), which must exist.
 * clone_into false: the v2 group is entered like the others, for callers without clone3(2).
 *
 * Linux 6.13 and its backports kill the child of CLONE_INTO_CGROUP at birth when cgroup.kill has been used on the
 * caller's group and on the target's a different number of times (cgroup_css_set_fork() takes the number from the one,
 * cgroup_post_fork() compares it with the other). A caller whose child dies of SIGKILL before it has said anything
 * should try once more with clone_into false.
 */
int cgroup_join_open(
	const struct cgroup *group, const char *subgroup, bool clone_into, struct cgroup_join *join, struct error *err);
/* In the child, before it has threads. Only write(2) is called. */
int cgroup_join_self(const struct cgroup_join *join, struct error *err);
void cgroup_join_close(struct cgroup_join *join);

/* ---- its processes ---- */

/* All processes of the group and the groups below it, as seen from the caller's pid namespace (allocated). Fine for a
 * group that is gone. */
int cgroup_processes(const struct cgroup *group, pid_t **pids, size_t *count, struct error *err);

/* Sends a signal to all of them. With SIGKILL a fork bomb dies too, and what is frozen by v1 is thawed so that it can.
 * Returns once the signal is sent: the processes may still be on their way out. */
int cgroup_kill_all(const struct cgroup *group, int signal, struct error *err);

/* Stops all processes and waits until they are stopped; on failure (-ETIMEDOUT) they run again. */
int cgroup_freeze(const struct cgroup *group, int timeout_ms, struct error *err);
int cgroup_thaw(const struct cgroup *group, struct error *err);
int cgroup_is_frozen(const struct cgroup *group, bool *frozen, struct error *err);
/* The same of a saved group without loading it: `list` asks for each of many. */
bool cgroup_saved_is_frozen(const char *saved);

/* Removes the group, the groups below it, and the parents that cgroup_create() made as far as they are empty. Processes
 * that are on their way out are waited for. A group that is gone is fine. -EBUSY when there still are processes after
 * the timeout. */
int cgroup_delete(const struct cgroup *group, int timeout_ms, struct error *err);

/* ---- what it used ---- */

#define CGROUP_UNKNOWN   UINT64_MAX /* the controller or the file is not there: never a guess */
#define CGROUP_UNLIMITED (UINT64_MAX - 1)

struct cgroup_statistics {
	uint64_t memory_usage_bytes, memory_peak_bytes, memory_limit_bytes;
	uint64_t memory_swap_usage_bytes; /* swap alone, on v1 too */
	uint64_t memory_failures;         /* times that the limit was reached; v1 stays at 0 on recent kernels (6.18) */
	uint64_t oom_kills;               /* processes killed by the out-of-memory killer */
	bool under_oom;                   /* v1 with disableOOMKiller: processes wait for memory */
	uint64_t cpu_usage_ns, cpu_user_ns, cpu_system_ns;
	uint64_t cpu_periods, cpu_throttled_periods, cpu_throttled_ns;
	uint64_t pids_current, pids_limit, pids_peak;
	uint64_t pids_failures; /* forks that were refused for the limit */
	uint64_t io_read_bytes, io_write_bytes, io_read_operations, io_write_operations;
};

int cgroup_statistics(const struct cgroup *group, struct cgroup_statistics *statistics, struct error *err);

/* How often the out-of-memory killer came; 0 when that is not known. One read(2). */
uint64_t cgroup_oom_kills(const struct cgroup *group);

/* Waits for the out-of-memory killer: fd becomes readable (poll(2)) when it may have come. */
#define CGROUP_OOM_LOOK_MS 50
struct cgroup_oom_watch {
	int fd; /* -EBADF: the group has no limit on memory that could be watched */
	const struct cgroup_entry *entry;
	uint64_t kills;          /* that are known already */
	unsigned int looks_left; /* not 0: something is about to happen, ask again within CGROUP_OOM_LOOK_MS */
};

int cgroup_oom_watch_open(const struct cgroup *group, struct cgroup_oom_watch *watch, struct error *err);
/* How many times it came since the last call. Never waits. */
uint64_t cgroup_oom_watch_read(struct cgroup_oom_watch *watch);
void cgroup_oom_watch_close(struct cgroup_oom_watch *watch);

/* What `events` tells besides. Numbers may be CGROUP_UNKNOWN; lists may be empty, strings NULL. */
struct cgroup_usage {
	uint64_t usage_bytes, peak_bytes, limit_bytes, failures;
};

struct cgroup_number_entry { /* a line "NAME NUMBER" */
	char *name;
	int64_t value;
};

struct cgroup_device_count {
	uint32_t major, minor;
	char operation[16]; /* "Read", "Write", …; "" where the kernel does not tell them apart */
	uint64_t value;
};

struct cgroup_device_counts {
	struct cgroup_device_count *entries;
	size_t count;
};

struct cgroup_hugepages {
	char *page_size; /* "2MB" */
	struct cgroup_usage usage;
};

struct cgroup_pressure_line { /* share of the time, in percent */
	double average_10s, average_60s, average_300s;
	uint64_t total_us;
};

struct cgroup_pressure { /* Linux Documentation/accounting/psi.rst */
	bool known;
	struct cgroup_pressure_line some, full;
};

struct cgroup_details {
	uint64_t *cpu_usage_ns, *cpu_user_ns, *cpu_system_ns; /* of each CPU, v1 alone; all of cpu_count or NULL */
	size_t cpu_count;
	char *cpus, *mems;                        /* lists: "0-3,7" */
	struct cgroup_number_entry *cpuset_flags; /* v1's switches: "cpu_exclusive", … */
	size_t cpuset_flag_count;
	struct cgroup_usage swap; /* memory plus swap, on v2 too */
	struct cgroup_usage kernel, kernel_tcp;
	struct cgroup_number_entry *memory_stat;
	size_t memory_stat_count;
	struct cgroup_device_counts io_bytes, io_operations;
	struct cgroup_hugepages *hugepages;
	size_t hugepage_count;
	struct cgroup_pressure cpu_pressure, memory_pressure, io_pressure;
};

/* Never fails: what cannot be read is not known. */
void cgroup_read_details(const struct cgroup *group, struct cgroup_details *details);
void cgroup_details_free(struct cgroup_details *details);

#endif
