/* SPDX-License-Identifier: Apache-2.0 */
/* The ELF loader of boot.h. */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>

#include "microvm/boot_internal.h"
#include "microvm/layout.h"

#define PAGE_BYTES 4096ULL
/* Linux has five program headers; what has hundreds is something else. */
#define SEGMENTS_MAX 64
/* Notes of a kernel are some hundred bytes. */
#define NOTES_BYTES_MAX 65536
/* Xen's public/elfnote.h: the 32-bit entry of PVH. */
#define XEN_ELFNOTE_PHYS32_ENTRY 18

struct elf_file {
	const struct kernel_file *file;
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
};

static int read_header(struct elf_file *elf, struct error *err)
{
	const struct kernel_file *file = elf->file;
	const Elf64_Ehdr *header = &elf->header;
	int result;

	if (!kernel_file_has(file, 0, sizeof(*header)))
		return error_set(err, -ENOEXEC, "%s: the file is shorter than an ELF header", file->name);
	result = kernel_file_read(file, &elf->header, sizeof(*header), 0, err);
	if (result)
		return result;
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
		header->e_machine != EM_X86_64)
		return error_set(err, -ENOEXEC, "%s: not an x86-64 ELF file", file->name);
	if (header->e_type != ET_EXEC)
		return error_set(err, -ENOEXEC, "%s: not a kernel (ELF type %u, a vmlinux has %u)", file->name,
			header->e_type, ET_EXEC);
	if (header->e_phentsize != sizeof(Elf64_Phdr) || !header->e_phnum || header->e_phnum > SEGMENTS_MAX ||
		!kernel_file_has(file, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr)))
		return error_set(err, -ENOEXEC, "%s: broken ELF program headers", file->name);
	return kernel_file_read(file, elf->segments, header->e_phnum * sizeof(Elf64_Phdr), header->e_phoff, err);
}

static int check_segment(
	const struct kernel_file *file, const Elf64_Phdr *segment, const struct guest_memory *memory, struct error *err)
{
	uint64_t end = segment->p_paddr + segment->p_memsz;

	if (segment->p_filesz > segment->p_memsz || end < segment->p_paddr || segment->p_paddr < LAYOUT_KERNEL_MIN)
		return error_set(err, -ENOEXEC, "%s: broken ELF segment at physical address 0x%llx", file->name,
			(unsigned long long)segment->p_paddr);
	if (!kernel_file_has(file, segment->p_offset, segment->p_filesz))
		return error_set(err, -ENOEXEC, "%s: the file is shorter than its ELF headers say", file->name);
	if (guest_memory_at(memory, segment->p_paddr, segment->p_memsz))
		return 0;
	return kernel_file_too_large(file, memory, end, err);
}

static bool is_in_segment(uint64_t address, const Elf64_Phdr *segment)
{
	return address >= segment->p_paddr && address - segment->p_paddr < segment->p_filesz;
}

/*
 * What the guest does not write to, most of the kernel, is mapped from the file where it lies at a page's beginning: to
 * copy it takes twice as long as all else that the monitor does, and every guest has a copy of its own then. It comes
 * in small pages, of which a boot needs some hundred. The file must not be written to meanwhile: make a new one.
 */
static uint64_t map_pages(const struct kernel_file *file, const Elf64_Phdr *segment, unsigned char *place)
{
	uint64_t length = segment->p_filesz & ~(PAGE_BYTES - 1);

	if ((segment->p_flags & PF_W) || segment->p_offset % PAGE_BYTES || segment->p_paddr % PAGE_BYTES || !length ||
		mmap(place, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file->fd,
			(off_t)segment->p_offset) == MAP_FAILED)
		return 0;
	(void)madvise(place, length, MADV_DONTDUMP);
	return length;
}

static int load_segment(const struct elf_file *elf, const Elf64_Phdr *segment, const struct guest_memory *memory,
	struct boot_kernel *kernel, struct error *err)
{
	int result = check_segment(elf->file, segment, memory, err);

	if (result)
		return result;
	if (segment->p_filesz) {
		unsigned char *place = guest_memory_at(memory, segment->p_paddr, segment->p_filesz);
		uint64_t mapped = map_pages(elf->file, segment, place);

		result = kernel_file_read(
			elf->file, place + mapped, segment->p_filesz - mapped, segment->p_offset + mapped, err);
		if (result)
			return result;
	}
	if (segment->p_paddr + segment->p_memsz > kernel->end)
		kernel->end = segment->p_paddr + segment->p_memsz;
	return 0;
}

