/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile root file system can do to the making of a container: nothing. Needs root and busybox-static. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <sys/sysmacros.h>

#include "tests/unit/container_trial.h"

static void test_something_else_in_the_place_of_a_device_is_an_error(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	assert_int_equal(symlinkat("/etc/passwd", trial->rootfs, "dev/null"), 0);
	assert_failure(trial, EEXIST, "make the device \"/dev/null\": something else is there");
	trial = new_trial("true");
	assert_int_equal(mknodat(trial->rootfs, "dev/null", S_IFCHR | 0666, makedev(1, 5)), 0);
	assert_failure(trial, EEXIST, "not the device c 1:3");
}

static void test_masked_paths_show_nothing_and_cannot_be_changed(void **state)
{
	struct trial *trial =
		new_trial("cat /proc/interrupts /proc/keys | wc -c; ls /proc/fs /sys/firmware | grep -v :; stat -c "
			  "'%t:%T' /proc/interrupts;"
			  "chmod 600 /proc/interrupts; touch /sys/firmware/x; echo x > /proc/keys && echo written");

	(void)state;
	trial_add_template(trial);
	free_strings(trial->plan.rootfs.masked_paths);
	trial->plan.rootfs.masked_paths =
		trial_strings("/proc/interrupts", "/proc/keys", "/proc/fs", "/sys/firmware", "/proc/not/there");
	assert_output(trial, "0\n\n1:3\n"
			     "chmod: /proc/interrupts: Read-only file system\n"
			     "touch: /sys/firmware/x: Read-only file system\n"
			     "written\n");
}

static void replace_by_link(const struct trial *trial, const char *name, const char *target)
{
	assert_int_equal(remove_tree(trial->rootfs, name), 0);
	assert_int_equal(symlinkat(target, trial->rootfs, name), 0);
}

static void test_proc_and_sys_behind_a_link_are_refused(void **state)
{
	static const char *const targets[] = { "/etc", "/tmp", "../../../../tmp", "/nowhere", "work", NULL };

	(void)state;
	for (size_t i = 0; targets[i]; i++) {
		struct trial *trial = new_trial("true");

		trial_add_template(trial);
		replace_by_link(trial, "proc", targets[i]);
		assert_failure(trial, ELOOP, "mount proc at \"/proc\": the root file system has a symbolic link there");
		trial = new_trial("true");
		trial_add_template(trial);
		replace_by_link(trial, "sys", targets[i]);
		assert_failure(trial, ELOOP, "mount sysfs at \"/sys\": the root file system has a symbolic link there");
	}
}

static void test_a_link_for_dev_stays_inside(void **state)
{
	struct trial *trial = new_trial("ls -d /tmp/null /work/null; readlink /dev");
	struct stat before, after;

	(void)state;
	assert_int_equal(stat("/tmp", &before), 0);
	/* No mount on /dev: the nodes go where the link leads, inside. */
	replace_by_link(trial, "dev", "../../../../work");
	assert_output(trial, "ls: /tmp/null: No such file or directory\n/work/null\n../../../../work\n");
	assert_int_equal(access("/work/null", F_OK), -1);
	trial = new_trial("ls -d /etc/null /etc/fd");
	trial_add_template(trial);
	replace_by_link(trial, "dev", "/etc");
	assert_output(trial, "/etc/fd\n/etc/null\n");
	assert_int_equal(access("/etc/null", F_OK), -1);
	assert_int_equal(access("/etc/pts", F_OK), -1);
	assert_int_equal(stat("/tmp", &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
}

static void test_destinations_stay_inside(void **state)
{
	struct trial *trial =
		new_trial("cat /inside/file; cat /a/b/file; cat /tmp/host/file; cat /new/sub/file; ls /work");
	cleanup_free char *source = xprintf("%s/source", trial->path);
	cleanup_free char *file = xprintf("%s/source/file", trial->path);

	(void)state;
	assert_int_equal(mkdirat(trial->rootfs, "inside", 0755), 0);
	assert_int_equal(mkdirat(trial->rootfs, "a", 0755), 0);
	assert_int_equal(symlinkat("../../../../../../inside", trial->rootfs, "out"), 0);
	/* These two lead to nothing yet. */
	assert_int_equal(symlinkat("/tmp/host", trial->rootfs, "absolute"), 0);
	assert_int_equal(symlinkat("new", trial->rootfs, "relative"), 0);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "content\n", 8, 0644), 0);
	trial_add_mount(trial, "/out", NULL, source, MS_BIND, NULL);
	trial_add_mount(trial, "../../a/../a/b", NULL, source, MS_BIND | MS_REC, NULL);
	trial_add_mount(trial, "absolute", NULL, source, MS_BIND, NULL);
	trial_add_mount(trial, "/relative/sub/file", NULL, file, MS_BIND, NULL);
	assert_output(trial, "content\ncontent\ncontent\ncontent\n");
	assert_int_equal(access("/tmp/host", F_OK), -1);
	assert_int_equal(access("/inside", F_OK), -1);
}

