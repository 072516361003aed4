/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/diagnosis.h"

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "microvm/vm_internal.h"

#define PAGE_BYTES 4096ULL

/* ---- the kernel's last words ---- */

static const char panic_words[] = "Kernel panic - not syncing: ";

/* In the log's ring (kernel/printk/printk_ringbuffer.h) a record begins at a multiple of 8 with its number, all of
 * whose upper bytes are set but for the topmost two bits, and has no end mark of its own. */
static bool is_record_number(const unsigned char *bytes)
{
	return bytes[7] == 0x3f && memcmp(bytes + 2, "\xff\xff\xff\xff\xff", 5) == 0;
}

/* A record keeps the text as it was printed, moved to the front by the two bytes of its level, which are taken off: the
 * last two letters stand there once more, before the end of the line. */
static size_t without_repetition(const unsigned char *found, size_t length, size_t left)
{
	bool repeated = length >= 4 && length < left && found[length] == '\n' &&
			memcmp(found + length - 2, found + length - 4, 2) == 0;

	return repeated ? length - 2 : length;
}

static bool take_text(const unsigned char *found, size_t left, bool in_record, char text[DIAGNOSIS_TEXT_BYTES])
{
	size_t length = 0;

	while (length < DIAGNOSIS_TEXT_BYTES - 1 && length < left && found[length] >= ' ' && found[length] < 0x7f) {
		if (((uintptr_t)(found + length) & 7) == 0 && left - length >= 8 && is_record_number(found + length))
			break;
		length++;
	}
	if (in_record)
		length = without_repetition(found, length, left);
	/* The kernel's own format, of a panic that has not been. */
	if (length <= sizeof(panic_words) - 1 || found[sizeof(panic_words) - 1] == '%')
		return false;
	length -= sizeof(panic_words) - 1;
	memcpy(text, found + sizeof(panic_words) - 1, length);
	text[length] = '\0';
	return true;
}

static bool search(const unsigned char *bytes, size_t length, char text[DIAGNOSIS_TEXT_BYTES])
{
	const unsigned char *begin = bytes, *end = bytes + length;

	while ((bytes = memmem(bytes, (size_t)(end - bytes), panic_words, sizeof(panic_words) - 1))) {
		bool in_record = bytes - begin >= 8 && ((uintptr_t)bytes & 7) == 0 && is_record_number(bytes - 8);

		if (take_text(bytes, (size_t)(end - bytes), in_record, text))
			return true;
		bytes++;
	}
	return false;
}

/* What was never touched is not read: that alone would give it memory. */
static bool search_region(const struct guest_memory_region *region, char text[DIAGNOSIS_TEXT_BYTES])
{
	size_t pages = region->size_bytes / PAGE_BYTES, first = 0;
	cleanup_free unsigned char *resident = xcalloc(pages, 1);

	if (mincore(region->host, region->size_bytes, resident) < 0)
		return false;
	while (first < pages) {
		size_t last = first;

		while (last < pages && (resident[last] & 1))
			last++;
		if (last > first && search(region->host + first * PAGE_BYTES, (last - first) * PAGE_BYTES, text))
			return true;
		first = last + 1;
	}
	return false;
}

bool diagnose_panic(const struct guest_memory *memory, char text[DIAGNOSIS_TEXT_BYTES])
{
	for (unsigned i = 0; i < memory->count; i++) {
		if (search_region(&memory->regions[i], text))
			return true;
	}
	return false;
}

bool vm_diagnose_panic(struct vm *vm, char text[DIAGNOSIS_TEXT_BYTES])
{
	return diagnose_panic(&vm->memory, text);
}

/* ---- its processors ---- */

#define FLAG_INTERRUPTS (1U << 9)

static void add_processor(const struct vcpu *vcpu, struct strbuf *text)
{
	struct kvm_mp_state state = { 0 };
	struct kvm_regs registers = { 0 };
	const char *what = "is running";

	if (ioctl(vcpu->fd, KVM_GET_REGS, &registers) < 0 || ioctl(vcpu->fd, KVM_GET_MP_STATE, &state) < 0)
		return;
	if (state.mp_state == KVM_MP_STATE_UNINITIALIZED || state.mp_state == KVM_MP_STATE_INIT_RECEIVED)
		what = "was never started";
	else if (state.mp_state == KVM_MP_STATE_HALTED)
		what = registers.rflags & FLAG_INTERRUPTS ? "waits for an interrupt" : "is halted for good";
	strbuf_printf(text, "%sprocessor %u %s at 0x%llx", text->length ? ", " : "", vcpu->index, what,
		(unsigned long long)registers.rip);
}

void vm_diagnose_processors(struct vm *vm, char text[DIAGNOSIS_TEXT_BYTES])
{
	cleanup_strbuf struct strbuf all = STRBUF_INIT;
	struct error err;

	if (vm_pause(vm, true, &err) < 0)
		strbuf_string(&all, "it has stopped");
	for (unsigned i = 0; i < vm->vcpu_count && vm->started; i++)
		add_processor(&vm->vcpus[i], &all);
	(void)snprintf(text, DIAGNOSIS_TEXT_BYTES, "%s", all.data ? all.data : "");
}
