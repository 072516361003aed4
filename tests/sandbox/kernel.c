/* SPDX-License-Identifier: Apache-2.0 */
/* System calls and kernel files that no build needs, and that the next hole in the kernel will be behind. */
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/io_uring.h>
#include <linux/kcmp.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/quota.h>
#include <sys/reboot.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int tracer(void)
{
	char word[8];
	struct iovec local = { word, sizeof(word) }, remote = { (void *)0x400000, sizeof(word) };
	pid_t child = fork();

	if (child == 0) {
		for (;;)
			pause();
	}
	must_fail("trace the first process", ptrace(PTRACE_ATTACH, 1, NULL, NULL));
	must_fail("seize the first process", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
	must_fail("read the first process's memory", process_vm_readv(1, &local, 1, &remote, 1, 0));
	must_fail("write a child's memory", process_vm_writev(child, &local, 1, &remote, 1, 0));
	must_fail("compare descriptors", syscall(SYS_kcmp, 1, getpid(), KCMP_FILE, 0, 0));
	must_fail("open the first process's memory", open("/proc/1/mem", O_RDWR));
	must_fail("take a descriptor of the first process",
		syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, 1, 0), 0, 0));
	(void)kill(child, SIGKILL);
	(void)wait(NULL);
	return verdict();
}

/* Everything in /proc that speaks of the host: its processes, its keys, its memory. */
static int snooper(void)
{
	char path[64], text[256];
	int seen = 0;

	for (int pid = 1; pid < 70000; pid++) {
		(void)snprintf(path, sizeof(path), "/proc/%d", pid);
		seen += access(path, F_OK) == 0;
	}
	printf("%d processes\n", seen);
	must_not("processes of the host", seen > 3);
	for (const char *const *name = (const char *const[]){ "/proc/kcore", "/proc/keys", "/proc/timer_list",
		     "/proc/sched_debug", "/proc/1/environ", "/sys/kernel/debug/tracing/trace", "/proc/kpagecount",
		     "/sys/kernel/security/lsm", "/proc/1/stack", "/proc/1/map_files", "/proc/acpi/wakeup", NULL };
		*name; name++) {
		int fd = open(*name, O_RDONLY);
		ssize_t count = fd < 0 ? -1 : read(fd, text, sizeof(text));

		must_not(*name, count > 0);
		if (fd >= 0)
			(void)close(fd);
	}
	return verdict();
}

static int kernel_file_writer(void)
{
	static const char *const names[] = { "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
		"/proc/sys/kernel/hostname", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/vm/overcommit_memory",
		"/proc/sys/net/ipv4/ip_forward", "/proc/sysrq-trigger", "/sys/kernel/uevent_helper",
		"/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/release_agent",
		"/sys/fs/cgroup/rdma/release_agent", "/sys/kernel/mm/ksm/run", "/sys/power/state",
		"/sys/class/net/lo/flags", "/proc/irq/0/smp_affinity", "/proc/bus/pci/00/00.0", "/proc/1/loginuid",
		"/proc/mtrr", "/sys/module/kernel/parameters/panic", "/dev/cpu/0/msr" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		int fd = open(names[i], O_WRONLY);

		/* Even where it can be opened, nothing may be written. */
		must_fail(names[i], fd < 0 ? -1 : write(fd, "1", 1));
		if (fd >= 0)
			(void)close(fd);
	}
	return verdict();
}

