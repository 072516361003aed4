/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a container on the wire; sysctl names; paths as config.json writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
/* cmocka wants these first */
#include <cmocka.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <sys/mount.h>

#include "ns/namespaces.h"
#include "ns/rootfs_internal.h"
#include "ns/sysctl.h"

static char **two_strings(const char *first, const char *second)
{
	char **strings = xcalloc(3, sizeof(*strings));

	strings[0] = xstrdup(first);
	strings[1] = xstrdup(second);
	return strings;
}

static void fill_mounts(struct rootfs_plan *rootfs)
{
	rootfs->mount_count = 2;
	rootfs->mounts = xcalloc(2, sizeof(*rootfs->mounts));
	rootfs->mounts[0] = (struct mount_plan){
		.destination = xstrdup("/proc"),
		.type = xstrdup("proc"),
		.source = xstrdup("proc"),
		.flags = MS_NOSUID,
	};
	rootfs->mounts[1] = (struct mount_plan){
		.destination = xstrdup("data"),
		.source = xstrdup("/srv"),
		.data = xstrdup("x=1"),
		.flags = MS_BIND | MS_REC,
		.clear = MS_NOEXEC,
		.propagation = MS_SLAVE | MS_REC,
		.recursive_set = 1,
		.recursive_clear = 1ULL << 40,
		.tmpcopyup = true,
		.link = xstrdup("/target"),
		.idmap = true,
		.uid_mappings = xcalloc(1, sizeof(struct id_mapping)),
		.uid_mapping_count = 1,
		.source_is_directory = true,
	};
	rootfs->mounts[1].uid_mappings[0] = (struct id_mapping){ 0, UINT32_MAX, 65536 };
}

static struct container_plan full_plan(void)
{
	struct container_plan plan = { .hostname = xstrdup("host"), .sysctl_count = 1 };

	plan.namespaces.unshare = CLONE_NEWNS | CLONE_NEWPID;
	plan.namespaces.join[NAMESPACE_NETWORK] = xstrdup("/run/netns/x");
	plan.namespaces.gid_mappings = xcalloc(2, sizeof(struct id_mapping));
	plan.namespaces.gid_mappings[1] = (struct id_mapping){ 1, 2, 3 };
	plan.namespaces.gid_mapping_count = 2;
	plan.namespaces.time_offsets_set = true;
	plan.namespaces.monotonic_seconds = -5;
	plan.namespaces.boottime_nanoseconds = 999999999;
	plan.rootfs.root = xstrdup("/bundle/rootfs");
	plan.rootfs.readonly = true;
	plan.rootfs.propagation = MS_SHARED;
	plan.rootfs.bare = true;
	plan.rootfs.working_directory = xstrdup("/work");
	fill_mounts(&plan.rootfs);
	plan.rootfs.device_count = 1;
	plan.rootfs.devices = xcalloc(1, sizeof(struct device_plan));
	plan.rootfs.devices[0] = (struct device_plan){ xstrdup("/dev/fuse"), 'c', 10, 229, 0666, 1, 2 };
	plan.rootfs.masked_paths = two_strings("/proc/kcore", "/proc/keys");
	plan.sysctls = xcalloc(1, sizeof(struct key_value));
	plan.sysctls[0] = (struct key_value){ xstrdup("net.core.somaxconn"), xstrdup("") };
	return plan;
}

static int decode(const void *data, size_t length, struct container_plan *plan)
{
	struct wire_reader in = { .next = data, .left = length };
	struct error err = { 0 };

	return container_plan_decode(plan, &in, &err);
}

