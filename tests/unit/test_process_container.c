/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials, limits, filters and failures to execute, seen from inside a container made by hand. Needs root and
 * busybox-static. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <elf.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "process/exec_error.h"
#include "tests/unit/container_trial.h"

#define CAP(number) (UINT64_C(1) << (number))
#define CHOWN       CAP(0)
#define KILL        CAP(5)
#define SETPCAP     CAP(8)
#define NET_BIND    CAP(10)
#define SYS_ADMIN   CAP(21)
#define RESOURCE    CAP(24)

/* What a failed assertion leaves behind. */
static struct trial *current;

static int free_current(void **state)
{
	(void)state;
	if (current)
		trial_free(current);
	current = NULL;
	return 0;
}

static void done(struct trial *trial)
{
	trial_free(trial);
	current = NULL;
}

static struct trial *new_trial(const char *script)
{
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		print_message("needs root and /bin/busybox (busybox-static)\n");
		skip();
	}
	current = trial_new(script);
	trial_add_template(current);
	return current;
}

static void set_args(struct trial *trial, char **args)
{
	free_strings(trial->process.args);
	trial->process.args = args;
}

static void assert_output(struct trial *trial, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, wanted);
	assert_true(WIFEXITED(trial->status));
	done(trial);
}

static void assert_failure(struct trial *trial, int exit_status, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, wanted);
	assert_int_equal(trial->err.exit_status, exit_status);
	done(trial);
}

/* ---- credentials ---- */

static void test_user_and_groups_are_set(void **state)
{
	struct trial *trial = new_trial("id -u; id -g; id -G; umask; pwd; echo $HOME");

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
	struct trial *trial = new_trial("id -G");

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
	assert_capabilities(new_trial(SHOW_CAPABILITIES), "CapInh:0000000000000000\nCapPrm:0000000000000000\n"
							  "CapEff:0000000000000000\nCapBnd:0000000000000000\n"
							  "CapAmb:0000000000000000\nNoNewPrivs:0\n");
}

static void test_five_sets_of_capabilities(void **state)
{
	struct trial *trial = new_trial(SHOW_CAPABILITIES);

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
	trial = new_trial(SHOW_CAPABILITIES);
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
		struct trial *trial = new_trial("true");

		trial->process.capabilities = cases[i].capabilities;
		assert_failure(trial, 0, cases[i].message);
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

static void test_a_capability_that_root_lacks_is_named(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	trial->in_child = drop_resource;
	trial->process.capabilities = (struct process_capabilities){ .set = true, .bounding = KILL | RESOURCE };
	assert_failure(trial, 0,
		"process.capabilities.bounding: CAP_SYS_RESOURCE is not available here: the bounding set of the "
		"runtime does not have it");
}

static void test_limits_are_set(void **state)
{
	struct trial *trial = new_trial("ulimit -n; ulimit -Hn; ulimit -c; cat /proc/self/oom_score_adj");
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
	struct trial *trial = new_trial("true");
	struct rlimit core;

	(void)state;
	trial->in_child = drop_resource;
	trial->process.rlimits = xcalloc(2, sizeof(*trial->process.rlimits));
	trial->process.rlimits[0] = (struct process_rlimit){ RLIMIT_CORE, 5, 5 };
	trial->process.rlimits[1] = (struct process_rlimit){ RLIMIT_CORE, 5, 6 };
	trial->process.rlimit_count = 2;
	assert_int_equal(getrlimit(RLIMIT_CORE, &core), 0);
	if (core.rlim_max < 6)
		skip();
	assert_failure(trial, 0,
		"set RLIMIT_CORE to 5 (hard 6): the hard limit here is 5, raising it needs CAP_SYS_RESOURCE: Operation "
		"not permitted");
	trial = new_trial("true");
	trial->in_child = drop_resource;
	trial->process.oom_score_set = true;
	trial->process.oom_score_adjust = -1000;
	assert_failure(
		trial, 0, "set oom_score_adj to -1000: lowering it below 0 needs CAP_SYS_RESOURCE: Permission denied");
}

static void test_a_working_directory_outside_of_the_root_is_refused(void **state)
{
	struct trial *trial = new_trial("pwd");

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
	trial = new_trial("pwd");
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/nowhere");
	assert_failure(trial, 0, "chdir to cwd (\"/nowhere\") set in config.json failed: No such file or directory");
}

static void test_a_directory_of_the_host_cannot_be_executed_through(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	assert_true(dup2(open("/", O_RDONLY | O_DIRECTORY), 150) == 150);
	/* Without O_CLOEXEC, too: it is closed before execve looks the path up. */
	set_args(trial, trial_strings("/proc/self/fd/150/bin/busybox", "echo", "escaped", NULL));
	trial_run(trial);
	(void)close(150);
	assert_int_equal(trial->err.exit_status, 127);
	assert_string_equal(trial->output.data, "");
	done(trial);
}

static void test_a_directory_for_the_user_only_is_entered_as_the_user(void **state)
{
	struct trial *trial = new_trial("pwd");

	(void)state;
	assert_int_equal(mkdirat(trial->rootfs, "work/private", 0700), 0);
	assert_int_equal(fchownat(trial->rootfs, "work/private", 1000, 1000, 0), 0);
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/work/private");
	trial->process.uid = 1000;
	assert_output(trial, "/work/private\n");
}

/* ---- filters ---- */

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
			struct trial *trial =
				new_trial("mkdir /tmp/x; grep -E 'CapEff|Seccomp:' /proc/self/status | tr -d '\\t'");

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

static void make_exit_program(const struct trial *trial, const char *name)
{
	/* mov $60,%eax; mov $33,%edi; syscall */
	static const unsigned char text[] = { 0xb8, 60, 0, 0, 0, 0xbf, 33, 0, 0, 0, 0x0f, 0x05 };
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		unsigned char text[sizeof(text)];
	} program = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = 0x400000 + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1 },
		.segment = { .p_type = PT_LOAD,
			.p_flags = PF_R | PF_X,
			.p_vaddr = 0x400000,
			.p_filesz = sizeof(program),
			.p_memsz = sizeof(program),
			.p_align = 4096 },
	};

	memcpy(program.text, text, sizeof(text));
	assert_int_equal(file_replace(trial->rootfs, name, &program, sizeof(program), 0755), 0);
}

