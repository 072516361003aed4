/* SPDX-License-Identifier: Apache-2.0 */
/* What a process sees of the kernel and the machine around it. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "bench/probe/probe.h"

enum { SYSLOG_ACTION_READ_ALL = 3 };

static void say_file(const char *name, const char *path)
{
	char text[1024];
	int length = read_text(path, text, sizeof(text));

	if (length < 0)
		say("refused", name, "%s", strerror(-length));
	else
		say("fact", name, "%s", text);
}

static void say_cpu_model(void)
{
	char text[8192], *model;

	if (read_text("/proc/cpuinfo", text, sizeof(text)) < 0)
		return say("refused", "cpu-model", "%s", "/proc/cpuinfo cannot be read");
	model = strstr(text, "model name");
	model = model ? strchr(model, ':') : NULL;
	if (!model)
		return say("refused", "cpu-model", "%s", "/proc/cpuinfo names none");
	model += 1 + strspn(model + 1, " ");
	model[strcspn(model, "\n")] = '\0';
	say("fact", "cpu-model", "%s", model);
}

static void say_system(void)
{
	struct utsname names;
	struct sysinfo info;
	struct timespec uptime;

	if (uname(&names) == 0) {
		say("fact", "kernel-release", "%s", names.release);
		say("fact", "kernel-version", "%s", names.version);
	}
	if (sysinfo(&info) == 0) {
		say("fact", "memory", "%llu", (unsigned long long)info.totalram * info.mem_unit);
		say("fact", "load", "%.2f", (double)info.loads[0] / 65536);
	}
	if (clock_gettime(CLOCK_BOOTTIME, &uptime) == 0)
		say("fact", "uptime", "%lld", (long long)uptime.tv_sec);
	say("fact", "processors", "%ld", sysconf(_SC_NPROCESSORS_ONLN));
}

static void say_kernel_log(void)
{
	static char text[65536];
	int length = klogctl(SYSLOG_ACTION_READ_ALL, text, sizeof(text) - 1);

	if (length < 0)
		return say("refused", "kernel-log", "%s", strerror(errno));
	text[length] = '\0';
	text[strcspn(text, "\n")] = '\0';
	say("fact", "kernel-log", "%d bytes: %.100s", length, text);
}

static void say_processes(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	unsigned count = 0;

	if (!directory)
		return say("refused", "processes", "%s", strerror(errno));
	while ((entry = readdir(directory))) {
		if (isdigit((unsigned char)entry->d_name[0]) && atol(entry->d_name) != (long)getpid())
			count++;
	}
	(void)closedir(directory);
	say("fact", "processes", "%u", count);
}

/* How many, and which parts of other file systems than the bundle's show where they lie (the field "root"). */
static void say_mounts(void)
{
	FILE *stream = fopen("/proc/self/mountinfo", "re");
	char line[4096], root[1024], target[1024], sources[600] = "";
	unsigned count = 0;

	if (!stream)
		return say("refused", "mounts", "%s", strerror(errno));
	while (fgets(line, sizeof(line), stream)) {
		size_t length = strlen(sources);

		count++;
		if (sscanf(line, "%*d %*d %*s %1023s %1023s", root, target) == 2 && strcmp(root, "/") != 0 &&
			strcmp(target, "/") == 0)
			(void)snprintf(
				sources + length, sizeof(sources) - length, ", the root is %.300s of its disk", root);
	}
	(void)fclose(stream);
	say("fact", "mounts", "%u%s", count, sources);
}

static void say_interfaces(void)
{
	struct if_nameindex *interfaces = if_nameindex();
	char names[512] = "";

	if (!interfaces)
		return say("refused", "interfaces", "%s", strerror(errno));
	for (struct if_nameindex *entry = interfaces; entry->if_index; entry++) {
		size_t length = strlen(names);

		(void)snprintf(names + length, sizeof(names) - length, "%s%s", length ? " " : "", entry->if_name);
	}
	if_freenameindex(interfaces);
	say("fact", "interfaces", "%s", names[0] ? names : "none");
}

/* The first hierarchy's path, which is the same in all of them as a rule. */
static void say_cgroup(void)
{
	char text[4096], *path;

	if (read_text("/proc/self/cgroup", text, sizeof(text)) < 0)
		return say("refused", "cgroup-path", "%s", "/proc/self/cgroup cannot be read");
	text[strcspn(text, "\n")] = '\0';
	path = strchr(text, ':');
	path = path ? strchr(path + 1, ':') : NULL;
	say("fact", "cgroup-path", "%s", path ? path + 1 : "none");
}

void probe_facts(void)
{
	say_system();
	say_file("boot-id", "/proc/sys/kernel/random/boot_id");
	say_file("command-line", "/proc/cmdline");
	say_cpu_model();
	say_kernel_log();
	say_processes();
	say_mounts();
	say_interfaces();
	say_cgroup();
}
