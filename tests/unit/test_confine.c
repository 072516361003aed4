/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filters and privileges of the monitor's threads: what is forbidden kills, in the kernel, for every kind of
 * thread.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "microvm/vcpu.h"
#include "tests/unit/filter_program.h"

#ifdef __SANITIZE_ADDRESS__
#define SKIP_WITHOUT_FILTERS skip()
#else
#define SKIP_WITHOUT_FILTERS (void)0
#endif
#define ENDED_BY_ITSELF 7

struct call {
	const char *text;
	long number;
	uint64_t arguments[6];
};

#define CALL(name, ...)                                 \
	{                                               \
#name "(" #__VA_ARGS__ ")", SYS_##name, \
		{                                       \
			__VA_ARGS__                     \
		}                                       \
	}

/* What no thread of any kind may do. Arguments are such that a call that gets through does no harm. */
static const struct call forbidden_everywhere[] = {
	CALL(execve, 0),
	CALL(execveat, UINT64_MAX),
	CALL(fork, 0),
	CALL(vfork, 0),
	CALL(clone, CLONE_THREAD),
	CALL(clone3, 0),
	CALL(ptrace, 9999),
	CALL(process_vm_readv, 0),
	CALL(process_vm_writev, 0),
	CALL(kill, 0, 0),
	CALL(tkill, 0, 0),
	CALL(tgkill, 1, 1, SIGKILL),
	CALL(rt_sigqueueinfo, 0, 0),
	CALL(pidfd_open, 0),
	CALL(pidfd_getfd, UINT64_MAX),
	CALL(pidfd_send_signal, UINT64_MAX),
	CALL(open, 0),
	CALL(openat, (uint64_t)AT_FDCWD, 0, O_CLOEXEC),
	CALL(openat, 3, 0, O_RDWR),
	CALL(openat2, UINT64_MAX),
	CALL(open_by_handle_at, UINT64_MAX),
	CALL(name_to_handle_at, UINT64_MAX),
	CALL(stat, 0),
	CALL(access, 0),
	CALL(unlink, 0),
	CALL(rename, 0),
	CALL(chdir, 0),
	CALL(fchdir, UINT64_MAX),
	CALL(chroot, 0),
	CALL(pivot_root, 0),
	CALL(mount, 0),
	CALL(umount2, 0),
	CALL(open_tree, UINT64_MAX),
	CALL(move_mount, UINT64_MAX),
	CALL(fsopen, 0),
	CALL(setns, UINT64_MAX),
	CALL(unshare, 0),
	CALL(socket, AF_INET, SOCK_STREAM, 0),
	CALL(socket, AF_UNIX, SOCK_STREAM, 0),
	CALL(connect, UINT64_MAX),
	CALL(bind, UINT64_MAX),
	CALL(listen, UINT64_MAX),
	CALL(mprotect, 0, 0, PROT_EXEC),
	CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, UINT64_MAX),
	CALL(mmap, 0, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, UINT64_MAX),
	CALL(mmap, 0, 4096, PROT_READ, MAP_PRIVATE, UINT64_MAX),
	CALL(memfd_create, 0),
	CALL(userfaultfd, UINT64_MAX),
	CALL(io_uring_setup, 0),
	CALL(bpf, UINT64_MAX),
	CALL(perf_event_open, 0),
	CALL(keyctl, UINT64_MAX),
	CALL(add_key, 0),
	CALL(init_module, 0),
	CALL(kexec_load, 0, 0, 0, UINT64_MAX),
	CALL(reboot, 0),
	CALL(setuid, 0),
	CALL(setresuid, UINT64_MAX, UINT64_MAX, UINT64_MAX),
	CALL(setgroups, UINT64_MAX),
	CALL(setrlimit, 0),
	CALL(prlimit64, 0),
	CALL(seccomp, UINT64_MAX),
	CALL(prctl, PR_SET_DUMPABLE, 1),
	CALL(prctl, PR_SET_PDEATHSIG, 9),
	CALL(personality, 0xffffffff),
	CALL(arch_prctl, 0),
	CALL(dup, UINT64_MAX),
	CALL(dup2, UINT64_MAX),
	CALL(fcntl, 0, F_GETFL),
	CALL(fcntl, 0, F_SETFL, O_NONBLOCK),
	CALL(fcntl, 0, F_SETOWN, 1),
	CALL(ioctl, UINT64_MAX, TIOCSTI),
	CALL(ioctl, UINT64_MAX, TIOCSCTTY),
	CALL(ioctl, UINT64_MAX, FIONBIO),
	CALL(ioctl, UINT64_MAX, KVM_CREATE_VM),
	CALL(ioctl, UINT64_MAX, KVM_CREATE_VCPU),
	CALL(ioctl, UINT64_MAX, KVM_SET_USER_MEMORY_REGION),
	CALL(ioctl, UINT64_MAX, KVM_SET_SREGS),
	CALL(setpriority, UINT64_MAX),
	CALL(sched_setaffinity, UINT64_MAX),
};

