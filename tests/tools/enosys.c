/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   enosys NAME[,NAME…] COMMAND…
 *
 * Runs a command on a kernel that, as far as it and all of its children can tell, lacks these system calls: a seccomp
 * filter answers ENOSYS. "close_range_cloexec" takes the flag only (EINVAL), as Linux 5.9 and 5.10 do. Needs root, so
 * that no_new_privs stays off.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTER_MAX 256

static const struct {
	const char *name;
	unsigned int number;
} calls[] = {
	{ "openat2", SYS_openat2 },
	{ "clone3", SYS_clone3 },
	{ "mount_setattr", SYS_mount_setattr },
	{ "open_tree", SYS_open_tree },
	{ "move_mount", SYS_move_mount },
	{ "fsopen", SYS_fsopen },
	{ "fsconfig", SYS_fsconfig },
	{ "fsmount", SYS_fsmount },
	{ "pidfd_open", SYS_pidfd_open },
	{ "pidfd_send_signal", SYS_pidfd_send_signal },
	{ "pidfd_getfd", SYS_pidfd_getfd },
	{ "close_range", SYS_close_range },
	{ "execveat", SYS_execveat },
	{ "memfd_create", SYS_memfd_create },
	{ "statx", SYS_statx },
	{ "faccessat2", SYS_faccessat2 },
	{ "copy_file_range", SYS_copy_file_range },
	{ "sendfile", SYS_sendfile },
	{ "keyctl", SYS_keyctl },
	{ "landlock_create_ruleset", SYS_landlock_create_ruleset },
	{ "set_mempolicy", SYS_set_mempolicy },
	{ "userfaultfd", SYS_userfaultfd },
};

static struct sock_filter filter[FILTER_MAX];
static unsigned short count;

static void emit(unsigned short code, unsigned int value, unsigned char if_true, unsigned char if_false)
{
	filter[count++] = (struct sock_filter){ .code = code, .jt = if_true, .jf = if_false, .k = value };
}

static void load(size_t offset)
{
	emit(BPF_LD | BPF_W | BPF_ABS, (unsigned int)offset, 0, 0);
}

static void answer(int error)
{
	emit(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned int)error, 0, 0);
}

static void forbid(const char *name)
{
	if (strcmp(name, "close_range_cloexec") == 0) {
		emit(BPF_JMP | BPF_JEQ | BPF_K, SYS_close_range, 0, 4);
		load(offsetof(struct seccomp_data, args[2]));
		emit(BPF_JMP | BPF_JSET | BPF_K, CLOSE_RANGE_CLOEXEC, 0, 1);
		answer(EINVAL);
		load(offsetof(struct seccomp_data, nr));
		return;
	}
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, name) != 0)
			continue;
		emit(BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, 0, 1);
		answer(ENOSYS);
		return;
	}
	fprintf(stderr, "enosys: %s is not in the table\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	struct sock_fprog program = { .filter = filter };

	if (argc < 3)
		return 2;
	load(offsetof(struct seccomp_data, nr));
	for (char *name = strtok(argv[1], ","); name && count < FILTER_MAX - 8; name = strtok(NULL, ","))
		forbid(name);
	emit(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	program.len = count;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
		perror("enosys: load the filter");
		return 2;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