static void test_under_the_filter_only_the_documented_calls_are_made(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	make_exit_program(trial, "bin/exit33");
	set_args(trial, trial_strings("/bin/exit33", NULL));
	forbid_all_but(trial, SYS_execve, SYS_exit);
	trial->process.no_new_privileges = true;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_true(WIFEXITED(trial->status) && WEXITSTATUS(trial->status) == 33);
	done(trial);
	/* Without no_new_privs capset as well; exit is then what kills. */
	trial = new_trial("true");
	make_exit_program(trial, "bin/exit33");
	set_args(trial, trial_strings("/bin/exit33", NULL));
	forbid_all_but(trial, SYS_execve, SYS_capset);
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_true(WIFSIGNALED(trial->status) && WTERMSIG(trial->status) == SIGSYS);
	done(trial);
}

static void test_signals_are_as_new(void **state)
{
	struct trial *trial = new_trial("grep -E 'SigBlk|SigIgn' /proc/self/status | tr -d '\\t'");
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

/* ---- failures to execute ---- */

static void put_file(const struct trial *trial, const char *path, const void *content, size_t length, mode_t mode)
{
	assert_int_equal(file_replace(trial->rootfs, path, content, length, mode), 0);
	assert_int_equal(fchmodat(trial->rootfs, path, mode, 0), 0);
}

static void assert_exec_failure(
	const char *name, const char *path, const char *content, mode_t mode, int exit_status, const char *wanted)
{
	struct trial *trial = new_trial("true");

	if (content)
		put_file(trial, path, content, strlen(content), mode);
	set_args(trial, trial_strings(name, NULL));
	assert_failure(trial, exit_status, wanted);
}

static void test_what_is_not_found_is_named(void **state)
{
	(void)state;
	assert_exec_failure("nothing", NULL, NULL, 0, 127, "exec: \"nothing\": executable file not found in $PATH");
	assert_exec_failure("", NULL, NULL, 0, 127, "exec: \"\": executable file not found in $PATH");
	assert_exec_failure("/no/thing", NULL, NULL, 0, 127, "exec: \"/no/thing\": no such file or directory");
	assert_exec_failure("./thing", NULL, NULL, 0, 127, "exec: \"./thing\": no such file or directory");
	assert_exec_failure("/bin/busybox/x", NULL, NULL, 0, 126, "exec: \"/bin/busybox/x\": not a directory");
}

static void test_what_may_not_be_executed_says_why(void **state)
{
	(void)state;
	assert_exec_failure("/work/file", "work/file", "#!/bin/sh\n", 0644, 126,
		"exec: \"/work/file\": permission denied (it has no execute permission)");
	assert_exec_failure("file", "bin/file", "#!/bin/sh\n", 0644, 126,
		"exec: \"/bin/file\": permission denied (it has no execute permission)");
	assert_exec_failure("/work", NULL, NULL, 0, 126, "exec: \"/work\": permission denied (it is a directory)");
	assert_exec_failure(
		"/dev/null", NULL, NULL, 0, 126, "exec: \"/dev/null\": permission denied (it is not a regular file)");
}

static void test_a_missing_interpreter_is_named(void **state)
{
	(void)state;
	assert_exec_failure("/work/script", "work/script", "#!/nope/python -u\n", 0755, 127,
		"exec \"/work/script\": interpreter \"/nope/python\" not found: no such file or directory");
	assert_exec_failure("/work/script", "work/script", "#! \t/nope/python", 0755, 127,
		"exec \"/work/script\": interpreter \"/nope/python\" not found: no such file or directory");
	assert_exec_failure("/work/script", "work/script", "#!/bin/sh\r\necho x\r\n", 0755, 127,
		"exec \"/work/script\": interpreter \"/bin/sh\\r\" not found: no such file or directory "
		"(the #! line ends in CR LF: convert the file to Unix line ends)");
}

static void test_an_interpreter_whose_own_is_missing_is_named(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	put_file(trial, "work/inner", "#!/nope/inner\n", 14, 0755);
	put_file(trial, "work/script", "#!/work/inner\n", 14, 0755);
	set_args(trial, trial_strings("/work/script", NULL));
	assert_failure(trial, 127,
		"exec \"/work/script\": exec \"/work/inner\": interpreter \"/nope/inner\" not found: no such file or "
		"directory");
}

static void test_what_has_no_format_says_so(void **state)
{
	(void)state;
	assert_exec_failure("/work/file", "work/file", "echo hello\n", 0755, 126,
		"exec: \"/work/file\": exec format error (neither a program nor a script that begins with #!)");
	assert_exec_failure("/work/file", "work/file", "", 0755, 126,
		"exec: \"/work/file\": exec format error (the file is empty)");
}

static void put_program(struct trial *trial, unsigned int machine, const char *loader)
{
	struct {
		Elf64_Ehdr header;
		Elf64_Phdr segment;
		char loader[64];
	} program = {
		.header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = (Elf64_Half)machine,
			.e_version = EV_CURRENT,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 1 },
		.segment = { .p_type = loader ? PT_INTERP : PT_LOAD,
			.p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
			.p_filesz = loader ? strlen(loader) + 1 : 0 },
	};

	if (loader)
		(void)snprintf(program.loader, sizeof(program.loader), "%s", loader);
	put_file(trial, "work/program", &program, sizeof(program), 0755);
	set_args(trial, trial_strings("/work/program", NULL));
}

