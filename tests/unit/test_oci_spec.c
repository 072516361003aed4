/* SPDX-License-Identifier: Apache-2.0 */
/* config.json as it is accepted: every field has its value. What is refused: test_oci_refusals.c. */
#include "oci_test.h"

#include <linux/ioprio.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#define CAPABILITY(number) (UINT64_C(1) << (number))

static void every_field_of_process_is_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_process *process = spec->process;

	(void)state;
	assert_string_equal(spec->version, "1.3.0+dev");
	assert_true(process->terminal);
	assert_int_equal(process->console_rows, 25);
	assert_int_equal(process->console_columns, 80);
	assert_int_equal(process->user.uid, 1000);
	assert_int_equal(process->user.gid, 1001);
	assert_true(process->user.umask_set);
	assert_int_equal(process->user.umask, 027);
	assert_int_equal(process->user.additional_gid_count, 3);
	assert_int_equal(process->user.additional_gids[2], 4294967294U);
	assert_string_equal(process->args[0], "/bin/worker");
	assert_string_equal(process->args[2], "");
	assert_string_equal(process->args[3], "grüß dich");
	assert_null(process->args[4]);
	assert_string_equal(process->env[1], "EMPTY=");
	assert_string_equal(process->cwd, "/srv");
	assert_true(process->no_new_privileges);
	assert_string_equal(process->apparmor_profile, "acme_secure_profile");
	assert_string_equal(process->selinux_label, "system_u:system_r:svirt_lxc_net_t:s0:c124,c675");
	assert_true(process->oom_score_adjust_set);
	assert_int_equal(process->oom_score_adjust, -500);
	assert_true(process->scheduler.set);
	assert_int_equal(process->scheduler.policy, SCHED_DEADLINE);
	assert_int_equal(process->scheduler.nice, -5);
	assert_int_equal(process->scheduler.flags, SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_DL_OVERRUN);
	assert_int_equal(process->scheduler.runtime_ns, 10000000);
	assert_int_equal(process->scheduler.deadline_ns, 20000000);
	assert_true(process->scheduler.period_ns == UINT64_MAX - 1);
	assert_true(process->io_priority.set);
	assert_int_equal(process->io_priority.class, IOPRIO_CLASS_IDLE);
	assert_int_equal(process->io_priority.priority, 4);
	assert_string_equal(process->cpu_affinity_initial, "0-3,7");
	assert_string_equal(process->cpu_affinity_final, "4");
	oci_spec_free(spec);
}

static void capabilities_are_bit_sets(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_capabilities *capabilities = &spec->process->capabilities;

	(void)state;
	assert_true(capabilities->set);
	assert_true(capabilities->bounding == (CAPABILITY(0) | CAPABILITY(40)));
	assert_true(capabilities->effective == CAPABILITY(0));
	assert_true(capabilities->inheritable == CAPABILITY(39));
	assert_true(capabilities->permitted == (CAPABILITY(0) | CAPABILITY(39)));
	assert_true(capabilities->ambient == CAPABILITY(39));
	oci_spec_free(spec);

	spec = parse(CONFIG(""));
	assert_false(spec->process->capabilities.set);
	oci_spec_free(spec);
}

static void an_unknown_capability_is_left_out(void **state)
{
	struct oci_spec *spec = parse(CONFIG_OF(PROCESS ",'capabilities':{'bounding':['CAP_FUTURE','CAP_KILL']}", ""));

	(void)state;
	assert_true(spec->process->capabilities.bounding == CAPABILITY(5));
	oci_spec_free(spec);
}

/* As buildah up to 1.29 asks for. */
static void what_cannot_be_ambient_is_left_out(void **state)
{
	struct oci_spec *spec = parse(CONFIG_OF(PROCESS ",'capabilities':{'permitted':['CAP_KILL','CAP_CHOWN'],"
							"'inheritable':['CAP_KILL','CAP_BPF'],"
							"'ambient':['CAP_KILL','CAP_CHOWN','CAP_BPF']}",
		""));

	(void)state;
	assert_true(spec->process->capabilities.ambient == CAPABILITY(5));
	oci_spec_free(spec);
}

