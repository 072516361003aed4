/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter_use [--software] TRACE...: which lines of the monitor's filters (microvm/confine.h) nothing needs. Reads what
 * `strace -f -n -Y -e raw=all` wrote about runs of micro-VMs, looks at what each thread asked of the kernel once it was
 * confined, and prints the lines that allowed none of it. Status 1: some of them are not excused below, or something
 * was asked that no line allows. --software: the vCPUs were a software KVM's.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <seccomp.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "tests/unit/filter_program.h"

#define THREADS_MAX      4096
#define INSTRUCTIONS_MAX 1024

/* What is allowed although no test comes by. */
static const struct {
	const struct thread_filter *filter; /* NULL: any */
	long number;
	const char *reason;
} excuses[] = {
	{ NULL, SYS_clock_gettime, "where the vDSO cannot tell the time" },
	{ NULL, SYS_mremap, "a large buffer grows" },
	{ NULL, SYS_munmap, "a large buffer goes" },
	{ NULL, SYS_mmap, "a large buffer, or no room behind the heap" },
	{ NULL, SYS_brk, "the heap grows" },
	{ NULL, SYS_write, "a warning to the log" },
	{ NULL, SYS_futex, "a lock that another thread holds" },
	{ &monitor_filter, SYS_rt_sigreturn, "in every thread for the sake of one rule" },
	{ &monitor_filter, SYS_restart_syscall, "after SIGSTOP and SIGCONT" },
	{ &devices_filter, SYS_rt_sigreturn, "in every thread for the sake of one rule" },
	{ &devices_filter, SYS_exit, "vm_destroy(), which a monitor never needs" },
	{ &devices_filter, SYS_madvise, "memory that a guest gives back, seconds after it has begun" },
	{ &devices_filter, SYS_sendto, "a network program's socket" },
	{ &devices_filter, SYS_recvfrom, "a network program's socket" },
	{ &blk_filter, SYS_rt_sigreturn, "in every thread for the sake of one rule" },
	{ &blk_filter, SYS_rt_sigprocmask, "vm_destroy(), which a monitor never needs" },
	{ &blk_filter, SYS_exit, "vm_destroy(), which a monitor never needs" },
	{ &blk_filter, SYS_madvise, "vm_destroy(), which a monitor never needs" },
	{ &fs_filter, SYS_faccessat2, "Linux decides by itself, other guests may ask" },
	{ &fs_filter, SYS_fcntl, "a file system whose close(2) reports errors" },
	{ &fs_filter, SYS_rt_sigreturn, "in every thread for the sake of one rule" },
	{ &fs_filter, SYS_rt_sigprocmask, "vm_destroy(), which a monitor never needs" },
	{ &fs_filter, SYS_exit, "vm_destroy(), which a monitor never needs" },
	{ &fs_filter, SYS_madvise, "vm_destroy(), which a monitor never needs" },
};

struct thread {
	long id;
	bool confined;
};

struct use {
	bool software;
	struct thread threads[THREADS_MAX];
	unsigned thread_count;
	bool used[ARRAY_SIZE(all_filters)][INSTRUCTIONS_MAX];
	bool refused;
};

static unsigned kind_of(const struct use *use, const char *name)
{
	const struct thread_filter *filter = &monitor_filter;
	unsigned kind = 0;

	if (strncmp(name, "vcpu", 4) == 0)
		filter = use->software ? &vcpu_software_filter : &vcpu_filter;
	else if (strncmp(name, "devices>", 8) == 0)
		filter = &devices_filter;
	else if (strncmp(name, "blk>", 4) == 0)
		filter = &blk_filter;
	else if (strncmp(name, "fs>", 3) == 0)
		filter = &fs_filter;
	while (all_filters[kind] != filter)
		kind++;
	return kind;
}

static struct thread *find_thread(struct use *use, long id)
{
	for (unsigned i = 0; i < use->thread_count; i++) {
		if (use->threads[i].id == id)
			return &use->threads[i];
	}
	if (use->thread_count == THREADS_MAX) {
		(void)fprintf(stderr, "filter_use: more than %d threads\n", THREADS_MAX);
		exit(2);
	}
	use->threads[use->thread_count] = (struct thread){ .id = id };
	return &use->threads[use->thread_count++];
}

