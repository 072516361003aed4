/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/microvm_machine.h"

#include <string.h>

#include "base/parse.h"
#include "microvm/vm.h"
#include "oci/annotations.h"

#define MEBIBYTE       (1ULL << 20)
#define MEMORY_DEFAULT (256 * MEBIBYTE)
/* The monitor itself, KVM's page tables, the descriptors and inodes of the share; measured well below. */
#define MEMORY_OVERHEAD (24 * MEBIBYTE)
/* Between two signs of life of a guest that is not up yet. */
#define BOOT_TIMEOUT_S     180
#define BOOT_TIMEOUT_MAX_S 86400

/* Where a word comes from, for messages; NULL word: nobody said anything. */
struct said {
	const char *source, *word;
};

static struct said option_or_annotation(
	const struct launch *launch, const char *option_name, const char *option, const char *annotation)
{
	if (option)
		return (struct said){ .source = option_name, .word = option };
	return (struct said){ .source = annotation, .word = oci_annotation(launch->spec, annotation) };
}

/* ---- memory ---- */

int microvm_memory_size(int64_t limit_bytes, uint64_t *memory_bytes, struct error *err)
{
	uint64_t room, size = MEBIBYTE;

	if (limit_bytes < 0) {
		*memory_bytes = MEMORY_DEFAULT;
		return 0;
	}
	if ((uint64_t)limit_bytes < VM_MEMORY_MIN_BYTES + MEMORY_OVERHEAD)
		return error_set(err, -EINVAL,
			"a memory limit of %lld bytes is too little for a micro-VM: it needs %llu MiB at least",
			(long long)limit_bytes,
			(unsigned long long)((VM_MEMORY_MIN_BYTES + MEMORY_OVERHEAD) / MEBIBYTE));
	room = (uint64_t)limit_bytes - MEMORY_OVERHEAD;
	while (size * 2 <= room)
		size *= 2;
	*memory_bytes = size + size / 2 <= room ? size + size / 2 : size;
	return 0;
}

uint64_t microvm_monitor_memory(uint64_t memory_bytes)
{
	return memory_bytes + MEMORY_OVERHEAD;
}

/* What was said in so many words must be possible, and be allowed by the limit. */
static int check_memory(const char *source, uint64_t bytes, int64_t limit_bytes, struct error *err)
{
	if (bytes < VM_MEMORY_MIN_BYTES)
		return error_set(err, -EINVAL, "%s: %llu bytes are too little, the guest needs %llu MiB", source,
			(unsigned long long)bytes, (unsigned long long)(VM_MEMORY_MIN_BYTES / MEBIBYTE));
	if (limit_bytes >= 0 && bytes + MEMORY_OVERHEAD > (uint64_t)limit_bytes)
		return error_set(err, -EINVAL,
			"%s: %llu MiB and the monitor's %llu are more than the memory limit of %lld MiB", source,
			(unsigned long long)(bytes / MEBIBYTE), (unsigned long long)(MEMORY_OVERHEAD / MEBIBYTE),
			(long long)(limit_bytes / (int64_t)MEBIBYTE));
	return 0;
}

static int choose_memory(struct launch *launch, struct error *err)
{
	const struct oci_spec *spec = launch->spec;
	struct said said =
		option_or_annotation(launch, "--vm-memory", launch->options->vm_memory, OCI_ANNOTATION_VM_MEMORY);
	struct launch_vm *vm = &launch->vm;
	int64_t limit = -1, bytes;
	int result;

	if (spec->resources && spec->resources->memory.limit.set && spec->resources->memory.limit.value > 0)
		limit = spec->resources->memory.limit.value;
	if (said.word) {
		if (parse_bytes(said.word, &bytes) < 0 || bytes < 0)
			return error_set(
				err, -EINVAL, "%s: \"%s\" is no size (\"512M\" is one)", said.source, said.word);
		result = check_memory(said.source, (uint64_t)bytes, limit, err);
		vm->memory_bytes = (uint64_t)bytes;
	} else if (spec->vm && spec->vm->memory_bytes.set) {
		result = check_memory("config.json: vm.hwConfig.memory", spec->vm->memory_bytes.value, limit, err);
		vm->memory_bytes = spec->vm->memory_bytes.value;
	} else if (limit < 0 && launch->settings.memory_bytes) {
		result = 0;
		vm->memory_bytes = launch->settings.memory_bytes;
	} else {
		result = microvm_memory_size(limit, &vm->memory_bytes, err);
		if (result < 0)
			return error_prefix(err, "config.json: linux.resources.memory.limit");
	}
	return result;
}

static int choose_pages(struct launch *launch, struct error *err)
{
	const char *annotation = oci_annotation(launch->spec, OCI_ANNOTATION_VM_HUGE_PAGES);
	struct launch_vm *vm = &launch->vm;
	uint64_t unit;

	vm->huge_pages = launch->settings.huge_pages;
	if (annotation) {
		vm->huge_pages = strcmp(annotation, "true") == 0;
		if (!vm->huge_pages && strcmp(annotation, "false") != 0)
			return error_set(err, -EINVAL, "%s: \"%s\" is neither true nor false",
				OCI_ANNOTATION_VM_HUGE_PAGES, annotation);
	}
	vm->huge_pages = vm->huge_pages || launch->options->vm_huge_pages;
	unit = vm->huge_pages ? GUEST_HUGE_PAGE_BYTES : MEBIBYTE;
	vm->memory_bytes -= vm->memory_bytes % unit;
	return 0;
}

/* ---- vCPUs ---- */