static void test_loader_and_architecture_are_named(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	put_program(trial, EM_X86_64, "/lib64/ld-nope.so.2");
	assert_failure(trial, 127,
		"exec \"/work/program\": ELF loader \"/lib64/ld-nope.so.2\" not found: no such file or directory");
	trial = new_trial("true");
	put_program(trial, EM_AARCH64, NULL);
	assert_failure(
		trial, 126, "exec: \"/work/program\": exec format error (built for aarch64, this machine is x86-64)");
	trial = new_trial("true");
	put_program(trial, 4242, NULL);
	assert_failure(trial, 126,
		"exec: \"/work/program\": exec format error (built for machine number 4242, this machine is x86-64)");
}

static void test_a_noexec_mount_is_named(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	put_file(trial, "work/file", "#!/bin/sh\n", 10, 0755);
	trial_add_mount(trial, "/work", "tmpfs", "tmpfs", MS_NOEXEC, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].tmpcopyup = true;
	set_args(trial, trial_strings("/work/file", NULL));
	assert_failure(trial, 126, "exec: \"/work/file\": permission denied (its file system is mounted noexec)");
}

static void test_a_busy_program_says_so(void **state)
{
	struct trial *trial = new_trial("true");
	int writer;

	(void)state;
	make_exit_program(trial, "work/program");
	writer = openat(trial->rootfs, "work/program", O_WRONLY | O_CLOEXEC);
	assert_true(writer >= 0);
	set_args(trial, trial_strings("/work/program", NULL));
	trial_run(trial);
	(void)close(writer);
	assert_string_equal(trial->err.message, "exec: \"/work/program\": text file busy (it is open for writing)");
	assert_int_equal(trial->err.exit_status, 126);
	done(trial);
}