/* "ID<name> [number] call(argument, …". False: not the beginning of a call. */
static bool parse(const char *line, long *id, const char **name, struct seccomp_data *data)
{
	char *at;

	*data = (struct seccomp_data){ .arch = AUDIT_ARCH_X86_64 };
	*id = strtol(line, &at, 10);
	*name = at + 1;
	at = strchr(at, '[');
	if (!at)
		return false;
	data->nr = (int)strtol(at + 1, &at, 10);
	if (strncmp(at, "] ", 2) != 0 || at[2] == '<' || at[2] == '+' || at[2] == '-')
		return false;
	at = strchr(at, '(');
	for (unsigned i = 0; at && i < ARRAY_SIZE(data->args) && (*at == '(' || *at == ','); i++)
		data->args[i] = strtoull(at + 1, &at, 0);
	return at != NULL;
}

static void take(struct use *use, const char *line)
{
	struct seccomp_data data;
	struct thread *thread;
	const char *name;
	unsigned kind, at;
	long id;

	if (strstr(line, "+++ exited") || strstr(line, "+++ killed")) {
		/* Its number may be another's later. */
		find_thread(use, strtol(line, NULL, 10))->confined = false;
		return;
	}
	if (!parse(line, &id, &name, &data))
		return;
	thread = find_thread(use, id);
	if (!thread->confined) {
		thread->confined = data.nr == SYS_seccomp && data.args[0] == SECCOMP_SET_MODE_FILTER;
		return;
	}
	kind = kind_of(use, name);
	at = filter_decide(all_filters[kind], &data);
	use->used[kind][at] = true;
	if (all_filters[kind]->instructions[at].k == SECCOMP_RET_ALLOW)
		return;
	(void)printf("%s: not allowed: %s", all_filters[kind]->thread, line);
	use->refused = true;
}

static int read_trace(struct use *use, const char *path)
{
	cleanup_stream FILE *trace = fopen(path, "re");
	cleanup_free char *line = NULL;
	size_t capacity = 0;

	if (!trace) {
		(void)fprintf(stderr, "filter_use: %s: %s\n", path, strerror(errno));
		return 2;
	}
	use->thread_count = 0;
	while (getline(&line, &capacity, trace) >= 0)
		take(use, line);
	return 0;
}

static const char *excuse(const struct thread_filter *filter, const struct filter_line *line)
{
	if (line->number == SYS_ioctl && line->checks &&
		(line->check[0].value == (uint32_t)KVM_GET_XSAVE || line->check[0].value == (uint32_t)KVM_GET_XSAVE2))
		return "one of the two, as the extended state is large or small";

	for (size_t i = 0; i < ARRAY_SIZE(excuses); i++) {
		if ((!excuses[i].filter || excuses[i].filter == filter) && excuses[i].number == line->number)
			return excuses[i].reason;
	}
	return NULL;
}

static void print_line(const struct thread_filter *filter, const struct filter_line *line, const char *reason)
{
	cleanup_free char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_X86_64, (int)line->number);

	(void)printf("%s: %s", filter->thread, name ? name : "?");
	for (unsigned i = 0; i < line->checks; i++)
		(void)printf(" argument %u & 0x%x = 0x%x", line->check[i].argument, line->check[i].mask,
			line->check[i].value);
	(void)printf(reason ? " (%s)\n" : ": nothing needs it\n", reason);
}

/* How many lines are without use and excuse. */
static unsigned report(const struct use *use, unsigned kind)
{
	const struct thread_filter *filter = all_filters[kind];
	unsigned unused = 0;

	for (unsigned at = 0; at < filter->count; at++) {
		const struct sock_filter *instruction = &filter->instructions[at];
		struct filter_line line;
		const char *reason;

		if (instruction->code != (BPF_RET | BPF_K) || instruction->k != SECCOMP_RET_ALLOW ||
			use->used[kind][at])
			continue;
		line = filter_line(filter, at);
		reason = excuse(filter, &line);
		unused += !reason;
		print_line(filter, &line, reason);
	}
	return unused;
}

int main(int argc, char **argv)
{
	struct use *use = xcalloc(1, sizeof(*use));
	int first = 1, result = 0;

	use->software = argc > 1 && strcmp(argv[1], "--software") == 0;
	first += use->software;
	for (int i = first; i < argc && result == 0; i++)
		result = read_trace(use, argv[i]);
	for (unsigned kind = 0; kind < ARRAY_SIZE(all_filters) && result != 2; kind++) {
		/* monitor_debug_filter: monitor_filter's lines, and two that any debugger needs. */
		if (all_filters[kind] != (use->software ? &vcpu_filter : &vcpu_software_filter) &&
			all_filters[kind] != &monitor_debug_filter && report(use, kind))
			result = 1;
	}
	if (use->refused)
		result = 1;
	free(use);
	return result;
}
