/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container by hand for tests of ns/ and process/: one clone, the steps of the two headers, busybox. Needs root and
 * busybox-static.
 */
#ifndef DUET_TESTS_CONTAINER_TRIAL_H
#define DUET_TESTS_CONTAINER_TRIAL_H

#include <elf.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sys.h"
#include "ns/namespaces.h"
#include "ns/rootfs.h"
#include "process/process_plan.h"
#include "process/terminal.h"

#define TRIAL_NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP)

struct trial {
	struct container_plan plan;
	struct process_plan process;
	char path[64];          /* scratch directory; its "rootfs" is the root */
	int rootfs;             /* descriptor of that */
	void (*in_child)(void); /* before anything else happens in the child */
	bool terminal;          /* makes one and binds the console */
	char stdin_path[64];

	struct error err; /* of the child, when it could not execute */
	struct strbuf output;
	int status; /* of waitpid(2) */
};

static inline void trial_add_mount(struct trial *trial, const char *destination, const char *type, const char *source,
	uint64_t flags, const char *data)
{
	struct rootfs_plan *rootfs = &trial->plan.rootfs;

	rootfs->mounts = xrealloc(rootfs->mounts, rootfs->mount_count + 1, sizeof(*rootfs->mounts));
	rootfs->mounts[rootfs->mount_count++] = (struct mount_plan){
		.destination = xstrdup(destination),
		.type = type ? xstrdup(type) : NULL,
		.source = source ? xstrdup(source) : NULL,
		.data = data ? xstrdup(data) : NULL,
		.flags = flags,
	};
}

static inline char **trial_copy(const char *const *strings)
{
	size_t count = 0;
	char **copy;

	while (strings[count])
		count++;
	copy = xcalloc(count + 1, sizeof(*copy));
	for (size_t i = 0; i < count; i++)
		copy[i] = xstrdup(strings[i]);
	return copy;
}
#define trial_strings(...) trial_copy((const char *const[]){ __VA_ARGS__, NULL })

