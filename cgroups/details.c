/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The figures that only `events` prints: by device, by CPU, by page size, and the kernel's own long lists.
 */
#include "cgroups/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* One more element, zeroed, at the end of an array. */
static void *grow(void *array, size_t *count, size_t element_bytes)
{
	char *grown = xrealloc(array, *count + 1, element_bytes);

	memset(grown + *count * element_bytes, 0, element_bytes);
	*count += 1;
	return grown;
}

#define append(array, count)                                         \
	({                                                           \
		(array) = grow((array), &(count), sizeof(*(array))); \
		&(array)[(count)-1];                                 \
	})

static char *read_line(const struct cgroup_entry *entry, const char *file)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;

	if (cgroup_read(entry, file, &content) < 0 || content.length == 0)
		return NULL;
	return xstrndup(content.data, strcspn(content.data, "\n"));
}

static struct cgroup_usage unknown_usage(void)
{
	struct cgroup_usage usage;

	memset(&usage, 0xff, sizeof(usage));
	return usage;
}

/* The four files PREFIX.usage_in_bytes and so on that v1 has for each kind of memory. */
static struct cgroup_usage read_usage_v1(const struct cgroup_entry *entry, const char *prefix)
{
	cleanup_free char *usage = xprintf("%s.usage_in_bytes", prefix),
			  *peak = xprintf("%s.max_usage_in_bytes", prefix);
	cleanup_free char *limit = xprintf("%s.limit_in_bytes", prefix), *failures = xprintf("%s.failcnt", prefix);

	return (struct cgroup_usage){
		.usage_bytes = cgroup_read_number(entry, usage),
		.peak_bytes = cgroup_read_number(entry, peak),
		.limit_bytes = cgroup_read_number(entry, limit),
		.failures = cgroup_read_number(entry, failures),
	};
}

static uint64_t add(uint64_t left, uint64_t right)
{
	if (left == CGROUP_UNKNOWN || right == CGROUP_UNKNOWN)
		return CGROUP_UNKNOWN;
	return left == CGROUP_UNLIMITED || right == CGROUP_UNLIMITED ? CGROUP_UNLIMITED : left + right;
}

/* v2 counts swap alone. */
static struct cgroup_usage read_swap_v2(const struct cgroup_entry *entry)
{
	struct cgroup_usage usage = unknown_usage();

	usage.usage_bytes =
		add(cgroup_read_number(entry, "memory.current"), cgroup_read_number(entry, "memory.swap.current"));
	usage.limit_bytes = add(cgroup_read_number(entry, "memory.max"), cgroup_read_number(entry, "memory.swap.max"));
	return usage;
}

/* "NAME NUMBER" lines. */
static void read_memory_stat(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *rest;

	if (cgroup_read(entry, "memory.stat", &content) < 0)
		return;
	rest = content.data;
	for (char *line; (line = strsep(&rest, "\n")) && *line;) {
		char *value = strchr(line, ' ');
		struct cgroup_number_entry *number;

		if (!value)
			continue;
		number = append(details->memory_stat, details->memory_stat_count);
		number->name = xstrndup(line, (size_t)(value - line));
		number->value = strtoll(value + 1, NULL, 10);
	}
}

static void read_memory(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	read_memory_stat(entry, details);
	if (entry->unified) {
		details->swap = read_swap_v2(entry);
		return;
	}
	details->swap = read_usage_v1(entry, "memory.memsw");
	details->kernel = read_usage_v1(entry, "memory.kmem");
	details->kernel_tcp = read_usage_v1(entry, "memory.kmem.tcp");
}

/* "cpu user system", then a line for each CPU. */
static void read_each_cpu(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *rest, *line;

	if (entry->unified || cgroup_read(entry, "cpuacct.usage_all", &content) < 0)
		return;
	rest = content.data;
	(void)strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && *line) {
		size_t cpu = details->cpu_count++;
		char *end;

		(void)strtoull(line, &end, 10);
		details->cpu_usage_ns = xrealloc(details->cpu_usage_ns, cpu + 1, sizeof(uint64_t));
		details->cpu_user_ns = xrealloc(details->cpu_user_ns, cpu + 1, sizeof(uint64_t));
		details->cpu_system_ns = xrealloc(details->cpu_system_ns, cpu + 1, sizeof(uint64_t));
		details->cpu_user_ns[cpu] = strtoull(end, &end, 10);
		details->cpu_system_ns[cpu] = strtoull(end, &end, 10);
		details->cpu_usage_ns[cpu] = details->cpu_user_ns[cpu] + details->cpu_system_ns[cpu];
	}
}