static void test_a_plan_survives_the_wire(void **state)
{
	struct container_plan plan = full_plan(), copy = { 0 };
	struct strbuf first = STRBUF_INIT, second = STRBUF_INIT;

	(void)state;
	container_plan_encode(&plan, &first);
	assert_int_equal(decode(first.data, first.length, &copy), 0);
	container_plan_encode(&copy, &second);
	assert_int_equal(first.length, second.length);
	assert_memory_equal(first.data, second.data, first.length);
	assert_string_equal(copy.namespaces.join[NAMESPACE_NETWORK], "/run/netns/x");
	assert_null(copy.namespaces.join[NAMESPACE_PID]);
	assert_int_equal(copy.namespaces.monotonic_seconds, -5);
	assert_int_equal(copy.rootfs.mounts[1].uid_mappings[0].host_id, UINT32_MAX);
	assert_null(copy.rootfs.mounts[1].type);
	assert_string_equal(copy.rootfs.devices[0].path, "/dev/fuse");
	assert_string_equal(copy.rootfs.masked_paths[1], "/proc/keys");
	assert_null(copy.rootfs.readonly_paths[0]);
	assert_string_equal(copy.sysctls[0].value, "");
	assert_string_equal(copy.rootfs.working_directory, "/work");
	assert_true(copy.rootfs.bare);
	strbuf_free(&first);
	strbuf_free(&second);
	container_plan_free(&plan);
	container_plan_free(&copy);
}

static void test_the_smallest_elements_survive_the_wire(void **state)
{
	/* The counts on the wire are checked against the smallest encoding of an element: it has to be the smallest. */
	struct container_plan plan = { .rootfs.root = xstrdup("") }, copy = { 0 };
	struct strbuf out = STRBUF_INIT;

	(void)state;
	plan.rootfs.mount_count = plan.rootfs.device_count = plan.sysctl_count = 50;
	plan.rootfs.mounts = xcalloc(50, sizeof(*plan.rootfs.mounts));
	plan.rootfs.devices = xcalloc(50, sizeof(*plan.rootfs.devices));
	plan.sysctls = xcalloc(50, sizeof(*plan.sysctls));
	for (int i = 0; i < 50; i++) {
		plan.rootfs.mounts[i].destination = xstrdup("");
		plan.rootfs.devices[i].path = xstrdup("");
		plan.sysctls[i] = (struct key_value){ xstrdup(""), xstrdup("") };
	}
	container_plan_encode(&plan, &out);
	assert_int_equal(decode(out.data, out.length, &copy), 0);
	assert_int_equal(copy.sysctl_count, 50);
	strbuf_free(&out);
	container_plan_free(&plan);
	container_plan_free(&copy);
}

static void test_every_truncation_is_refused(void **state)
{
	struct container_plan plan = full_plan();
	struct strbuf out = STRBUF_INIT;

	(void)state;
	container_plan_encode(&plan, &out);
	for (size_t length = 0; length < out.length; length++) {
		struct container_plan copy = { 0 };
		void *piece = xmemdup(out.data, length);

		assert_int_equal(decode(piece, length, &copy), -EBADMSG);
		assert_null(copy.rootfs.root);
		free(piece);
	}
	strbuf_free(&out);
	container_plan_free(&plan);
}

static void test_damaged_bytes_do_no_harm(void **state)
{
	struct container_plan plan = full_plan();
	struct strbuf out = STRBUF_INIT;
	unsigned int seed = 7;

	(void)state;
	container_plan_encode(&plan, &out);
	for (int round = 0; round < 20000; round++) {
		char *damaged = xmemdup(out.data, out.length);
		struct container_plan copy = { 0 };

		for (int i = 0; i <= rand_r(&seed) % 4; i++)
			damaged[(size_t)rand_r(&seed) % out.length] = (char)rand_r(&seed);
		if (decode(damaged, out.length, &copy) == 0)
			container_plan_free(&copy);
		free(damaged);
	}
	strbuf_free(&out);
	container_plan_free(&plan);
}

static void test_the_namespace_table_is_complete(void **state)
{
	uint64_t all = 0;

	(void)state;
	for (int kind = 0; kind < NAMESPACE_KINDS; kind++) {
		assert_non_null(namespace_table[kind].name);
		assert_int_equal(all & namespace_table[kind].clone_flag, 0);
		all |= namespace_table[kind].clone_flag;
	}
	assert_int_equal(all, CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET |
				      CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWTIME);
}

