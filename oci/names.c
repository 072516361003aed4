/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/names.h"

#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "oci/spec.h"

#define SCHED_ISO 4 /* reserved by the kernel, named by the specification */

#define MPOL_WEIGHTED_INTERLEAVE 6 /* an enumerator, of Linux 6.9; older headers lack it */

#define SAME(constant)              \
	{                           \
#constant, constant \
	}
#define TABLE(table_name, what_name, table_entries)                                             \
	const struct oci_name_table table_name = {                                              \
		.what = what_name, .entries = table_entries, .count = ARRAY_SIZE(table_entries) \
	}

static const struct oci_name seccomp_actions[] = {
	{ "SCMP_ACT_KILL", OCI_SECCOMP_KILL_THREAD },
	{ "SCMP_ACT_KILL_PROCESS", OCI_SECCOMP_KILL_PROCESS },
	{ "SCMP_ACT_KILL_THREAD", OCI_SECCOMP_KILL_THREAD },
	{ "SCMP_ACT_TRAP", OCI_SECCOMP_TRAP },
	{ "SCMP_ACT_ERRNO", OCI_SECCOMP_ERRNO },
	{ "SCMP_ACT_TRACE", OCI_SECCOMP_TRACE },
	{ "SCMP_ACT_ALLOW", OCI_SECCOMP_ALLOW },
	{ "SCMP_ACT_LOG", OCI_SECCOMP_LOG },
	{ "SCMP_ACT_NOTIFY", OCI_SECCOMP_NOTIFY },
};
TABLE(oci_seccomp_actions, "seccomp action", seccomp_actions);

static const struct oci_name seccomp_operators[] = {
	{ "SCMP_CMP_NE", OCI_SECCOMP_NE },
	{ "SCMP_CMP_LT", OCI_SECCOMP_LT },
	{ "SCMP_CMP_LE", OCI_SECCOMP_LE },
	{ "SCMP_CMP_EQ", OCI_SECCOMP_EQ },
	{ "SCMP_CMP_GE", OCI_SECCOMP_GE },
	{ "SCMP_CMP_GT", OCI_SECCOMP_GT },
	{ "SCMP_CMP_MASKED_EQ", OCI_SECCOMP_MASKED_EQ },
};
TABLE(oci_seccomp_operators, "seccomp operator", seccomp_operators);

static const struct oci_name seccomp_architectures[] = {
	SAME(SCMP_ARCH_X86),
	SAME(SCMP_ARCH_X86_64),
	SAME(SCMP_ARCH_X32),
	SAME(SCMP_ARCH_ARM),
	SAME(SCMP_ARCH_AARCH64),
#ifdef SCMP_ARCH_LOONGARCH64
	SAME(SCMP_ARCH_LOONGARCH64),
#endif
#ifdef SCMP_ARCH_M68K
	SAME(SCMP_ARCH_M68K),
#endif
	SAME(SCMP_ARCH_MIPS),
	SAME(SCMP_ARCH_MIPS64),
	SAME(SCMP_ARCH_MIPS64N32),
	SAME(SCMP_ARCH_MIPSEL),
	SAME(SCMP_ARCH_MIPSEL64),
	SAME(SCMP_ARCH_MIPSEL64N32),
	SAME(SCMP_ARCH_PPC),
	SAME(SCMP_ARCH_PPC64),
	SAME(SCMP_ARCH_PPC64LE),
	SAME(SCMP_ARCH_S390),
	SAME(SCMP_ARCH_S390X),
	SAME(SCMP_ARCH_PARISC),
	SAME(SCMP_ARCH_PARISC64),
	SAME(SCMP_ARCH_RISCV64),
#ifdef SCMP_ARCH_SH
	SAME(SCMP_ARCH_SH),
#endif
#ifdef SCMP_ARCH_SHEB
	SAME(SCMP_ARCH_SHEB),
#endif
};
TABLE(oci_seccomp_architectures, "seccomp architecture", seccomp_architectures);