static void test_the_first_executable_in_path_is_taken(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	put_file(trial, "etc/tool", "#!/bin/sh\n", 10, 0644); /* not executable: passed over */
	assert_int_equal(mkdirat(trial->rootfs, "tmp/tool", 0755), 0);
	put_file(trial, "work/tool", "#!/bin/sh\necho work\n", 20, 0755);
	put_file(trial, "bin/tool", "#!/bin/sh\necho bin\n", 19, 0755);
	free_strings(trial->process.env);
	trial->process.env = trial_strings("PATH=/nowhere:/etc:/tmp:/work:/bin", NULL);
	set_args(trial, trial_strings("tool", NULL));
	assert_output(trial, "work\n");
}

static void test_a_hostile_passwd_does_not_hang(void **state)
{
	struct trial *trial = new_trial("echo $HOME");

	(void)state;
	assert_int_equal(mkfifoat(trial->rootfs, "etc/passwd", 0644), 0);
	assert_output(trial, "/\n");
}

/* ---- user namespaces ---- */

static struct id_mapping *one_mapping(uint32_t inside, uint32_t outside, uint32_t size)
{
	struct id_mapping *mapping = xcalloc(1, sizeof(*mapping));

	*mapping = (struct id_mapping){ inside, outside, size };
	return mapping;
}

static struct trial *new_user_trial(const char *script)
{
	struct trial *trial = new_trial(script);
	struct namespaces_plan *plan = &trial->plan.namespaces;

	plan->unshare |= CLONE_NEWUSER;
	plan->uid_mappings = one_mapping(0, 100000, 65536);
	plan->gid_mappings = one_mapping(0, 200000, 65536);
	plan->uid_mapping_count = plan->gid_mapping_count = 1;
	trial->plan.rootfs.bind_devices = true;
	/* What is made in the root is made by its owner. */
	assert_int_equal(fchown(trial->rootfs, 100000, 200000), 0);
	return trial;
}

static void test_a_container_in_a_user_namespace(void **state)
{
	struct trial *trial = new_user_trial(
		"id -u; cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; stat -c '%t:%T' /dev/null /dev/tty;"
		"echo x > /dev/null && chmod 600 /dev/null; ls /sys/class/net; cat /proc/keys | wc -c");
	struct stat before, after;

	(void)state;
	assert_int_equal(stat("/dev/null", &before), 0);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/tr"), 0);
	trial->process.capabilities = (struct process_capabilities){ .set = true,
		.bounding = UINT64_C(0x1ffffffffff),
		.permitted = UINT64_C(0x1ffffffffff),
		.effective = UINT64_C(0x1ffffffffff) };
	/* The runtime's own bounding set bounds those of its containers, too. */
	if (prctl(PR_CAPBSET_READ, 24, 0, 0, 0) == 0) {
		trial->process.capabilities.bounding &= ~RESOURCE;
		trial->process.capabilities.permitted &= ~RESOURCE;
		trial->process.capabilities.effective &= ~RESOURCE;
	}
	assert_output(trial,
		"0\n 0 100000 65536\n 0 200000 65536\n1:3\n5:0\nchmod: /dev/null: Operation not permitted\nlo\n0\n");
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
}