static void assert_sysctl_path(const char *key, const char *wanted)
{
	char *path = sysctl_path(key);

	if (wanted) {
		assert_non_null(path);
		assert_string_equal(path, wanted);
	} else {
		assert_null(path);
	}
	free(path);
}

static void test_sysctl_names_become_paths(void **state)
{
	(void)state;
	assert_sysctl_path("net.ipv4.ip_forward", "net/ipv4/ip_forward");
	assert_sysctl_path("net/ipv4/conf/eth0.100/forwarding", "net/ipv4/conf/eth0.100/forwarding");
	assert_sysctl_path("net.ipv4.conf.eth0/100.forwarding", "net/ipv4/conf/eth0.100/forwarding");
	assert_sysctl_path("", NULL);
	assert_sysctl_path("net..x", NULL);
	assert_sysctl_path("net/../kernel/panic", NULL);
	assert_sysctl_path("net.//.x", NULL); /* "net/../x" */
	assert_sysctl_path("net/./x", NULL);
	assert_sysctl_path("/kernel/panic", NULL);
	assert_sysctl_path("net/", NULL);
	assert_sysctl_path("../x", NULL);
}

static int check_sysctl(uint64_t unshare, const char *join_network, const char *key, bool whole_kernel)
{
	struct key_value pair = { (char *)(uintptr_t)key, (char *)(uintptr_t) "1" };
	struct container_plan plan = { .sysctls = &pair, .sysctl_count = 1 };
	struct error err = { 0 };
	int result;

	plan.namespaces.unshare = unshare;
	plan.namespaces.join[NAMESPACE_NETWORK] = (char *)(uintptr_t)join_network;
	result = namespaces_check(&plan, whole_kernel, &err);
	if (result < 0)
		assert_non_null(strstr(err.message, key));
	return result;
}

static void test_only_sysctls_of_own_namespaces_are_allowed(void **state)
{
	static const char *const ipc[] = { "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem",
		"kernel.shmall", "kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "fs.mqueue.msg_max",
		"fs/mqueue/msg_max", NULL };
	static const char *const host[] = { "kernel.panic", "kernel.core_pattern", "vm.overcommit_memory",
		"fs.file-max", "kernel.hostname", "kernel.shmmax.x", "network.x", "kernel", NULL };

	(void)state;
	for (size_t i = 0; ipc[i]; i++) {
		assert_int_equal(check_sysctl(CLONE_NEWIPC, NULL, ipc[i], false), 0);
		assert_int_equal(check_sysctl(CLONE_NEWNET, NULL, ipc[i], false), -EINVAL);
	}
	for (size_t i = 0; host[i]; i++) {
		assert_int_equal(check_sysctl(UINT64_MAX, NULL, host[i], false), -EINVAL);
		assert_int_equal(check_sysctl(0, NULL, host[i], true), 0);
	}
	assert_int_equal(check_sysctl(CLONE_NEWNET, NULL, "net.core.somaxconn", false), 0);
	assert_int_equal(check_sysctl(CLONE_NEWIPC, NULL, "net.core.somaxconn", false), -EINVAL);
	assert_int_equal(check_sysctl(0, "/proc/self/ns/net", "net.core.somaxconn", false), -EINVAL);
	assert_int_equal(check_sysctl(CLONE_NEWUTS, NULL, "kernel.domainname", false), 0);
	assert_int_equal(check_sysctl(0, NULL, "kernel.domainname", false), -EINVAL);
	assert_int_equal(check_sysctl(0, NULL, "../x", true), -EINVAL);
}

static void test_a_host_name_needs_a_namespace(void **state)
{
	struct container_plan plan = { .hostname = (char *)(uintptr_t) "name" };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(namespaces_check(&plan, false, &err), -EINVAL);
	assert_int_equal(namespaces_check(&plan, true, &err), 0);
	plan.namespaces.unshare = CLONE_NEWUTS;
	assert_int_equal(namespaces_check(&plan, false, &err), 0);
}

