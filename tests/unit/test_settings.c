/* SPDX-License-Identifier: Apache-2.0 */
/* The host's configuration file, and what follows for a micro-VM from it, the command line and the bundle. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>
#include <sys/stat.h>

#include "runtime/microvm_machine.h"
#include "runtime/settings.h"

#define MIB (1ULL << 20)

static char path[] = "/tmp/duet-test-settings.XXXXXX";

static int set_up(void **state)
{
	int fd;

	(void)state;
	(void)strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(const char *text, struct settings *settings, struct error *err)
{
	cleanup_stream FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	close_stream(&file);
	return settings_load(path, settings, err);
}

static void every_key_is_read(void **state)
{
	struct settings settings = { 0 };
	struct error err = { 0 };

	(void)state;
	if (load("# a comment\n\n  isolation = microvm\nannotations = run.duet.isolation  run.duet.vm.vcpus\nvcpus=4\n"
		 "memory = 512M\nkernel = /boot/vmlinux\ninitrd = /boot/initrd\nkernel-parameters = quiet a=b \n"
		 "boot = pvh\nhuge-pages = yes",
		    &settings, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(settings.isolation, "microvm");
	assert_int_equal(settings.vcpus, 4);
	assert_int_equal(settings.memory_bytes, 512 * MIB);
	assert_string_equal(settings.kernel, "/boot/vmlinux");
	assert_string_equal(settings.initrd, "/boot/initrd");
	assert_string_equal(settings.kernel_parameters, "quiet a=b");
	assert_int_equal(settings.boot, BOOT_PVH);
	assert_true(settings.huge_pages);
	settings_free(&settings);
}

static void what_is_wrong_is_refused_by_file_and_line(void **state)
{
	static const struct {
		const char *text, *message; /* behind the file's name */
	} cases[] = {
		{ "vcpus 4\n", ":1: \"key = value\" is expected" },
		{ "\n#\nvcpu = 4\n", ":3: unknown key \"vcpu\"" },
		{ "vcpus = 4\nmemory = 1G\nvcpus = 4\n", ":3: vcpus was set on line 1 already" },
		{ "vcpus =\n", ":1: vcpus has no value" },
		{ "vcpus = 33\n", ":1: vcpus: \"33\": a number from 1 to 32 is expected" },
		{ "vcpus = 4x\n", ":1: vcpus: \"4x\": a number from 1 to 32 is expected" },
		{ "memory = 63M\n", ":1: memory: \"63M\": a size of 64M at least is expected" },
		{ "isolation = vm\n", ":1: isolation: \"vm\": container and microvm are there" },
		{ "kernel = vmlinux\n", ":1: kernel: \"vmlinux\": an absolute path is expected" },
		{ "boot = bios\n", ":1: boot: \"bios\": auto, linux and pvh are there" },
		{ "huge-pages = true\n", ":1: huge-pages: \"true\": yes or no is expected" },
		{ "annotations = run.duet.isolation run.duet.kernel\n",
			":1: annotations: \"run.duet.kernel\" is no annotation that duet knows" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct settings settings = { .vcpus = 77 };
		struct error err = { 0 };

		assert_int_equal(load(cases[i].text, &settings, &err), -EINVAL);
		assert_memory_equal(err.message, path, strlen(path));
		assert_string_equal(err.message + strlen(path), cases[i].message);
		assert_int_equal(settings.vcpus, 77);
	}
}

static void file_that_others_can_write_is_not_followed(void **state)
{
	struct settings settings;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(load("vcpus = 2\n", &settings, &err), 0);
	settings_free(&settings);
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(settings_load(path, &settings, &err), -EPERM);
	assert_int_equal(settings_load("/no/such/file", &settings, &err), -ENOENT);
}

static void annotations_are_known_and_allowed_or_refused(void **state)
{
	struct key_value annotations[] = { { (char *)"org.example", (char *)"x" },
		{ (char *)"run.duet.isolation", (char *)"microvm" } };
	struct oci_spec spec = { .annotations = annotations, .annotation_count = 2 };
	struct settings settings = { 0 };
	struct error err = { 0 };

	(void)state;
	assert_int_equal(load("", &settings, &err), 0);
	assert_int_equal(settings_check_annotations(&settings, &spec, &err), 0);
	annotations[0].key = (char *)"run.duet.kernel";
	assert_int_equal(settings_check_annotations(&settings, &spec, &err), -EINVAL);
	assert_string_equal(err.message, "config.json: annotations: duet knows no \"run.duet.kernel\"");
	annotations[0].key = (char *)"run.duet.vm.vcpus";
	settings_free(&settings);
	assert_int_equal(load("\nannotations = run.duet.vm.memory run.duet.isolation\n", &settings, &err), 0);
	assert_int_equal(settings_check_annotations(&settings, &spec, &err), -EPERM);
	assert_non_null(strstr(err.message, "\"run.duet.vm.vcpus\" is not allowed here"));
	assert_non_null(strstr(err.message, ":2)"));
	annotations[0].key = (char *)"run.duet.vm.memory";
	assert_int_equal(settings_check_annotations(&settings, &spec, &err), 0);
	settings_free(&settings);
	assert_int_equal(load("annotations = none\n", &settings, &err), 0);
	assert_int_equal(settings_check_annotations(&settings, &spec, &err), -EPERM);
	settings_free(&settings);
}