static void rlimits_are_exact_to_the_last_bit(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");

	(void)state;
	assert_int_equal(spec->process->rlimit_count, 2);
	assert_int_equal(spec->process->rlimits[0].resource, RLIMIT_CORE);
	assert_true(spec->process->rlimits[0].hard == UINT64_MAX);
	assert_true(spec->process->rlimits[0].soft == UINT64_C(9223372036854775808));
	assert_int_equal(spec->process->rlimits[1].resource, RLIMIT_NOFILE);
	assert_int_equal(spec->process->rlimits[1].soft, 1024);
	oci_spec_free(spec);
}

static void root_mounts_and_hooks_are_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_mount *data = &spec->mounts[1], *tmp = &spec->mounts[2];
	const struct oci_hook *prestart = spec->hooks[OCI_HOOK_PRESTART].entries;

	(void)state;
	assert_string_equal(spec->root.path, "rootfs");
	assert_true(spec->root.readonly);
	assert_int_equal(spec->mount_count, 3);
	assert_string_equal(spec->mounts[0].type, "proc");
	assert_null(spec->mounts[0].options.data);
	assert_string_equal(data->destination, "data");
	assert_true(data->options.flags == (MS_BIND | MS_NOSUID));
	assert_true(data->options.clear == MS_RDONLY);
	assert_true(data->options.recursive_set == (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME));
	assert_true(data->options.recursive_clear == MOUNT_ATTR__ATIME);
	assert_true(data->options.propagation == (MS_SLAVE | MS_REC));
	assert_true(data->options.idmap);
	assert_true(data->options.source_nofollow && data->options.destination_nofollow);
	assert_int_equal(data->uid_mappings[0].host_id, 100000);
	assert_int_equal(data->gid_mappings[0].host_id, 200000);
	assert_int_equal(data->gid_mappings[0].size, 65536);
	assert_true(tmp->options.tmpcopyup);
	assert_string_equal(tmp->options.data, "mode=1777,size=1m");
	assert_string_equal(prestart->path, "/bin/prestart");
	assert_string_equal(prestart->args[1], "now");
	assert_string_equal(prestart->env[0], "A=b");
	assert_int_equal(prestart->timeout_s, 10);
	assert_int_equal(spec->hooks[OCI_HOOK_CREATE_RUNTIME].count, 2);
	assert_null(spec->hooks[OCI_HOOK_CREATE_RUNTIME].entries[1].args);
	for (size_t kind = 0; kind < OCI_HOOK_KINDS; kind++) {
		char *path = xprintf("/bin/%s", oci_name_of(&oci_hook_kinds, kind));

		assert_string_equal(spec->hooks[kind].entries[0].path, path);
		free(path);
	}
	oci_spec_free(spec);
}

static void annotations_are_found_by_key(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");

	(void)state;
	assert_int_equal(spec->annotation_count, 2);
	assert_string_equal(oci_annotation(spec, "com.example.key"), "value");
	assert_string_equal(oci_annotation(spec, "com.example.empty"), "");
	assert_null(oci_annotation(spec, "com.example.other"));
	oci_spec_free(spec);
}

