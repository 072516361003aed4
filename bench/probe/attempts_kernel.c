/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that a process behind a wall has no business with. Sources: their manual pages, and where the order of
 * checks matters (a permission before arguments) the kernel's: kernel/reboot.c, kernel/kexec.c, kernel/acct.c,
 * kernel/module/main.c, mm/swapfile.c. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/probe/probe.h"

#define MOUNT_POINT "/dev/shm"

static void try_mount(struct trial *trial)
{
	if (TRY(trial, SYS_mount, "none", MOUNT_POINT, "tmpfs", MS_NOSUID | MS_NODEV, "size=4k") == 0)
		(void)umount2(MOUNT_POINT, MNT_DETACH);
}

/* A process that is neither this one, nor its parent, nor the first, which is the parent as a rule. */
static pid_t other_process(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (directory && (entry = readdir(directory))) {
		pid_t pid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)atol(entry->d_name) : 0;

		if (pid && pid != getpid() && pid != getppid())
			found = pid;
	}
	if (directory)
		(void)closedir(directory);
	return found;
}

/* SEIZE does not stop it. */
static void try_ptrace(struct trial *trial)
{
	pid_t other = other_process();

	if (!other)
		return trial_absent(trial, "no other process is visible");
	if (TRY(trial, SYS_ptrace, PTRACE_SEIZE, other, 0, 0) == 0)
		(void)ptrace(PTRACE_DETACH, other, NULL, NULL);
}

static void try_module(struct trial *trial)
{
	(void)TRY(trial, SYS_init_module, "", 0, "");
	trial_permitted_by(trial, ENOEXEC);
}

static void try_kexec(struct trial *trial)
{
	(void)TRY(trial, SYS_kexec_load, 0, 0, NULL, 0x0000fff0);
	trial_permitted_by(trial, EINVAL);
}

static void try_reboot(struct trial *trial)
{
	(void)TRY(trial, SYS_reboot, 0, 0, 0, NULL);
	trial_permitted_by(trial, EINVAL);
}

/* The frequency is set to what it is. */
static void try_clock(struct trial *trial)
{
	struct timex timex = { .modes = 0 };

	if (adjtimex(&timex) < 0)
		timex.freq = 0;
	timex.modes = ADJ_FREQUENCY;
	(void)TRY(trial, SYS_clock_adjtime, CLOCK_REALTIME, &timex);
}

static void try_socket(struct trial *trial, int domain, int type, int protocol)
{
	long fd = TRY(trial, SYS_socket, domain, type | SOCK_CLOEXEC, protocol);

	if (fd >= 0)
		(void)close((int)fd);
}

static void try_raw_socket(struct trial *trial)
{
	try_socket(trial, AF_INET, SOCK_RAW, IPPROTO_ICMP);
}

static void try_packet_socket(struct trial *trial)
{
	try_socket(trial, AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
}

/* r0 = 0; exit */
static void try_bpf(struct trial *trial)
{
	const struct bpf_insn program[] = { { .code = BPF_ALU64 | BPF_MOV | BPF_K }, { .code = BPF_JMP | BPF_EXIT } };
	union bpf_attr attributes;
	long fd;

	memset(&attributes, 0, sizeof(attributes));
	attributes.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attributes.insns = (uintptr_t)program;
	attributes.insn_cnt = 2;
	attributes.license = (uintptr_t) "GPL";
	fd = TRY(trial, SYS_bpf, BPF_PROG_LOAD, &attributes, sizeof(attributes));
	if (fd >= 0)
		(void)close((int)fd);
}

static void try_keyctl(struct trial *trial)
{
	(void)TRY(trial, SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0);
}

static void try_userfaultfd(struct trial *trial)
{
	long fd = TRY(trial, SYS_userfaultfd, 0);

	if (fd >= 0)
		(void)close((int)fd);
}

static void try_io_uring(struct trial *trial)
{
	struct io_uring_params parameters = { .flags = 0 };
	long fd = TRY(trial, SYS_io_uring_setup, 1, &parameters);

	if (fd >= 0)
		(void)close((int)fd);
}

/* The kernel's own work, of every process. */
static void try_perf(struct trial *trial)
{
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.disabled = 1,
	};
	long fd = TRY(trial, SYS_perf_event_open, &attributes, -1, 0, -1, 0);

	if (fd >= 0)
		(void)close((int)fd);
}

static void try_user_namespace(struct trial *trial)
{
	(void)TRY(trial, SYS_unshare, CLONE_NEWUSER);
}

static void try_io_ports(struct trial *trial)
{
	if (TRY(trial, SYS_iopl, 3) == 0)
		(void)syscall(SYS_iopl, 0);
}

static void try_swap(struct trial *trial)
{
	(void)TRY(trial, SYS_swapon, "/there/is/none", 0);
	trial_permitted_by(trial, ENOENT);
}

static void try_accounting(struct trial *trial)
{
	(void)TRY(trial, SYS_acct, "/there/is/none");
	trial_permitted_by(trial, ENOENT);
}

static void try_host_name(struct trial *trial)
{
	struct utsname names;

	if (uname(&names) == 0)
		(void)TRY(trial, SYS_sethostname, names.nodename, strlen(names.nodename));
}

const struct attempt kernel_attempts[] = {
	{ "mount", try_mount },
	{ "ptrace", try_ptrace },
	{ "load-module", try_module },
	{ "kexec", try_kexec },
	{ "reboot", try_reboot },
	{ "set-clock", try_clock },
	{ "raw-socket", try_raw_socket },
	{ "packet-socket", try_packet_socket },
	{ "bpf", try_bpf },
	{ "keyctl", try_keyctl },
	{ "userfaultfd", try_userfaultfd },
	{ "io-uring", try_io_uring },
	{ "perf", try_perf },
	{ "user-namespace", try_user_namespace },
	{ "io-ports", try_io_ports },
	{ "swap", try_swap },
	{ "accounting", try_accounting },
	{ "host-name", try_host_name },
	{ 0 },
};