static const struct oci_name seccomp_flags[] = {
	SAME(SECCOMP_FILTER_FLAG_TSYNC),
	SAME(SECCOMP_FILTER_FLAG_LOG),
	SAME(SECCOMP_FILTER_FLAG_SPEC_ALLOW),
	SAME(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV),
};
TABLE(oci_seccomp_flags, "seccomp flag", seccomp_flags);

static const struct oci_name hook_kinds[] = {
	{ "prestart", OCI_HOOK_PRESTART },
	{ "createRuntime", OCI_HOOK_CREATE_RUNTIME },
	{ "createContainer", OCI_HOOK_CREATE_CONTAINER },
	{ "startContainer", OCI_HOOK_START_CONTAINER },
	{ "poststart", OCI_HOOK_POSTSTART },
	{ "poststop", OCI_HOOK_POSTSTOP },
};
TABLE(oci_hook_kinds, "hook", hook_kinds);

static const struct oci_name capability_names[] = {
	SAME(CAP_CHOWN),
	SAME(CAP_DAC_OVERRIDE),
	SAME(CAP_DAC_READ_SEARCH),
	SAME(CAP_FOWNER),
	SAME(CAP_FSETID),
	SAME(CAP_KILL),
	SAME(CAP_SETGID),
	SAME(CAP_SETUID),
	SAME(CAP_SETPCAP),
	SAME(CAP_LINUX_IMMUTABLE),
	SAME(CAP_NET_BIND_SERVICE),
	SAME(CAP_NET_BROADCAST),
	SAME(CAP_NET_ADMIN),
	SAME(CAP_NET_RAW),
	SAME(CAP_IPC_LOCK),
	SAME(CAP_IPC_OWNER),
	SAME(CAP_SYS_MODULE),
	SAME(CAP_SYS_RAWIO),
	SAME(CAP_SYS_CHROOT),
	SAME(CAP_SYS_PTRACE),
	SAME(CAP_SYS_PACCT),
	SAME(CAP_SYS_ADMIN),
	SAME(CAP_SYS_BOOT),
	SAME(CAP_SYS_NICE),
	SAME(CAP_SYS_RESOURCE),
	SAME(CAP_SYS_TIME),
	SAME(CAP_SYS_TTY_CONFIG),
	SAME(CAP_MKNOD),
	SAME(CAP_LEASE),
	SAME(CAP_AUDIT_WRITE),
	SAME(CAP_AUDIT_CONTROL),
	SAME(CAP_SETFCAP),
	SAME(CAP_MAC_OVERRIDE),
	SAME(CAP_MAC_ADMIN),
	SAME(CAP_SYSLOG),
	SAME(CAP_WAKE_ALARM),
	SAME(CAP_BLOCK_SUSPEND),
	SAME(CAP_AUDIT_READ),
	SAME(CAP_PERFMON),
	SAME(CAP_BPF),
	SAME(CAP_CHECKPOINT_RESTORE),
};
TABLE(oci_capability_names, "capability", capability_names);

static const struct oci_name rlimits[] = {
	SAME(RLIMIT_AS),
	SAME(RLIMIT_CORE),
	SAME(RLIMIT_CPU),
	SAME(RLIMIT_DATA),
	SAME(RLIMIT_FSIZE),
	SAME(RLIMIT_LOCKS),
	SAME(RLIMIT_MEMLOCK),
	SAME(RLIMIT_MSGQUEUE),
	SAME(RLIMIT_NICE),
	SAME(RLIMIT_NOFILE),
	SAME(RLIMIT_NPROC),
	SAME(RLIMIT_RSS),
	SAME(RLIMIT_RTPRIO),
	SAME(RLIMIT_RTTIME),
	SAME(RLIMIT_SIGPENDING),
	SAME(RLIMIT_STACK),
};
TABLE(oci_rlimits, "rlimit", rlimits);

static const struct oci_name scheduler_policies[] = {
	{ "SCHED_OTHER", SCHED_NORMAL },
	SAME(SCHED_FIFO),
	SAME(SCHED_RR),
	SAME(SCHED_BATCH),
	SAME(SCHED_ISO),
	SAME(SCHED_IDLE),
	SAME(SCHED_DEADLINE),
};
TABLE(oci_scheduler_policies, "scheduler policy", scheduler_policies);