static void every_field_of_linux_is_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");

	(void)state;
	assert_string_equal(spec->hostname, "slartibartfast");
	assert_string_equal(spec->domainname, "example.org");
	assert_int_equal(spec->namespace_count, 8);
	assert_string_equal(oci_namespace_find(spec, NAMESPACE_NETWORK)->path, "/run/netns/blue");
	assert_null(oci_namespace_find(spec, NAMESPACE_TIME)->path);
	assert_int_equal(spec->uid_mapping_count, 2);
	assert_int_equal(spec->uid_mappings[1].container_id, 1);
	assert_int_equal(spec->gid_mappings[0].size, 4294967295U);
	assert_true(spec->monotonic_offset.set);
	assert_int_equal(spec->monotonic_offset.seconds, -3600);
	assert_int_equal(spec->monotonic_offset.nanoseconds, 999999999);
	assert_int_equal(spec->boottime_offset.seconds, 86400);
	assert_string_equal(spec->cgroups_path, "/myRuntime/myContainer");
	assert_true(spec->rootfs_propagation == (MS_SLAVE | MS_REC));
	assert_string_equal(spec->masked_paths[0], "/proc/kcore");
	assert_string_equal(spec->readonly_paths[0], "/proc/sys");
	assert_string_equal(spec->mount_label, "system_u:object_r:svirt_sandbox_file_t:s0:c715,c811");
	assert_int_equal(spec->sysctl_count, 2);
	assert_string_equal(spec->sysctls[1].key, "kernel/shmmax");
	assert_string_equal(spec->sysctls[1].value, "18446744073709551615");
	assert_string_equal(spec->intel_rdt->closid, "guaranteed");
	assert_string_equal(spec->intel_rdt->schemata[1], "MB:0=20;1=70");
	assert_true(spec->intel_rdt->enable_monitoring);
	assert_true(spec->personality_set);
	assert_int_equal(spec->personality, PER_LINUX32);
	assert_int_equal(spec->memory_policy->mode, MPOL_INTERLEAVE);
	assert_int_equal(spec->memory_policy->flags, MPOL_F_STATIC_NODES);
	assert_string_equal(spec->memory_policy->nodes, "0-1");
	assert_int_equal(spec->network_device_count, 2);
	assert_string_equal(spec->network_devices[0].host_name, "eth0");
	assert_string_equal(spec->network_devices[0].container_name, "container0");
	assert_null(spec->network_devices[1].container_name);
	oci_spec_free(spec);
}

static void devices_are_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_device *devices = spec->devices;

	(void)state;
	assert_int_equal(spec->device_count, 4);
	assert_string_equal(devices[0].path, "/dev/fuse");
	assert_int_equal(devices[0].type, 'c');
	assert_int_equal(devices[0].major, 10);
	assert_int_equal(devices[0].minor, 229);
	assert_int_equal(devices[0].mode, 0666);
	assert_int_equal(devices[0].uid, 1);
	assert_int_equal(devices[0].gid, 2);
	assert_false(devices[1].mode_set);
	assert_int_equal(devices[2].type, 'p');
	assert_int_equal(devices[3].type, 'c');
	oci_spec_free(spec);
}

static void every_field_of_resources_is_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_resources *resources = spec->resources;
	const struct oci_memory *memory = &resources->memory;
	const struct oci_cpu *cpu = &resources->cpu;

	(void)state;
	assert_int_equal(memory->limit.value, 536870912);
	assert_int_equal(memory->reservation.value, 268435456);
	assert_true(memory->swap.set && memory->swap.value == -1);
	assert_true(memory->kernel.set && memory->kernel.value == 0);
	assert_int_equal(memory->kernel_tcp.value, -1);
	assert_true(memory->swappiness.set && memory->swappiness.value == 0);
	assert_true(memory->disable_oom_killer && memory->use_hierarchy && memory->check_before_update);
	assert_int_equal(cpu->shares.value, 1024);
	assert_int_equal(cpu->quota.value, -1);
	assert_int_equal(cpu->burst.value, 5000);
	assert_int_equal(cpu->period.value, 500000);
	assert_int_equal(cpu->realtime_runtime.value, 950000);
	assert_int_equal(cpu->realtime_period.value, 1000000);
	assert_string_equal(cpu->cpus, "2-3");
	assert_string_equal(cpu->mems, "0-7");
	assert_int_equal(cpu->idle.value, 1);
	assert_int_equal(resources->pids_limit.value, 32771);
	assert_int_equal(resources->hugepage_limit_count, 2);
	assert_string_equal(resources->hugepage_limits[0].page_size, "2MB");
	assert_true(resources->hugepage_limits[0].limit_bytes == UINT64_C(9223372036854775808));
	assert_int_equal(resources->network_class_id.value, 1048577);
	assert_string_equal(resources->network_priorities[1].name, "eth1");
	assert_int_equal(resources->network_priorities[1].priority, 1000);
	assert_string_equal(resources->rdma_limits[0].device, "mlx5_1");
	assert_int_equal(resources->rdma_limits[0].handles.value, 3);
	assert_false(resources->rdma_limits[1].handles.set);
	assert_int_equal(resources->rdma_limits[1].objects.value, 1000);
	assert_string_equal(resources->unified[0].key, "memory.high");
	assert_string_equal(resources->unified[1].value, "8:0 rbps=1");
	oci_spec_free(spec);
}