/* What is allowed to some kinds of thread only. */
static const struct call forbidden_to_vcpus[] = {
	CALL(openat, 3, 0, O_CLOEXEC),
	CALL(read, UINT64_MAX),
	CALL(recvmsg, UINT64_MAX),
	CALL(sendmsg, UINT64_MAX),
	CALL(close, UINT64_MAX),
	CALL(exit_group, 0),
	CALL(capset, 0),
	CALL(setfsuid, UINT64_MAX),
	CALL(ioctl, UINT64_MAX, KVM_SET_REGS),
	CALL(ioctl, UINT64_MAX, TCGETS),
};
static const struct call forbidden_on_hardware[] = {
	CALL(ioctl, UINT64_MAX, KVM_SET_MSRS),
	CALL(ioctl, UINT64_MAX, KVM_SET_XSAVE),
	CALL(ioctl, UINT64_MAX, KVM_SET_VCPU_EVENTS),
};
static const struct call forbidden_to_devices[] = {
	CALL(openat, 3, 0, O_CLOEXEC),
	CALL(accept4, UINT64_MAX),
	CALL(capset, 0),
	CALL(setfsuid, UINT64_MAX),
	CALL(ioctl, UINT64_MAX, KVM_RUN),
	CALL(exit_group, 0),
};
static const struct call forbidden_to_fs[] = {
	CALL(recvmsg, UINT64_MAX),
	CALL(sendmsg, UINT64_MAX),
	CALL(ioctl, UINT64_MAX, KVM_RUN),
	CALL(ioctl, UINT64_MAX, TCGETS),
	CALL(exit_group, 0),
	CALL(unlinkat, (uint64_t)AT_FDCWD, 0, 0),
	CALL(mknodat, (uint64_t)AT_FDCWD, 0, 0, 0),
};
static const struct call forbidden_to_main[] = {
	CALL(openat, 3, 0, O_CLOEXEC),
	CALL(capset, 0),
	CALL(setfsuid, UINT64_MAX),
	CALL(ioctl, UINT64_MAX, KVM_RUN),
	CALL(setsockopt, UINT64_MAX),
};

/* --- one thread under a filter, in a process of its own --- */

struct trial {
	const struct thread_filter *filter;
	const struct call *call; /* NULL: does what every thread does */
};

static void do_common_work(void)
{
	struct timespec now;
	void *small = malloc(100), *large = malloc(1 << 20), *larger = realloc(large, 4 << 20);

	free(small);
	if (!larger) {
		free(large);
		return;
	}
	memset(larger, 1, 4 << 20);
	free(larger);
	(void)syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
}

static void *trial_thread(void *argument)
{
	const struct trial *trial = argument;
	const uint64_t *arguments = trial->call ? trial->call->arguments : NULL;
	struct error err;

	if (confine_system_calls(trial->filter, &err) < 0)
		_exit(99);
	if (arguments)
		(void)syscall(trial->call->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
			arguments[5]);
	else
		do_common_work();
	return NULL;
}

/* The status of a process whose second thread does that. */
static int try(const struct trial *trial)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		static const struct rlimit no_core;
		pthread_t thread;

		(void)setrlimit(RLIMIT_CORE, &no_core);
		confine_prepare();
		if (trial->filter == &monitor_filter || trial->filter == &monitor_debug_filter) {
			/* Its own end is that of the process. */
			(void)trial_thread((void *)(uintptr_t)trial);
			_exit(ENDED_BY_ITSELF);
		}
		(void)pthread_create(&thread, NULL, trial_thread, (void *)(uintptr_t)trial);
		(void)pthread_join(thread, NULL);
		_exit(ENDED_BY_ITSELF);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static unsigned count_survivors(const struct thread_filter *filter, const struct call *calls, size_t count)
{
	unsigned survivors = 0;

	for (size_t i = 0; i < count; i++) {
		int status = try(&(struct trial){ filter, &calls[i] });

		if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
			continue;
		print_message("%s may do %s (status 0x%x)\n", filter->thread, calls[i].text, (unsigned)status);
		survivors++;
	}
	return survivors;
}

static void what_no_thread_may_do_kills(void **state)
{
	unsigned survivors = 0;

	(void)state;
	SKIP_WITHOUT_FILTERS;
	for (size_t i = 0; i < ARRAY_SIZE(all_filters); i++)
		survivors += count_survivors(all_filters[i], forbidden_everywhere, ARRAY_SIZE(forbidden_everywhere));
	assert_int_equal(survivors, 0);
}