static void test_namespaces_of_the_wrong_kind_are_refused(void **state)
{
	struct namespaces_plan plan = { 0 };
	int fds[NAMESPACE_KINDS] = { 77 };
	struct error err = { 0 };

	(void)state;
	plan.join[NAMESPACE_UTS] = (char *)(uintptr_t) "/proc/self/ns/uts";
	plan.join[NAMESPACE_NETWORK] = (char *)(uintptr_t) "/proc/self/ns/pid";
	assert_int_equal(namespaces_open(&plan, fds, &err), -EINVAL);
	assert_non_null(strstr(err.message, "network"));
	assert_non_null(strstr(err.message, "it is a pid namespace"));
	assert_int_equal(fds[0], 77);
	plan.join[NAMESPACE_NETWORK] = (char *)(uintptr_t) "/dev/null";
	assert_int_equal(namespaces_open(&plan, fds, &err), -EINVAL);
	assert_non_null(strstr(err.message, "not a namespace"));
	plan.join[NAMESPACE_NETWORK] = (char *)(uintptr_t) "/nowhere";
	assert_int_equal(namespaces_open(&plan, fds, &err), -ENOENT);
	plan.join[NAMESPACE_NETWORK] = NULL;
	assert_int_equal(namespaces_open(&plan, fds, &err), 0);
	assert_true(fds[NAMESPACE_UTS] >= 0);
	assert_int_equal(fds[NAMESPACE_USER], -EBADF);
	(void)close(fds[NAMESPACE_UTS]);
}

static void test_paths_are_compared_by_component(void **state)
{
	(void)state;
	assert_true(rootfs_path_is("/dev", "/dev"));
	assert_true(rootfs_path_is("dev/", "/dev"));
	assert_true(rootfs_path_is("//./dev/./", "/dev"));
	assert_true(rootfs_path_is("/", "/"));
	assert_true(rootfs_path_is(".", "/"));
	assert_false(rootfs_path_is("/dev/x", "/dev"));
	assert_false(rootfs_path_is("/device", "/dev"));
	assert_false(rootfs_path_is("/", "/dev"));
	assert_string_equal(rootfs_path_below("/dev/net/tun", "/dev"), "net/tun");
	assert_string_equal(rootfs_path_below("//dev//./null", "/dev"), "null");
	assert_null(rootfs_path_below("/dev/", "/dev"));
	assert_null(rootfs_path_below("/devil/x", "/dev"));
}

static void test_mount_flags_become_attributes(void **state)
{
	struct mount_attr attributes = mount_attributes(MS_RDONLY | MS_NOSUID | MS_NOATIME, MS_NOEXEC | MS_NOSUID);

	(void)state;
	assert_int_equal(attributes.attr_set, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	assert_int_equal(attributes.attr_clr, MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME);
	attributes = mount_attributes(MS_RELATIME, 0);
	assert_int_equal(attributes.attr_set, 0);
	assert_int_equal(attributes.attr_clr, MOUNT_ATTR__ATIME);
	attributes = mount_attributes(MS_STRICTATIME | MS_NOSYMFOLLOW, 0);
	assert_int_equal(attributes.attr_set, MOUNT_ATTR_STRICTATIME | MOUNT_ATTR_NOSYMFOLLOW);
	attributes = mount_attributes(MS_BIND | MS_REC, 0);
	assert_int_equal(attributes.attr_set | attributes.attr_clr, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_plan_survives_the_wire),
		cmocka_unit_test(test_the_smallest_elements_survive_the_wire),
		cmocka_unit_test(test_every_truncation_is_refused),
		cmocka_unit_test(test_damaged_bytes_do_no_harm),
		cmocka_unit_test(test_the_namespace_table_is_complete),
		cmocka_unit_test(test_sysctl_names_become_paths),
		cmocka_unit_test(test_only_sysctls_of_own_namespaces_are_allowed),
		cmocka_unit_test(test_a_host_name_needs_a_namespace),
		cmocka_unit_test(test_namespaces_of_the_wrong_kind_are_refused),
		cmocka_unit_test(test_paths_are_compared_by_component),
		cmocka_unit_test(test_mount_flags_become_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
