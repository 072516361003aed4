/* SPDX-License-Identifier: Apache-2.0 */
/*
 * checkpoint and restore: a container's processes into files and back, by the criu program (criu.h). The options are
 * runc's, and so are the files in the image directory beside criu's own: descriptors.json, an array with what standard
 * input, output and error were connected to.
 */
#ifndef DUET_RUNTIME_CHECKPOINT_H
#define DUET_RUNTIME_CHECKPOINT_H

#include "runtime/launch.h"

enum checkpoint_cgroups { /* criu's criu_cg_mode */
	CHECKPOINT_CGROUPS_IGNORE = 0,
	CHECKPOINT_CGROUPS_SOFT = 3,
	CHECKPOINT_CGROUPS_FULL = 4,
	CHECKPOINT_CGROUPS_STRICT = 5,
};

struct checkpoint_options {
	const char *image_path; /* where criu's images are; NULL: ./checkpoint */
	const char *work_path;  /* where its log is; NULL: image_path */
	enum checkpoint_cgroups cgroups;
	bool tcp_established, ext_unix_sockets, shell_job, file_locks, lazy_pages, auto_dedup, link_remap;
	bool empty_network; /* --empty-ns network */
	/* Of checkpoint alone. */
	const char *parent_path; /* relative to image_path: an earlier pre-dump; NULL: none */
	const char *page_server; /* "ADDRESS:PORT" */
	bool leave_running, pre_dump, tcp_skip_in_flight;
	bool compress; /* a micro-VM's memory, by zstd */
	int status_fd; /* criu writes a byte when it listens (lazy pages); -1: none */
	/* Of restore alone. */
	const char *lsm_profile, *lsm_mount_context;
	bool tcp_close;
};

/* Unless it is left running, the container is deleted afterwards. */
int lifecycle_checkpoint(const char *root, const char *id, const struct checkpoint_options *options, struct error *err);

/* The result is an exit status, as of lifecycle_run(). */
int lifecycle_restore(struct launch_options *launch, const struct checkpoint_options *options, struct error *err);

/* ---- between the two ---- */

#define CHECKPOINT_DESCRIPTORS_FILE "descriptors.json"

struct checkpoint_directories {
	int images_fd, work_fd;
	const char *images_path, *work_path;
	char *log_path;
};

#define CHECKPOINT_DIRECTORIES_NONE              \
	{                                        \
		-EBADF, -EBADF, NULL, NULL, NULL \
	}

int checkpoint_open(const struct checkpoint_options *options, bool make, const char *log_name,
	struct checkpoint_directories *directories, struct error *err);
void checkpoint_close(struct checkpoint_directories *directories);

/* What both requests have in common, in criu_opts' wire form. */
void checkpoint_put_options(struct strbuf *request, const struct checkpoint_options *options,
	const struct checkpoint_directories *directories, const char *log_name);

/* A volume: a bind of something outside. */
bool checkpoint_is_volume(const struct oci_mount *mount);
int checkpoint_read_mountinfo(pid_t pid, struct strbuf *mountinfo, struct error *err);
/* The id of the mount that a descriptor is on, by its /proc/PID/fdinfo/N; -1: unknown. */
int checkpoint_mount_id(const char *fdinfo);
/* The mount point of an id (allocated); NULL: not among these mounts. */
char *checkpoint_mount_point(const char *mountinfo, int id);
/* Of a running container: which mounts come from outside, and under which names. */
int checkpoint_put_mounts(
	struct strbuf *request, const struct oci_spec *spec, pid_t pid, const char *mountinfo, struct error *err);
/* Where these are now. */
void checkpoint_put_sources(struct strbuf *request, const struct oci_spec *spec, const struct rootfs_plan *plan);

/* criu's word for a kind of namespace that it can leave to others ("net", "pid"), or NULL. */
const char *checkpoint_external_namespace(enum namespace_kind kind);
/* The name under which it is handed over (allocated). */
char *checkpoint_external_name(enum namespace_kind kind);

#endif
