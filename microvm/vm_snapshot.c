/* SPDX-License-Identifier: Apache-2.0 */
#include <cpuid.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "microvm/machine_state.h"
#include "microvm/vm_internal.h"

/* ---- the key ---- */

static void add_number(struct sha256 *hash, uint64_t number)
{
	sha256_add(hash, &number, sizeof(number));
}

/* With its NUL: two texts never run together. */
static void add_text(struct sha256 *hash, const char *text)
{
	sha256_add(hash, text ? text : "", strlen(text ? text : "") + 1);
}

/* A file is known by where it lies and when it was last changed: its bytes need not be read. */
static int add_file(struct sha256 *hash, int fd)
{
	struct stat status;

	if (fd < 0) {
		add_number(hash, 0);
		return 0;
	}
	if (fstat(fd, &status) < 0)
		return -errno;
	add_number(hash, status.st_dev);
	add_number(hash, status.st_ino);
	add_number(hash, (uint64_t)status.st_size);
	add_number(hash, (uint64_t)status.st_mtim.tv_sec);
	add_number(hash, (uint64_t)status.st_mtim.tv_nsec);
	add_number(hash, (uint64_t)status.st_ctim.tv_sec);
	add_number(hash, (uint64_t)status.st_ctim.tv_nsec);
	return 0;
}

/* Model and features. Not EBX of leaf 1, which has the number of the processor that is asked. */
static void add_processor(struct sha256 *hash)
{
	static const uint32_t leaves[][2] = { { 0, 0 }, { 1, 0 }, { 7, 0 }, { 7, 1 }, { 0xd, 0 }, { 0xd, 1 },
		{ 0x80000001, 0 }, { 0x80000002, 0 }, { 0x80000003, 0 }, { 0x80000004, 0 }, { 0x80000008, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(leaves); i++) {
		uint32_t a = 0, b = 0, c = 0, d = 0;

		(void)__get_cpuid_count(leaves[i][0], leaves[i][1], &a, &b, &c, &d);
		add_number(hash, a);
		add_number(hash, leaves[i][0] == 1 ? 0 : b);
		add_number(hash, c);
		add_number(hash, d);
	}
}

int vm_snapshot_key(const struct vm_config *config, unsigned char key[VM_KEY_BYTES], struct error *err)
{
	struct sha256 hash;
	struct utsname name;

	if (config->console_fd >= 0)
		return error_set(err, -ENOTSUP, "a machine with a serial console boots");
	if (config->memory_pages != GUEST_PAGES_TRANSPARENT)
		return error_set(err, -ENOTSUP, "a machine with explicit huge pages boots");
	/* The guest's driver has looked at its disk when it is saved, and another machine's disk is another. */
	if (config->disk_count)
		return error_set(err, -ENOTSUP, "a machine with disks boots");
	if (uname(&name) < 0)
		return error_set(err, errno, "ask for the host's kernel");
	sha256_start(&hash);
	add_text(&hash, DUET_VERSION);
	add_text(&hash, name.release);
	add_text(&hash, name.version);
	add_text(&hash, config->host->description);
	add_text(&hash, config->cmdline);
	add_number(&hash, config->memory_bytes);
	add_number(&hash, config->vcpus);
	add_number(&hash, config->boot_protocol);
	add_number(&hash, config->share_fd >= 0);
	add_number(&hash, config->net_count);
	/* The guest's driver has read what the device offers, and the MTU, which is the most that it will ever set. */
	for (unsigned i = 0; i < config->net_count; i++) {
		add_number(&hash, config->nets[i].kind);
		add_number(&hash, config->nets[i].mtu);
	}
	add_processor(&hash);
	if (add_file(&hash, config->kernel_fd) < 0 || add_file(&hash, config->initrd_fd) < 0)
		return error_set(err, errno, "look at the guest kernel's file");
	sha256_finish(&hash, key);
	return 0;
}

/* ---- state ---- */

/* Processors that stand still are not enough: devices go on with what they were given, a balloon with memory. */
static void hold_devices(struct vm *vm, bool held)
{
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++) {
		if (vm->slots[i])
			mmio_hold(vm->slots[i], held);
	}
}

static int save_held(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err)
{
	cleanup_strbuf struct strbuf state = STRBUF_INIT;
	int result = machine_state_save(&vm->machine, &state, err);

	wire_put_u32(&state, vm->vcpu_count);
	for (unsigned i = 0; i < vm->vcpu_count && !result; i++)
		result = vcpu_state_save(&vm->vcpus[i], &vm->machine, &state, err);
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++) {
		wire_put_u8(&state, vm->slots[i] != NULL);
		if (vm->slots[i])
			mmio_save(vm->slots[i], &state);
	}
	if (!result)
		result = vsock_save(vm->vsock, &state, err);
	return result ? result : snapshot_write(fd, key, &state, &vm->memory, err);
}

int vm_save(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err)
{
	int result;

	hold_devices(vm, true);
	result = save_held(vm, fd, key, err);
	hold_devices(vm, false);
	return result;
}

static int restore_devices(struct vm *vm, struct wire_reader *in, struct error *err)
{
	int result = 0;

	for (unsigned i = 0; i < LAYOUT_SLOTS && !result; i++) {
		bool there = wire_get_u8(in);

		if (there != (vm->slots[i] != NULL))
			result = error_set(err, -EINVAL, "the snapshot has other devices");
		else if (there)
			result = mmio_restore(vm->slots[i], in, err);
	}
	return result ? result : vsock_restore(vm->vsock, in, err);
}

int vm_restore_state(struct vm *vm, const struct snapshot *snapshot, struct error *err)
{
	struct wire_reader in = { .next = snapshot->state, .left = snapshot->state_bytes };
	int result = machine_state_restore(&vm->machine, &in, err);

	if (result)
		return result;
	if (wire_get_u32(&in) != vm->vcpu_count)
		return error_set(err, -EINVAL, "the snapshot has another number of vCPUs");
	for (unsigned i = 0; i < vm->vcpu_count && !result; i++)
		result = vcpu_state_restore(&vm->vcpus[i], &vm->machine, &in, err);
	if (!result)
		result = restore_devices(vm, &in, err);
	if (!result && !wire_reader_ok(&in))
		result = error_set(err, -EINVAL, "the snapshot's state is damaged");
	return result;
}
