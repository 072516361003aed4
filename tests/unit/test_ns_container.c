/* SPDX-License-Identifier: Apache-2.0 */
/* Containers made by hand, and what a hostile root file system can do to their making. Needs root and busybox-static.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <sys/sysmacros.h>

#include "tests/unit/container_trial.h"

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

static void require_root(void)
{
	if (geteuid() != 0 || access("/bin/busybox", X_OK) < 0) {
		print_message("needs root and /bin/busybox (busybox-static)\n");
		skip();
	}
}

static struct trial *new_trial(const char *script)
{
	require_root();
	current = trial_new(script);
	return current;
}

/* Runs it to its end; what it printed has to be exactly this. */
static void assert_output(struct trial *trial, const char *wanted)
{
	trial_run(trial);
	assert_string_equal(trial->err.message, "");
	assert_string_equal(trial->output.data, wanted);
	assert_true(WIFEXITED(trial->status));
	done(trial);
}

static void assert_failure(struct trial *trial, int code, const char *words)
{
	trial_run(trial);
	if (!strstr(trial->err.message, words))
		assert_string_equal(trial->err.message, words);
	assert_int_equal(trial->err.code, code);
	done(trial);
}

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
		trial_strings("/proc/interrupts", "/proc/keys", "/proc/fs", "/sys/firmware", "/proc/not/there", NULL);
	assert_output(trial, "0\n\n1:3\n"
			     "chmod: /proc/interrupts: Read-only file system\n"
			     "touch: /sys/firmware/x: Read-only file system\n"
			     "written\n");
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

/* ---- hostile root file systems ---- */

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

	(void)state;
	assert_int_equal(mkdirat(trial->rootfs, "inside", 0755), 0);
	assert_int_equal(mkdirat(trial->rootfs, "a", 0755), 0);
	assert_int_equal(symlinkat("../../../../../../inside", trial->rootfs, "out"), 0);
	assert_int_equal(symlinkat("/tmp/host", trial->rootfs, "absolute"), 0); /* dangling */
	assert_int_equal(symlinkat("new", trial->rootfs, "relative"), 0);       /* dangling */
	assert_int_equal(mkdir(strcat(strcpy(trial->stdin_path, trial->path), "/source"), 0755), 0);
	trial->stdin_path[0] = '\0';
	{
		cleanup_free char *source = xprintf("%s/source", trial->path);
		cleanup_free char *file = xprintf("%s/source/file", trial->path);

		assert_int_equal(file_replace(AT_FDCWD, file, "content\n", 8, 0644), 0);
		trial_add_mount(trial, "/out", NULL, source, MS_BIND, NULL);
		trial_add_mount(trial, "../../a/../a/b", NULL, source, MS_BIND | MS_REC, NULL);
		trial_add_mount(trial, "absolute", NULL, source, MS_BIND, NULL);
		trial_add_mount(trial, "/relative/sub/file", NULL, file, MS_BIND, NULL);
	}
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
	trial->plan.rootfs.masked_paths = trial_strings("/secret", "/not/there", "/etc/target/x", "/loop", NULL);
	assert_output(trial, "0\n0\n");
}

/* ---- mounts ---- */

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

