/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one thread of the monitor may ask of the kernel: no capability and no system call but what its kind needs
 * (capabilities(7), seccomp(2)). Whatever a guest makes of a thread's memory, the kernel holds it to this.
 *
 * A filter is an array of BPF instructions that the preprocessor makes of FILTER_* lines, beside the code of its kind
 * of thread: vcpu_filter.c, devices/filter.c, devices/fs/filter.c, and the main thread's in runtime/monitor_filter.c.
 * No library and no generator stands between the table and what the kernel gets; the linker puts it into read-only
 * memory, and nothing is compiled when a machine starts. What is not in the table kills the process (SIGSYS).
 *
 * To add to one:
 *   - one line per system call, or per value of the argument that matters (the request of ioctl(2), the command of
 *     fcntl(2) and prctl(2), the family of socket(2)); lines of the same call are alternatives;
 *   - the names are the kernel's (SYS_*), which need not be those of the C library: look with `strace -f`, whose last
 *     line before "killed by SIGSYS" is what is missing;
 *   - what may map memory never gets PROT_EXEC, and no thread makes processes or threads, opens sockets, or changes
 *     flags of descriptors that are shared with other processes;
 *   - tests/unit/test_confine.c tries what must be forbidden, tests/unit/filter_use.c reads a trace of
 *     real runs and finds lines that nothing needs.
 * Arguments are compared by their low 32 bits, which is all that the kernel looks at in those that are named here.
 *
 * In a build with AddressSanitizer, whose run time asks for much else, no filter is installed.
 */
#ifndef DUET_MICROVM_CONFINE_H
#define DUET_MICROVM_CONFINE_H

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "base/error.h"

struct thread_filter {
	const char *thread; /* its kind, for messages and tests */
	const struct sock_filter *instructions;
	unsigned short count;
};

/* All kinds but the main thread's, which is the runtime's (runtime/monitor.h). */
extern const struct thread_filter vcpu_filter;          /* on hardware */
extern const struct thread_filter vcpu_software_filter; /* where the monitor finishes instructions (softkvm.h) */
extern const struct thread_filter devices_filter;       /* the event loop of all devices but fs */
extern const struct thread_filter blk_filter;
extern const struct thread_filter fs_filter;

/* Before a process makes threads that are confined: the C library then shares one heap among them, instead of mapping
 * one per thread by calls that filters would have to allow. */
void confine_prepare(void);
/* As pthread_create(3), with a stack of the size that such a thread needs: of the usual 8 MiB the kernel may back 2 at
 * once by a huge page. */
int confine_start_thread(pthread_t *thread, void *(*start)(void *argument), void *argument);
/* Best effort (it needs CAP_SETPCAP); without execve(2) there is little that it could still give. */
void confine_drop_bounding_set(void);
/* The calling thread holds no capability of any kind any more. 0 or a negative errno. */
int confine_drop_capabilities(struct error *err);
/* no_new_privs and the filter, for the calling thread alone. 0 or a negative errno. */
int confine_system_calls(const struct thread_filter *filter, struct error *err);

/* --- lines of a filter --- */

#define FILTER_LOAD(field)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define FILTER_RETURN(action) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_##action)
/* Goes on when the loaded word is equal, else passes over some instructions. */
#define FILTER_EQUAL(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (value), 0, (skip))
#define FILTER_CHECK(argument, mask, value, skip) \
	FILTER_LOAD(args[argument]), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (mask)), FILTER_EQUAL(value, skip)

/* First and last line. The numbers of other architectures mean other calls; those of x32 are equal to none here. */
#define FILTER_BEGIN                                                                                                  \
	FILTER_LOAD(arch), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), FILTER_RETURN(KILL_PROCESS), \
		FILTER_LOAD(nr)
#define FILTER_END FILTER_RETURN(KILL_PROCESS)

#define FILTER_ALLOW(name) FILTER_EQUAL(SYS_##name, 1), FILTER_RETURN(ALLOW)
/* With the bits of an argument (0 to 5) under the mask as given. */
#define FILTER_ALLOW_BITS(name, argument, mask, value) \
	FILTER_EQUAL(SYS_##name, 5), FILTER_CHECK(argument, mask, value, 1), FILTER_RETURN(ALLOW), FILTER_LOAD(nr)
#define FILTER_ALLOW_BITS2(name, argument, mask, value, argument2, mask2, value2) \
	FILTER_EQUAL(SYS_##name, 8), FILTER_CHECK(argument, mask, value, 4),      \
		FILTER_CHECK(argument2, mask2, value2, 1), FILTER_RETURN(ALLOW), FILTER_LOAD(nr)
#define FILTER_ALLOW_ARGUMENT(name, argument, value) FILTER_ALLOW_BITS(name, argument, 0xffffffff, value)
#define FILTER_ALLOW_IOCTL(request)                  FILTER_ALLOW_ARGUMENT(ioctl, 1, request)

/* What the C library asks for in any thread: memory, locks, the time, the return from a signal's handler; and the log.
 */
#define FILTER_ALLOW_COMMON                                                                                \
	FILTER_ALLOW(futex), FILTER_ALLOW(write), FILTER_ALLOW(clock_gettime), FILTER_ALLOW(rt_sigreturn), \
		FILTER_ALLOW(brk), FILTER_ALLOW(munmap), FILTER_ALLOW(mremap),                             \
		FILTER_ALLOW_BITS2(mmap, 2, PROT_EXEC, 0, 3, MAP_TYPE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS)
/* The end of a thread that is not the last. */
#define FILTER_ALLOW_THREAD_END \
	FILTER_ALLOW(rt_sigprocmask), FILTER_ALLOW(exit), FILTER_ALLOW_ARGUMENT(madvise, 2, MADV_DONTNEED)

#define FILTER_COUNT(instructions) ((unsigned short)(sizeof(instructions) / sizeof((instructions)[0])))

#endif