static void test_a_loop_of_links_is_an_error(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	assert_int_equal(symlinkat("loop", trial->rootfs, "loop"), 0);
	trial_add_mount(trial, "/loop/x", "tmpfs", "tmpfs", 0, NULL);
	assert_failure(trial, ELOOP, "make the mount point \"/loop/x\"");
}

static void test_a_masked_path_may_be_a_link(void **state)
{
	struct trial *trial = new_trial("cat /secret | wc -c; cat /etc/target | wc -c");

	(void)state;
	trial_add_template(trial);
	assert_int_equal(file_replace(trial->rootfs, "etc/target", "secret", 6, 0644), 0);
	assert_int_equal(symlinkat("../../../etc/target", trial->rootfs, "secret"), 0);
	free_strings(trial->plan.rootfs.masked_paths);
	trial->plan.rootfs.masked_paths = trial_strings("/secret", "/not/there", "/etc/target/x", "/loop");
	assert_output(trial, "0\n0\n");
}

static void test_the_host_is_out_of_reach(void **state)
{
	struct trial *trial = new_trial("cut -d' ' -f5 /proc/self/mountinfo | grep -v '^/sys/fs/cgroup/' | sort;"
					"ls /proc/1/root/; ls -l /proc/self/fd | grep -c '[0-9] -> '");

	(void)state;
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/cut"), 0);
	trial_add_template(trial);
	free_strings(trial->plan.rootfs.masked_paths);
	free_strings(trial->plan.rootfs.readonly_paths);
	trial->plan.rootfs.masked_paths = trial->plan.rootfs.readonly_paths = NULL;
	/* No other mount, and no descriptor but 0, 1, 2 (ls cannot read the link of its own directory's any more). */
	assert_output(trial, "/\n/dev\n/dev/mqueue\n/dev/pts\n/dev/shm\n/proc\n/sys\n/sys/fs/cgroup\n"
			     "bin\ndev\netc\nproc\nsys\ntmp\nwork\n"
			     "ls: /proc/self/fd/3: cannot read link: No such file or directory\n3\n");
}

static void test_without_pivot_the_host_is_out_of_reach_too(void **state)
{
	struct trial *trial = new_trial("ls /; mount -t proc | wc -l");

	(void)state;
	trial_add_template(trial);
	trial->plan.rootfs.no_pivot = true;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_non_null(strstr(trial->output.data, "bin\ndev\netc\nproc\n"));
	done(trial);
	trial = new_trial("ls /");
	trial_add_template(trial);
	trial->plan.rootfs.move_root = true;
	assert_output(trial, "bin\ndev\netc\nproc\nsys\ntmp\nwork\n");
}

