/* SPDX-License-Identifier: Apache-2.0 */
/* The loaders of guest kernels, by every protocol: the input is the file. */
#include <fcntl.h>
#include <sys/mman.h>

#include "input.h"
#include "microvm/boot.h"
#include "microvm/layout.h"
#include "microvm/mptable.h"

#define MEMORY_BYTES (16ULL << 20)

static void load(const struct guest_memory *memory, int fd, enum boot_protocol protocol)
{
	struct boot_kernel kernel = { 0 };
	struct boot_initrd initrd = { 0 };
	struct error err = { 0 };

	if (boot_load_kernel(memory, fd, "kernel", protocol, &kernel, &err) < 0) {
		CHECK(err.message[0]);
		return;
	}
	CHECK(kernel.entry >= LAYOUT_KERNEL_MIN && kernel.entry < kernel.end && kernel.end <= MEMORY_BYTES);
	if (boot_load_initrd(memory, fd, &kernel, &initrd, &err) < 0)
		return;
	CHECK(!initrd.size_bytes ||
		(initrd.address >= kernel.end && initrd.address + initrd.size_bytes <= MEMORY_BYTES));
	(void)boot_write_params(memory, &kernel, &initrd, "console=ttyS0", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct guest_memory memory;
	cleanup_fd int fd = memfd_create("kernel", MFD_CLOEXEC);
	struct error err;

	if (!memory.count)
		CHECK(guest_memory_map(&memory, MEMORY_BYTES, GUEST_PAGES_TRANSPARENT, &err) == 0 &&
			mptable_write(&memory, 2, &err) == 0);
	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	for (enum boot_protocol protocol = BOOT_AUTOMATIC; protocol <= BOOT_PVH; protocol++)
		load(&memory, fd, protocol);
	return 0;
}
