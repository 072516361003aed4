/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <linux/virtio_mmio.h>
#include <sys/eventfd.h>

#include "microvm/guest_protocol.h"
#include "microvm/vm_internal.h"

/* Puts a device into its slot and connects its lines to KVM. */
static int attach(struct vm *vm, enum layout_slot slot, struct virtio_device *device, struct error *err)
{
	static const uint8_t irqs[LAYOUT_SLOTS] = LAYOUT_SLOT_IRQS;
	uint64_t address = LAYOUT_MMIO + slot * LAYOUT_MMIO_BYTES;
	int result = mmio_create(&vm->slots[slot], device, &vm->memory, err);

	if (!result)
		result = kvm_machine_irqfd(&vm->machine, mmio_interrupt_fd(vm->slots[slot]), irqs[slot], err);
	/* Half of an interrupt's exits: what it says is of use with the next read of the status at the earliest. */
	if (!result && vm->machine.ring_offset)
		result = kvm_machine_coalesce(&vm->machine, address + VIRTIO_MMIO_INTERRUPT_ACK, sizeof(uint32_t), err);
	for (unsigned i = 0; i < device->queue_count && !result; i++)
		result = kvm_machine_ioeventfd(
			&vm->machine, mmio_kick_fd(vm->slots[slot], i), address + MMIO_QUEUE_NOTIFY, i, err);
	return result;
}

/* The served directory is the device's own descriptor, so that the caller keeps its one when the machine fails to come
 * about. */
static int add_fs(struct vm *vm, const struct vm_config *config, struct error *err)
{
	cleanup_fd int root_fd = fcntl(config->share_fd, F_DUPFD_CLOEXEC, 3);
	const struct fs_options options = {
		.tag = GUEST_SHARE_TAG,
		.root_fd = root_fd,
		.descriptors_max = config->share_descriptors_max,
		.capabilities = config->share_capabilities,
	};
	int result;

	if (root_fd < 0)
		return error_set(err, errno, "share the root directory");
	result = fs_create(&vm->fs, &options, err);
	if (result)
		return result;
	(void)take_fd(&root_fd);
	return attach(vm, LAYOUT_SLOT_FS, fs_device(vm->fs), err);
}

/* Each device has a descriptor of its own, as the shared directory has. */
static int add_nets(struct vm *vm, const struct vm_config *config, struct error *err)
{
	int result = 0;

	for (unsigned i = 0; i < config->net_count && !result; i++) {
		struct net_options options = config->nets[i];
		cleanup_fd int fd = fcntl(options.fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return error_set(err, errno, "make a network device of the guest");
		options.fd = fd;
		result = net_create(&vm->nets[i], &options, &vm->loop, err);
		if (result)
			return result;
		(void)take_fd(&fd);
		result = attach(vm, LAYOUT_SLOT_NET0 + i, net_device(vm->nets[i]), err);
	}
	return result;
}

static int add_disks(struct vm *vm, const struct vm_config *config, struct error *err)
{
	int result = 0;

	for (unsigned i = 0; i < config->disk_count && !result; i++) {
		struct blk_options options = config->disks[i];
		cleanup_fd int fd = fcntl(options.fd, F_DUPFD_CLOEXEC, 3);

		if (fd < 0)
			return error_set(err, errno, "make a disk of the guest");
		options.fd = fd;
		result = blk_create(&vm->disks[i], &options, err);
		if (result)
			return result;
		(void)take_fd(&fd);
		result = attach(vm, LAYOUT_SLOT_BLK0 + i, blk_device(vm->disks[i]), err);
	}
	return result;
}

/* The host's reserve gives pages of 2 MiB, which a guest's pages cannot be given back of. */
static int add_balloon(struct vm *vm, const struct vm_config *config, struct error *err)
{
	int result;

	if (config->memory_pages == GUEST_PAGES_HUGE)
		return 0;
	result = balloon_create(&vm->balloon, &vm->memory, &vm->loop, err);
	return result ? result : attach(vm, LAYOUT_SLOT_BALLOON, balloon_device(vm->balloon), err);
}

static int add_serial(struct vm *vm, int console_fd, struct error *err)
{
	cleanup_fd int interrupt_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int result;

	if (interrupt_fd < 0)
		return error_set(err, errno, "make the serial port");
	result = kvm_machine_irqfd(&vm->machine, interrupt_fd, LAYOUT_SERIAL_IRQ, err);
	if (result)
		return result;
	serial_init(&vm->serial, console_fd, take_fd(&interrupt_fd));
	vm->serial_made = true;
	return 0;
}

int vm_add_devices(struct vm *vm, const struct vm_config *config, struct error *err)
{
	int result = event_loop_init(&vm->loop, err);

	if (result)
		return result;
	vm->loop_made = true;
	result = vsock_create(&vm->vsock, &vm->loop, err);
	if (!result)
		result = attach(vm, LAYOUT_SLOT_VSOCK, vsock_device(vm->vsock), err);
	if (!result)
		result = rng_create(&vm->rng, &vm->loop, err);
	if (!result)
		result = attach(vm, LAYOUT_SLOT_RNG, rng_device(vm->rng), err);
	if (!result && config->share_fd >= 0)
		result = add_fs(vm, config, err);
	if (!result)
		result = add_nets(vm, config, err);
	if (!result)
		result = add_disks(vm, config, err);
	if (!result)
		result = add_balloon(vm, config, err);
	if (!result && config->console_fd >= 0)
		result = add_serial(vm, config->console_fd, err);
	return result;
}

int vm_start_devices(struct vm *vm, struct error *err)
{
	int result = vm->fs ? fs_start(vm->fs, err) : 0;

	for (unsigned i = 0; i < VM_DISKS_MAX && vm->disks[i] && !result; i++)
		result = blk_start(vm->disks[i], err);
	return result;
}

/* The transports after what they serve. */
void vm_destroy_devices(struct vm *vm)
{
	if (vm->fs)
		fs_destroy(vm->fs);
	if (vm->vsock)
		vsock_destroy(vm->vsock);
	rng_destroy(vm->rng);
	for (unsigned i = 0; i < VM_NETS_MAX; i++)
		net_destroy(vm->nets[i]);
	for (unsigned i = 0; i < VM_DISKS_MAX; i++)
		blk_destroy(vm->disks[i]);
	balloon_destroy(vm->balloon);
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++)
		mmio_destroy(vm->slots[i]);
	if (vm->serial_made)
		close_fd(&vm->serial.interrupt_fd);
}
