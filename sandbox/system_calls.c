/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/system_calls.h"

#include <errno.h>
#include <linux/sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/cleanup.h"

/* One line a subject; what is not here is answered EPERM, or ENOSYS when it is newer than all of them. Left out on
 * purpose: mounts and namespaces, modules, kexec, keys, bpf, perf, userfaultfd, io_uring (it opens sockets and files
 * past this filter), tracing and other processes' memory, clocks, quotas, swap, file handles, raw ports. */
static const char *const allowed[] = {
	/* files */
	"access",
	"chdir",
	"chmod",
	"chown",
	"close",
	"close_range",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fallocate",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchown",
	"fchownat",
	"fcntl",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"futimesat",
	"getcwd",
	"getdents",
	"getdents64",
	"getxattr",
	"lchown",
	"lgetxattr",
	"link",
	"linkat",
	"listxattr",
	"llistxattr",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"newfstatat",
	"open",
	"openat",
	"openat2",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"removexattr",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"sendfile",
	"setxattr",
	"splice",
	"stat",
	"statfs",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"syncfs",
	"tee",
	"truncate",
	"umask",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimes",
	"vmsplice",
	"write",
	"writev",
	"chroot",
	/* waiting for files */
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_ctl_old",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"epoll_wait_old",
	"eventfd",
	"eventfd2",
	"fanotify_mark",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_setup",
	"io_submit",
	"ioctl",
	"pipe",
	"pipe2",
	"poll",
	"ppoll",
	"pselect6",
	"select",
	"signalfd",
	"signalfd4",
	/* memory */
	"brk",
	"get_mempolicy",
	"madvise",
	"mbind",
	"membarrier",
	"memfd_create",
	"mincore",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mprotect",
	"mremap",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"process_mrelease",
	"remap_file_pages",
	"set_mempolicy",
	/* processes and threads */
	"arch_prctl",
	"capget",
	"capset",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"futex",
	"futex_waitv",
	"get_robust_list",
	"get_thread_area",
	"getcpu",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getresgid",
	"getresuid",
	"getrlimit",
	"getrusage",
	"getsid",
	"gettid",
	"getuid",
	"ioprio_get",
	"ioprio_set",
	"kill",
	"modify_ldt",
	"pause",
	"pidfd_getfd",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"prlimit64",
	"restart_syscall",
	"rseq",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_tgsigqueueinfo",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"seccomp",
	"set_robust_list",
	"set_thread_area",
	"set_tid_address",
	"setfsgid",
	"setfsuid",
	"setgid",
	"setgroups",
	"setpgid",
	"setpriority",
	"setregid",
	"setresgid",
	"setresuid",
	"setreuid",
	"setrlimit",
	"setsid",
	"setuid",
	"sigaltstack",
	"tgkill",
	"time",
	"times",
	"tkill",
	"uname",
	"vfork",
	"wait4",
	"waitid",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	/* time */
	"alarm",
	"clock_adjtime",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"getitimer",
	"gettimeofday",
	"nanosleep",
	"setitimer",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_settime",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	"adjtimex",
	/* sockets and messages; socket and socketpair have rules of their own */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getsockname",
	"getsockopt",
	"listen",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedsend",
	"mq_unlink",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	"shutdown",
	/* the machine */
	"getrandom",
	"sysinfo",
};

struct condition {
	const char *name;
	uint64_t index; /* of the argument */
	uint64_t value, value_two;
	const char *operator;
	const char *action;
	int error;
};

/* Exceptions stand before what they are exceptions of: the more severe action of two rules that match wins. */
static const struct condition conditions[] = {
	/* New user namespaces open the kernel's largest attack surface. */
	{ "clone", 0,
		CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS |
			CLONE_NEWCGROUP,
		0, "SCMP_CMP_MASKED_EQ", "SCMP_ACT_ALLOW", 0 },
	/* AF_VSOCK speaks to the host below every network; AF_ALG and AF_PACKET are kernel surface that builds do not
	   need. */
	{ "socket", 0, AF_UNIX, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "socket", 0, AF_INET, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "socket", 0, AF_INET6, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "socket", 0, AF_NETLINK, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	/* A pair has no other family, and asking for one loads its module. */
	{ "socketpair", 0, AF_UNIX, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	/* Programs that ask for an execution domain ask for the present one, or for no randomised addresses. */
	{ "personality", 0, 0x0, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "personality", 0, 0x0008, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "personality", 0, 0x40000, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
	{ "personality", 0, 0xffffffff, 0, "SCMP_CMP_EQ", "SCMP_ACT_ALLOW", 0 },
};

static void write_condition(struct json_writer *json, const struct condition *condition)
{
	json_write_open(json, '{');
	json_write_strings_member(json, "names", (const char *const[]){ condition->name, NULL });
	json_write_string_member(json, "action", condition->action);
	json_write_key(json, "args");
	json_write_open(json, '[');
	json_write_open(json, '{');
	json_write_key(json, "index");
	json_write_u64(json, condition->index);
	json_write_key(json, "value");
	json_write_u64(json, condition->value);
	json_write_key(json, "valueTwo");
	json_write_u64(json, condition->value_two);
	json_write_string_member(json, "op", condition->operator);
	json_write_close(json, '}');
	json_write_close(json, ']');
	json_write_close(json, '}');
}

void system_calls_write(struct json_writer *json)
{
	json_write_key(json, "seccomp");
	json_write_open(json, '{');
	json_write_string_member(json, "defaultAction", "SCMP_ACT_ERRNO");
	json_write_key(json, "defaultErrnoRet");
	json_write_u64(json, EPERM);
	json_write_strings_member(json, "architectures", (const char *const[]){ "SCMP_ARCH_X86_64", NULL });
	json_write_key(json, "syscalls");
	json_write_open(json, '[');
	json_write_open(json, '{');
	json_write_key(json, "names");
	json_write_open(json, '[');
	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		json_write_string(json, allowed[i]);
	json_write_close(json, ']');
	json_write_string_member(json, "action", "SCMP_ACT_ALLOW");
	json_write_close(json, '}');
	/* The C library falls back to clone, whose flags a filter can read. */
	json_write_open(json, '{');
	json_write_strings_member(json, "names", (const char *const[]){ "clone3", NULL });
	json_write_string_member(json, "action", "SCMP_ACT_ERRNO");
	json_write_key(json, "errnoRet");
	json_write_u64(json, ENOSYS);
	json_write_close(json, '}');
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		write_condition(json, &conditions[i]);
	json_write_close(json, ']');
	json_write_close(json, '}');
}
