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

/* ---- what a machine is like ---- */

const unsigned char VM_CHECKPOINT_KEY[VM_KEY_BYTES] = "a machine in the middle of work";

static void processor_name(char name[49])
{
	uint32_t words[12] = { 0 };

	for (uint32_t leaf = 0; leaf < 3; leaf++)
		(void)__get_cpuid(0x80000002 + leaf, &words[leaf * 4], &words[leaf * 4 + 1], &words[leaf * 4 + 2],
			&words[leaf * 4 + 3]);
	memcpy(name, words, 48);
	name[48] = '\0';
}

void vm_describe(const struct vm_config *config, struct strbuf *about)
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 hash;
	char name[49];

	processor_name(name);
	sha256_start(&hash);
	add_processor(&hash);
	sha256_finish(&hash, digest);
	wire_put_string(about, DUET_VERSION);
	wire_put_string(about, name);
	wire_put_bytes(about, digest, sizeof(digest));
	wire_put_string(about, config->host ? config->host->description : "");
	wire_put_u64(about, config->memory_bytes >> 20);
	wire_put_u64(about, config->vcpus);
	wire_put_u64(about, config->share_fd >= 0);
	wire_put_u64(about, config->console_fd >= 0);
	wire_put_u64(about, config->net_count);
}

static int compare_texts(const char *what, struct wire_reader *saved, struct wire_reader *here, struct error *err)
{
	cleanup_free char *there = wire_get_string(saved), *own = wire_get_string(here);

	if (there && own && strcmp(there, own) == 0)
		return 0;
	return error_set(
		err, -ESTALE, "it was made %s \"%s\", and this is \"%s\"", what, there ? there : "?", own ? own : "?");
}

static int compare_numbers(const char *what, struct wire_reader *saved, struct wire_reader *here, struct error *err)
{
	uint64_t there = wire_get_u64(saved), own = wire_get_u64(here);

	if (there == own)
		return 0;
	return error_set(err, -ESTALE, "its machine has %llu %s, and this one %llu", (unsigned long long)there, what,
		(unsigned long long)own);
}

static int compare_processors(struct wire_reader *saved, struct wire_reader *here, struct error *err)
{
	size_t there_bytes, own_bytes;
	int result = compare_texts("on the processor", saved, here, err);
	cleanup_free void *there = wire_get_bytes(saved, &there_bytes), *own = wire_get_bytes(here, &own_bytes);

	if (result == 0 && (there_bytes != own_bytes || !there || !own || memcmp(there, own, own_bytes) != 0))
		result = error_set(err, -ESTALE, "it was made on a processor with other features");
	return result;
}

static int compare(const struct strbuf *about, struct wire_reader *saved, struct error *err)
{
	static const char *const numbers[] = { "MiB of memory", "vCPUs", "served directories", "serial ports",
		"network devices" };
	struct wire_reader here = { .next = (const unsigned char *)about->data, .left = about->length };
	int result = compare_texts("by duet", saved, &here, err);

	if (result == 0)
		result = compare_processors(saved, &here, err);
	if (result == 0)
		result = compare_texts("with", saved, &here, err);
	for (size_t i = 0; i < ARRAY_SIZE(numbers) && result == 0; i++)
		result = compare_numbers(numbers[i], saved, &here, err);
	if (result == 0 && !wire_reader_ok(saved))
		result = error_set(err, -EINVAL, "the snapshot's state is damaged");
	return result;
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

static int save_state(struct vm *vm, struct strbuf *state, struct error *err)
{
	int result;

	wire_put_bytes(state, vm->about.data, vm->about.length);
	result = machine_state_save(&vm->machine, state, err);
	wire_put_u32(state, vm->vcpu_count);
	for (unsigned i = 0; i < vm->vcpu_count && !result; i++)
		result = vcpu_state_save(&vm->vcpus[i], &vm->machine, state, err);
	vsock_save(vm->vsock, state);
	if (!result && vm->fs)
		result = fs_save(vm->fs, state, err);
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++) {
		wire_put_u8(state, vm->slots[i] != NULL);
		if (vm->slots[i])
			mmio_save(vm->slots[i], state);
	}
	return result;
}

