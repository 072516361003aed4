/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials, limits, filters, seen from inside a container made by hand. Needs root and busybox-static. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/unit/container_trial.h"

#define CAP(number) (UINT64_C(1) << (number))
#define CHOWN       CAP(0)
#define KILL        CAP(5)
#define SETPCAP     CAP(8)
#define NET_BIND    CAP(10)
#define RESOURCE    CAP(24)

static void assert_exit(struct trial *trial, int exit_status, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, wanted);
	assert_int_equal(trial->err.exit_status, exit_status);
	done(trial);
}

static void test_user_and_groups_are_set(void **state)
{
	struct trial *trial = new_template_trial("id -u; id -g; id -G; umask; pwd; echo $HOME");

	(void)state;
	trial->process.uid = 1000;
	trial->process.gid = 100;
	trial->process.additional_gids = xcalloc(2, sizeof(gid_t));
	trial->process.additional_gids[0] = 7;
	trial->process.additional_gids[1] = 4000000000U;
	trial->process.additional_gid_count = 2;
	trial->process.umask_set = true;
	trial->process.umask = 077;
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/work");
	assert_int_equal(file_replace(trial->rootfs, "etc/passwd", "u:x:1000:100::/home/u:/bin/sh\n", 30, 0644), 0);
	assert_output(trial, "1000\n100\n100 7 4000000000\n0077\n/work\n/home/u\n");
}

static void test_without_additional_groups_there_are_none(void **state)
{
	const gid_t groups[] = { 4, 24 };
	struct trial *trial = new_template_trial("id -G");

	(void)state;
	assert_int_equal(setgroups(2, groups), 0);
	trial_run(trial);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_string_equal(trial->output.data, "0\n");
	done(trial);
}

#define SHOW_CAPABILITIES "grep -E '^(Cap|NoNew)' /proc/self/status | tr -d '\\t'"

static void assert_capabilities(struct trial *trial, const char *wanted)
{
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/tr"), 0);
	assert_output(trial, wanted);
}

static void test_without_capabilities_all_sets_are_empty(void **state)
{
	(void)state;
	assert_capabilities(new_template_trial(SHOW_CAPABILITIES), "CapInh:0000000000000000\nCapPrm:0000000000000000\n"
								   "CapEff:0000000000000000\nCapBnd:0000000000000000\n"
								   "CapAmb:0000000000000000\nNoNewPrivs:0\n");
}

static void test_five_sets_of_capabilities(void **state)
{
	struct trial *trial = new_template_trial(SHOW_CAPABILITIES);

	(void)state;
	trial->process.uid = 1000;
	trial->process.no_new_privileges = true;
	trial->process.capabilities = (struct process_capabilities){
		.set = true,
		.bounding = KILL | NET_BIND | CHOWN,
		.permitted = KILL | NET_BIND,
		.effective = KILL,
		.inheritable = KILL | CHOWN,
		.ambient = KILL,
	};
	/* For a user other than root execve keeps the ambient set only. */
	assert_capabilities(trial, "CapInh:0000000000000021\nCapPrm:0000000000000020\nCapEff:0000000000000020\n"
				   "CapBnd:0000000000000421\nCapAmb:0000000000000020\nNoNewPrivs:1\n");
	trial = new_template_trial(SHOW_CAPABILITIES);
	trial->process.capabilities = (struct process_capabilities){
		.set = true, .bounding = KILL | NET_BIND, .permitted = KILL | NET_BIND, .effective = KILL | NET_BIND
	};
	assert_capabilities(trial, "CapInh:0000000000000000\nCapPrm:0000000000000420\nCapEff:0000000000000420\n"
				   "CapBnd:0000000000000420\nCapAmb:0000000000000000\nNoNewPrivs:0\n");
}

static void test_capabilities_that_cannot_be_are_named(void **state)
{
	static const struct {
		struct process_capabilities capabilities;
		const char *message;
	} cases[] = {
		{ { true, KILL, 0, 0, KILL, KILL },
			"process.capabilities.ambient: CAP_KILL is not in both the permitted and the inheritable set" },
		{ { true, KILL, CHOWN, 0, KILL, 0 },
			"process.capabilities.effective: CAP_CHOWN is not in the permitted set too" },
		{ { true, KILL, 0, SETPCAP, KILL, 0 },
			"process.capabilities.inheritable: CAP_SETPCAP is not in the bounding set too" },
		{ { true, CAP(62), 0, 0, 0, 0 }, "process.capabilities.bounding: capability 62 is not available here: "
						 "the bounding set of the runtime does not have it" },
		{ { true, 0, 0, 0, CAP(63), 0 }, "process.capabilities.permitted: capability 63 is not available here: "
						 "the runtime itself does not have it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trial *trial = new_template_trial("true");

		trial->process.capabilities = cases[i].capabilities;
		assert_exit(trial, 0, cases[i].message);
	}
}

static void drop_resource(void)
{
	if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) == 1 && prctl(PR_CAPBSET_DROP, 24, 0, 0, 0) < 0)
		_exit(97);
	{
		/* Permitted, too, as in a machine whose root never had it. */
		cap_t capabilities = cap_get_proc();
		cap_value_t resource = CAP_SYS_RESOURCE;

		(void)cap_set_flag(capabilities, CAP_PERMITTED, 1, &resource, CAP_CLEAR);
		(void)cap_set_flag(capabilities, CAP_EFFECTIVE, 1, &resource, CAP_CLEAR);
		if (cap_set_proc(capabilities) < 0)
			_exit(96);
		cap_free(capabilities);
	}
}