static void test_a_bind_keeps_flags_unless_told_otherwise(void **state)
{
	struct trial *trial = new_trial("grep -o '/mnt/[a-z]* [a-z,]*' /proc/self/mountinfo | sort");

	(void)state;
	trial_add_template(trial);
	/* Of the host's /proc, which has flags of its own here and there. */
	trial_add_mount(trial, "/mnt/first", "tmpfs", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	trial_add_mount(trial, "/mnt/again", "tmpfs", "tmpfs", MS_NOSUID, NULL);
	trial->plan.rootfs.mounts[trial->plan.rootfs.mount_count - 1].recursive_set = MOUNT_ATTR_RDONLY;
	assert_output(trial, "/mnt/again ro,nosuid,relatime\n/mnt/first rw,nosuid,nodev,noexec,relatime\n");
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
		const char *wanted;
	} cases[] = { { 0, "0\n0\n" }, { MS_PRIVATE | MS_REC, "0\n0\n" }, { MS_SHARED, "1\n0\n" },
		{ MS_SHARED | MS_REC, "1\n1\n" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct trial *trial = new_trial("grep ' / / .*shared:' /proc/self/mountinfo | wc -l; grep ' / /proc "
						".*shared:' /proc/self/mountinfo | wc -l");

		/* The root is a directory of a larger file system: its mount's root is not "/". */
		free(trial->process.args[2]);
		trial->process.args[2] = xstrdup("grep -c ' / rw.* shared:' /proc/self/mountinfo; grep -c ' /proc rw.* "
						 "shared:' /proc/self/mountinfo");
		trial_add_template(trial);
		trial->plan.rootfs.propagation = cases[i].flag;
		assert_output(trial, cases[i].wanted);
	}
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
	trial->plan.rootfs.masked_paths = trial_strings("/secret", "/etc/passwd", "/secret", NULL);
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
		cmocka_unit_test_teardown(test_the_template_runs, free_current),
		cmocka_unit_test_teardown(test_default_devices_and_links_are_there, free_current),
		cmocka_unit_test_teardown(test_devices_of_the_plan_are_made_as_it_says, free_current),
		cmocka_unit_test_teardown(test_something_else_in_the_place_of_a_device_is_an_error, free_current),
		cmocka_unit_test_teardown(test_masked_paths_show_nothing_and_cannot_be_changed, free_current),
		cmocka_unit_test_teardown(test_read_only_paths_are_read_only, free_current),
		cmocka_unit_test_teardown(test_a_read_only_root_keeps_its_mounts_writable, free_current),
		cmocka_unit_test_teardown(test_a_read_only_dev_is_complete, free_current),
		cmocka_unit_test_teardown(test_proc_and_sys_behind_a_link_are_refused, free_current),
		cmocka_unit_test_teardown(test_a_link_for_dev_stays_inside, free_current),
		cmocka_unit_test_teardown(test_destinations_stay_inside, free_current),
		cmocka_unit_test_teardown(test_a_loop_of_links_is_an_error, free_current),
		cmocka_unit_test_teardown(test_a_masked_path_may_be_a_link, free_current),
		cmocka_unit_test_teardown(test_binds_have_the_flags_that_were_asked_for, free_current),
		cmocka_unit_test_teardown(test_a_bind_keeps_flags_unless_told_otherwise, free_current),
		cmocka_unit_test_teardown(test_a_tmpfs_takes_what_it_covers, free_current),
		cmocka_unit_test_teardown(test_a_wrong_option_is_named, free_current),
		cmocka_unit_test_teardown(test_an_overlay_is_mounted, free_current),
		cmocka_unit_test_teardown(test_a_mount_on_the_root_becomes_the_root, free_current),
		cmocka_unit_test_teardown(test_cgroups_are_shown_from_the_containers_group, free_current),
		cmocka_unit_test_teardown(test_without_a_cgroup_namespace_the_groups_are_bound, free_current),
		cmocka_unit_test_teardown(test_the_propagation_of_the_root_is_set, free_current),
		cmocka_unit_test_teardown(test_the_host_is_out_of_reach, free_current),
		cmocka_unit_test_teardown(test_without_pivot_the_host_is_out_of_reach_too, free_current),
		cmocka_unit_test_teardown(test_a_bound_dev_is_left_alone, free_current),
		cmocka_unit_test_teardown(test_the_hosts_null_cannot_be_changed_from_inside, free_current),
		cmocka_unit_test_teardown(test_names_and_sysctls_are_set, free_current),
		cmocka_unit_test_teardown(test_a_false_procfs_does_not_get_sysctls, free_current),
		cmocka_unit_test_teardown(test_a_terminal_is_the_containers_own, free_current),
		cmocka_unit_test_teardown(test_a_false_multiplexer_is_not_opened, free_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