static void what_other_threads_do_kills(void **state)
{
	unsigned survivors = 0;

	(void)state;
	SKIP_WITHOUT_FILTERS;
	survivors += count_survivors(&vcpu_filter, forbidden_to_vcpus, ARRAY_SIZE(forbidden_to_vcpus));
	survivors += count_survivors(&vcpu_software_filter, forbidden_to_vcpus, ARRAY_SIZE(forbidden_to_vcpus));
	survivors += count_survivors(&vcpu_filter, forbidden_on_hardware, ARRAY_SIZE(forbidden_on_hardware));
	survivors += count_survivors(&devices_filter, forbidden_to_devices, ARRAY_SIZE(forbidden_to_devices));
	survivors += count_survivors(&fs_filter, forbidden_to_fs, ARRAY_SIZE(forbidden_to_fs));
	survivors += count_survivors(&monitor_filter, forbidden_to_main, ARRAY_SIZE(forbidden_to_main));
	assert_int_equal(survivors, 0);
}

static void what_every_thread_does_is_allowed(void **state)
{
	(void)state;
	SKIP_WITHOUT_FILTERS;
	for (size_t i = 0; i < ARRAY_SIZE(all_filters); i++) {
		int status = try(&(struct trial){ all_filters[i], NULL });

		if (!WIFEXITED(status) || WEXITSTATUS(status) != ENDED_BY_ITSELF)
			fail_msg("%s: status 0x%x", all_filters[i]->thread, (unsigned)status);
	}
}

/* --- the tables themselves --- */

static void calls_by_numbers_of_another_architecture_are_forbidden(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_filters); i++) {
		for (int number = 0; number < 1024; number++) {
			struct seccomp_data compatible = { .nr = number, .arch = AUDIT_ARCH_I386 };
			struct seccomp_data x32 = { .nr = number | 0x40000000, .arch = AUDIT_ARCH_X86_64 };

			assert_false(filter_allows(all_filters[i], &compatible));
			assert_false(filter_allows(all_filters[i], &x32));
		}
	}
}

/* Everything above was tried in the kernel; this is about what nobody has thought of. */
static void a_filter_has_no_more_calls_than_its_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all_filters); i++) {
		const struct thread_filter *filter = all_filters[i];
		bool named[1024] = { false };
		unsigned lines = 0;

		for (unsigned at = 0; at < filter->count; at++) {
			const struct sock_filter *instruction = &filter->instructions[at];
			struct filter_line line;

			if (instruction->code != (BPF_RET | BPF_K) || instruction->k != SECCOMP_RET_ALLOW)
				continue;
			line = filter_line(filter, at);
			assert_true(line.number < ARRAY_SIZE(named));
			named[line.number] = true;
			lines++;
		}
		assert_true(lines >= 15 && lines < 64);
		for (int number = 0; number < (int)ARRAY_SIZE(named); number++) {
			struct seccomp_data data = { .nr = number, .arch = AUDIT_ARCH_X86_64 };

			/* Arguments that fit no line that looks at them. */
			for (unsigned argument = 0; argument < ARRAY_SIZE(data.args); argument++)
				data.args[argument] = 0x8badf00d;
			if (!named[number])
				assert_false(filter_allows(filter, &data));
		}
		assert_int_equal(filter->instructions[filter->count - 1].k, SECCOMP_RET_KILL_PROCESS);
	}
}

/* --- capabilities --- */

static uint64_t status_bits(const char *name)
{
	cleanup_stream FILE *status = fopen("/proc/thread-self/status", "re");
	char line[256];

	assert_non_null(status);
	while (fgets(line, sizeof(line), status)) {
		if (strncmp(line, name, strlen(name)) == 0)
			return strtoull(line + strlen(name) + 1, NULL, 16);
	}
	fail_msg("no %s", name);
	return 0;
}

static void *thread_without_capabilities(void *argument)
{
	struct error err;

	*(uint64_t *)argument = UINT64_MAX;
	if (confine_drop_capabilities(&err) == 0)
		*(uint64_t *)argument =
			status_bits("CapInh") | status_bits("CapPrm") | status_bits("CapEff") | status_bits("CapAmb");
	return NULL;
}

static void capabilities_are_dropped_for_one_thread_alone(void **state)
{
	uint64_t before = status_bits("CapEff"), bounding = status_bits("CapBnd"), left;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, thread_without_capabilities, &left), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(left, 0);
	assert_int_equal(status_bits("CapEff"), before);
	assert_int_equal(status_bits("CapBnd"), bounding);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_no_thread_may_do_kills),
		cmocka_unit_test(what_other_threads_do_kills),
		cmocka_unit_test(what_every_thread_does_is_allowed),
		cmocka_unit_test(calls_by_numbers_of_another_architecture_are_forbidden),
		cmocka_unit_test(a_filter_has_no_more_calls_than_its_lines),
		cmocka_unit_test(capabilities_are_dropped_for_one_thread_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
