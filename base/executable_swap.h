/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another file as the running program's, without execve(2).
 */
#ifndef DUET_BASE_EXECUTABLE_SWAP_H
#define DUET_BASE_EXECUTABLE_SWAP_H

/*
 * Makes the file that is open at fd, which has to be the very file that this process executes, opened for reading
 * through another mount, its /proc/PID/exe: code and constants are mapped from there, what the program may write to
 * becomes memory without a file, and PR_SET_MM_MAP (prctl(2)) names the file. The kernel refuses as long as anything of
 * the former one is mapped. Nothing of the program's state changes.
 *
 * Returns 0 or a negative errno: -EPERM without CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, -EINVAL where the kernel has
 * no CONFIG_CHECKPOINT_RESTORE, -EXDEV for another file; the process goes on as before then. Before any thread.
 */
int executable_swap(int fd);

#endif