static void read_cpuset(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	static const char *const flags[] = { "cpu_exclusive", "mem_hardwall", "mem_exclusive", "memory_migrate",
		"memory_spread_page", "memory_spread_slab", "memory_pressure", "sched_load_balance",
		"sched_relax_domain_level" };

	details->cpus = read_line(entry, entry->unified ? "cpuset.cpus.effective" : "cpuset.cpus");
	details->mems = read_line(entry, entry->unified ? "cpuset.mems.effective" : "cpuset.mems");
	for (size_t i = 0; i < ARRAY_SIZE(flags) && !entry->unified; i++) {
		cleanup_free char *file = xprintf("cpuset.%s", flags[i]);
		cleanup_free char *value = read_line(entry, file);
		struct cgroup_number_entry *flag;

		if (!value)
			continue;
		flag = append(details->cpuset_flags, details->cpuset_flag_count);
		flag->name = xstrdup(flags[i]);
		flag->value = strtoll(value, NULL, 10);
	}
}

static bool parse_device(const char **text, struct cgroup_device_count *device)
{
	char *end;

	device->major = (uint32_t)strtoul(*text, &end, 10);
	if (end == *text || *end != ':')
		return false;
	device->minor = (uint32_t)strtoul(end + 1, &end, 10);
	*text = end;
	return *end == ' ';
}

/* "MAJOR:MINOR Read 4096" lines, and a total at the end. */
static bool read_counts_v1(const struct cgroup_entry *entry, const char *file, struct cgroup_device_counts *counts)
{
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *rest;

	if (cgroup_read(entry, file, &content) < 0)
		return false;
	rest = content.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		struct cgroup_device_count device = { 0 };
		const char *next = line;
		char *value;

		if (!parse_device(&next, &device))
			continue;
		value = strrchr(next, ' ');
		if (value > next)
			(void)snprintf(
				device.operation, sizeof(device.operation), "%.*s", (int)(value - next - 1), next + 1);
		device.value = strtoull(value + 1, NULL, 10);
		*append(counts->entries, counts->count) = device;
	}
	return counts->count > 0;
}

static void read_io_v1(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	/* Under BFQ the throttling layer counts too, and for every scheduler. */
	if (!read_counts_v1(entry, "blkio.throttle.io_service_bytes_recursive", &details->io_bytes))
		(void)read_counts_v1(entry, "blkio.throttle.io_service_bytes", &details->io_bytes);
	if (!read_counts_v1(entry, "blkio.throttle.io_serviced_recursive", &details->io_operations))
		(void)read_counts_v1(entry, "blkio.throttle.io_serviced", &details->io_operations);
}

/* "MAJOR:MINOR rbytes=4096 wbytes=0 rios=1 wios=0 …" lines, in v1's words. */
static void read_io_v2(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	static const struct {
		const char *key, *operation;
		bool bytes;
	} keys[] = { { " rbytes=", "Read", true }, { " wbytes=", "Write", true }, { " rios=", "Read", false },
		{ " wios=", "Write", false } };
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	char *rest;

	if (cgroup_read(entry, "io.stat", &content) < 0)
		return;
	rest = content.data;
	for (char *line; (line = strsep(&rest, "\n"));) {
		struct cgroup_device_count device = { 0 };
		const char *next = line;

		if (!parse_device(&next, &device))
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			struct cgroup_device_counts *counts =
				keys[i].bytes ? &details->io_bytes : &details->io_operations;
			const char *found = strstr(next, keys[i].key);

			if (!found)
				continue;
			(void)snprintf(device.operation, sizeof(device.operation), "%s", keys[i].operation);
			device.value = strtoull(found + strlen(keys[i].key), NULL, 10);
			*append(counts->entries, counts->count) = device;
		}
	}
}

static struct cgroup_usage read_hugepages_v2(const struct cgroup_entry *entry, const char *prefix)
{
	cleanup_free char *current = xprintf("%s.current", prefix), *limit = xprintf("%s.max", prefix);
	cleanup_free char *events = xprintf("%s.events", prefix);
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	struct cgroup_usage usage = unknown_usage();

