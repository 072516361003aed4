/* SPDX-License-Identifier: Apache-2.0 */
/* Containers made by hand: devices, mounts, names, terminals. Needs root and busybox-static. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <sys/sysmacros.h>

#include "tests/unit/container_trial.h"

static void test_the_template_runs(void **state)
{
	struct trial *trial = new_trial("echo hello; exit 7");

	(void)state;
	trial_add_template(trial);
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, "hello\n");
	assert_int_equal(WEXITSTATUS(trial->status), 7);
	done(trial);
}

static void test_default_devices_and_links_are_there(void **state)
{
	struct trial *trial = new_trial("cd /dev; stat -c '%n %A %t:%T %u:%g' null zero full random urandom tty;"
					"for l in fd stdin stdout stderr ptmx; do echo $l $(readlink $l); done;"
					"ls | sort | grep -v core | tr '\n' ' '; umask");

	(void)state;
	trial_add_template(trial);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/tr"), 0);
	assert_output(trial, "null crw-rw-rw- 1:3 0:0\n"
			     "zero crw-rw-rw- 1:5 0:0\n"
			     "full crw-rw-rw- 1:7 0:0\n"
			     "random crw-rw-rw- 1:8 0:0\n"
			     "urandom crw-rw-rw- 1:9 0:0\n"
			     "tty crw-rw-rw- 5:0 0:0\n"
			     "fd /proc/self/fd\n"
			     "stdin /proc/self/fd/0\n"
			     "stdout /proc/self/fd/1\n"
			     "stderr /proc/self/fd/2\n"
			     "ptmx pts/ptmx\n"
			     "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero 0022\n");
}

static void add_device(
	struct trial *trial, const char *path, char type, uint32_t major, uint32_t minor, mode_t mode, uid_t uid)
{
	struct rootfs_plan *rootfs = &trial->plan.rootfs;

	rootfs->devices = xrealloc(rootfs->devices, rootfs->device_count + 1, sizeof(*rootfs->devices));
	rootfs->devices[rootfs->device_count++] =
		(struct device_plan){ xstrdup(path), type, major, minor, mode, uid, uid };
}

static void test_devices_of_the_plan_are_made_as_it_says(void **state)
{
	struct trial *trial =
		new_trial("stat -c '%n %A %t:%T %u:%g' /dev/net/tun /dev/null /work/sub/loop /dev/pipe /dev/odd");

	(void)state;
	trial_add_template(trial);
	add_device(trial, "/dev/net/tun", 'c', 10, 200, 0666, 0);
	add_device(trial, "/dev/null", 'c', 1, 3, 0600, 1000);
	add_device(trial, "/work/sub/loop", 'b', 7, 0, 0640, 0);
	add_device(trial, "/dev/pipe", 'p', 0, 0, 0602, 0);
	add_device(trial, "dev//odd", 'c', 1, 5, 06777, 7);
	assert_output(trial, "/dev/net/tun crw-rw-rw- a:c8 0:0\n"
			     "/dev/null crw------- 1:3 1000:1000\n"
			     "/work/sub/loop brw-r----- 7:0 0:0\n"
			     "/dev/pipe prw-----w- 0:0 0:0\n"
			     "/dev/odd crwsrwsrwx 1:5 7:7\n");
}

static void test_read_only_paths_are_read_only(void **state)
{
	struct trial *trial = new_trial("echo 1 > /proc/sys/kernel/msgmax; touch /sys/x; touch /x; echo $?");

	(void)state;
	trial_add_template(trial);
	assert_output(trial, "sh: can't create /proc/sys/kernel/msgmax: Read-only file system\n"
			     "touch: /sys/x: Read-only file system\n"
			     "0\n");
}

static void test_a_read_only_root_keeps_its_mounts_writable(void **state)
{
	struct trial *trial = new_trial("touch /x; touch /dev/shm/y && pwd");

	(void)state;
	trial_add_template(trial);
	trial->plan.rootfs.readonly = true;
	trial->plan.rootfs.working_directory = xstrdup("/new/dir");
	free(trial->process.cwd);
	trial->process.cwd = xstrdup("/new/dir");
	assert_output(trial, "touch: /x: Read-only file system\n/new/dir\n");
}

static void test_a_read_only_dev_is_complete(void **state)
{
	struct trial *trial =
		new_trial("ls /dev | grep -v core | wc -l; touch /dev/x; touch /mnt/x; touch /mnt/sub/x && echo made");

	(void)state;
	trial_add_mount(trial, "/dev", "tmpfs", "tmpfs", MS_RDONLY, NULL);
	trial_add_mount(trial, "/mnt", "tmpfs", "tmpfs", MS_RDONLY, NULL);
	trial_add_mount(trial, "/mnt/sub", "tmpfs", "tmpfs", 0, NULL);
	assert_output(trial, "10\ntouch: /dev/x: Read-only file system\ntouch: /mnt/x: Read-only file system\nmade\n");
}

static void test_binds_have_the_flags_that_were_asked_for(void **state)
{
	struct trial *trial = new_trial("grep -o '/mnt/[a-z]* [a-z,]*' /proc/self/mountinfo | sort; touch /mnt/ro/x; "
					"touch /mnt/rw/x && echo made");
	cleanup_free char *source = xprintf("%s/source", trial->path);
	cleanup_free char *file = xprintf("%s/file", trial->path);

	(void)state;
	trial_add_template(trial);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(file_replace(AT_FDCWD, file, "x", 1, 0644), 0);
	trial_add_mount(trial, "/mnt/rw", "bind", source, MS_BIND | MS_REC, NULL);
	trial_add_mount(trial, "/mnt/ro", NULL, source, MS_BIND | MS_RDONLY | MS_NOSUID, NULL);
	trial_add_mount(trial, "/mnt/file", "none", file, MS_BIND | MS_NOEXEC | MS_NODEV | MS_NOATIME, NULL);
	/* Whatever the scratch directory's own mount has. */
	for (uint32_t i = trial->plan.rootfs.mount_count - 3; i < trial->plan.rootfs.mount_count; i++)
		trial->plan.rootfs.mounts[i].clear =
			(MS_NOSUID | MS_NODEV | MS_NOEXEC) & ~trial->plan.rootfs.mounts[i].flags;
	assert_output(trial, "/mnt/file rw,nodev,noexec,noatime\n"
			     "/mnt/ro ro,nosuid,relatime\n"
			     "/mnt/rw rw,relatime\n"
			     "touch: /mnt/ro/x: Read-only file system\nmade\n");
}

