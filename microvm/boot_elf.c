/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF loader of boot.h. */
#include <elf.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "microvm/boot.h"
#include "microvm/layout.h"

/* Linux has five program headers; what has hundreds is something else. */
#define SEGMENTS_MAX 64
#define MEBIBYTE     (1ULL << 20)

struct elf_file {
	int fd;
	const char *name;
	uint64_t size_bytes;
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
};

/* Whether [offset, offset + length) lies inside the file. */
static bool inside(const struct elf_file *file, uint64_t offset, uint64_t length)
{
	return offset <= file->size_bytes && length <= file->size_bytes - offset;
}

static int read_at(const struct elf_file *file, void *data, uint64_t length, uint64_t offset, struct error *err)
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

static int read_header(struct elf_file *file, struct error *err)
{
	const Elf64_Ehdr *header = &file->header;
	int result;

	if (!inside(file, 0, sizeof(*header)))
		return error_set(err, -ENOEXEC, "%s: not an ELF file", file->name);
	result = read_at(file, &file->header, sizeof(*header), 0, err);
	if (result)
		return result;
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return error_set(err, -ENOEXEC, "%s: not an ELF file", file->name);
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
		header->e_machine != EM_X86_64)
		return error_set(err, -ENOEXEC, "%s: not an x86-64 ELF file", file->name);
	if (header->e_type != ET_EXEC)
		return error_set(err, -ENOEXEC, "%s: not a kernel (ELF type %u, a vmlinux has %u)", file->name,
			header->e_type, ET_EXEC);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum || header->e_phnum > SEGMENTS_MAX ||
		!inside(file, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
		return error_set(err, -ENOEXEC, "%s: broken ELF program headers", file->name);
	return read_at(file, file->segments, header->e_phnum * sizeof(Elf64_Phdr), header->e_phoff, err);
}

static int check_segment(
	const struct elf_file *file, const Elf64_Phdr *segment, const struct guest_memory *memory, struct error *err)
{
	uint64_t end = segment->p_paddr + segment->p_memsz, memory_bytes = 0;

	if (segment->p_filesz > segment->p_memsz || end < segment->p_paddr || segment->p_paddr < LAYOUT_KERNEL_MIN)
		return error_set(err, -ENOEXEC, "%s: broken ELF segment at physical address 0x%llx", file->name,
			(unsigned long long)segment->p_paddr);
	if (!inside(file, segment->p_offset, segment->p_filesz))
		return error_set(err, -ENOEXEC, "%s: the file is shorter than its ELF headers say", file->name);
	if (guest_memory_at(memory, segment->p_paddr, segment->p_memsz))
		return 0;
	for (unsigned i = 0; i < memory->count; i++)
		memory_bytes += memory->regions[i].size_bytes;
	return error_set(err, -ENOMEM, "%s: needs %llu MiB, the guest has %llu MiB", file->name,
		(unsigned long long)((end - 1) / MEBIBYTE + 1), (unsigned long long)(memory_bytes / MEBIBYTE));
}

static int load_segment(const struct elf_file *file, const Elf64_Phdr *segment, const struct guest_memory *memory,
	struct boot_kernel *kernel, struct error *err)
{
	int result = check_segment(file, segment, memory, err);

	if (result)
		return result;
	if (segment->p_filesz) {
		result = read_at(file, guest_memory_at(memory, segment->p_paddr, segment->p_filesz), segment->p_filesz,
			segment->p_offset, err);
		if (result)
			return result;
	}
	if (segment->p_paddr + segment->p_memsz > kernel->end)
		kernel->end = segment->p_paddr + segment->p_memsz;
	if (file->header.e_entry >= segment->p_paddr && file->header.e_entry - segment->p_paddr < segment->p_filesz)
		kernel->entry = file->header.e_entry;
	return 0;
}

int boot_load_kernel(
	const struct guest_memory *memory, int fd, const char *name, struct boot_kernel *kernel, struct error *err)
{
	struct elf_file file = { .fd = fd, .name = name };
	struct boot_kernel loaded = { 0 };
	struct stat status;
	int result;

	if (fstat(fd, &status) < 0)
		return error_set(err, errno, "%s: read the guest kernel", name);
	if (!S_ISREG(status.st_mode))
		return error_set(err, -ENOEXEC, "%s: not a file", name);
	file.size_bytes = (uint64_t)status.st_size;
	result = read_header(&file, err);
	for (unsigned i = 0; !result && i < file.header.e_phnum; i++) {
		if (file.segments[i].p_type == PT_LOAD && file.segments[i].p_memsz)
			result = load_segment(&file, &file.segments[i], memory, &loaded, err);
	}
	if (result)
		return result;
	/* Linux's entry is a physical address; a user program's would be one of no segment here. */
	if (!loaded.entry)
		return error_set(err, -ENOEXEC, "%s: not a kernel (its entry point 0x%llx is in no segment)", name,
			(unsigned long long)file.header.e_entry);
	*kernel = loaded;
	return 0;
}