static void block_io_and_device_rules_are_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_block_io *block_io = &spec->resources->block_io;
	const struct oci_device_rule *rules = spec->resources->device_rules;

	(void)state;
	assert_int_equal(block_io->weight.value, 10);
	assert_int_equal(block_io->leaf_weight.value, 1000);
	assert_int_equal(block_io->weight_device_count, 2);
	assert_int_equal(block_io->weight_devices[0].leaf_weight.value, 300);
	assert_false(block_io->weight_devices[1].leaf_weight.set);
	assert_int_equal(block_io->read_bytes.entries[0].rate, 600);
	assert_int_equal(block_io->write_bytes.entries[0].rate, 601);
	assert_int_equal(block_io->read_operations.entries[0].rate, 602);
	assert_true(block_io->write_operations.entries[0].rate == UINT64_MAX);
	assert_int_equal(spec->resources->device_rule_count, 3);
	assert_false(rules[0].allow);
	assert_int_equal(rules[0].type, 'a');
	assert_int_equal(rules[0].access, OCI_DEVICE_ALL);
	assert_true(rules[0].major == -1 && rules[0].minor == -1);
	assert_true(rules[1].allow);
	assert_int_equal(rules[1].access, OCI_DEVICE_READ | OCI_DEVICE_WRITE);
	assert_int_equal(rules[1].minor, 229);
	assert_true(rules[2].major == -1);
	assert_int_equal(rules[2].access, OCI_DEVICE_MKNOD);
	oci_spec_free(spec);
}