static void test_mounts_have_the_flags_that_were_asked_for(void **state)
{
	struct trial *trial = new_trial("grep -o '/mnt/[a-z]* [a-z,]*' /proc/self/mountinfo | sort");

	(void)state;
	trial_add_template(trial);
	trial_add_mount(trial, "/mnt/first", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	trial_add_mount(trial, "/mnt/second", "tmpfs", "tmpfs", MS_NOSUID | MS_NOATIME | MS_NOSYMFOLLOW, NULL);
	trial_add_mount(trial, "/mnt/third", "tmpfs", "tmpfs", MS_NOSUID | MS_STRICTATIME, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].recursive_set = MOUNT_ATTR_RDONLY;
	assert_output(trial, "/mnt/first rw,nosuid,nodev,noexec,relatime\n"
			     "/mnt/second rw,nosuid,noatime,nosymfollow\n"
			     "/mnt/third ro,nosuid\n");
}

static void test_a_bind_keeps_its_flags_unless_told_otherwise(void **state)
{
	struct trial *trial = new_trial("grep -o '/mnt/[a-z]* [a-z,]*' /proc/self/mountinfo | sort");
	struct mount_plan *mounts;

	(void)state;
	trial_add_template(trial);
	trial_add_mount(trial, "/mnt/kept", NULL, trial->path, MS_BIND, NULL);
	trial_add_mount(trial, "/mnt/set", NULL, trial->path, MS_BIND | MS_NOEXEC, NULL);
	trial_add_mount(trial, "/mnt/cleared", NULL, trial->path, MS_BIND, NULL);
	mounts = &trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 3];
	mounts[2].clear = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_non_null(strstr(trial->output.data, "/mnt/cleared rw,relatime\n"));
	assert_non_null(strstr(trial->output.data, "noexec,relatime\n"));
	done(trial);
}

