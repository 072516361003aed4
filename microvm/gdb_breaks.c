/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/gdb_breaks.h"

#include <string.h>
#include <sys/ioctl.h>

#define INT3 0xcc

static unsigned find(const uint64_t *table, unsigned count, uint64_t address)
{
	unsigned place = 0;

	while (place < count && table[place] != address)
		place++;
	return place;
}

static bool put_instruction(
	struct gdb_breaks *breaks, const struct translation *translation, unsigned place, uint64_t address)
{
	struct translation own = *translation;
	struct translation_fault fault;
	size_t length;
	int result;
	unsigned char *host;

	/* The kernel keeps its code from being written, by itself. */
	own.cr0 = 0;
	host = translate_page(&own, address, true, &length, &result, &fault);
	if (!host)
		return false;
	breaks->replaced_at[place] = host;
	breaks->replaced[place] = *host;
	*host = INT3;
	return true;
}

bool gdb_breaks_set(
	struct gdb_breaks *breaks, const struct translation *translation, uint64_t address, bool by_processor)
{
	uint64_t *table = by_processor ? breaks->hardware : breaks->vm->break_points;
	unsigned count = by_processor ? GDB_HARDWARE_BREAKS : VM_BREAK_POINTS, place;

	if (find(table, count, address) < count)
		return true;
	place = find(table, count, 0);
	if (place == count || (!by_processor && !put_instruction(breaks, translation, place, address)))
		return false;
	table[place] = address;
	return true;
}

void gdb_breaks_remove(struct gdb_breaks *breaks, uint64_t address, bool by_processor)
{
	uint64_t *table = by_processor ? breaks->hardware : breaks->vm->break_points;
	unsigned count = by_processor ? GDB_HARDWARE_BREAKS : VM_BREAK_POINTS, place = find(table, count, address);

	if (place == count)
		return;
	if (!by_processor)
		*breaks->replaced_at[place] = breaks->replaced[place];
	table[place] = 0;
}

void gdb_breaks_clear(struct gdb_breaks *breaks)
{
	memset(breaks->hardware, 0, sizeof(breaks->hardware));
	for (unsigned i = 0; i < VM_BREAK_POINTS; i++) {
		if (breaks->vm->break_points[i])
			gdb_breaks_remove(breaks, breaks->vm->break_points[i], false);
	}
}

bool gdb_breaks_at(const struct gdb_breaks *breaks, uint64_t address)
{
	return address && find(breaks->vm->break_points, VM_BREAK_POINTS, address) < VM_BREAK_POINTS;
}

void gdb_breaks_hide(struct gdb_breaks *breaks, bool hidden)
{
	for (unsigned i = 0; i < VM_BREAK_POINTS; i++) {
		if (!breaks->vm->break_points[i])
			continue;
		if (!hidden)
			breaks->replaced[i] = *breaks->replaced_at[i];
		*breaks->replaced_at[i] = hidden ? breaks->replaced[i] : INT3;
	}
}

void gdb_breaks_apply(const struct gdb_breaks *breaks, bool enabled, int step)
{
	struct kvm_guest_debug debug = { .control = enabled ? KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP : 0 };

	for (unsigned i = 0; i < GDB_HARDWARE_BREAKS && enabled; i++) {
		if (!breaks->hardware[i])
			continue;
		debug.control |= KVM_GUESTDBG_USE_HW_BP;
		debug.arch.debugreg[i] = breaks->hardware[i];
		debug.arch.debugreg[7] |= 0x600ULL | 2ULL << (2 * i); /* executed, globally */
	}
	for (unsigned i = 0; i < breaks->vm->vcpu_count; i++) {
		struct kvm_guest_debug own = debug;

		if ((int)i == step)
			own.control |= KVM_GUESTDBG_SINGLESTEP;
		(void)ioctl(breaks->vm->vcpus[i].fd, KVM_SET_GUEST_DEBUG, &own);
	}
}
