/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of file a kernel is. */
#include <elf.h>
#include <string.h>
#include <sys/stat.h>

#include "microvm/boot_internal.h"

#define MEBIBYTE (1ULL << 20)
/* Where the setup header of a bzImage begins, and the name in it. */
#define SETUP_HEADER    0x1f1
#define SETUP_SIGNATURE 0x53726448 /* "HdrS" */

const char *const boot_protocol_names[] = { "auto", "linux", "pvh", NULL };

bool kernel_file_has(const struct kernel_file *file, uint64_t offset, uint64_t length)
{
	return offset <= file->size_bytes && length <= file->size_bytes - offset;
}

int kernel_file_read(const struct kernel_file *file, void *data, uint64_t length, uint64_t offset, struct error *err)
{
	for (uint64_t done = 0; done < length;) {
		ssize_t got = pread(file->fd, (char *)data + done, length - done, (off_t)(offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return error_set(err, got < 0 ? errno : EIO, "%s: read the guest kernel", file->name);
		done += (uint64_t)got;
	}
	return 0;
}

int kernel_file_too_large(
	const struct kernel_file *file, const struct guest_memory *memory, uint64_t end, struct error *err)
{
	uint64_t memory_bytes = 0;

	for (unsigned i = 0; i < memory->count; i++)
		memory_bytes += memory->regions[i].size_bytes;
	return error_set(err, -ENOMEM, "%s: needs %llu MiB, the guest has %llu MiB", file->name,
		(unsigned long long)((end - 1) / MEBIBYTE + 1), (unsigned long long)(memory_bytes / MEBIBYTE));
}

static int open_file(struct kernel_file *file, struct error *err)
{
	struct stat status;

	if (fstat(file->fd, &status) < 0)
		return error_set(err, errno, "%s: read the guest kernel", file->name);
	if (!S_ISREG(status.st_mode))
		return error_set(err, -ENOEXEC, "%s: not a file", file->name);
	file->size_bytes = (uint64_t)status.st_size;
	return 0;
}

/* The header's last byte but its own length says how long this kernel's is; what it does not have stays zero. */
static int read_setup_header(const struct kernel_file *file, struct setup_header *header, struct error *err)
{
	unsigned char bytes[sizeof(*header)] = { 0 };
	size_t end = offsetof(struct setup_header, header), length;
	int result;

	*header = (struct setup_header){ 0 };
	if (!kernel_file_has(file, SETUP_HEADER, sizeof(bytes)))
		return 0;
	result = kernel_file_read(file, bytes, sizeof(bytes), SETUP_HEADER, err);
	if (result)
		return result;
	/* The second byte of the jump over the header. */
	length = end + bytes[end - 1];
	memcpy(header, bytes, length < sizeof(bytes) ? length : sizeof(bytes));
	return 0;
}

int boot_load_kernel(const struct guest_memory *memory, int fd, const char *name, enum boot_protocol protocol,
	struct boot_kernel *kernel, struct error *err)
{
	struct kernel_file file = { .fd = fd, .name = name };
	struct boot_kernel loaded = { 0 };
	struct setup_header header;
	char magic[SELFMAG] = "";
	int result = open_file(&file, err);

	if (!result && kernel_file_has(&file, 0, sizeof(magic)))
		result = kernel_file_read(&file, magic, sizeof(magic), 0, err);
	if (!result)
		result = read_setup_header(&file, &header, err);
	if (result)
		return result;
	if (memcmp(magic, ELFMAG, SELFMAG) == 0)
		result = boot_load_elf(&file, memory, protocol, &loaded, err);
	else if (header.header != SETUP_SIGNATURE)
		return error_set(err, -ENOEXEC, "%s: neither an ELF file nor a bzImage", name);
	else if (protocol == BOOT_PVH)
		return error_set(err, -ENOTSUP, "%s: a bzImage cannot be booted by PVH", name);
	else
		result = boot_load_bzimage(&file, memory, &header, &loaded, err);
	if (!result)
		*kernel = loaded;
	return result;
}