static void test_a_tmpfs_takes_what_it_covers(void **state)
{
	struct trial *trial = new_trial("cd /full; ls -ln | grep -v total | cut -c1-10 | sort; cat sub/file; readlink "
					"link; stat -c %a . /empty;"
					"stat -c '%u:%g %a' sub/file; touch x && echo made");
	int directory;

	(void)state;
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/cut"), 0);
	assert_int_equal(make_directories(trial->rootfs, "full/sub", 0755), 0);
	assert_int_equal(mkdirat(trial->rootfs, "empty", 0755), 0);
	directory = openat(trial->rootfs, "full", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fchmod(directory, 01751), 0);
	assert_int_equal(file_replace(directory, "sub/file", "text\n", 5, 0644), 0);
	assert_int_equal(fchownat(directory, "sub/file", 5, 6, 0), 0);
	assert_int_equal(fchmodat(directory, "sub/file", 04755, 0), 0);
	assert_int_equal(symlinkat("/etc/shadow", directory, "link"), 0);
	assert_int_equal(mkfifoat(directory, "fifo", 0600), 0);
	(void)close(directory);
	trial_add_mount(trial, "/full", "tmpfs", "tmpfs", 0, NULL);
	trial->plan.rootfs.mounts[0].tmpcopyup = true;
	trial_add_mount(trial, "/empty", "tmpfs", "tmpfs", 0, "mode=0700");
	assert_output(trial, "drwxr-xr-x\nlrwxrwxrwx\nprw-------\ntext\n/etc/shadow\n1751\n700\n5:6 4755\nmade\n");
}

static void test_a_wrong_option_is_named(void **state)
{
	struct trial *trial = new_trial("true");

	(void)state;
	trial_add_mount(trial, "/mnt", "tmpfs", "tmpfs", 0, "size=banana");
	assert_failure(trial, EINVAL, "mount tmpfs at \"/mnt\" (tmpfs: Bad value for 'size')");
	trial = new_trial("true");
	trial_add_mount(trial, "/mnt", "nosuchfs", "x", 0, NULL);
	assert_failure(trial, ENODEV, "mount nosuchfs at \"/mnt\"");
	trial = new_trial("true");
	trial_add_mount(trial, "/mnt", NULL, "/no/such/source", MS_BIND, NULL);
	assert_failure(trial, ENOENT, "open \"/no/such/source\", to be mounted at \"/mnt\"");
	trial = new_trial("true");
	trial_add_mount(trial, "/mnt", NULL, "x", 0, NULL);
	assert_failure(trial, EINVAL, "neither a type nor the option bind");
}

static void test_an_overlay_is_mounted(void **state)
{
	struct trial *trial = new_trial("cat /merged/file; touch /merged/new && ls /merged");
	cleanup_free char *data =
		xprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", trial->path, trial->path, trial->path);
	int top = open(trial->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(mkdirat(top, "lower", 0755), 0);
	assert_int_equal(mkdirat(top, "upper", 0755), 0);
	assert_int_equal(mkdirat(top, "work", 0755), 0);
	assert_int_equal(file_replace(top, "lower/file", "low\n", 4, 0644), 0);
	trial_add_mount(trial, "/merged", "overlay", "overlay", 0, data);
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, "low\nfile\nnew\n");
	assert_int_equal(faccessat(top, "upper/new", F_OK, 0), 0);
	(void)close(top);
	done(trial);
}