static void test_a_bound_dev_is_left_alone(void **state)
{
	struct trial *trial = new_trial("ls /dev");
	cleanup_free char *source = xprintf("%s/device", trial->path);

	(void)state;
	assert_int_equal(mkdir(source, 0755), 0);
	trial_add_mount(trial, "/./dev/", NULL, source, MS_BIND, NULL);
	assert_output(trial, "");
}

static void test_the_hosts_null_cannot_be_changed_from_inside(void **state)
{
	struct trial *trial = new_trial("stat -c %t:%T /secret; chmod 600 /secret; echo x > /secret && echo written");
	struct stat before, after;

	(void)state;
	assert_int_equal(stat("/dev/null", &before), 0);
	assert_int_equal(file_replace(trial->rootfs, "secret", "secret", 6, 0644), 0);
	trial->plan.rootfs.bare = true;
	trial->plan.rootfs.masked_paths = trial_strings("/secret", "/etc/passwd", "/secret");
	assert_output(trial, "1:3\nchmod: /secret: Read-only file system\nwritten\n");
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
	/* Standard input is the container's own null, not the host's. */
	trial = new_trial("chmod 640 /dev/stdin; stat -L -c %a /dev/stdin /dev/null");
	trial_add_template(trial);
	assert_output(trial, "640\n640\n");
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_int_equal(before.st_mode, after.st_mode);
}

static void test_a_false_procfs_does_not_get_sysctls(void **state)
{
	struct trial *trial = new_trial(
		"cat /proc/sys/net/ipv4/ip_forward; mount -t proc proc /tmp; cat /tmp/sys/net/ipv4/ip_forward");

	(void)state;
	assert_int_equal(make_directories(trial->rootfs, "proc/sys/net/ipv4", 0755), 0);
	assert_int_equal(file_replace(trial->rootfs, "proc/sys/net/ipv4/ip_forward", "fake\n", 5, 0666), 0);
	trial->plan.sysctls = xcalloc(1, sizeof(*trial->plan.sysctls));
	trial->plan.sysctls[0] = (struct key_value){ xstrdup("net.ipv4.ip_forward"), xstrdup("1") };
	trial->plan.sysctl_count = 1;
	trial->process.capabilities.set = true;
	trial->process.capabilities.bounding = trial->process.capabilities.permitted =
		trial->process.capabilities.effective = 1ULL << 21; /* CAP_SYS_ADMIN, to look */
	assert_output(trial, "fake\n1\n");
}

static void test_a_false_multiplexer_is_not_opened(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	trial->terminal = true;
	assert_int_equal(mkdirat(trial->rootfs, "dev/pts", 0755), 0);
	assert_int_equal(mknodat(trial->rootfs, "dev/pts/ptmx", S_IFCHR | 0666, makedev(5, 2)), 0);
	assert_failure(trial, EINVAL, "open a terminal in the container");
	trial = new_trial("true");
	trial->terminal = true;
	assert_int_equal(symlinkat("/dev/ptmx", trial->rootfs, "dev/pts"), 0);
	assert_failure(trial, ENOENT, "open a terminal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		trial_test(test_something_else_in_the_place_of_a_device_is_an_error),
		trial_test(test_masked_paths_show_nothing_and_cannot_be_changed),
		trial_test(test_proc_and_sys_behind_a_link_are_refused),
		trial_test(test_a_link_for_dev_stays_inside),
		trial_test(test_destinations_stay_inside),
		trial_test(test_a_loop_of_links_is_an_error),
		trial_test(test_a_masked_path_may_be_a_link),
		trial_test(test_the_host_is_out_of_reach),
		trial_test(test_without_pivot_the_host_is_out_of_reach_too),
		trial_test(test_a_bound_dev_is_left_alone),
		trial_test(test_the_hosts_null_cannot_be_changed_from_inside),
		trial_test(test_a_false_procfs_does_not_get_sysctls),
		trial_test(test_a_false_multiplexer_is_not_opened),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