static void lower_core_and_drop_resource(void)
{
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 5, 5 }) < 0)
		_exit(95);
	drop_resource();
}

static void test_a_capability_that_root_lacks_is_named(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	trial->in_child = drop_resource;
	trial->process.capabilities = (struct process_capabilities){ .set = true, .bounding = KILL | RESOURCE };
	assert_exit(trial, 0,
		"process.capabilities.bounding: CAP_SYS_RESOURCE is not available here: the bounding set of the "
		"runtime does not have it");
}

static void test_limits_are_set(void **state)
{
	struct trial *trial = new_template_trial("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj");
	struct rlimit files;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	trial->process.rlimits = xcalloc(2, sizeof(*trial->process.rlimits));
	trial->process.rlimits[0] = (struct process_rlimit){ RLIMIT_NOFILE, 64, 128 };
	trial->process.rlimits[1] = (struct process_rlimit){ RLIMIT_CORE, 0, 0 };
	trial->process.rlimit_count = 2;
	trial->process.oom_score_set = true;
	trial->process.oom_score_adjust = 500;
	assert_output(trial, "64\n128\n0\n500\n");
}

static void test_limits_that_cannot_be_raised_are_named(void **state)
{
	struct trial *trial = new_template_trial("true");
	struct rlimit core;

	(void)state;
	trial->in_child = lower_core_and_drop_resource;
	trial->process.rlimits = xcalloc(1, sizeof(*trial->process.rlimits));
	trial->process.rlimits[0] = (struct process_rlimit){ RLIMIT_CORE, 5, 6 };
	trial->process.rlimit_count = 1;
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	if (core.rlim_max < 6)
		skip();
	assert_exit(trial, 0,
		"set RLIMIT_CORE to 5 (hard 6): the hard limit here is 5, raising it needs CAP_SYS_RESOURCE: Operation "
		"not permitted");
	trial = new_template_trial("true");
	trial->in_child = drop_resource;
	trial->process.oom_score_set = true;
	trial->process.oom_score_adjust = -1000;
	assert_exit(
		trial, 0, "set oom_score_adj to -1000: lowering it below 0 needs CAP_SYS_RESOURCE: Permission denied");
}

static void test_a_working_directory_outside_of_the_root_is_refused(void **state)
{
	struct trial *trial = new_template_trial("pwd");

	(void)state;
	free(trial->process.cwd);
	/* A directory of the host that the caller forgot to close. */
	trial->process.cwd = xstrdup("/proc/self/fd/150");
	assert_true(dup2(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 150) == 150);
	trial_run(trial);
	(void)close(150);
	assert_string_equal(
		trial->err.message, "the working directory \"/proc/self/fd/150\" lies outside of the container's root");
	done(trial);
	trial = new_template_trial("pwd");
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/nowhere");
	assert_exit(trial, 0, "chdir to cwd (\"/nowhere\") set in config.json failed: No such file or directory");
}

static void test_a_directory_of_the_host_cannot_be_executed_through(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	assert_true(dup2(open("/", O_RDONLY | O_DIRECTORY), 150) == 150);
	/* Without O_CLOEXEC, too: it is closed before execve looks the path up. */
	set_args(trial, trial_strings("/proc/self/fd/150/bin/busybox", "echo", "escaped"));
	trial_run(trial);
	(void)close(150);
	assert_int_equal(trial->err.exit_status, 127);
	assert_string_equal(trial->output.data, "");
	done(trial);
}

static void test_a_directory_for_the_user_only_is_entered_as_the_user(void **state)
{
	struct trial *trial = new_template_trial("pwd");

	(void)state;
	assert_int_equal(mkdirat(trial->rootfs, "work/private", 0700), 0);
	assert_int_equal(fchownat(trial->rootfs, "work/private", 1000, 1000, 0), 0);
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/work/private");
	trial->process.uid = 1000;
	assert_output(trial, "/work/private\n");
}

static void set_filter(struct trial *trial, int number, uint32_t action)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	trial->process.seccomp.filter = xmemdup(code, sizeof(code));
	trial->process.seccomp.filter_count = ARRAY_SIZE(code);
}

static void test_a_filter_is_loaded_with_and_without_new_privileges(void **state)
{
	(void)state;
	for (int nnp = 0; nnp < 2; nnp++) {
		for (uid_t uid = 0; uid < 2000; uid += 1000) {
			struct trial *trial = new_template_trial(
				"mkdir /tmp/x; grep -E 'CapEff|Seccomp:' /proc/self/status | tr -d '\\t'");

			set_filter(trial, SYS_mkdir, SECCOMP_RET_ERRNO | ENOSPC);
			trial->process.no_new_privileges = nnp;
			trial->process.uid = uid;
			assert_capabilities(trial, "mkdir: can't create directory '/tmp/x': No space left on device\n"
						   "CapEff:0000000000000000\nSeccomp:2\n");
		}
	}
}