static void test_sources_out_of_reach_are_opened_by_the_runtime(void **state)
{
	struct trial *trial = new_user_trial("cat /mnt/file; stat -c %u /mnt/file");
	cleanup_free char *closed = xprintf("%s/closed", trial->path);
	cleanup_free char *source = xprintf("%s/closed/source", trial->path);
	cleanup_free char *file = xprintf("%s/closed/source/file", trial->path);

	(void)state;
	assert_int_equal(mkdir(closed, 0700), 0);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "mine\n", 5, 0644), 0);
	trial_add_mount(trial, "/mnt", NULL, source, MS_BIND | MS_REC, NULL);
	assert_output(trial, "mine\n65534\n");
}

static void test_an_idmapped_mount_maps_owners(void **state)
{
	struct trial *trial =
		new_user_trial("stat -c '%u:%g' /mnt/file /own/file; touch /mnt/new && stat -c '%u:%g' /mnt/new");
	cleanup_free char *source = xprintf("%s/source", trial->path);
	cleanup_free char *file = xprintf("%s/source/file", trial->path);
	cleanup_free char *new_file = xprintf("%s/source/new", trial->path);
	struct mount_plan *mount;
	struct stat status;

	(void)state;
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "x", 1, 0644), 0);
	/* With the container's maps the host's root is the container's; with maps of its own 0 becomes 100005. */
	trial_add_mount(trial, "/mnt", NULL, source, MS_BIND, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].idmap = true;
	trial_add_mount(trial, "/own", NULL, source, MS_BIND, NULL);
	mount = &trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1];
	mount->idmap = mount->idmap_recursive = true;
	mount->uid_mappings = one_mapping(0, 100005, 1);
	mount->gid_mappings = one_mapping(0, 200006, 1);
	mount->uid_mapping_count = mount->gid_mapping_count = 1;
	trial_run(trial);
	if (strstr(trial->err.message, "does its file system support idmapped mounts?")) {
		print_message("tmpfs has no idmapped mounts before Linux 6.3\n");
		skip();
	}
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, "0:0\n5:6\n0:0\n");
	assert_int_equal(stat(new_file, &status), 0);
	assert_int_equal(status.st_uid, 0);
	done(trial);
}

static void test_limits_set_from_outside_hold_inside(void **state)
{
	struct process_rlimit limit = { RLIMIT_NOFILE, 77, 99 };
	struct process_plan plan = {
		.rlimits = &limit, .rlimit_count = 1, .oom_score_set = true, .oom_score_adjust = 12
	};
	struct error err = { 0 };
	struct rlimit seen;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(process_limit(&plan, pid, &err), 0);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &seen), 0);
	assert_int_equal(seen.rlim_cur, 77);
	assert_int_equal(seen.rlim_max, 99);
	{
		cleanup_free char *path = xprintf("/proc/%d/oom_score_adj", (int)pid);
		cleanup_strbuf struct strbuf content = STRBUF_INIT;

		assert_int_equal(file_read(AT_FDCWD, path, 64, &content), 0);
		assert_string_equal(content.data, "12\n");
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
}

/* ---- old kernels ---- */

/* The calls by descriptor answer ENOSYS. */
static void forbid_new_calls(void)
{
	static const int numbers[] = { SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount,
		SYS_mount_setattr, SYS_openat2 };
	struct sock_filter code[2 + ARRAY_SIZE(numbers) + 1];
	struct sock_fprog program = { ARRAY_SIZE(code), code };
	size_t count = 0;

	code[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		code[count++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i], (unsigned char)(ARRAY_SIZE(numbers) - i), 0);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	code[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		_exit(95);
}

static struct trial *new_look(void (*in_child)(void))
{
	struct trial *trial = new_trial(
		"sed 's/^[0-9]* [0-9]* [0-9:]* [^ ]* //; s/ - / /; s/ [^ ]*$//' /proc/self/mountinfo | sort;"
		"ls -l /dev | grep -v core | tr -s ' ' | cut -d' ' -f1,3-6,10-; pwd; touch /mnt/ro/x /new; cat "
		"/mnt/file /mnt/copy/name");
	cleanup_free char *source = xprintf("%s/source", trial->path);
	cleanup_free char *file = xprintf("%s/source/file", trial->path);

	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/sed"), 0);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/tr"), 0);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/cut"), 0);
	assert_int_equal(make_directories(trial->rootfs, "mnt/copy", 0755), 0);
	put_file(trial, "mnt/copy/name", "copied\n", 7, 0644);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "text\n", 5, 0644), 0);
	trial_add_mount(trial, "/mnt/ro", NULL, source, MS_BIND | MS_RDONLY | MS_NODEV | MS_NOATIME, NULL);
	trial_add_mount(trial, "/mnt/file", NULL, file, MS_BIND, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].propagation = MS_SHARED | MS_REC;
	trial_add_mount(trial, "/mnt/copy", "tmpfs", "tmpfs", MS_NOSUID | MS_RDONLY, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].tmpcopyup = true;
	trial->plan.rootfs.readonly = true;
	trial->in_child = in_child;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	return trial;
}