	usage.usage_bytes = cgroup_read_number(entry, current);
	usage.limit_bytes = cgroup_read_number(entry, limit);
	if (cgroup_read(entry, events, &content) == 0)
		usage.failures = cgroup_keyed_number(content.data, "max");
	return usage;
}

/* One set of files for each page size of the host: hugetlb.2MB.current, hugetlb.2MB.usage_in_bytes. */
static void read_hugetlb(const struct cgroup_entry *entry, struct cgroup_details *details)
{
	const char *ending = entry->unified ? ".current" : ".usage_in_bytes";
	cleanup_directory DIR *directory = opendir(entry->directory);
	struct dirent *file;

	while (directory && (file = readdir(directory))) {
		size_t length = strlen(file->d_name);
		cleanup_free char *prefix = NULL;
		struct cgroup_hugepages *pages;

		if (strncmp(file->d_name, "hugetlb.", 8) != 0 || length < strlen(ending) ||
			strstr(file->d_name, ".rsvd.") || strcmp(file->d_name + length - strlen(ending), ending) != 0)
			continue;
		prefix = xstrndup(file->d_name, length - strlen(ending));
		pages = append(details->hugepages, details->hugepage_count);
		pages->page_size = xstrdup(prefix + 8);
		pages->usage = entry->unified ? read_hugepages_v2(entry, prefix) : read_usage_v1(entry, prefix);
	}
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=0". The CPU's second line came with Linux 5.13. */
static void read_pressure(const struct cgroup_entry *entry, const char *file, struct cgroup_pressure *pressure)
{
	static const char format[] = "%*s avg10=%lf avg60=%lf avg300=%lf total=%lu";
	cleanup_strbuf struct strbuf content = STRBUF_INIT;
	struct cgroup_pressure_line *lines[] = { &pressure->some, &pressure->full };
	char *rest;

	if (cgroup_read(entry, file, &content) < 0)
		return;
	rest = content.data;
	for (size_t i = 0; i < ARRAY_SIZE(lines) && rest; i++) {
		struct cgroup_pressure_line line;
		const char *text = strsep(&rest, "\n");

		if (sscanf(text, format, &line.average_10s, &line.average_60s, &line.average_300s, &line.total_us) != 4)
			break;
		*lines[i] = line;
		pressure->known = true;
	}
}

void cgroup_read_details(const struct cgroup *group, struct cgroup_details *details)
{
	const struct cgroup_entry *memory = cgroup_find(group, CGROUP_MEMORY),
				  *cpuset = cgroup_find(group, CGROUP_CPUSET);
	const struct cgroup_entry *cpu = cgroup_find(group, CGROUP_CPUACCT), *io = cgroup_find(group, CGROUP_IO);
	const struct cgroup_entry *hugetlb = cgroup_find(group, CGROUP_HUGETLB), *unified = cgroup_unified(group);

	*details = (struct cgroup_details){
		.swap = unknown_usage(), .kernel = unknown_usage(), .kernel_tcp = unknown_usage()
	};
	if (memory)
		read_memory(memory, details);
	if (cpu)
		read_each_cpu(cpu, details);
	if (cpuset)
		read_cpuset(cpuset, details);
	if (io && io->unified)
		read_io_v2(io, details);
	else if (io)
		read_io_v1(io, details);
	if (hugetlb)
		read_hugetlb(hugetlb, details);
	if (!unified)
		return;
	read_pressure(unified, "cpu.pressure", &details->cpu_pressure);
	read_pressure(unified, "memory.pressure", &details->memory_pressure);
	read_pressure(unified, "io.pressure", &details->io_pressure);
}

static void free_numbers(struct cgroup_number_entry *numbers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(numbers[i].name);
	free(numbers);
}

void cgroup_details_free(struct cgroup_details *details)
{
	for (size_t i = 0; i < details->hugepage_count; i++)
		free(details->hugepages[i].page_size);
	free(details->hugepages);
	free_numbers(details->cpuset_flags, details->cpuset_flag_count);
	free_numbers(details->memory_stat, details->memory_stat_count);
	free(details->io_bytes.entries);
	free(details->io_operations.entries);
	free(details->cpu_usage_ns);
	free(details->cpu_user_ns);
	free(details->cpu_system_ns);
	free(details->cpus);
	free(details->mems);
	*details = (struct cgroup_details){ 0 };
}
