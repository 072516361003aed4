/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/cpuid.h"

#include <stddef.h>
#include <sys/ioctl.h>

_Static_assert(offsetof(struct cpuid_table, entries) == sizeof(struct kvm_cpuid2), "laid out like struct kvm_cpuid2");

#define bit(number) (1U << (number))

/* Replaces the bits [low, low + width) of *word. */
static void put_bits(uint32_t *word, unsigned low, unsigned width, uint32_t value)
{
	uint32_t mask = ((width < 32 ? bit(width) : 0) - 1) << low;

	*word = (*word & ~mask) | ((value << low) & mask);
}

/* How many bits an APIC id takes. */
static unsigned id_bits(unsigned vcpus)
{
	unsigned bits = 0;

	while ((1U << bits) < vcpus)
		bits++;
	return bits;
}

/* Cores have caches of the first two levels of their own and share the others. `shared` is a count minus one. */
static void adjust_cache(struct kvm_cpuid_entry2 *entry, unsigned vcpus, bool amd)
{
	unsigned level = (entry->eax >> 5) & 7;

	if (!(entry->eax & 0x1f))
		return;
	put_bits(&entry->eax, 14, 12, level >= 3 ? vcpus - 1 : 0);
	if (!amd)
		put_bits(&entry->eax, 26, 6, vcpus <= 64 ? vcpus - 1 : 63);
}

static void adjust_features(struct kvm_cpuid_entry2 *entry, const struct cpuid_options *options)
{
	put_bits(&entry->ebx, 16, 8, options->vcpus);
	entry->ecx |= bit(31); /* running under a hypervisor */
	put_bits(&entry->ecx, 24, 1, options->tsc_deadline);
	put_bits(&entry->ecx, 15, 1, 0); /* no performance capabilities register */
	put_bits(&entry->ecx, 3, 1, 0);  /* no MONITOR */
	put_bits(&entry->edx, 28, 1, options->vcpus > 1);
}

static void adjust_entry(struct kvm_cpuid_entry2 *entry, const struct cpuid_options *options)
{
	switch (entry->function) {
	case 0x1:
		adjust_features(entry, options);
		break;
	case 0x4:
		adjust_cache(entry, options->vcpus, false);
		break;
	case 0x6:
		put_bits(&entry->eax, 1, 1, 0); /* no turbo */
		put_bits(&entry->ecx, 3, 1, 0); /* no energy bias register */
		break;
	case 0x7:
		if (entry->index == 0)
			put_bits(&entry->ecx, 5, 1, 0); /* no UMWAIT */
		break;
	case 0xa: /* no performance counters */
		entry->eax = entry->ebx = entry->ecx = entry->edx = 0;
		break;
	case 0x40000001:
		/* Clock sources alone: the others have the guest call VMCALL, which a software KVM cannot return from.
		 */
		if (!options->hardware)
			entry->eax = bit(0) | bit(3) | bit(24);
		break;
	case 0x80000008:
		put_bits(&entry->ecx, 0, 8, options->vcpus - 1);
		put_bits(&entry->ecx, 12, 4, id_bits(options->vcpus));
		break;
	case 0x8000001d:
		adjust_cache(entry, options->vcpus, true);
		break;
	case 0x8000001e:
		entry->ecx = 0;
		break;
	default:
		break;
	}
}

static bool is_topology(uint32_t function)
{
	return function == 0xb || function == 0x1f;
}

/* Extended topology (leaves 0xb and 0x1f): one thread a core, `vcpus` cores, the end. KVM's own have no second level.
 */
static void add_topology(struct cpuid_table *table, uint32_t function, unsigned vcpus)
{
	enum { LEVEL_NONE, LEVEL_THREAD, LEVEL_CORE };
	const struct kvm_cpuid_entry2 levels[] = {
		{ .function = function, .index = 0, .eax = 0, .ebx = 1, .ecx = 0 | LEVEL_THREAD << 8 },
		{ .function = function, .index = 1, .eax = id_bits(vcpus), .ebx = vcpus, .ecx = 1 | LEVEL_CORE << 8 },
		{ .function = function, .index = 2, .ecx = 2 | LEVEL_NONE << 8 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(levels) && table->count < CPUID_ENTRIES_MAX; i++) {
		table->entries[table->count] = levels[i];
		table->entries[table->count++].flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX;
	}
}

void cpuid_adjust(struct cpuid_table *table, const struct cpuid_options *options)
{
	uint32_t kept = 0;
	bool topology[2] = { false, false };

	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 entry = table->entries[i];

		if (is_topology(entry.function)) {
			topology[entry.function == 0x1f] = true;
			continue;
		}
		adjust_entry(&entry, options);
		table->entries[kept++] = entry;
	}
	table->count = kept;
	if (topology[0])
		add_topology(table, 0xb, options->vcpus);
	if (topology[1])
		add_topology(table, 0x1f, options->vcpus);
}

int cpuid_prepare(struct cpuid_table *table, int kvm_fd, const struct cpuid_options *options, struct error *err)
{
	table->count = CPUID_ENTRIES_MAX;
	if (ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, table) < 0)
		return error_set(err, errno, "KVM_GET_SUPPORTED_CPUID");
	cpuid_adjust(table, options);
	return 0;
}

void cpuid_number(struct cpuid_table *table, unsigned index)
{
	for (uint32_t i = 0; i < table->count; i++) {
		struct kvm_cpuid_entry2 *entry = &table->entries[i];

		if (entry->function == 0x1)
			put_bits(&entry->ebx, 24, 8, index);
		else if (is_topology(entry->function))
			entry->edx = index;
		else if (entry->function == 0x8000001e) {
			entry->eax = index;
			entry->ebx = index & 0xff;
		}
	}
}