static void test_a_mount_on_the_root_becomes_the_root(void **state)
{
	struct trial *trial = new_trial("ls / | sort | grep -c bin; cat /only/here");
	cleanup_free char *source = xprintf("%s/other", trial->path);
	cleanup_free char *bin = xprintf("%s/programs", trial->path);
	int top = open(trial->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_int_equal(make_directories(top, "other/only", 0755), 0);
	/* What the mount covers is out of reach for later ones. */
	assert_int_equal(renameat(top, "rootfs/bin", top, "programs"), 0);
	assert_int_equal(file_replace(top, "other/only/here", "yes\n", 4, 0644), 0);
	(void)close(top);
	trial_add_mount(trial, "/", NULL, source, MS_BIND, NULL);
	trial_add_mount(trial, "/bin", NULL, bin, MS_BIND, NULL);
	assert_output(trial, "1\nyes\n");
}

static void test_cgroups_are_shown_from_the_containers_group(void **state)
{
	struct trial *trial = new_trial("cd /sys/fs/cgroup; ls -d memory unified cgroup.procs 2>/dev/null;"
					"grep -c ' - cgroup' /proc/self/mountinfo; touch x; touch memory/x");

	(void)state;
	trial_add_template(trial);
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_non_null(strstr(trial->output.data, "touch: x: Read-only file system"));
	done(trial);
}

static void test_without_a_cgroup_namespace_the_groups_are_bound(void **state)
{
	struct trial *trial = new_trial("grep ' - cgroup' /proc/self/mountinfo | wc -l");

	(void)state;
	trial_add_template(trial);
	trial->plan.namespaces.unshare &= ~(uint64_t)CLONE_NEWCGROUP;
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_true(atoi(trial->output.data) > 0);
	done(trial);
}

static void test_the_propagation_of_the_root_is_set(void **state)
{
	static const struct {
		uint64_t flag;
		const char *wanted; /* is the root shared? is /proc? */
	} cases[] = {
		{ 0, "0\n0\n" },
		{ MS_PRIVATE | MS_REC, "0\n0\n" },
		{ MS_SHARED, "1\n0\n" },
		{ MS_SHARED | MS_REC, "1\n1\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trial *trial = new_trial("grep -c ' / rw.* shared:' /proc/self/mountinfo;"
						"grep -c ' /proc rw.* shared:' /proc/self/mountinfo");

		trial_add_template(trial);
		trial->plan.rootfs.propagation = cases[i].flag;
		assert_output(trial, cases[i].wanted);
	}
}

static void test_names_and_sysctls_are_set(void **state)
{
	struct trial *trial = new_trial(
		"hostname; cat /proc/sys/kernel/domainname /proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_forward;"
		"cat /sys/class/net/lo/flags");

	(void)state;
	trial_add_template(trial);
	trial->plan.hostname = xstrdup("box");
	trial->plan.domainname = xstrdup("example");
	trial->plan.sysctls = xcalloc(2, sizeof(*trial->plan.sysctls));
	trial->plan.sysctls[0] = (struct key_value){ xstrdup("kernel.msgmax"), xstrdup("4242") };
	trial->plan.sysctls[1] = (struct key_value){ xstrdup("net/ipv4/ip_forward"), xstrdup("1") };
	trial->plan.sysctl_count = 2;
	assert_output(trial, "box\nexample\n4242\n1\n0x9\n");
}

static void test_a_terminal_is_the_containers_own(void **state)
{
	struct trial *trial = new_trial(
		"tty; stat -c '%u %t' /dev/console; stty size; test /dev/console -ef /dev/pts/0 && echo same");

	(void)state;
	trial_add_template(trial);
	assert_int_equal(symlinkat("busybox", trial->rootfs, "bin/stty"), 0);
	trial->terminal = true;
	trial->process.uid = 1000;
	trial->process.rows = 33;
	trial->process.columns = 101;
	assert_output(trial, "/dev/pts/0\n1000 88\n33 101\nsame\n");
	trial = new_trial("true");
	trial->terminal = true;
	assert_failure(trial, ENOENT, "open a terminal in the container");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		trial_test(test_the_template_runs),
		trial_test(test_default_devices_and_links_are_there),
		trial_test(test_devices_of_the_plan_are_made_as_it_says),
		trial_test(test_read_only_paths_are_read_only),
		trial_test(test_a_read_only_root_keeps_its_mounts_writable),
		trial_test(test_a_read_only_dev_is_complete),
		trial_test(test_binds_have_the_flags_that_were_asked_for),
		trial_test(test_mounts_have_the_flags_that_were_asked_for),
		trial_test(test_a_bind_keeps_its_flags_unless_told_otherwise),
		trial_test(test_a_tmpfs_takes_what_it_covers),
		trial_test(test_a_wrong_option_is_named),
		trial_test(test_an_overlay_is_mounted),
		trial_test(test_a_mount_on_the_root_becomes_the_root),
		trial_test(test_cgroups_are_shown_from_the_containers_group),
		trial_test(test_without_a_cgroup_namespace_the_groups_are_bound),
		trial_test(test_the_propagation_of_the_root_is_set),
		trial_test(test_names_and_sysctls_are_set),
		trial_test(test_a_terminal_is_the_containers_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