static unsigned cpuset_count(const char *list)
{
	unsigned count = 0;

	while (*list) {
		char *end;
		unsigned long first = strtoul(list, &end, 10), last = first;

		if (*end == '-')
			last = strtoul(end + 1, &end, 10);
		count += last >= first ? (unsigned)(last - first + 1) : 0;
		list = *end ? end + 1 : end;
	}
	return count;
}

/* 0: no limit says anything about it. */
static uint64_t vcpus_of_limits(const struct oci_resources *resources)
{
	if (resources && resources->cpu.quota.set && resources->cpu.quota.value > 0) {
		uint64_t period =
			resources->cpu.period.set && resources->cpu.period.value ? resources->cpu.period.value : 100000;

		return ((uint64_t)resources->cpu.quota.value + period - 1) / period;
	}
	return resources && resources->cpu.cpus ? cpuset_count(resources->cpu.cpus) : 0;
}

static int choose_vcpus(struct launch *launch, struct error *err)
{
	const struct oci_spec *spec = launch->spec;
	struct said said =
		option_or_annotation(launch, "--vm-vcpus", launch->options->vm_vcpus, OCI_ANNOTATION_VM_VCPUS);
	uint64_t count = vcpus_of_limits(spec->resources);

	if (said.word || (spec->vm && spec->vm->vcpus.set)) {
		const char *source = said.word ? said.source : "config.json: vm.hwConfig.vcpus";

		if (!said.word)
			count = spec->vm->vcpus.value;
		else if (parse_u64(said.word, &count) < 0)
			return error_set(err, -EINVAL, "%s: \"%s\" is no number", source, said.word);
		if (count < 1 || count > VM_VCPUS_MAX)
			return error_set(err, -EINVAL, "%s: 1 to %d are possible", source, VM_VCPUS_MAX);
	}
	if (!count)
		count = launch->settings.vcpus ? launch->settings.vcpus : 1;
	launch->vm.vcpus = count > VM_VCPUS_MAX ? VM_VCPUS_MAX : (unsigned)count;
	return 0;
}

/* ---- what it boots ---- */

static int choose_boot_timeout(struct launch *launch, struct error *err)
{
	const char *word = launch->options->vm_boot_timeout;
	uint64_t seconds = BOOT_TIMEOUT_S;

	if (word && (parse_u64(word, &seconds) < 0 || !seconds || seconds > BOOT_TIMEOUT_MAX_S))
		return error_set(
			err, -EINVAL, "--vm-boot-timeout %s: 1 to %d seconds are possible", word, BOOT_TIMEOUT_MAX_S);
	launch->vm.boot_timeout_s = (unsigned)seconds;
	return 0;
}

static int choose_watchdog(struct launch *launch, struct error *err)
{
	const char *word = launch->options->vm_watchdog;
	uint64_t seconds = 0;

	if (word && (parse_u64(word, &seconds) < 0 || seconds > BOOT_TIMEOUT_MAX_S))
		return error_set(
			err, -EINVAL, "--vm-watchdog %s: up to %d seconds are possible", word, BOOT_TIMEOUT_MAX_S);
	launch->vm.watchdog_s = (unsigned)seconds;
	return 0;
}

/* An initrd goes with the kernel beside which it was named. */
static int choose_kernel(struct launch *launch, struct error *err)
{
	const struct launch_options *options = launch->options;
	const struct settings *settings = &launch->settings;
	const struct oci_vm *bundle = launch->spec->vm;
	struct launch_vm *vm = &launch->vm;

	vm->boot = settings->boot;
	for (int i = 0; options->vm_boot && boot_protocol_names[i]; i++) {
		if (strcmp(boot_protocol_names[i], options->vm_boot) == 0)
			vm->boot = (enum boot_protocol)i;
	}
	if (options->vm_boot && strcmp(boot_protocol_names[vm->boot], options->vm_boot) != 0)
		return error_set(err, -EINVAL, "--vm-boot %s: auto, linux and pvh are there", options->vm_boot);
	if (options->guest_kernel) {
		vm->kernel_path = options->guest_kernel;
	} else if (bundle && bundle->kernel_path) {
		vm->kernel_path = bundle->kernel_path;
		vm->initrd_path = bundle->kernel_initrd;
	} else {
		vm->kernel_path = settings->kernel;
		vm->initrd_path = settings->initrd;
	}
	if (options->guest_initrd)
		vm->initrd_path = options->guest_initrd;
	return 0;
}

static void choose_cmdline(struct launch *launch)
{
	char **words = launch->spec->vm ? launch->spec->vm->kernel_parameters : NULL;
	cleanup_strbuf struct strbuf cmdline = STRBUF_INIT;

	strbuf_string(&cmdline, launch->settings.kernel_parameters ? launch->settings.kernel_parameters : "");
	for (; words && *words; words++)
		strbuf_printf(&cmdline, "%s%s", cmdline.length ? " " : "", *words);
	launch->vm.cmdline = xstrdup(cmdline.data);
}

int microvm_machine(struct launch *launch, struct error *err)
{
	int result = choose_memory(launch, err);

	if (result == 0)
		result = choose_pages(launch, err);
	if (result == 0)
		result = choose_vcpus(launch, err);
	if (result == 0)
		result = choose_kernel(launch, err);
	if (result == 0)
		result = choose_boot_timeout(launch, err);
	if (result == 0)
		result = choose_watchdog(launch, err);
	if (result < 0)
		return result;
	choose_cmdline(launch);
	launch->vm.console = launch->options->vm_console;
	return 0;
}
