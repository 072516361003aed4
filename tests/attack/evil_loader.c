/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in a hostile image in the place of the dynamic loader. A script that begins with #!/proc/self/exe makes the
 * kernel execute the runtime inside the container, with this as its loader: it keeps a descriptor of the runtime's
 * binary and executes /bin/overwrite with it. Without the C library, which would take the runtime's program headers
 * for its own.
 */
#include <fcntl.h>
#include <sys/syscall.h>

void _start(void);

static long call(long number, long first, long second, long third, long fourth)
{
	register long r10 __asm__("r10") = fourth;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10)
			 : "rcx", "r11", "memory");
	return result;
}

void _start(void)
{
	static char name[] = "overwrite", mode[] = "fd", number[] = "0";
	static char *arguments[] = { name, mode, number, 0 };
	static char *environment[] = { 0 };
	long fd = call(SYS_openat, AT_FDCWD, (long)"/proc/self/exe", O_PATH, 0);

	number[0] = (char)('0' + fd);
	(void)call(SYS_execve, (long)"/bin/overwrite", (long)arguments, (long)environment, 0);
	(void)call(SYS_exit_group, 1, 0, 0, 0);
	__builtin_unreachable();
}