static int mounter(void)
{
	must_fail("mount a tmpfs", mount("none", "/tmp", "tmpfs", 0, NULL));
	must_fail("mount proc", mount("none", "/mnt", "proc", 0, NULL));
	must_fail("remount the root", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
	must_fail("bind the root", mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL));
	must_fail("unmount /proc", umount2("/proc", MNT_DETACH));
	must_fail("unmount a mask", umount2("/proc/kcore", MNT_DETACH));
	must_fail("pivot_root", syscall(SYS_pivot_root, ".", "."));
	must_fail("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE));
	must_fail("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
	must_fail("fspick", syscall(SYS_fspick, AT_FDCWD, "/", 0));
	must_fail("move_mount", syscall(SYS_move_mount, AT_FDCWD, "/proc", AT_FDCWD, "/mnt", 0));
	must_fail("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0));
	return verdict();
}

static int unsharer(void)
{
	static const struct {
		const char *name;
		int flag;
	} kinds[] = { { "user", CLONE_NEWUSER }, { "mount", CLONE_NEWNS }, { "pid", CLONE_NEWPID },
		{ "network", CLONE_NEWNET }, { "ipc", CLONE_NEWIPC }, { "uts", CLONE_NEWUTS },
		{ "cgroup", CLONE_NEWCGROUP } };
	int fd = open("/proc/1/ns/mnt", O_RDONLY);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		must_fail(kinds[i].name, unshare(kinds[i].flag));
		must_fail(kinds[i].name, syscall(SYS_clone, (long)kinds[i].flag | SIGCHLD, 0, 0, 0, 0));
		must_fail(kinds[i].name, unshare(kinds[i].flag | CLONE_NEWUSER));
	}
	must_fail("time", unshare(0x80)); /* CLONE_NEWTIME */
	must_fail("join a namespace", setns(fd, 0));
	must_fail("join a namespace by its process", setns((int)syscall(SYS_pidfd_open, 1, 0), CLONE_NEWNS));
	return verdict();
}

static int key_user(void)
{
	must_fail("add_key", syscall(SYS_add_key, "user", "a", "b", 1, -3 /* of the session */));
	must_fail("request_key", syscall(SYS_request_key, "user", "a", NULL, -3));
	must_fail("keyctl", syscall(SYS_keyctl, 0, -4 /* of the user */, 1));
	must_fail("keyctl", syscall(SYS_keyctl, 1, "joined"));
	return verdict();
}

static int program_loader(void)
{
	struct bpf_insn code[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr load = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER,
		.insns = (uint64_t)(uintptr_t)code,
		.insn_cnt = 2,
		.license = (uint64_t)(uintptr_t) "GPL" };
	union bpf_attr map = { .map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
	struct perf_event_attr event = {
		.type = PERF_TYPE_SOFTWARE, .size = sizeof(event), .config = PERF_COUNT_SW_CPU_CLOCK
	};

	must_fail("load a BPF program", syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load)));
	must_fail("make a BPF map", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof(map)));
	must_fail("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
	must_fail("perf_event_open for all", syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
	return verdict();
}

static int fault_handler(void)
{
	must_fail("userfaultfd", syscall(SYS_userfaultfd, 0));
	must_fail("userfaultfd for user space", syscall(SYS_userfaultfd, 1));
	must_fail("/dev/userfaultfd", open("/dev/userfaultfd", O_RDWR));
	return verdict();
}

static int ring_user(void)
{
	struct io_uring_params parameters = { 0 };

	must_fail("io_uring_setup", syscall(SYS_io_uring_setup, 8, &parameters));
	must_fail("io_uring_enter", syscall(SYS_io_uring_enter, 0, 1, 0, 0, NULL, 0));
	must_fail("io_uring_register", syscall(SYS_io_uring_register, 0, 0, NULL, 0));
	return verdict();
}

static int administrator(void)
{
	struct timespec time = { .tv_sec = 1000000000 };
	struct timex change = { .modes = ADJ_OFFSET, .offset = 1 };

	must_fail("set the clock", clock_settime(CLOCK_REALTIME, &time));
	must_fail("turn the clock", clock_adjtime(CLOCK_REALTIME, &change));
	must_fail("turn the clock", adjtimex(&change));
	must_fail("load a module", syscall(SYS_init_module, "", 0, ""));
	must_fail("load a module's file", syscall(SYS_finit_module, 0, "", 0));
	must_fail("kexec", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	must_fail("swap on", swapon("/tmp", 0));
	must_fail("process accounting", acct("/tmp/account"));
	must_fail("the kernel's log", syscall(SYS_syslog, 3, NULL, 0));
	must_fail("set the host's name", sethostname("owned", 5));
	must_fail("all ports", iopl(3));
	must_fail("a port", ioperm(0x64, 1, 1));
	must_fail("quota", quotactl(QCMD(Q_SYNC, USRQUOTA), NULL, 0, NULL));
	must_fail("another domain's bugs", personality(0x0400000 /* READ_IMPLIES_EXEC */));
	must_fail("move pages", syscall(SYS_move_pages, 1, 0, NULL, NULL, NULL, 0));
	must_fail("watch the whole file system", syscall(SYS_fanotify_init, 0, 0));
	/* Last: from inside a pid namespace that has the right to, it ends the namespace. */
	must_fail("restart the machine", reboot(RB_AUTOBOOT));
	return verdict();
}

const struct verb kernel_verbs[] = {
	{ "tracer", tracer },
	{ "snooper", snooper },
	{ "kernel-file-writer", kernel_file_writer },
	{ "mounter", mounter },
	{ "unsharer", unsharer },
	{ "key-user", key_user },
	{ "program-loader", program_loader },
	{ "fault-handler", fault_handler },
	{ "ring-user", ring_user },
	{ "administrator", administrator },
	{ NULL, NULL },
};
