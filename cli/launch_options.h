/* SPDX-License-Identifier: Apache-2.0 */
/* The options that `create` and `run` share. */
#ifndef DUET_CLI_LAUNCH_OPTIONS_H
#define DUET_CLI_LAUNCH_OPTIONS_H

#include "cli/command.h"
#include "runtime/launch.h"

struct launch_command {
	struct launch_options options;
	bool detach, keep;
};

/* The current directory as the bundle, the rest from the global options. */
struct launch_options launch_default_options(const struct global_options *global);

/* Parses options and the container's id. 0; COMMAND_HELPED; or a negative errno with *err set. */
int launch_options_parse(const struct command *command, const struct global_options *global, int argc, char **argv,
	struct launch_command *launch, struct error *err);

/* --preserve-fds N, a number of descriptors from 3 on; and whether all of them are open. */
int launch_parse_preserve(const char *text, uint32_t *count, struct error *err);
int launch_check_preserved(uint32_t count, struct error *err);

enum launch_option {
	LAUNCH_OPTION_ISOLATION = OPTION_LONG,
	LAUNCH_OPTION_VM,
	LAUNCH_OPTION_VM_KERNEL,
	LAUNCH_OPTION_VM_INITRD,
	LAUNCH_OPTION_VM_BOOT,
	LAUNCH_OPTION_VM_MEMORY,
	LAUNCH_OPTION_VM_VCPUS,
	LAUNCH_OPTION_VM_HUGE_PAGES,
	LAUNCH_OPTION_VM_DEBUG,
	LAUNCH_OPTION_VM_WATCHDOG,
	LAUNCH_OPTION_VM_NETWORK,
	LAUNCH_OPTION_VM_PUBLISH,
	LAUNCH_OPTION_VM_BOOT_TIMEOUT,
	LAUNCH_OPTION_VM_CONSOLE,
	LAUNCH_OPTION_NO_TEMPLATE,
	LAUNCH_OPTION_TEMPLATE_DIR,
	LAUNCH_OPTION_CONSOLE_SOCKET,
	LAUNCH_OPTION_PID_FILE,
	LAUNCH_OPTION_PIDFD_SOCKET,
	LAUNCH_OPTION_PRESERVE_FDS,
	LAUNCH_OPTION_NO_PIVOT,
	LAUNCH_OPTION_NO_NEW_KEYRING,
	LAUNCH_OPTION_NO_SUBREAPER,
	LAUNCH_OPTION_KEEP,
	LAUNCH_OPTION_IMAGE_PATH,
};

/* clang-format off */
#define LAUNCH_OPTIONS                                                                                                    \
	{ "bundle", 'b', "DIR", "the bundle (default: the current directory)" },                                         \
	{ "isolation", LAUNCH_OPTION_ISOLATION, "container|microvm", "the wall (default: from the bundle, the program's name, the configuration file; else container)" }, \
	{ "vm", LAUNCH_OPTION_VM, NULL, "the same as --isolation=microvm" },                                             \
	{ "vm-kernel", LAUNCH_OPTION_VM_KERNEL, "FILE", "the guest's kernel, an ELF vmlinux or a bzImage (default: duet's own)" }, \
	{ "vm-initrd", LAUNCH_OPTION_VM_INITRD, "FILE", "its initrd, which must have duet's init (default: that alone)" }, \
	{ "vm-boot", LAUNCH_OPTION_VM_BOOT, "auto|linux|pvh", "how the kernel is entered (default: auto)" },             \
	{ "vm-memory", LAUNCH_OPTION_VM_MEMORY, "SIZE", "the guest's memory (default: from the memory limit, else 256M)" }, \
	{ "vm-vcpus", LAUNCH_OPTION_VM_VCPUS, "N", "its processors (default: from the cpu quota or cpuset, else 1)" },    \
	{ "vm-boot-timeout", LAUNCH_OPTION_VM_BOOT_TIMEOUT, "SECONDS", "how long its guest may give no sign of life before the container runs (180)" }, \
	{ "vm-watchdog", LAUNCH_OPTION_VM_WATCHDOG, "SECONDS", "end a guest whose init has not answered for so long (0: never, which is the default)" }, \
	{ "vm-debug", LAUNCH_OPTION_VM_DEBUG, NULL, "gdb.sock for gdb and kernel.log in the container's state directory" }, \
	{ "vm-network", LAUNCH_OPTION_VM_NETWORK, "passt", "an interface by the program passt, which needs no privilege (default: those of the network namespace)" }, \
	{ "vm-publish", LAUNCH_OPTION_VM_PUBLISH, "PORT:PORT", "with it: TCP ports of the host that lead to the guest's, by commas" }, \
	{ "vm-huge-pages", LAUNCH_OPTION_VM_HUGE_PAGES, NULL, "take its memory from the host's reserve of 2 MiB pages" }, \
	{ "vm-console", LAUNCH_OPTION_VM_CONSOLE, NULL, "the guest kernel's messages to standard error" },               \
	{ "template-dir", LAUNCH_OPTION_TEMPLATE_DIR, "DIR", "templates of guests that have booted (see duet template)" }, \
	{ "no-template", LAUNCH_OPTION_NO_TEMPLATE, NULL, "boot the guest, and write no template of it" },               \
	{ "console-socket", LAUNCH_OPTION_CONSOLE_SOCKET, "FILE", "unix socket that receives the terminal" },            \
	{ "pid-file", LAUNCH_OPTION_PID_FILE, "FILE", "where to write the process id" },                                 \
	{ "pidfd-socket", LAUNCH_OPTION_PIDFD_SOCKET, "FILE", "unix socket that receives a pidfd of the process" },      \
	{ "preserve-fds", LAUNCH_OPTION_PRESERVE_FDS, "N", "pass descriptors 3 to 2+N on to the process" },              \
	{ "no-pivot", LAUNCH_OPTION_NO_PIVOT, NULL, "use mount and chroot in place of pivot_root" },                     \
	{ "no-new-keyring", LAUNCH_OPTION_NO_NEW_KEYRING, NULL, "keep the caller's session keyring" }
/* clang-format on */

#endif