/* The mounts, masks and capabilities of the template that runc and crun write. */
static inline void trial_add_template(struct trial *trial)
{
	const uint64_t usual = MS_NOSUID | MS_NOEXEC | MS_NODEV;

	trial_add_mount(trial, "/proc", "proc", "proc", 0, NULL);
	trial_add_mount(trial, "/dev", "tmpfs", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
	trial_add_mount(trial, "/dev/pts", "devpts", "devpts", MS_NOSUID | MS_NOEXEC,
		"newinstance,ptmxmode=0666,mode=0620,gid=5");
	trial_add_mount(trial, "/dev/shm", "tmpfs", "shm", usual, "mode=1777,size=65536k");
	trial_add_mount(trial, "/dev/mqueue", "mqueue", "mqueue", usual, NULL);
	trial_add_mount(trial, "/sys", "sysfs", "sysfs", usual | MS_RDONLY, NULL);
	trial_add_mount(trial, "/sys/fs/cgroup", "cgroup", "cgroup", usual | MS_RELATIME | MS_RDONLY, NULL);
	trial->plan.rootfs.masked_paths =
		trial_strings("/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
			"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi");
	trial->plan.rootfs.readonly_paths =
		trial_strings("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
}

static inline void trial_make_rootfs(struct trial *trial)
{
	static const char *const directories[] = { "bin", "proc", "sys", "dev", "etc", "tmp", "work", NULL };
	static const char *const applets[] = { "sh", "cat", "ls", "id", "stat", "readlink", "mount", "tty", "true",
		"chmod", "env", "hostname", "grep", "pwd", "touch", "mkdir", "wc", "sort", "sleep", "ulimit", NULL };
	cleanup_strbuf struct strbuf busybox = STRBUF_INIT;

	(void)mkdirat(open(trial->path, O_PATH | O_CLOEXEC), "rootfs", 0755);
	trial->rootfs = open(trial->plan.rootfs.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; directories[i]; i++)
		(void)mkdirat(trial->rootfs, directories[i], 0755);
	if (file_read(AT_FDCWD, "/bin/busybox", 16 << 20, &busybox) == 0)
		(void)file_replace(trial->rootfs, "bin/busybox", busybox.data, busybox.length, 0755);
	for (size_t i = 0; applets[i]; i++) {
		cleanup_free char *link = xprintf("bin/%s", applets[i]);

		(void)symlinkat("busybox", trial->rootfs, link);
	}
}

static inline struct trial *trial_new(const char *script)
{
	struct trial *trial = xcalloc(1, sizeof(*trial));

	(void)snprintf(trial->path, sizeof(trial->path), "/dev/shm/duet-trial-XXXXXX");
	if (!mkdtemp(trial->path) || chmod(trial->path, 0755) < 0)
		abort();
	trial->plan.rootfs.root = xprintf("%s/rootfs", trial->path);
	trial->plan.namespaces.unshare = TRIAL_NAMESPACES;
	trial_make_rootfs(trial);
	trial->process.args = trial_strings("sh", "-c", script);
	trial->process.env = trial_strings("PATH=/usr/bin:/bin");
	trial->process.cwd = xstrdup("/");
	return trial;
}

static inline void trial_free(struct trial *trial)
{
	(void)close(trial->rootfs);
	container_plan_free(&trial->plan);
	process_plan_free(&trial->process);
	strbuf_free(&trial->output);
	if (remove_tree(AT_FDCWD, trial->path) < 0)
		abort();
	free(trial);
}

static inline int trial_terminal(struct trial *trial, struct rootfs *rootfs, struct error *err)
{
	int master, slave, result;

	if (!trial->terminal)
		return 0;
	result = process_make_terminal(rootfs_directory(rootfs), &trial->process, &master, &slave, err);
	/* Nobody else holds the other side, without which the terminal is hung up. */
	if (result == 0 && dup2(master, 3 + (int)trial->process.preserve_fds) >= 0)
		trial->process.preserve_fds++;
	if (result == 0)
		result = rootfs_console(rootfs, slave, err);
	return result < 0 ? result : slave;
}

static inline int trial_child_steps(struct trial *trial, struct error *err)
{
	cleanup_free char *executable = NULL;
	struct rootfs *rootfs = NULL;
	int terminal = 0;
	int result = rootfs_open(&rootfs, &trial->plan.rootfs, err);

	if (result == 0)
		result = rootfs_mount(rootfs, err);
	if (result == 0)
		result = terminal = trial_terminal(trial, rootfs, err);
	if (result >= 0)
		result = rootfs_pivot(rootfs, err);
	if (result == 0)
		result = namespaces_apply(&trial->plan, false, err);
	if (result == 0)
		result = rootfs_finish(rootfs, err);
	rootfs_close(&rootfs);
	if (result == 0 && terminal > 0) {
		int out = fcntl(STDOUT_FILENO, F_DUPFD, 3);

		result = process_take_terminal(terminal, err);
		(void)dup2(out, STDOUT_FILENO); /* what it says is to be seen by the test */
	}
	if (result == 0)
		result = process_prepare(&trial->process, &executable, err);
	if (result == 0)
		result = process_execute(&trial->process, executable, err);
	return result;
}

static inline void trial_child(struct trial *trial, int go, int output, int errors)
{
	struct error err = { 0 };
	char byte;

	if (read(go, &byte, 1) != 1)
		_exit(99);
	if (trial->in_child)
		trial->in_child();
	if (trial->plan.namespaces.unshare & CLONE_NEWCGROUP)
		(void)unshare(CLONE_NEWCGROUP);
	if (trial->plan.namespaces.unshare & CLONE_NEWUSER) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
			_exit(98);
	}
	(void)dup2(open(trial->stdin_path[0] ? trial->stdin_path : "/dev/null", O_RDONLY), STDIN_FILENO);
	(void)dup2(output, STDOUT_FILENO);
	(void)dup2(output, STDERR_FILENO);
	trial->process.error_fd = errors;
	(void)trial_child_steps(trial, &err);
	(void)file_write_fd(errors, &err, sizeof(err));
	_exit(err.exit_status ? err.exit_status : 1);
}

static inline void trial_run(struct trial *trial)
{
	struct clone_args arguments = { .flags = trial->plan.namespaces.unshare & ~(uint64_t)CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD };
	int go[2], output[2], errors[2];
	bool denied;
	pid_t pid;

	if (rootfs_open_sources(&trial->plan, &trial->err) < 0)
		return;
	if (pipe2(go, O_CLOEXEC) < 0 || pipe2(output, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0)
		abort();
	pid = sys_clone3(&arguments);
	if (pid < 0)
		abort();
	if (pid == 0) {
		(void)close(go[1]);
		trial_child(trial, go[0], output[1], errors[1]);
	}
	if ((trial->plan.namespaces.unshare & CLONE_NEWUSER) &&
		namespaces_write_id_maps(&trial->plan.namespaces, pid, &denied, &trial->err) < 0)
		(void)kill(pid, SIGKILL);
	(void)close(output[1]);
	(void)close(errors[1]);
	(void)file_write_fd(go[1], "x", 1);
	(void)file_read_fd(output[0], 1 << 20, &trial->output);
	if (!trial->err.code)
		(void)file_read_exactly(errors[0], &trial->err, sizeof(trial->err));
	(void)waitpid(pid, &trial->status, 0);
	(void)close(go[0]);
	(void)close(go[1]);
	(void)close(output[0]);
	(void)close(errors[0]);
}

/* ---- for the tests themselves (include cmocka.h first) ---- */

/* What a failed assertion leaves behind. */
static struct trial *trial_current;

static inline int trial_free_current(void **state)
{
	(void)state;
	if (trial_current)
		trial_free(trial_current);
	trial_current = NULL;
	return 0;
}
#define trial_test(function) cmocka_unit_test_teardown(function, trial_free_current)

static inline struct trial *new_trial(const char *script)
{
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		print_message("needs root and /bin/busybox (busybox-static)\n");
		skip();
	}
	trial_current = trial_new(script);
	return trial_current;
}

static inline struct trial *new_template_trial(const char *script)
{
	struct trial *trial = new_trial(script);

	trial_add_template(trial);
	return trial;
}

static inline void done(struct trial *trial)
{
	trial_free(trial);
	trial_current = NULL;
}

/* Runs it to its end; what it printed has to be exactly this. */
static inline void assert_output(struct trial *trial, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, wanted);
	assert_true(WIFEXITED(trial->status));
	done(trial);
}

static inline void assert_failure(struct trial *trial, int code, const char *words)
{
	trial_run(trial);
	if (!strstr(trial->err.message, words))
		assert_string_equal(trial->err.message, words);
	assert_int_equal(trial->err.code, code);
	done(trial);
}

static inline void put_file(
	const struct trial *trial, const char *path, const void *content, size_t length, mode_t mode)
{
	assert_int_equal(file_replace(trial->rootfs, path, content, length, mode), 0);
	assert_int_equal(fchmodat(trial->rootfs, path, mode, 0), 0);
}

static inline void set_args(struct trial *trial, char **args)
{
	free_strings(trial->process.args);
	trial->process.args = args;
}

/* A program that ends with status 33 and calls nothing else. */
static inline void make_exit_program(const struct trial *trial, const char *name)
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

#endif