static void seccomp_is_read_with_64_bit_arguments(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_seccomp *seccomp = spec->seccomp;
	const struct oci_seccomp_argument *arguments = seccomp->rules[3].arguments;

	(void)state;
	assert_int_equal(seccomp->default_action, OCI_SECCOMP_ERRNO);
	assert_int_equal(seccomp->default_errno_ret.value, 38);
	assert_int_equal(seccomp->architecture_count, 2);
	assert_true(seccomp->architectures[1] == SCMP_ARCH_X32);
	assert_true(seccomp->flags_set);
	assert_int_equal(seccomp->flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	assert_string_equal(seccomp->listener_path, "/run/agent.sock");
	assert_string_equal(seccomp->listener_metadata, "for the agent");
	assert_int_equal(seccomp->rule_count, 4);
	assert_string_equal(seccomp->rules[0].names[1], "chmod");
	assert_null(seccomp->rules[0].names[2]);
	assert_int_equal(seccomp->rules[1].action, OCI_SECCOMP_NOTIFY);
	assert_int_equal(seccomp->rules[2].action, OCI_SECCOMP_KILL_THREAD);
	assert_int_equal(seccomp->rules[3].errno_ret.value, 65535);
	assert_int_equal(seccomp->rules[3].argument_count, 2);
	assert_true(arguments[0].value == UINT64_MAX);
	assert_int_equal(arguments[0].operator, OCI_SECCOMP_NE);
	assert_int_equal(arguments[1].index, 5);
	assert_true(arguments[1].value == UINT64_C(9223372036854775809));
	assert_true(arguments[1].value_two == UINT64_MAX - 2);
	assert_int_equal(arguments[1].operator, OCI_SECCOMP_MASKED_EQ);
	oci_spec_free(spec);
}

static void absent_seccomp_flags_differ_from_none(void **state)
{
	struct oci_spec *absent = parse(SECCOMP("")), *none = parse(SECCOMP(",'flags':[]"));

	(void)state;
	assert_false(absent->seccomp->flags_set);
	assert_true(none->seccomp->flags_set && none->seccomp->flags == 0);
	oci_spec_free(absent);
	oci_spec_free(none);
}

static void the_vm_section_is_read(void **state)
{
	struct oci_spec *spec = load(DATA "full.json");
	const struct oci_vm *vm = spec->vm;

	(void)state;
	assert_string_equal(vm->hypervisor_path, "/usr/bin/vmm");
	assert_string_equal(vm->hypervisor_parameters[0], "--fast");
	assert_string_equal(vm->kernel_path, "/boot/vmlinux");
	assert_string_equal(vm->kernel_parameters[1], "panic=1");
	assert_string_equal(vm->kernel_initrd, "/boot/initrd");
	assert_string_equal(vm->image_path, "/images/root.raw");
	assert_int_equal(vm->image_format, OCI_IMAGE_RAW);
	assert_string_equal(vm->device_tree, "/boot/machine.dtb");
	assert_int_equal(vm->vcpus.value, 4);
	assert_int_equal(vm->memory_bytes.value, 4294967296);
	assert_string_equal(vm->device_tree_devices[0], "/soc/uart");
	assert_int_equal(vm->io_memories[0].first_gfn, 912);
	assert_int_equal(vm->io_memories[1].first_gfn, 913);
	assert_int_equal(vm->irqs[1], 113);
	oci_spec_free(spec);
}

static void hardware_is_read_in_both_spellings(void **state)
{
	struct oci_spec *spec = parse(CONFIG(",'vm':{'kernel':{'path':''},'hypervisor':{'path':''},"
					     "'image':{'path':'','format':''},'hwconfig':{'vcpus':3}}"));

	(void)state;
	assert_int_equal(spec->vm->vcpus.value, 3);
	assert_false(spec->vm->memory_bytes.set);
	assert_null(spec->vm->kernel_path);
	assert_null(spec->vm->hypervisor_path);
	assert_null(spec->vm->image_path);
	oci_spec_free(spec);
	spec = parse(CONFIG(",'vm':{'hwConfig':{'memory':18446744073709551615}}"));
	assert_true(spec->vm->memory_bytes.value == UINT64_MAX);
	oci_spec_free(spec);
}

static void what_podman_writes_is_accepted(void **state)
{
	struct oci_spec *spec = load(DATA "podman.json");

	(void)state;
	assert_int_equal(spec->mount_count, 9);
	assert_true(spec->mounts[7].options.flags == (MS_BIND | MS_REC | MS_NOSUID | MS_NODEV));
	assert_int_equal(spec->resources->memory.limit.value, 268435456);
	assert_int_equal(spec->resources->cpu.quota.value, 50000);
	assert_string_equal(oci_namespace_find(spec, NAMESPACE_NETWORK)->path, "/run/netns/netns-9a1b6d3c-7a2e");
	assert_int_equal(spec->seccomp->rules[3].arguments[0].value, 4294967295U);
	assert_int_equal(spec->process->user.umask, 022);
	assert_string_equal(oci_annotation(spec, "io.container.manager"), "libpod");
	oci_spec_free(spec);
}

static void a_limit_of_no_processes_is_none_before_1_3(void **state)
{
	static const struct {
		const char *version;
		int64_t limit, expected;
	} cases[] = {
		{ "1.0.2-dev", 0, -1 },
		{ "1.2.1", 0, -1 },
		{ "1.2.1", 5, 5 },
		{ "1.3.0", 0, 0 },
		{ "1.10", 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		cleanup_free char *text = xprintf("{'ociVersion':'%s','process':{" PROCESS "},'root':{'path':'r'},"
						  "'linux':{'resources':{'pids':{'limit':%" PRId64 "}}}}",
			cases[i].version, cases[i].limit);
		struct oci_spec *spec = parse(text);

		assert_int_equal(spec->resources->pids_limit.value, cases[i].expected);
		oci_spec_free(spec);
	}
}

static void what_docker_writes_is_accepted(void **state)
{
	struct oci_spec *spec = load(DATA "docker.json");

	(void)state;
	assert_int_equal(spec->process->console_rows, 0);
	assert_int_equal(spec->devices[0].mode, 0666); /* 8630 is 020666, file type included */
	assert_int_equal(spec->resources->pids_limit.value, -1);
	assert_int_equal(spec->resources->device_rule_count, 6);
	assert_int_equal(spec->hooks[OCI_HOOK_PRESTART].count, 1);
	assert_string_equal(spec->process->apparmor_profile, "docker-default");
	oci_spec_free(spec);
}

static void unknown_fields_are_passed_over(void **state)
{
	struct oci_spec *spec =
		parse("{'ociVersion':'1.99.0-rc.1','future':{'a':[1e400,-1e999,3.14,18446744073709551616,-"
		      "9223372036854775809]},"
		      "'process':{'cwd':'/','args':['sh'],'user':{'uid':7,'username':'x','shell':null}},"
		      "'root':{'path':'r','kind':9},'linux':{'namespaces':[{'type':'pid','label':1}],'new':true}}");

	(void)state;
	assert_int_equal(spec->process->user.uid, 7);
	assert_int_equal(spec->namespace_count, 1);
	oci_spec_free(spec);
}

static void null_and_empty_count_as_absent(void **state)
{
	struct oci_spec *spec =
		parse("{'ociVersion':'1.0','process':{'cwd':'/','args':['sh'],'env':null,'user':null,"
		      "'apparmorProfile':'','commandLine':''},'root':{'path':'r'},'hostname':'','mounts':null,"
		      "'hooks':null,'windows':null,'linux':{'resources':null,'seccomp':null,"
		      "'cgroupsPath':'','rootfsPropagation':'','namespaces':[{'type':'pid','path':''}]}}");

	(void)state;
	assert_null(spec->process->env);
	assert_null(spec->process->apparmor_profile);
	assert_null(spec->hostname);
	assert_null(spec->resources);
	assert_null(spec->seccomp);
	assert_null(spec->cgroups_path);
	assert_true(spec->rootfs_propagation == 0);
	assert_null(spec->namespaces[0].path);
	oci_spec_free(spec);
}

static void every_1_x_version_is_accepted(void **state)
{
	static const char *const versions[] = { "1.0.0", "1.0.2-dev", "1.3.0", "1.3.0-rc.1+build.7", "1.9", "1.100.3" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		char *text = xprintf("{'ociVersion':'%s','process':{" PROCESS "},'root':{'path':'r'}}", versions[i]);

		oci_spec_free(parse(text));
		free(text);
	}
}

static void a_process_file_is_read_by_itself(void **state)
{
	static const char text[] = "{\"cwd\":\"/tmp\",\"args\":[\"id\"],\"rlimits\":[{\"type\":\"RLIMIT_AS\","
				   "\"hard\":18446744073709551615,\"soft\":1}]}";
	struct oci_process *process = NULL;
	struct error err = { .code = 0 };

	(void)state;
	assert_int_equal(oci_process_parse(&process, text, strlen(text), "process.json", &err), 0);
	assert_string_equal(process->cwd, "/tmp");
	assert_true(process->rlimits[0].hard == UINT64_MAX);
	oci_process_free(process);
}

static void a_resources_file_is_read_by_itself(void **state)
{
	static const char text[] = "{\"memory\":{\"limit\":1},\"cpu\":{}}";
	struct oci_resources *resources = NULL;
	struct error err = { .code = 0 };

	(void)state;
	assert_int_equal(oci_resources_parse(&resources, text, strlen(text), "resources", &err), 0);
	assert_true(resources->memory.limit.set && resources->memory.limit.value == 1);
	assert_false(resources->cpu.shares.set);
	oci_resources_free(resources);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_of_process_is_read),
		cmocka_unit_test(capabilities_are_bit_sets),
		cmocka_unit_test(an_unknown_capability_is_left_out),
		cmocka_unit_test(what_cannot_be_ambient_is_left_out),
		cmocka_unit_test(rlimits_are_exact_to_the_last_bit),
		cmocka_unit_test(root_mounts_and_hooks_are_read),
		cmocka_unit_test(annotations_are_found_by_key),
		cmocka_unit_test(every_field_of_linux_is_read),
		cmocka_unit_test(devices_are_read),
		cmocka_unit_test(every_field_of_resources_is_read),
		cmocka_unit_test(block_io_and_device_rules_are_read),
		cmocka_unit_test(seccomp_is_read_with_64_bit_arguments),
		cmocka_unit_test(absent_seccomp_flags_differ_from_none),
		cmocka_unit_test(the_vm_section_is_read),
		cmocka_unit_test(hardware_is_read_in_both_spellings),
		cmocka_unit_test(what_podman_writes_is_accepted),
		cmocka_unit_test(a_limit_of_no_processes_is_none_before_1_3),
		cmocka_unit_test(what_docker_writes_is_accepted),
		cmocka_unit_test(unknown_fields_are_passed_over),
		cmocka_unit_test(null_and_empty_count_as_absent),
		cmocka_unit_test(every_1_x_version_is_accepted),
		cmocka_unit_test(a_process_file_is_read_by_itself),
		cmocka_unit_test(a_resources_file_is_read_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
