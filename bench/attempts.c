/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/attempts.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <string.h>

#include "base/alloc.h"
#include "oci/names.h"
#include "seccomp/evaluate.h"
#include "seccomp/seccomp.h"

enum { FIELD_OUTCOME = 2, FIELD_ERROR, FIELD_NUMBER, FIELD_ARGUMENTS, FIELD_DETAIL = FIELD_ARGUMENTS + 6 };

#define NONE      (-1)
#define NAMESPACE REFUSED_BY_NAMESPACE
#define MOUNT     REFUSED_BY_MOUNT
#define DEVICES   REFUSED_BY_DEVICE_RULES
#define HOST      REFUSED_BY_HOST_KERNEL
#define GUEST     REFUSED_BY_GUEST_KERNEL
#define HARDWARE  REFUSED_BY_VIRTUAL_HARDWARE

const struct attempt_text attempt_texts[] = {
	{ "mount", "mount a file system", CAP_SYS_ADMIN, HOST, GUEST },
	{ "ptrace", "trace a process of others", CAP_SYS_PTRACE, NAMESPACE, GUEST },
	{ "load-module", "load a kernel module", CAP_SYS_MODULE, HOST, GUEST },
	{ "kexec", "boot another kernel (kexec)", CAP_SYS_BOOT, HOST, GUEST },
	{ "reboot", "reboot", CAP_SYS_BOOT, HOST, GUEST },
	{ "set-clock", "set the clock", CAP_SYS_TIME, HOST, GUEST },
	{ "raw-socket", "open a raw IP socket", CAP_NET_RAW, HOST, GUEST },
	{ "packet-socket", "open a packet socket", CAP_NET_RAW, HOST, GUEST },
	{ "bpf", "load a BPF program", CAP_BPF, HOST, GUEST },
	{ "keyctl", "use the kernel's keyrings", NONE, HOST, GUEST },
	{ "userfaultfd", "handle kernel page faults (userfaultfd)", CAP_SYS_PTRACE, HOST, GUEST },
	{ "io-uring", "set up an io_uring", NONE, HOST, GUEST },
	{ "perf", "measure the whole machine (perf)", CAP_PERFMON, HOST, GUEST },
	{ "user-namespace", "make a user namespace", NONE, HOST, GUEST },
	{ "io-ports", "use I/O ports (iopl)", CAP_SYS_RAWIO, HOST, GUEST },
	{ "swap", "turn on a swap file", CAP_SYS_ADMIN, HOST, GUEST },
	{ "accounting", "turn on process accounting", CAP_SYS_PACCT, HOST, GUEST },
	{ "host-name", "set the host name", CAP_SYS_ADMIN, HOST, GUEST },
	{ "dev-mem", "open physical memory (/dev/mem)", NONE, DEVICES, DEVICES },
	{ "kcore", "read the kernel's memory (/proc/kcore)", NONE, MOUNT, GUEST },
	{ "kernel-messages", "open the kernel's log (/dev/kmsg)", NONE, DEVICES, DEVICES },
	{ "sysctl", "write a sysctl (vm.swappiness)", NONE, MOUNT, MOUNT },
	{ "sysrq", "open /proc/sysrq-trigger for writing", NONE, MOUNT, GUEST },
	{ "kvm", "open /dev/kvm", NONE, DEVICES, DEVICES },
	{ "block-device", "open a disk", NONE, DEVICES, HARDWARE },
	{ "firmware", "read the firmware's tables", NONE, MOUNT, HARDWARE },
	{ "core-pattern", "escape: name a program for core dumps", NONE, MOUNT, MOUNT },
	{ "modprobe-path", "escape: name a program that loads modules", NONE, MOUNT, GUEST },
	{ "uevent-helper", "escape: name a program for device events", NONE, MOUNT, GUEST },
	{ "binfmt-misc", "escape: register a binary format", NONE, NAMESPACE, GUEST },
	{ "release-agent", "escape: name a release agent (CVE-2022-0492)", CAP_SYS_ADMIN, NAMESPACE, GUEST },
	{ "runtime-binary", "escape: write the runtime's binary (CVE-2019-5736)", NONE, NAMESPACE, GUEST },
	{ "first-root", "escape: through /proc/1/root", NONE, NAMESPACE, NAMESPACE },
	{ "file-handle", "escape: guess a file handle (shocker)", CAP_DAC_READ_SEARCH, HOST, GUEST },
	{ "terminal", "escape: type into the caller's terminal (CVE-2017-5226)", NONE, NAMESPACE, HARDWARE },
	{ "cgroup-procs", "escape: move to another control group", NONE, MOUNT, MOUNT },
	{ "chroot", "escape: chroot and climb", CAP_SYS_CHROOT, NAMESPACE, NAMESPACE },
	{ "abstract-sockets", "escape: sockets without a file (CVE-2020-15257)", NONE, NAMESPACE, HARDWARE },
	{ "descriptors", "escape: a directory left open (CVE-2024-21626)", NONE, NAMESPACE, HARDWARE },
	{ 0 },
};

static bool filter_refuses(const struct probe_line *line, const struct seccomp_program *filter)
{
	struct seccomp_data data = { .arch = AUDIT_ARCH_X86_64 };
	uint32_t action;

	data.nr = (int)strtol(probe_field(line, FIELD_NUMBER), NULL, 10);
	if (!filter || !filter->count || data.nr < 0)
		return false;
	for (size_t i = 0; i < 6; i++)
		data.args[i] = strtoull(probe_field(line, FIELD_ARGUMENTS + i), NULL, 16);
	action = seccomp_evaluate(filter->filter, filter->count, &data) & SECCOMP_RET_ACTION_FULL;
	return action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG;
}