static void remove_numbers(char *text)
{
	char *to = text;

	/* Peer groups are numbered anew each time. */
	for (char *from = text; *from; from++) {
		if (*from < '0' || *from > '9')
			*to++ = *from;
	}
	*to = '\0';
}

static void test_an_old_kernel_gives_the_same_container(void **state)
{
	struct trial *modern = new_look(NULL);
	char *wanted = xstrdup(modern->output.data);
	struct trial *old;

	(void)state;
	done(modern);
	old = new_look(forbid_new_calls);
	remove_numbers(wanted);
	remove_numbers(old->output.data);
	assert_string_equal(old->output.data, wanted);
	assert_non_null(strstr(wanted, "text\ncopied\n"));
	free(wanted);
	done(old);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_user_and_groups_are_set, free_current),
		cmocka_unit_test_teardown(test_without_additional_groups_there_are_none, free_current),
		cmocka_unit_test_teardown(test_without_capabilities_all_sets_are_empty, free_current),
		cmocka_unit_test_teardown(test_five_sets_of_capabilities, free_current),
		cmocka_unit_test_teardown(test_capabilities_that_cannot_be_are_named, free_current),
		cmocka_unit_test_teardown(test_a_capability_that_root_lacks_is_named, free_current),
		cmocka_unit_test_teardown(test_limits_are_set, free_current),
		cmocka_unit_test_teardown(test_limits_that_cannot_be_raised_are_named, free_current),
		cmocka_unit_test_teardown(test_a_working_directory_outside_of_the_root_is_refused, free_current),
		cmocka_unit_test_teardown(test_a_directory_of_the_host_cannot_be_executed_through, free_current),
		cmocka_unit_test_teardown(test_a_directory_for_the_user_only_is_entered_as_the_user, free_current),
		cmocka_unit_test_teardown(test_a_filter_is_loaded_with_and_without_new_privileges, free_current),
		cmocka_unit_test_teardown(test_under_the_filter_only_the_documented_calls_are_made, free_current),
		cmocka_unit_test_teardown(test_signals_are_as_new, free_current),
		cmocka_unit_test_teardown(test_what_is_not_found_is_named, free_current),
		cmocka_unit_test_teardown(test_what_may_not_be_executed_says_why, free_current),
		cmocka_unit_test_teardown(test_a_missing_interpreter_is_named, free_current),
		cmocka_unit_test_teardown(test_an_interpreter_whose_own_is_missing_is_named, free_current),
		cmocka_unit_test_teardown(test_what_has_no_format_says_so, free_current),
		cmocka_unit_test_teardown(test_loader_and_architecture_are_named, free_current),
		cmocka_unit_test_teardown(test_a_noexec_mount_is_named, free_current),
		cmocka_unit_test_teardown(test_a_busy_program_says_so, free_current),
		cmocka_unit_test_teardown(test_the_first_executable_in_path_is_taken, free_current),
		cmocka_unit_test_teardown(test_a_hostile_passwd_does_not_hang, free_current),
		cmocka_unit_test_teardown(test_a_container_in_a_user_namespace, free_current),
		cmocka_unit_test_teardown(test_sources_out_of_reach_are_opened_by_the_runtime, free_current),
		cmocka_unit_test_teardown(test_an_idmapped_mount_maps_owners, free_current),
		cmocka_unit_test_teardown(test_limits_set_from_outside_hold_inside, free_current),
		cmocka_unit_test_teardown(test_an_old_kernel_gives_the_same_container, free_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