/* Everything that the runtime does after the filter is loaded, but execve (and capset), would kill it. */
static void forbid_all_but(struct trial *trial, int first, int second)
{
	const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)first, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)second, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};

	trial->process.seccomp.filter = xmemdup(code, sizeof(code));
	trial->process.seccomp.filter_count = ARRAY_SIZE(code);
}

static void test_under_the_filter_only_the_documented_calls_are_made(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	make_exit_program(trial, "bin/exit33");
	set_args(trial, trial_strings("/bin/exit33"));
	forbid_all_but(trial, SYS_execve, SYS_exit);
	trial->process.no_new_privileges = true;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_true(WIFEXITED(trial->status) && WEXITSTATUS(trial->status) == 33);
	done(trial);
	/* Without no_new_privs capset as well; exit is then what kills. */
	trial = new_template_trial("true");
	make_exit_program(trial, "bin/exit33");
	set_args(trial, trial_strings("/bin/exit33"));
	forbid_all_but(trial, SYS_execve, SYS_capset);
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_true(WIFSIGNALED(trial->status) && WTERMSIG(trial->status) == SIGSYS);
	done(trial);
}

/* In a child: loads a filter that asks about mkdir(2), says which descriptor the questions come from, and makes a
 * directory. */
static void ask_about_mkdir(int tell)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mkdir, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct process_plan plan = { .seccomp = { .filter = code, .filter_count = ARRAY_SIZE(code), .notify = true } };
	struct error err = { 0 };
	int listener = -1;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || process_listen(&plan, &listener, &err) < 0)
		_exit(1);
	if (!plan.seccomp.loaded || write(tell, &listener, sizeof(listener)) != sizeof(listener))
		_exit(2);
	_exit(mkdir("/nowhere/x", 0755) < 0 ? errno : 3);
}

static void test_a_filter_that_asks_has_a_listener(void **state)
{
	struct seccomp_notif_resp answer = { .error = -EDOM };
	struct seccomp_notif question = { 0 };
	int tell[2], listener, pidfd, status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		ask_about_mkdir(tell[1]);
	assert_int_equal(file_read_exactly(tell[0], &listener, sizeof(listener)), 0);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, listener, 0);
	assert_true(listener >= 0);
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &question), 0);
	assert_int_equal(question.data.nr, SYS_mkdir);
	answer.id = question.id;
	assert_int_equal(ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == EDOM);
	(void)close(listener);
	(void)close(pidfd);
	(void)close(tell[0]);
	(void)close(tell[1]);
}

static void test_a_filter_that_asks_nobody_is_refused(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	set_filter(trial, SYS_mkdir, SECCOMP_RET_USER_NOTIF);
	trial->process.seccomp.notify = true;
	assert_exit(trial, 0, "load the seccomp filter: nobody listens to its notifications");
}

static void test_the_session_keyring_is_new(void **state)
{
	struct trial *trial = new_template_trial("grep -c '_ses.duet-trial' /proc/keys");

	(void)state;
	if (access("/proc/keys", R_OK) < 0)
		skip();
	free_strings(trial->plan.rootfs.masked_paths);
	trial->plan.rootfs.masked_paths = NULL;
	trial->process.new_keyring = true;
	trial->process.keyring_name = xstrdup("_ses.duet-trial");
	assert_output(trial, "1\n");
}

static void test_signals_are_as_new(void **state)
{
	struct trial *trial = new_template_trial("grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'");
	sigset_t all, before;

	(void)state;
	(void)sigfillset(&all);
	(void)signal(SIGHUP, SIG_IGN);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/tr"), 0);
	assert_int_equal(sigprocmask(SIG_BLOCK, &all, &before), 0);
	trial_run(trial);
	assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	(void)signal(SIGHUP, SIG_DFL);
	assert_string_equal(trial->output.data, "SigBlk:0000000000000000\nSigIgn:0000000000000000\n");
	done(trial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		trial_test(test_user_and_groups_are_set),
		trial_test(test_without_additional_groups_there_are_none),
		trial_test(test_without_capabilities_all_sets_are_empty),
		trial_test(test_five_sets_of_capabilities),
		trial_test(test_capabilities_that_cannot_be_are_named),
		trial_test(test_a_capability_that_root_lacks_is_named),
		trial_test(test_limits_are_set),
		trial_test(test_limits_that_cannot_be_raised_are_named),
		trial_test(test_a_working_directory_outside_of_the_root_is_refused),
		trial_test(test_a_directory_of_the_host_cannot_be_executed_through),
		trial_test(test_a_directory_for_the_user_only_is_entered_as_the_user),
		trial_test(test_a_filter_is_loaded_with_and_without_new_privileges),
		trial_test(test_under_the_filter_only_the_documented_calls_are_made),
		trial_test(test_a_filter_that_asks_has_a_listener),
		trial_test(test_a_filter_that_asks_nobody_is_refused),
		trial_test(test_the_session_keyring_is_new),
		trial_test(test_signals_are_as_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
