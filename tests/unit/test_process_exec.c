/* SPDX-License-Identifier: Apache-2.0 */
/* Why a program cannot be executed, in words. Needs root and busybox-static. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>

#include "tests/unit/container_trial.h"

static void assert_exit(struct trial *trial, int exit_status, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, wanted);
	assert_int_equal(trial->err.exit_status, exit_status);
	done(trial);
}

static void assert_exec_failure(
	const char *name, const char *path, const char *content, mode_t mode, int exit_status, const char *wanted)
{
	struct trial *trial = new_template_trial("true");

	if (content)
		put_file(trial, path, content, strlen(content), mode);
	set_args(trial, trial_strings(name));
	assert_exit(trial, exit_status, wanted);
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
	struct trial *trial = new_template_trial("true");

	(void)state;
	put_file(trial, "work/inner", "#!/nope/inner\n", 14, 0755);
	put_file(trial, "work/script", "#!/work/inner\n", 14, 0755);
	set_args(trial, trial_strings("/work/script"));
	assert_exit(trial, 127,
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
	set_args(trial, trial_strings("/work/program"));
}

static void test_loader_and_architecture_are_named(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	put_program(trial, EM_X86_64, "/lib64/ld-nope.so.2");
	assert_exit(trial, 127,
		"exec \"/work/program\": ELF loader \"/lib64/ld-nope.so.2\" not found: no such file or directory");
	trial = new_template_trial("true");
	put_program(trial, EM_AARCH64, NULL);
	assert_exit(
		trial, 126, "exec: \"/work/program\": exec format error (built for aarch64, this machine is x86-64)");
	trial = new_template_trial("true");
	put_program(trial, 4242, NULL);
	assert_exit(trial, 126,
		"exec: \"/work/program\": exec format error (built for machine number 4242, this machine is x86-64)");
}

static void test_a_noexec_mount_is_named(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	put_file(trial, "work/file", "#!/bin/sh\n", 10, 0755);
	trial_add_mount(trial, "/work", "tmpfs", "tmpfs", MS_NOEXEC, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].tmpcopyup = true;
	set_args(trial, trial_strings("/work/file"));
	assert_exit(trial, 126, "exec: \"/work/file\": permission denied (its file system is mounted noexec)");
}

static void test_a_busy_program_says_so(void **state)
{
	struct trial *trial = new_template_trial("true");
	int writer;

	(void)state;
	make_exit_program(trial, "work/program");
	writer = openat(trial->rootfs, "work/program", O_WRONLY | O_CLOEXEC);
	assert_true(writer >= 0);
	set_args(trial, trial_strings("/work/program"));
	trial_run(trial);
	(void)close(writer);
	assert_string_equal(trial->err.message, "exec: \"/work/program\": text file busy (it is open for writing)");
	assert_int_equal(trial->err.exit_status, 126);
	done(trial);
}

static void test_the_first_executable_in_path_is_taken(void **state)
{
	struct trial *trial = new_template_trial("true");

	(void)state;
	put_file(trial, "etc/tool", "#!/bin/sh\n", 10, 0644); /* not executable: passed over */
	assert_int_equal(mkdirat(trial->rootfs, "tmp/tool", 0755), 0);
	put_file(trial, "work/tool", "#!/bin/sh\necho work\n", 20, 0755);
	put_file(trial, "bin/tool", "#!/bin/sh\necho bin\n", 19, 0755);
	free_strings(trial->process.env);
	trial->process.env = trial_strings("PATH=/nowhere:/etc:/tmp:/work:/bin");
	set_args(trial, trial_strings("tool"));
	assert_output(trial, "work\n");
}

static void test_a_hostile_passwd_does_not_hang(void **state)
{
	struct trial *trial = new_template_trial("echo $HOME");

	(void)state;
	assert_int_equal(mkfifoat(trial->rootfs, "etc/passwd", 0644), 0);
	assert_output(trial, "/\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		trial_test(test_what_is_not_found_is_named),
		trial_test(test_what_may_not_be_executed_says_why),
		trial_test(test_a_missing_interpreter_is_named),
		trial_test(test_an_interpreter_whose_own_is_missing_is_named),
		trial_test(test_what_has_no_format_says_so),
		trial_test(test_loader_and_architecture_are_named),
		trial_test(test_a_noexec_mount_is_named),
		trial_test(test_a_busy_program_says_so),
		trial_test(test_the_first_executable_in_path_is_taken),
		trial_test(test_a_hostile_passwd_does_not_hang),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
