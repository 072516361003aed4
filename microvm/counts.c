/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/counts.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "base/alloc.h"

/* What KVM itself has is some dozens. */
enum { DESCRIPTORS_MAX = 1024, NAME_BYTES_MAX = 256 };

static const char *const exit_names[VCPU_EXIT_REASONS] = {
	[KVM_EXIT_UNKNOWN] = "unknown",
	[KVM_EXIT_EXCEPTION] = "exception",
	[KVM_EXIT_IO] = "io",
	[KVM_EXIT_HYPERCALL] = "hypercall",
	[KVM_EXIT_DEBUG] = "debug",
	[KVM_EXIT_HLT] = "halt",
	[KVM_EXIT_MMIO] = "mmio",
	[KVM_EXIT_IRQ_WINDOW_OPEN] = "irq_window",
	[KVM_EXIT_SHUTDOWN] = "shutdown",
	[KVM_EXIT_FAIL_ENTRY] = "fail_entry",
	[KVM_EXIT_INTR] = "interrupted",
	[KVM_EXIT_SET_TPR] = "set_tpr",
	[KVM_EXIT_TPR_ACCESS] = "tpr_access",
	[KVM_EXIT_NMI] = "nmi",
	[KVM_EXIT_INTERNAL_ERROR] = "internal_error",
	[KVM_EXIT_SYSTEM_EVENT] = "system_event",
	[KVM_EXIT_IOAPIC_EOI] = "ioapic_eoi",
	[KVM_EXIT_HYPERV] = "hyperv",
	[KVM_EXIT_X86_RDMSR] = "rdmsr",
	[KVM_EXIT_X86_WRMSR] = "wrmsr",
	[KVM_EXIT_X86_BUS_LOCK] = "bus_lock",
	[KVM_EXIT_NOTIFY] = "notify",
};

void vm_counts_free(struct vm_counts *counts)
{
	for (size_t i = 0; i < counts->count; i++)
		free(counts->entries[i].name);
	free(counts->entries);
	*counts = (struct vm_counts){ .entries = NULL };
}

static void add(struct vm_counts *counts, const char *prefix, const char *name, uint64_t count)
{
	cleanup_free char *whole = NULL;

	if (!count)
		return;
	whole = xprintf("%s%s", prefix, name);
	for (size_t i = 0; i < counts->count; i++) {
		if (strcmp(counts->entries[i].name, whole) == 0) {
			counts->entries[i].count += count;
			return;
		}
	}
	counts->entries = xrealloc(counts->entries, counts->count + 1, sizeof(*counts->entries));
	counts->entries[counts->count++] = (struct vm_count){ .name = take_pointer(&whole), .count = count };
}

void vm_counts_add_exits(struct vm_counts *counts, const uint64_t exits[VCPU_EXIT_REASONS])
{
	for (unsigned reason = 0; reason < VCPU_EXIT_REASONS; reason++)
		add(counts, "", exit_names[reason] ? exit_names[reason] : "other",
			__atomic_load_n(&exits[reason], __ATOMIC_RELAXED));
}

static int read_at(int fd, void *data, size_t length, uint64_t offset)
{
	return pread(fd, data, length, (off_t)offset) == (ssize_t)length ? 0 : -EIO;
}

struct statistics {
	struct kvm_stats_header header;
	char *descriptors;
	size_t stride;
};

static void free_statistics(struct statistics *statistics)
{
	free(statistics->descriptors);
}

static int read_descriptors(int statistics_fd, struct statistics *statistics)
{
	struct kvm_stats_header *header = &statistics->header;

	if (statistics_fd < 0 || read_at(statistics_fd, header, sizeof(*header), 0) < 0 ||
		header->num_desc > DESCRIPTORS_MAX || header->name_size > NAME_BYTES_MAX)
		return -EIO;
	statistics->stride = sizeof(struct kvm_stats_desc) + header->name_size;
	statistics->descriptors = xcalloc(header->num_desc + 1, statistics->stride);
	return read_at(
		statistics_fd, statistics->descriptors, header->num_desc * statistics->stride, header->desc_offset);
}

static const struct kvm_stats_desc *descriptor_at(const struct statistics *statistics, uint32_t index)
{
	return (const void *)(statistics->descriptors + index * statistics->stride);
}

void vm_counts_add_kvm(struct vm_counts *counts, int statistics_fd)
{
	const uint32_t kinds = KVM_STATS_TYPE_MASK;
	cleanup(free_statistics) struct statistics statistics = { .descriptors = NULL };

	if (read_descriptors(statistics_fd, &statistics) < 0)
		return;
	for (uint32_t i = 0; i < statistics.header.num_desc; i++) {
		const struct kvm_stats_desc *descriptor = descriptor_at(&statistics, i);
		cleanup_free char *name = xstrndup((const char *)(descriptor + 1), statistics.header.name_size);
		uint64_t value;

		if ((descriptor->flags & kinds) == KVM_STATS_TYPE_CUMULATIVE && descriptor->size == 1 &&
			read_at(statistics_fd, &value, sizeof(value),
				statistics.header.data_offset + descriptor->offset) == 0)
			add(counts, "kvm.", name, value);
	}
}

uint64_t vm_counts_offset(int statistics_fd, const char *name)
{
	cleanup(free_statistics) struct statistics statistics = { .descriptors = NULL };

	if (read_descriptors(statistics_fd, &statistics) < 0)
		return 0;
	for (uint32_t i = 0; i < statistics.header.num_desc; i++) {
		const struct kvm_stats_desc *descriptor = descriptor_at(&statistics, i);

		if (strncmp((const char *)(descriptor + 1), name, statistics.header.name_size) == 0)
			return (uint64_t)statistics.header.data_offset + descriptor->offset;
	}
	return 0;
}
