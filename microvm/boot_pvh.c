/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel that is entered by PVH is told (Xen, xen/include/public/arch-x86/hvm/start_info.h). */
#include "microvm/boot_internal.h"
#include "microvm/layout.h"

#define START_MAGIC 0x336ec578U /* "xEn3" with the highest bit of the E set */

struct pvh_start_info {
	uint32_t magic, version, flags, module_count;
	uint64_t modules, cmdline, acpi_rsdp, memory_map;
	uint32_t memory_map_count, reserved;
};

struct pvh_module {
	uint64_t address, size_bytes, cmdline, reserved;
};

struct pvh_memory {
	uint64_t address, size_bytes;
	uint32_t type, reserved;
};

struct pvh_page {
	struct pvh_start_info start;
	struct pvh_module initrd;
	struct pvh_memory map[3 + GUEST_MEMORY_REGIONS_MAX];
};

_Static_assert(sizeof(struct pvh_page) <= LAYOUT_BOOT_PARAMS - LAYOUT_PVH_START_INFO, "it fits in its page");

static void add_memory(struct pvh_page *page, uint64_t start, uint64_t end, uint32_t type)
{
	page->map[page->start.memory_map_count++] =
		(struct pvh_memory){ .address = start, .size_bytes = end - start, .type = type };
}

static void fill_memory_map(struct pvh_page *page, const struct guest_memory *memory)
{
	enum { MEMORY_RAM = 1, MEMORY_RESERVED = 2 };

	add_memory(page, 0, LAYOUT_MP_TABLE, MEMORY_RAM);
	add_memory(page, LAYOUT_MP_TABLE, LAYOUT_LEGACY_HOLE_END, MEMORY_RESERVED);
	add_memory(page, LAYOUT_LEGACY_HOLE_END, boot_low_end(memory), MEMORY_RAM);
	for (unsigned i = 1; i < memory->count; i++)
		add_memory(page, memory->regions[i].address, memory->regions[i].address + memory->regions[i].size_bytes,
			MEMORY_RAM);
}

int boot_write_pvh(const struct guest_memory *memory, const struct boot_initrd *initrd, struct error *err)
{
	struct pvh_page *page = guest_memory_at(memory, LAYOUT_PVH_START_INFO, sizeof(*page));

	if (!page)
		return error_set(err, -ENOMEM, "the guest has too little memory to boot");
	*page = (struct pvh_page){ .start = { .magic = START_MAGIC,
					   .version = 1,
					   .cmdline = LAYOUT_CMDLINE,
					   .memory_map = LAYOUT_PVH_START_INFO + offsetof(struct pvh_page, map) } };
	if (initrd->size_bytes) {
		page->start.module_count = 1;
		page->start.modules = LAYOUT_PVH_START_INFO + offsetof(struct pvh_page, initrd);
		page->initrd = (struct pvh_module){ .address = initrd->address, .size_bytes = initrd->size_bytes };
	}
	fill_memory_map(page, memory);
	return 0;
}
