/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of a container as engines make one by default. Theirs is a list of what is allowed; it amounts to these
 * calls being refused to a process without the capabilities that would open them again.
 *
 * Source: Docker, docs "Seccomp security profiles for Docker", "Significant syscalls blocked by the default profile",
 * and what has been added since (io_uring, the mount calls by descriptor).
 */
#include <errno.h>

#include "base/cleanup.h"
#include "bench/compare_internal.h"
#include "oci/json_write.h"

static const char *const kept_back[] = { "acct", "add_key", "bpf", "clock_adjtime", "clock_settime", "create_module",
	"delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms",
	"get_mempolicy", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl",
	"kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "mount_setattr",
	"move_mount", "move_pages", "name_to_handle_at", "nfsservctl", "open_by_handle_at", "open_tree",
	"perf_event_open", "pidfd_getfd", "pivot_root", "process_vm_readv", "process_vm_writev", "query_module",
	"quotactl", "quotactl_fd", "reboot", "request_key", "set_mempolicy", "setdomainname", "sethostname", "setns",
	"settimeofday", "swapoff", "swapon", "sysfs", "syslog", "umount2", "unshare", "uselib", "userfaultfd", "ustat",
	"vhangup", NULL };

void compare_default_filter(struct strbuf *json)
{
	struct json_writer writer = { .out = json };

	json_write_open(&writer, '{');
	json_write_string_member(&writer, "defaultAction", "SCMP_ACT_ALLOW");
	json_write_strings_member(&writer, "architectures", (const char *const[]){ "SCMP_ARCH_X86_64", NULL });
	json_write_key(&writer, "syscalls");
	json_write_open(&writer, '[');
	json_write_open(&writer, '{');
	json_write_strings_member(&writer, "names", kept_back);
	json_write_string_member(&writer, "action", "SCMP_ACT_ERRNO");
	json_write_key(&writer, "errnoRet");
	json_write_u64(&writer, EPERM);
	json_write_close(&writer, '}');
	json_write_close(&writer, ']');
	json_write_close(&writer, '}');
}
