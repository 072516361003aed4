/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces, idmapped mounts, and kernels without the mount calls by descriptor. Needs root and busybox-static.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "tests/unit/container_trial.h"

#define RESOURCE (UINT64_C(1) << 24)

static struct id_mapping *one_mapping(uint32_t inside, uint32_t outside, uint32_t size)
{
	struct id_mapping *mapping = xcalloc(1, sizeof(*mapping));

	*mapping = (struct id_mapping){ inside, outside, size };
	return mapping;
}

static struct trial *new_user_trial(const char *script)
{
	struct trial *trial = new_template_trial(script);
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

/* As user 1000: its own ids, and somebody else's. */
static void map_as_user(int tell)
{
	struct id_mapping own = { 0, 1000, 1 }, foreign = { 0, 4242, 2 };
	struct namespaces_plan maps = {
		.uid_mappings = &own, .gid_mappings = &own, .uid_mapping_count = 1, .gid_mapping_count = 1
	};
	struct error err = { 0 };

	if (setgroups(0, NULL) < 0 || setresgid(1000, 1000, 1000) < 0 || setresuid(1000, 1000, 1000) < 0)
		_exit(1);
	/* The change of user has made it undumpable, and its children with it: their files in /proc would be root's. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		_exit(2);
	if (namespaces_make_user(&maps, &err) < 0) {
		(void)file_write_fd(tell, &err, sizeof(err));
		_exit(3);
	}
	maps.uid_mappings = &foreign;
	if (namespaces_make_user(&maps, &err) >= 0)
		_exit(4);
	(void)file_write_fd(tell, &err, sizeof(err));
	_exit(0);
}

static void test_an_unprivileged_caller_maps_only_itself(void **state)
{
	struct error err = { 0 };
	int tell[2], status;
	pid_t pid;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(pipe2(tell, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0)
		map_as_user(tell[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(tell[1]);
	assert_int_equal(file_read_exactly(tell[0], &err, sizeof(err)), 0);
	(void)close(tell[0]);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		assert_string_equal(err.message, "");
	assert_non_null(strstr(err.message, "map the ids of the user namespace"));
	assert_non_null(strstr(err.message, "newuidmap"));
}

static void test_the_score_is_set_from_outside_and_limits_do_not_hinder(void **state)
{
	struct process_rlimit limit = { RLIMIT_NOFILE, 7, 9 };
	struct process_plan plan = {
		.rlimits = &limit, .rlimit_count = 1, .oom_score_set = true, .oom_score_adjust = 12
	};
	struct error err = { 0 };
	struct rlimit before, seen;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(process_raise_limits(&plan, pid, &err), 0);
	assert_int_equal(prlimit(pid, RLIMIT_NOFILE, NULL, &seen), 0);
	assert_int_equal(seen.rlim_cur, before.rlim_cur);
	assert_int_equal(seen.rlim_max, before.rlim_max);
	{
		cleanup_free char *path = xprintf("/proc/%d/oom_score_adj", (int)pid);
		cleanup_strbuf struct strbuf content = STRBUF_INIT;

		assert_int_equal(file_read(AT_FDCWD, path, 64, &content), 0);
		assert_string_equal(content.data, "12\n");
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
}

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
	struct trial *trial = new_template_trial(
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
		trial_test(test_a_container_in_a_user_namespace),
		trial_test(test_sources_out_of_reach_are_opened_by_the_runtime),
		trial_test(test_an_idmapped_mount_maps_owners),
		trial_test(test_an_unprivileged_caller_maps_only_itself),
		trial_test(test_the_score_is_set_from_outside_and_limits_do_not_hinder),
		trial_test(test_an_old_kernel_gives_the_same_container),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