/* The value of the note in one segment of notes; 0: it is not there, or the notes are broken. */
static uint64_t find_pvh_note(const unsigned char *notes, size_t length)
{
	const size_t alignment = 4;
	size_t next = 0;

	while (length - next >= sizeof(Elf64_Nhdr)) {
		uint64_t value = 0;
		size_t name, content;
		Elf64_Nhdr note;

		memcpy(&note, notes + next, sizeof(note));
		name = next + sizeof(note);
		if (note.n_namesz > length - name)
			break;
		content = (name + note.n_namesz + alignment - 1) & ~(alignment - 1);
		if (content > length || note.n_descsz > length - content)
			break;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == sizeof("Xen") &&
			memcmp(notes + name, "Xen", sizeof("Xen")) == 0 &&
			(note.n_descsz == sizeof(uint32_t) || note.n_descsz == sizeof(value))) {
			memcpy(&value, notes + content, note.n_descsz);
			return value;
		}
		next = (content + note.n_descsz + alignment - 1) & ~(alignment - 1);
		if (next > length)
			break;
	}
	return 0;
}

/* Notes that are out of bounds are no reason to refuse a kernel that does not need them. */
static int read_pvh_entry(const struct elf_file *elf, uint64_t *entry, struct error *err)
{
	for (unsigned i = 0; i < elf->header.e_phnum && !*entry; i++) {
		const Elf64_Phdr *segment = &elf->segments[i];
		cleanup_free unsigned char *notes = NULL;
		int result;

		if (segment->p_type != PT_NOTE || !segment->p_filesz || segment->p_filesz > NOTES_BYTES_MAX ||
			!kernel_file_has(elf->file, segment->p_offset, segment->p_filesz))
			continue;
		notes = xcalloc(segment->p_filesz, 1);
		result = kernel_file_read(elf->file, notes, segment->p_filesz, segment->p_offset, err);
		if (result)
			return result;
		*entry = find_pvh_note(notes, segment->p_filesz);
	}
	return 0;
}

static bool is_loaded(const struct elf_file *elf, uint64_t address)
{
	for (unsigned i = 0; i < elf->header.e_phnum; i++) {
		if (elf->segments[i].p_type == PT_LOAD && is_in_segment(address, &elf->segments[i]))
			return true;
	}
	return false;
}

/* Linux's entry is a physical address; that of another system, or of a user's program, is one of no segment here. */
static int choose_entry(
	const struct elf_file *elf, enum boot_protocol wanted, struct boot_kernel *kernel, struct error *err)
{
	bool linux_entry = is_loaded(elf, elf->header.e_entry);
	uint64_t pvh_entry = 0;
	int result = wanted == BOOT_LINUX ? 0 : read_pvh_entry(elf, &pvh_entry, err);

	if (result)
		return result;
	if (pvh_entry && (pvh_entry > UINT32_MAX || !is_loaded(elf, pvh_entry)))
		return error_set(err, -ENOEXEC, "%s: its PVH entry point 0x%llx is in no segment", elf->file->name,
			(unsigned long long)pvh_entry);
	if (wanted == BOOT_PVH && !pvh_entry)
		return error_set(err, -ENOTSUP, "%s: this kernel has no PVH entry point", elf->file->name);
	if (wanted != BOOT_PVH && linux_entry) {
		kernel->protocol = BOOT_LINUX;
		kernel->entry = elf->header.e_entry;
		return 0;
	}
	if (!pvh_entry)
		return error_set(err, -ENOEXEC, "%s: not a kernel (its entry point 0x%llx is in no segment)",
			elf->file->name, (unsigned long long)elf->header.e_entry);
	kernel->protocol = BOOT_PVH;
	kernel->entry = pvh_entry;
	return 0;
}

int boot_load_elf(const struct kernel_file *file, const struct guest_memory *memory, enum boot_protocol protocol,
	struct boot_kernel *kernel, struct error *err)
{
	struct elf_file elf = { .file = file };
	int result = read_header(&elf, err);

	for (unsigned i = 0; !result && i < elf.header.e_phnum; i++) {
		if (elf.segments[i].p_type == PT_LOAD && (elf.segments[i].p_memsz || elf.segments[i].p_filesz))
			result = load_segment(&elf, &elf.segments[i], memory, kernel, err);
	}
	return result ? result : choose_entry(&elf, protocol, kernel, err);
}