static int save(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], const struct strbuf *owner,
	const struct snapshot_options *options, struct error *err)
{
	cleanup_strbuf struct strbuf state = STRBUF_INIT;
	int result;

	wire_put_bytes(&state, owner->data, owner->length);
	hold_devices(vm, true);
	result = save_state(vm, &state, err);
	if (!result)
		result = snapshot_write(fd, key, &state, &vm->memory, options, err);
	hold_devices(vm, false);
	return result;
}

int vm_save(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err)
{
	const struct snapshot_options options = { .pages = SNAPSHOT_TOUCHED };
	const struct strbuf nothing = STRBUF_INIT;

	return save(vm, fd, key, &nothing, &options, err);
}

int vm_save_written(struct vm *vm, int fd, const unsigned char key[VM_KEY_BYTES], struct error *err)
{
	return snapshot_note_written(fd, key, &vm->memory, err);
}

int vm_hold(struct vm *vm, struct error *err)
{
	int result = vm_pause(vm, true, err);

	if (result)
		return result;
	if (vm->fs)
		fs_hold(vm->fs);
	event_loop_hold(&vm->loop);
	return 0;
}

int vm_release(struct vm *vm, struct error *err)
{
	event_loop_release(&vm->loop);
	if (vm->fs)
		fs_release_hold(vm->fs);
	return vm_pause(vm, false, err);
}

int vm_checkpoint(struct vm *vm, int fd, const struct strbuf *owner, bool compress, struct error *err)
{
	const struct snapshot_options options = { .pages = SNAPSHOT_ALL, .compress = compress };

	if (vm->disks[0])
		return error_set(err, -ENOTSUP, "a machine with a disk image cannot be saved");
	return save(vm, fd, VM_CHECKPOINT_KEY, owner, &options, err);
}

int vm_checkpoint_owner(int fd, struct strbuf *owner, struct error *err)
{
	cleanup_snapshot struct snapshot snapshot = { 0 };
	struct wire_reader in = { 0 };
	cleanup_free void *bytes = NULL;
	size_t length;
	int result = snapshot_open(fd, VM_CHECKPOINT_KEY, &snapshot, err);

	if (result)
		return result;
	in = (struct wire_reader){ .next = snapshot.state, .left = snapshot.state_bytes };
	bytes = wire_get_bytes(&in, &length);
	if (in.failed)
		return error_set(err, -EINVAL, "the snapshot's state is damaged");
	strbuf_append(owner, bytes, length);
	return 0;
}

/* What devices know comes before their queues, which they serve from then on. */
static int restore_devices(struct vm *vm, struct wire_reader *in, struct error *err)
{
	int result = vsock_restore(vm->vsock, in, err);

	if (!result && vm->fs)
		result = fs_restore(vm->fs, in, err);

	for (unsigned i = 0; i < LAYOUT_SLOTS && !result; i++) {
		bool there = wire_get_u8(in);

		if (there != (vm->slots[i] != NULL))
			result = error_set(err, -EINVAL, "the snapshot has other devices");
		else if (there)
			result = mmio_restore(vm->slots[i], in, err);
	}
	return result;
}

/* The owner's bytes and what the machine is like come first. */
static void skip(struct wire_reader *in)
{
	size_t skipped;

	free(wire_get_bytes(in, &skipped));
}

int vm_compare_state(const struct vm *vm, const struct snapshot *snapshot, struct error *err)
{
	struct wire_reader in = { .next = snapshot->state, .left = snapshot->state_bytes }, saved = { 0 };
	cleanup_free void *about = NULL;

	skip(&in);
	about = wire_get_bytes(&in, &saved.left);
	saved.next = about;
	return compare(&vm->about, &saved, err);
}

int vm_restore_state(struct vm *vm, const struct snapshot *snapshot, struct error *err)
{
	struct wire_reader in = { .next = snapshot->state, .left = snapshot->state_bytes };
	int result;

	skip(&in);
	skip(&in);
	result = machine_state_restore(&vm->machine, &in, err);
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
