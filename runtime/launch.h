/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The making of a container: what the runtime does, what its one child does, and what they say to each other.
 *
 *   runtime                                     child
 *   state directory, cgroup
 *   clone3 ------------------------------------> waits
 *   id maps, network devices;  GO -------------> joins cgroups and namespaces, mounts
 *   prestart, createRuntime <----------- MOUNTED
 *   HOOKS_DONE --------------------------------> createContainer hooks, pivot_root, credentials …
 *   terminal <--------------------- TERMINAL(fd)
 *   opens /dev/net/tun <------------------- TUN      (a monitor whose container has network interfaces)
 *   TUN(fd) ----------------------------------->
 *   writes the record <---------------- PREPARED (the executable was found; a guest has booted)
 *   START, or ACCEPTED and later a `start` ----> startContainer hooks, execve
 *   closed socket, or STARTED <----------------- (a container's socket closes by execve; a monitor says so)
 *
 * Where the runtime has nothing to do in between (no maps to write, no hooks), GO, MOUNTED and HOOKS_DONE are not said;
 * where it may start at once besides (a plain `run`), START follows the clone. Then nobody waits for anybody: the child
 * makes the container while the runtime writes the record.
 *
 * At any point the child may answer FAILED with a struct error, and ends.
 */
#ifndef DUET_RUNTIME_LAUNCH_H
#define DUET_RUNTIME_LAUNCH_H

#include "base/message.h"
#include "cgroups/cgroup.h"
#include "ns/container_plan.h"
#include "ns/namespaces.h"
#include "ns/network_plan.h"
#include "oci/spec.h"
#include "process/process_plan.h"
#include "runtime/child.h"
#include "runtime/container.h"
#include "runtime/settings.h"

enum launch_message {
	LAUNCH_PID =
		1, /* with its pidfd: the process behind a joined user namespace, made by the child with CLONE_PARENT */
	LAUNCH_GO,
	LAUNCH_MOUNTED,
	LAUNCH_HOOKS_DONE,
	LAUNCH_TERMINAL, /* with the pty's master */
	LAUNCH_TUN, /* a monitor asks for /dev/net/tun, opened in its network namespace; answered by the same with it */
	LAUNCH_TEMPLATE,       /* a monitor asks, with a key; answered by the same: u32 enum template_use, descriptor */
	LAUNCH_TEMPLATE_SAVED, /* the file of TEMPLATE_SAVE is complete */
	LAUNCH_TEMPLATE_WHOLE, /* the file of TEMPLATE_READ was looked through and is undamaged */
	LAUNCH_TEMPLATE_BAD,   /* the file of TEMPLATE_READ is of no use */
	LAUNCH_PREPARED,
	LAUNCH_ACCEPTED, /* answered by DONE: from then on the child lives on its own */
	LAUNCH_START,    /* also over the control socket */
	LAUNCH_STARTED,
	LAUNCH_SIGNAL,   /* control socket: u32 signal, u32 all */
	LAUNCH_DONE,     /* answer: it was done */
	LAUNCH_FAILED,   /* struct error */
	LAUNCH_WARNING,  /* struct error, to be said and nothing else: to who waits in the foreground */
	LAUNCH_LISTENER, /* with the descriptor of a filter's notifications: see runtime/listener.h */
};

struct isolation;
struct launch;

/* How long the processes of a cgroup that were killed may take to be gone. */
#define CGROUP_DELETE_TIMEOUT_MS 10000

/* What the caller wants; strings stay the caller's. */
struct launch_options {
	const char *root; /* state root */
	const char *id;
	const char *bundle;
	const char *isolation; /* NULL: from the bundle, else the default */
	const char *pid_file, *console_socket, *pidfd_socket;
	const char *default_isolation;           /* what the program's name says; NULL: nothing */
	const char *settings_file;               /* NULL: SETTINGS_FILE, if it is there */
	const char *guest_kernel, *guest_initrd; /* NULL: the bundle's, the host's configuration's, duet's own */
	const char *vm_boot, *vm_memory, *vm_vcpus, *vm_boot_timeout, *vm_watchdog;
	bool vm_debug;                       /* a debugger's socket and the guest kernel's log in the state directory */
	const char *vm_network, *vm_publish; /* "passt": see runtime/passt.h; NULL: that of the network namespace */
	bool vm_huge_pages;
	bool vm_console;        /* the guest kernel's messages to standard error */
	const char *checkpoint; /* a directory: the container goes on from there (runtime/microvm_checkpoint.h); NULL:
				   it begins */
	const char *template_directory; /* NULL: the default one (runtime/template.h) */
	bool no_template;               /* the guest boots, and writes no template either (runtime/template.h) */
	bool no_pivot, no_new_keyring;
	bool init;            /* a small first process above the container's own (process_plan.h) */
	bool may_start_early; /* foreground: nothing happens between launch_create() and launch_start() */
	bool foreground; /* `run` without --detach: START comes over the launch's own socket and the caller waits */
	enum cgroup_manager cgroup_manager;
	enum cgroup_rootless rootless;
	uint32_t preserve_fds; /* descriptors from 3 on */
	uint32_t listen_fds;   /* so many of them are from socket activation: told in LISTEN_FDS (sd_listen_fds(3)) */
	int signal_fd;         /* foreground: a signalfd(2); what ends a command ends the making too; -1: none */
	/* Restore: makes the container's process in the launch's cgroup, in place of a clone, and starts it. It fills
	 * in launch->child and the record. NULL: none. */
	int (*bring_up)(struct launch *launch, void *context, struct error *err);
	void *bring_up_context;
};

struct launch_template {
	int directory_fd, fd; /* of the templates; of the one that the monitor writes. -EBADF: none */
	int read_fd;          /* of the one that the monitor goes on from and looks through first */
	char name[65];
};

/* Of a micro-VM only: what isolation_microvm.c opened and decided. */
struct launch_vm {
	int kvm_fd, kernel_fd, initrd_fd, proc_fd;
	int debug_fd; /* where debuggers connect; -EBADF: nobody may */
	int log_fd;   /* where the guest kernel's messages go; -EBADF: to standard error, or nowhere */
	int passt_fd; /* the socket of passt(1); -EBADF: none */
	int image_fd; /* the disk image; -EBADF: none */
	bool root_is_image;
	int checkpoint_fd;                     /* the machine's state, to go on from; -EBADF: it boots */
	const char *kernel_path, *initrd_path; /* of the options', the bundle's or the settings'; NULL: duet's own */
	char *kernel_name, *cmdline;
	enum boot_protocol boot;
	bool huge_pages;
	uint64_t memory_bytes;
	unsigned vcpus;
	unsigned boot_timeout_s;
	unsigned watchdog_s; /* how long the guest may not answer; 0: for ever */
	bool console;
	struct launch_template template;
	unsigned char template_key[32];
	int template_fd;             /* in the monitor: where to write the guest's template; -EBADF: nowhere */
	struct network_plan network; /* of the interfaces that the container's network namespace has */
	struct strbuf limits;        /* of the guest's own group: see cgroups/wire.h */
	struct container_plan guest; /* what the guest's init applies; launch.plan is what the host's jail does */
};

struct launch {
	const struct launch_options *options;
	const struct isolation *isolation;
	struct container *container;
	struct oci_spec *spec;
	struct settings settings;
	struct strbuf config; /* its text, until it is kept */
	struct container_plan plan;
	struct process_plan process;
	struct cgroup *cgroup;
	struct cgroup_join join;
	struct launch_vm vm;
	struct child child;
	bool joins_pid_last; /* see launch_child_join_pid() */
	bool asks_for_hooks; /* hooks run between the mounts and the start: the child waits for them */
	bool unattended;     /* the runtime has nothing to do before PREPARED: the child does not wait for it */
	bool starts_early;   /* START was sent before PREPARED, with the record complete */
	int listener_fd;     /* control socket; -EBADF where there is none */
	int namespace_fds[NAMESPACE_KINDS];
	bool pid_file_written;
	int resctrl_fd;   /* with a group of the container in it; -EBADF: none */
	bool hooks_begun; /* whatever comes of it, the poststop hooks follow */
	int terminal_fd;  /* the pty's master, in the runtime; -EBADF: no terminal */
};

/* ---- the runtime's side ---- */

/* Makes the container up to PREPARED and records it. On failure nothing is left behind. */
int launch_create(const struct launch_options *options, struct launch **launch, struct error *err);
/* Foreground: sends START and waits for its outcome; records it; runs the poststart hooks. */
int launch_start(struct launch *launch, struct error *err);
/* Detached: lets the child wait on the control socket. */
int launch_accept(struct launch *launch, struct error *err);
/* Kills and reaps the child and takes everything back. */
void launch_abort(struct launch *launch);
/* The prestart and createRuntime hooks, once the process and its namespaces are there. */
int launch_runtime_hooks(struct launch *launch, struct error *err);
void launch_free(struct launch **launch);
#define cleanup_launch cleanup(launch_free)

/* ---- the child's side, for the isolations ---- */

/* MOUNTED, then waits for the runtime's hooks, then runs the createContainer hooks. */
int launch_child_mounted(struct launch *launch, struct error *err);
int launch_child_terminal(struct launch *launch, int master, struct error *err);
/* Into the pid namespace that is to be joined, once nothing of the host's file system is in reach: the first says so to
 * the kernel, as the last thing before descriptors are closed; the second returns in a new process there, whose parent
 * is the runtime. Both do nothing unless launch->joins_pid_last. The hooks until then know the former process. */
int launch_child_join_pid(struct launch *launch, struct error *err);
int launch_child_enter_pid(struct launch *launch, struct error *err);
/* TUN: a descriptor, or a negative errno. */
int launch_child_ask_tun(struct launch *launch, struct error *err);
/* PREPARED, and waits until the runtime has recorded the container. Returns 1 when START came with it, 0 when it will
 * come over the control socket. */
int launch_child_prepared(struct launch *launch, struct error *err);
/* Waits for START on the control socket and returns the connection to answer on. */
int launch_child_wait_start(struct launch *launch, struct error *err);
int launch_child_hooks(struct launch *launch, enum oci_hook_kind kind, enum oci_status status, struct error *err);

#endif