static const struct oci_name scheduler_flags[] = {
	SAME(SCHED_FLAG_RESET_ON_FORK),
	SAME(SCHED_FLAG_RECLAIM),
	SAME(SCHED_FLAG_DL_OVERRUN),
	SAME(SCHED_FLAG_KEEP_POLICY),
	SAME(SCHED_FLAG_KEEP_PARAMS),
	SAME(SCHED_FLAG_UTIL_CLAMP_MIN),
	SAME(SCHED_FLAG_UTIL_CLAMP_MAX),
};
TABLE(oci_scheduler_flags, "scheduler flag", scheduler_flags);

static const struct oci_name io_priority_classes[] = {
	SAME(IOPRIO_CLASS_RT),
	SAME(IOPRIO_CLASS_BE),
	SAME(IOPRIO_CLASS_IDLE),
};
TABLE(oci_io_priority_classes, "I/O priority class", io_priority_classes);

static const struct oci_name memory_policy_modes[] = {
	SAME(MPOL_DEFAULT),
	SAME(MPOL_PREFERRED),
	SAME(MPOL_BIND),
	SAME(MPOL_INTERLEAVE),
	SAME(MPOL_LOCAL),
	SAME(MPOL_PREFERRED_MANY),
	SAME(MPOL_WEIGHTED_INTERLEAVE),
};
TABLE(oci_memory_policy_modes, "memory policy mode", memory_policy_modes);

static const struct oci_name memory_policy_flags[] = {
	SAME(MPOL_F_STATIC_NODES),
	SAME(MPOL_F_RELATIVE_NODES),
	SAME(MPOL_F_NUMA_BALANCING),
};
TABLE(oci_memory_policy_flags, "memory policy flag", memory_policy_flags);

static const struct oci_name personality_domains[] = {
	{ "LINUX", PER_LINUX },
	{ "LINUX32", PER_LINUX32 },
};
TABLE(oci_personality_domains, "personality domain", personality_domains);

static const struct oci_name rootfs_propagations[] = {
	{ "private", MS_PRIVATE },
	{ "rprivate", MS_PRIVATE | MS_REC },
	{ "shared", MS_SHARED },
	{ "rshared", MS_SHARED | MS_REC },
	{ "slave", MS_SLAVE },
	{ "rslave", MS_SLAVE | MS_REC },
	{ "unbindable", MS_UNBINDABLE },
	{ "runbindable", MS_UNBINDABLE | MS_REC },
};
TABLE(oci_rootfs_propagations, "propagation", rootfs_propagations);

static const struct oci_name image_formats[] = {
	{ "raw", OCI_IMAGE_RAW },
	{ "qcow2", OCI_IMAGE_QCOW2 },
	{ "vdi", OCI_IMAGE_VDI },
	{ "vmdk", OCI_IMAGE_VMDK },
	{ "vhd", OCI_IMAGE_VHD },
};
TABLE(oci_image_formats, "image format", image_formats);

bool oci_name_find(const struct oci_name_table *table, const char *name, uint64_t *value)
{
	for (size_t i = 0; i < table->count; i++) {
		if (strcmp(table->entries[i].name, name) == 0) {
			*value = table->entries[i].value;
			return true;
		}
	}
	return false;
}

bool oci_capability_find(const char *text, uint64_t *number)
{
	cleanup_free char *name = strncasecmp(text, "CAP_", 4) == 0 ? xstrdup(text) : xprintf("CAP_%s", text);

	for (char *letter = name; *letter; letter++) {
		if (*letter >= 'a' && *letter <= 'z')
			*letter = (char)(*letter - 'a' + 'A');
	}
	return oci_name_find(&oci_capability_names, name, number);
}

const char *oci_name_of(const struct oci_name_table *table, uint64_t value)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->entries[i].value == value)
			return table->entries[i].name;
	}
	return NULL;
}