enum compare_refuser attempt_refuser(
	const struct attempt_text *text, const struct probe_line *line, const struct attempt_setting *setting)
{
	int error = (int)strtol(probe_field(line, FIELD_ERROR), NULL, 10);
	enum compare_refuser otherwise = setting->guest ? text->guest : text->container;

	if (strcmp(probe_field(line, FIELD_OUTCOME), "killed") == 0 || filter_refuses(line, setting->filter))
		return REFUSED_BY_FILTER;
	if ((error == EPERM || error == EACCES) && text->capability >= 0 &&
		!(setting->capabilities >> text->capability & 1))
		return REFUSED_BY_CAPABILITY;
	/* It holds the capability, over its own user namespace and not over what it asked for. */
	if ((error == EPERM || error == EACCES) && text->capability >= 0 && setting->user_namespace)
		return REFUSED_BY_NAMESPACE;
	switch (error) {
	case EROFS:
		return REFUSED_BY_MOUNT;
	case ENOSYS:
	case EOPNOTSUPP:
		return setting->guest ? REFUSED_BY_GUEST_KERNEL : REFUSED_BY_HOST_KERNEL;
	case ENOENT:
	case ENXIO:
	case ENODEV:
		/* There is no such thing: masked or not mounted in a container, not built into a guest's kernel. */
		return setting->guest && otherwise != REFUSED_BY_VIRTUAL_HARDWARE ? REFUSED_BY_GUEST_KERNEL : otherwise;
	default:
		return otherwise;
	}
}

static void set_cell(struct compare_line *line, enum compare_column column, const struct attempt_text *text,
	const struct probe_line *said, const struct attempt_setting *setting)
{
	const char *outcome = probe_field(said, FIELD_OUTCOME), *detail = probe_field(said, FIELD_DETAIL);

	if (!said)
		return;
	if (strcmp(outcome, "done") == 0)
		return compare_set(line, column, COMPARE_DONE, REFUSED_BY_NOBODY, "%s", detail);
	if (strcmp(outcome, "absent") == 0)
		return compare_set(line, column, COMPARE_ABSENT, REFUSED_BY_NOBODY, "%s", detail);
	/* A file that is not there: what a guest's kernel or machine has not is worth knowing. */
	if (strtol(probe_field(said, FIELD_ERROR), NULL, 10) == ENOENT)
		return compare_set(line, column, COMPARE_ABSENT,
			setting->guest ? attempt_refuser(text, said, setting) : REFUSED_BY_NOBODY, "%s", detail);
	compare_set(line, column, COMPARE_REFUSED, attempt_refuser(text, said, setting), "%s", detail);
}

static bool is_held(enum compare_state state)
{
	return state == COMPARE_REFUSED || state == COMPARE_ABSENT;
}

static const char *verdict_of_walls(enum compare_state container, enum compare_state vm)
{
	if (container == COMPARE_NOT_MEASURED && vm == COMPARE_NOT_MEASURED)
		return "";
	if (container == COMPARE_NOT_MEASURED)
		return is_held(vm) ? "The micro-VM does not let it happen." : "It happens on the guest's own kernel.";
	if (vm == COMPARE_NOT_MEASURED)
		return is_held(container) ? "The container does not let it happen."
					  : "It happens on the host's kernel.";
	if (is_held(container) && is_held(vm))
		return container == COMPARE_ABSENT && vm == COMPARE_ABSENT
			       ? "Behind neither wall is there anything to take."
			       : "Neither wall lets it happen.";
	if (is_held(vm))
		return "The container lets it happen, on the host's kernel; the micro-VM does not.";
	if (is_held(container))
		return "The micro-VM lets it happen, on the guest's own kernel; the container does not.";
	return "It happens behind both: in the container on the host's kernel, in the micro-VM on the guest's own.";
}

static const char *verdict_of_guest_root(const struct compare_cell *cell)
{
	if (cell->state == COMPARE_DONE)
		return " With all privileges it happens inside the guest, and reaches nothing of the host.";
	if (cell->by == REFUSED_BY_GUEST_KERNEL)
		return " With all privileges the guest's kernel still cannot do it.";
	if (cell->by == REFUSED_BY_VIRTUAL_HARDWARE)
		return " With all privileges there is still no such thing in the virtual machine.";
	return "";
}

void compare_attempts(struct comparison *comparison, const struct compare_session *session,
	const struct probe_output outputs[COMPARE_COLUMNS])
{
	struct compare_lines *lines = &comparison->sections[COMPARE_ATTEMPTS];
	const struct seccomp_program none = { .count = 0 };

	for (const struct attempt_text *text = attempt_texts; text->name; text++) {
		struct compare_line *line = compare_add_line(lines, text->name, text->title);

		for (enum compare_column column = COMPARE_CONTAINER; column < COMPARE_COLUMNS; column++) {
			const struct attempt_setting setting = {
				.guest = column != COMPARE_CONTAINER,
				.user_namespace = column == COMPARE_CONTAINER && session->user_namespace,
				.capabilities = column == COMPARE_GUEST_ROOT ? UINT64_MAX : session->capabilities,
				.filter = column == COMPARE_GUEST_ROOT ? &none : &session->filter,
			};

			set_cell(line, column, text, probe_find(&outputs[column], "attempt", text->name), &setting);
		}
		line->verdict = xprintf("%s%s",
			verdict_of_walls(line->cells[COMPARE_CONTAINER].state, line->cells[COMPARE_MICROVM].state),
			verdict_of_guest_root(&line->cells[COMPARE_GUEST_ROOT]));
	}
}