/* ---- the machine ---- */

static struct launch decide(
	const struct launch_options *options, struct oci_spec *spec, const struct settings *settings)
{
	struct launch launch = { .options = options, .spec = spec, .settings = *settings };
	struct error err = { 0 };

	if (microvm_machine(&launch, &err) < 0)
		fail_msg("%s", err.message);
	free_pointer(&launch.vm.cmdline);
	return launch;
}

static void expect_refusal(const struct launch_options *options, struct oci_spec *spec, const char *message)
{
	struct launch launch = { .options = options, .spec = spec };
	struct error err = { 0 };

	assert_true(microvm_machine(&launch, &err) < 0);
	assert_string_equal(err.message, message);
	free_pointer(&launch.vm.cmdline);
}

static void the_nearer_word_counts(void **state)
{
	struct key_value annotation = { (char *)"run.duet.vm.vcpus", (char *)"5" };
	struct oci_resources resources = { .cpu.quota = { .set = true, .value = 250000 },
		.cpu.period = { .set = true, .value = 100000 } };
	struct oci_vm vm = { .vcpus = { .set = true, .value = 4 }, .kernel_path = (char *)"/bundle" };
	const struct settings settings = { .vcpus = 2,
		.memory_bytes = 300 * MIB,
		.kernel = (char *)"/settings",
		.initrd = (char *)"/settings.initrd" };
	struct launch_options options = { .vm_vcpus = "6", .guest_kernel = "/option" };
	struct oci_spec spec = {
		.annotations = &annotation, .annotation_count = 1, .vm = &vm, .resources = &resources
	};
	struct launch launch;

	(void)state;
	launch = decide(&options, &spec, &settings);
	assert_int_equal(launch.vm.vcpus, 6);
	assert_string_equal(launch.vm.kernel_path, "/option");
	/* The initrd belongs to the kernel beside which it was named. */
	assert_null(launch.vm.initrd_path);
	options = (struct launch_options){ 0 };
	assert_int_equal(decide(&options, &spec, &settings).vm.vcpus, 5);
	spec.annotation_count = 0;
	launch = decide(&options, &spec, &settings);
	assert_int_equal(launch.vm.vcpus, 4);
	assert_string_equal(launch.vm.kernel_path, "/bundle");
	spec.vm = NULL;
	launch = decide(&options, &spec, &settings);
	assert_int_equal(launch.vm.vcpus, 3);
	assert_string_equal(launch.vm.kernel_path, "/settings");
	assert_string_equal(launch.vm.initrd_path, "/settings.initrd");
	assert_int_equal(launch.vm.memory_bytes, 300 * MIB);
	spec.resources = NULL;
	assert_int_equal(decide(&options, &spec, &settings).vm.vcpus, 2);
	assert_int_equal(decide(&options, &spec, &(struct settings){ 0 }).vm.vcpus, 1);
	assert_int_equal(decide(&options, &spec, &(struct settings){ 0 }).vm.memory_bytes, 256 * MIB);
}

static void memory_fits_limit_and_pages(void **state)
{
	struct oci_resources resources = { .memory.limit = { .set = true, .value = 200 << 20 } };
	struct oci_vm vm = { .memory_bytes = { .set = true, .value = 100 * MIB + 12345 } };
	struct oci_spec spec = { .resources = &resources, .vm = &vm };
	struct launch_options options = { 0 };
	const struct settings settings = { .memory_bytes = 1024 * MIB };

	(void)state;
	assert_int_equal(decide(&options, &spec, &settings).vm.memory_bytes, 100 * MIB);
	vm.memory_bytes.value = 180 * MIB;
	expect_refusal(&options, &spec,
		"config.json: vm.hwConfig.memory: 180 MiB and the monitor's 24 are more than the memory limit of 200 "
		"MiB");
	vm.memory_bytes.set = false;
	/* The limit speaks louder than the host's default. */
	assert_int_equal(decide(&options, &spec, &settings).vm.memory_bytes, 128 * MIB);
	options.vm_memory = "65M";
	options.vm_huge_pages = true;
	assert_int_equal(decide(&options, &spec, &settings).vm.memory_bytes, 64 * MIB);
	assert_true(decide(&options, &spec, &settings).vm.huge_pages);
	options.vm_memory = "many";
	expect_refusal(&options, &spec, "--vm-memory: \"many\" is no size (\"512M\" is one)");
	options.vm_memory = "1M";
	expect_refusal(&options, &spec, "--vm-memory: 1048576 bytes are too little, the guest needs 64 MiB");
	options = (struct launch_options){ .vm_vcpus = "33" };
	expect_refusal(&options, &spec, "--vm-vcpus: 1 to 32 are possible");
	options = (struct launch_options){ .vm_boot = "bios" };
	expect_refusal(&options, &spec, "--vm-boot bios: auto, linux and pvh are there");
}

#define with_file(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_file(every_key_is_read),
		with_file(what_is_wrong_is_refused_by_file_and_line),
		with_file(file_that_others_can_write_is_not_followed),
		with_file(annotations_are_known_and_allowed_or_refused),
		cmocka_unit_test(the_nearer_word_counts),
		cmocka_unit_test(memory_fits_limit_and_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
