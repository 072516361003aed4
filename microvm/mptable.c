/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/mptable.h"

#include <string.h>

#include "microvm/layout.h"
#include "microvm/vm.h"

enum mp_entry { MP_PROCESSOR, MP_BUS, MP_IO_APIC, MP_INTERRUPT, MP_LOCAL_INTERRUPT };

struct mp_floating_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length_16, revision, checksum, features[5];
} __attribute__((packed));

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_table_bytes, entries;
	uint32_t local_apic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
} __attribute__((packed));

struct mp_processor {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
} __attribute__((packed));

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_io_apic {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

struct mp_interrupt {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, bus_irq, apic, pin;
} __attribute__((packed));

/* What KVM's local APIC and IO-APIC call themselves. */
#define LOCAL_APIC_VERSION 0x14
#define IO_APIC_VERSION    0x11
#define BUS_ISA            0
#define ALL_LOCAL_APICS    0xff

enum { MP_KIND_INT = 0, MP_KIND_NMI = 1, MP_KIND_EXTINT = 3 };

struct table {
	struct mp_header header;
	unsigned char entries[LAYOUT_MP_TABLE_BYTES - sizeof(struct mp_header) - sizeof(struct mp_floating_pointer)];
	size_t used_bytes;
};

static void add(struct table *table, const void *entry, size_t size_bytes)
{
	memcpy(table->entries + table->used_bytes, entry, size_bytes);
	table->used_bytes += size_bytes;
	table->header.entries++;
}

/* An ISA line without flags is edge-triggered and active high, which is what an irqfd delivers. */
static void add_line(struct table *table, uint8_t io_apic, unsigned irq)
{
	const struct mp_interrupt entry = { .type = MP_INTERRUPT,
		.kind = MP_KIND_INT,
		.bus = BUS_ISA,
		.bus_irq = (uint8_t)irq,
		.apic = io_apic,
		/* KVM's default routing connects each line to the pin of its own number, the timer included. */
		.pin = (uint8_t)irq };

	add(table, &entry, sizeof(entry));
}

static void add_local(struct table *table, uint8_t kind, uint8_t pin)
{
	const struct mp_interrupt entry = {
		.type = MP_LOCAL_INTERRUPT, .kind = kind, .bus = BUS_ISA, .apic = ALL_LOCAL_APICS, .pin = pin
	};

	add(table, &entry, sizeof(entry));
}

static void add_processors(struct table *table, unsigned vcpus)
{
	enum { ENABLED = 1, BOOT_PROCESSOR = 2 };

	for (unsigned i = 0; i < vcpus; i++) {
		const struct mp_processor entry = { .type = MP_PROCESSOR,
			.apic_id = (uint8_t)i,
			.apic_version = LOCAL_APIC_VERSION,
			.flags = ENABLED | (i ? 0 : BOOT_PROCESSOR),
			.signature = 0x600,
			.features = 0x201 /* FPU, APIC */ };

		add(table, &entry, sizeof(entry));
	}
}

static uint8_t checksum(const void *data, size_t size_bytes)
{
	const unsigned char *bytes = data;
	uint8_t sum = 0;

	for (size_t i = 0; i < size_bytes; i++)
		sum = (uint8_t)(sum + bytes[i]);
	return (uint8_t)-sum;
}

static void fill(struct table *table, unsigned vcpus)
{
	static const uint8_t slot_irqs[LAYOUT_SLOTS] = LAYOUT_SLOT_IRQS;
	const uint8_t io_apic_id = (uint8_t)vcpus;
	const struct mp_bus bus = { .type = MP_BUS, .id = BUS_ISA, .name = { 'I', 'S', 'A', ' ', ' ', ' ' } };
	const struct mp_io_apic io_apic = { .type = MP_IO_APIC,
		.id = io_apic_id,
		.version = IO_APIC_VERSION,
		.flags = 1,
		.address = (uint32_t)LAYOUT_IO_APIC };

	add_processors(table, vcpus);
	add(table, &bus, sizeof(bus));
	add(table, &io_apic, sizeof(io_apic));
	add_line(table, io_apic_id, LAYOUT_TIMER_IRQ);
	add_line(table, io_apic_id, LAYOUT_SERIAL_IRQ);
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++)
		add_line(table, io_apic_id, slot_irqs[i]);
	add_local(table, MP_KIND_EXTINT, 0);
	add_local(table, MP_KIND_NMI, 1);
}

int mptable_write(const struct guest_memory *memory, unsigned vcpus, struct error *err)
{
	struct mp_floating_pointer pointer = { .signature = { '_', 'M', 'P', '_' }, .length_16 = 1, .revision = 4 };
	struct table table = { .header = { .signature = { 'P', 'C', 'M', 'P' },
				       .revision = 4,
				       .oem = { 'D', 'U', 'E', 'T', ' ', ' ', ' ', ' ' },
				       .product = { 'M', 'I', 'C', 'R', 'O', 'V', 'M', ' ', ' ', ' ', ' ', ' ' },
				       .local_apic = (uint32_t)LAYOUT_LOCAL_APIC } };
	unsigned char *place = guest_memory_at(memory, LAYOUT_MP_TABLE, LAYOUT_MP_TABLE_BYTES);
	size_t length;

	if (!place)
		return error_set(err, -ENOMEM, "the guest has too little memory for its processor table");
	_Static_assert(VM_VCPUS_MAX * sizeof(struct mp_processor) + sizeof(struct mp_bus) + sizeof(struct mp_io_apic) +
				       (LAYOUT_SLOTS + 4) * sizeof(struct mp_interrupt) <=
			       sizeof(table.entries),
		"the table fits in the last KiB of conventional memory");
	fill(&table, vcpus);
	length = sizeof(table.header) + table.used_bytes;
	table.header.length = (uint16_t)length;
	table.header.checksum = checksum(&table, length);
	pointer.table = (uint32_t)(LAYOUT_MP_TABLE + sizeof(pointer));
	pointer.checksum = checksum(&pointer, sizeof(pointer));
	memcpy(place, &pointer, sizeof(pointer));
	memcpy(place + sizeof(pointer), &table, length);
	return 0;
}
