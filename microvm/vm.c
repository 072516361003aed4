/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "base/alloc.h"
#include "base/log.h"
#include "microvm/boot.h"
#include "microvm/confine.h"
#include "microvm/guest_protocol.h"
#include "microvm/mptable.h"
#include "microvm/vm_internal.h"

#define MEBIBYTE (1ULL << 20)

/* The end */

/* The first cause counts. Any thread. */
static void end_machine(struct vm *vm, enum vm_stop_cause cause, const struct error *err)
{
	uint64_t one = 1;

	pthread_mutex_lock(&vm->gate.lock);
	if (vm->cause == VM_RUNNING) {
		vm->cause = cause;
		if (err)
			vm->error = *err;
		vm->gate.stopping = true;
		for (unsigned i = 0; i < vm->vcpu_count; i++)
			vcpu_kick(&vm->vcpus[i]);
		pthread_cond_broadcast(&vm->gate.changed);
		(void)!write(vm->event_fd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&vm->gate.lock);
}

void vm_count(struct vm *vm, struct vm_counts *counts)
{
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vm_counts_add_exits(counts, vm->vcpus[i].exits);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vm_counts_add_kvm(counts, vm->vcpus[i].statistics_fd);
	vm_counts_add_kvm(counts, vm->machine.statistics_fd);
}

int vm_balloon_set_target(struct vm *vm, uint64_t bytes, struct error *err)
{
	if (!vm->balloon)
		return error_set(err, -EOPNOTSUPP, "a machine with explicit huge pages has no balloon");
	balloon_set_target(vm->balloon, bytes);
	return 0;
}

void vm_balloon_ask(struct vm *vm)
{
	if (vm->balloon)
		balloon_ask(vm->balloon);
}

bool vm_balloon_read(struct vm *vm, struct balloon_state *state)
{
	if (vm->balloon)
		balloon_read(vm->balloon, state);
	return vm->balloon != NULL;
}

enum vm_stop_cause vm_stop_cause(struct vm *vm, struct error *err)
{
	enum vm_stop_cause cause;

	pthread_mutex_lock(&vm->gate.lock);
	cause = vm->cause;
	if (err && cause == VM_CRASHED)
		*err = vm->error;
	pthread_mutex_unlock(&vm->gate.lock);
	return cause;
}

void vm_stop(struct vm *vm)
{
	end_machine(vm, VM_STOPPED, NULL);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_join(&vm->vcpus[i]);
}

static void stop_io(struct vm *vm)
{
	if (!vm->io_started)
		return;
	event_loop_stop(&vm->loop);
	(void)pthread_join(vm->io_thread, NULL);
	vm->io_started = false;
}

/* Devices go when nothing serves them any more, the memory last. */
void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	vm_stop(vm);
	stop_io(vm);
	vm_destroy_devices(vm);
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_destroy(&vm->vcpus[i]);
	free(vm->vcpus);
	kvm_machine_close(&vm->machine);
	guest_memory_unmap(&vm->memory);
	if (vm->loop_made)
		event_loop_close(&vm->loop);
	close_fd(&vm->event_fd);
	close_fd(&vm->debug_fd);
	strbuf_free(&vm->about);
	free(vm);
}

static void destroy_vm(struct vm **vm)
{
	vm_destroy(*vm);
}

/* The guest's accesses */

static void access_device(struct vm *vm, uint64_t address, void *data, unsigned length, bool write)
{
	uint64_t slot = (address - LAYOUT_MMIO) / LAYOUT_MMIO_BYTES,
		 offset = (address - LAYOUT_MMIO) % LAYOUT_MMIO_BYTES;

	if (address >= LAYOUT_MMIO && slot < LAYOUT_SLOTS && vm->slots[slot] && offset + length <= LAYOUT_MMIO_BYTES) {
		if (write)
			mmio_write(vm->slots[slot], offset, data, length);
		else
			mmio_read(vm->slots[slot], offset, data, length);
	} else if (!write) {
		memset(data, 0xff, length);
	}
}

/* The stores that came before this exit, in their order. All vCPUs share one ring. */
static void serve_ring(struct vm *vm)
{
	const unsigned entries = (unsigned)((KVM_PAGE_BYTES - sizeof(struct kvm_coalesced_mmio_ring)) /
					    sizeof(struct kvm_coalesced_mmio));
	struct kvm_coalesced_mmio_ring *ring = (void *)((char *)vm->vcpus[0].run + vm->machine.ring_offset);

	if (!vm->machine.ring_offset ||
		__atomic_load_n(&ring->last, __ATOMIC_ACQUIRE) == __atomic_load_n(&ring->first, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&vm->ring_lock);
	while (ring->first < entries && ring->first != __atomic_load_n(&ring->last, __ATOMIC_ACQUIRE)) {
		struct kvm_coalesced_mmio store = ring->coalesced_mmio[ring->first];

		__atomic_store_n(&ring->first, (ring->first + 1) % entries, __ATOMIC_RELEASE);
		access_device(vm, store.phys_addr, store.data, store.len, true);
	}
	pthread_mutex_unlock(&vm->ring_lock);
}

static void access_mmio(void *owner, uint64_t address, void *data, unsigned length, bool write)
{
	serve_ring(owner);
	access_device(owner, address, data, length, write);
}

static void access_port(void *owner, uint16_t port, void *data, unsigned length, bool write)
{
	struct vm *vm = owner;
	uint8_t *byte = data;

	if (!write)
		memset(data, 0xff, length);
	if (port == LAYOUT_KEYBOARD_PORT && length == 1) {
		if (write && *byte == LAYOUT_KEYBOARD_RESET)
			end_machine(vm, VM_POWERED_OFF, NULL);
		/* "Ready for a command" (bit 1 clear), and otherwise as if there were no controller. */
		if (!write)
			*byte = 0xfd;
	} else if (vm->serial_made && port >= LAYOUT_SERIAL_PORT && port < LAYOUT_SERIAL_PORT + SERIAL_PORTS &&
		   length == 1) {
		if (write)
			serial_write(&vm->serial, port - LAYOUT_SERIAL_PORT, *byte);
		else
			*byte = serial_read(&vm->serial, port - LAYOUT_SERIAL_PORT);
	}
}

/* On the vCPU's thread: all of them wait at the gate from then on. */
static void processor_debugged(void *owner, unsigned index)
{
	struct vm *vm = owner;
	uint64_t one = 1;

	pthread_mutex_lock(&vm->gate.lock);
	vm->debugged_vcpu = index;
	vm->gate.paused = true;
	for (unsigned i = 0; i < vm->vcpu_count; i++)
		vcpu_kick(&vm->vcpus[i]);
	pthread_mutex_unlock(&vm->gate.lock);
	(void)!write(vm->debug_fd, &one, sizeof(one));
}

static bool is_break_point(void *owner, uint64_t address)
{
	const struct vm *vm = owner;

	for (unsigned i = 0; i < VM_BREAK_POINTS; i++) {
		if (address && vm->break_points[i] == address)
			return true;
	}
	return false;
}

int vm_open_debug(struct vm *vm, struct error *err)
{
	vm->debug_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return vm->debug_fd < 0 ? error_set(err, errno, "make an event descriptor") : 0;
}

static void processor_crashed(void *owner, const struct error *err)
{
	end_machine(owner, VM_CRASHED, err);
}

/* Under gate.lock: waits until every thread is confined, or one has failed to be. */
static void await_threads(struct vm *vm)
{
	while (vm->threads_ready < vm->vcpu_count + 1 && !vm->start_error.code && !vm->gate.stopping)
		pthread_cond_wait(&vm->gate.changed, &vm->gate.lock);
}

/* Called by each thread; no vCPU goes on before all are confined. */
static void thread_ready(void *owner, const struct error *failure)
{
	struct vm *vm = owner;

	pthread_mutex_lock(&vm->gate.lock);
	vm->threads_ready++;
	if (failure)
		vm->start_error = *failure;
	pthread_cond_broadcast(&vm->gate.changed);
	await_threads(vm);
	pthread_mutex_unlock(&vm->gate.lock);
}

/* Making */

static int check_config(const struct vm_config *config, struct error *err)
{
	if (config->disk_count > VM_DISKS_MAX)
		return error_set(
			err, -EINVAL, "a guest has %u disks at most, not %u", VM_DISKS_MAX, config->disk_count);
	if (config->net_count > VM_NETS_MAX)
		return error_set(
			err, -EINVAL, "a guest has %u network devices at most, not %u", VM_NETS_MAX, config->net_count);
	if (!config->vcpus || config->vcpus > VM_VCPUS_MAX)
		return error_set(err, -EINVAL, "a guest has 1 to %u vCPUs, not %u", VM_VCPUS_MAX, config->vcpus);
	if (config->memory_bytes < VM_MEMORY_MIN_BYTES)
		return error_set(err, -EINVAL, "a guest needs %llu MiB of memory at least, not %llu MiB",
			(unsigned long long)(VM_MEMORY_MIN_BYTES / MEBIBYTE),
			(unsigned long long)(config->memory_bytes / MEBIBYTE));
	return 0;
}

/*
 * The monitor's own words; microvm/guest/kernel/README.md has the reasons. Reset by the keyboard controller, at once
 * after a panic too, is how a guest ends. Devices are told by address, since there is no ACPI to find them by.
 */
static void make_cmdline(const struct vm *vm, const struct vm_config *config, struct strbuf *cmdline)
{
	static const uint8_t irqs[LAYOUT_SLOTS] = LAYOUT_SLOT_IRQS;

	boot_cmdline_add(
		cmdline, "reboot=k panic=-1 no_timer_check tsc=reliable noreplace-smp rcupdate.rcu_expedited=1");
	boot_cmdline_add(cmdline, "random.trust_bootloader=on");
	if (vm->serial_made)
		boot_cmdline_add(cmdline, "console=ttyS0");
	else
		boot_cmdline_add(cmdline, "quiet 8250.nr_uarts=0");
	for (unsigned i = 0; i < LAYOUT_SLOTS; i++) {
		if (vm->slots[i])
			boot_cmdline_add(cmdline, "virtio_mmio.device=4K@0x%llx:%u",
				(unsigned long long)(LAYOUT_MMIO + i * LAYOUT_MMIO_BYTES), irqs[i]);
	}
	if (!vm->host.hardware)
		boot_cmdline_add(cmdline, "%s", SOFTKVM_CMDLINE);
	if (config->cmdline && *config->cmdline)
		boot_cmdline_add(cmdline, "%s", config->cmdline);
}

static int load(struct vm *vm, const struct vm_config *config, struct boot_kernel *kernel, struct error *err)
{
	cleanup_strbuf struct strbuf cmdline = STRBUF_INIT;
	struct boot_initrd initrd = { 0 };
	int result = boot_load_kernel(
		&vm->memory, config->kernel_fd, config->kernel_name, config->boot_protocol, kernel, err);

	if (!result && config->initrd_fd >= 0)
		result = boot_load_initrd(&vm->memory, config->initrd_fd, kernel, &initrd, err);
	if (!result)
		result = mptable_write(&vm->memory, config->vcpus, err);
	if (result)
		return result;
	make_cmdline(vm, config, &cmdline);
	log_debug("%s; guest kernel command line: %s", vm->host.description, cmdline.data);
	return boot_write_params(&vm->memory, kernel, &initrd, cmdline.data, err);
}

static int add_vcpus(struct vm *vm, const struct vm_config *config, struct error *err)
{
	const struct cpuid_options cpuid_options = {
		.vcpus = config->vcpus, .hardware = vm->host.hardware, .tsc_deadline = vm->machine.tsc_deadline
	};
	cleanup_free struct cpuid_table *cpuid = xcalloc(1, sizeof(*cpuid));
	const struct vcpu_options options = {
		.cpuid = cpuid, .memory = &vm->memory, .soft_layout = vm->host.hardware ? NULL : &vm->soft_layout
	};
	int result = cpuid_prepare(cpuid, config->kvm_fd, &cpuid_options, err);

	if (result)
		return result;
	if (!vm->host.hardware) {
		softkvm_read_layout(&vm->soft_layout);
		result = softkvm_timer_intercept(vm->machine.vm_fd, err);
		if (result)
			return result;
	}
	vm->vcpus = xcalloc(config->vcpus, sizeof(*vm->vcpus));
	for (unsigned i = 0; i < config->vcpus && !result; i++) {
		vm->vcpus[i].fd = vm->vcpus[i].statistics_fd = -EBADF;
		vm->vcpu_count++;
		result = vcpu_create(&vm->vcpus[i], &vm->machine, i, &options, err);
	}
	return result;
}

/* A machine that boots. */
static int boot(struct vm *vm, const struct vm_config *config, struct error *err)
{
	struct boot_kernel kernel = { 0 };
	int result = load(vm, config, &kernel, err);

	if (!result)
		result = add_vcpus(vm, config, err);
	return result ? result : boot_set_registers(&vm->memory, vm->vcpus[0].fd, &kernel, err);
}

/* A machine that goes on where another one was saved. */
static int go_on(struct vm *vm, const struct vm_config *config, const struct snapshot *snapshot, struct error *err)
{
	int result = add_vcpus(vm, config, err);

	return result ? result : vm_restore_state(vm, snapshot, err);
}

static int build(struct vm *vm, const struct vm_config *config, struct error *err)
{
	cleanup_snapshot struct snapshot snapshot = { 0 };
	bool saved = config->snapshot_fd > 0;
	int result = kvm_machine_create(&vm->machine, config->kvm_fd, err);

	if (!result && saved)
		result = snapshot_open(config->snapshot_fd, config->snapshot_key, &snapshot, err);
	if (!result && saved)
		result = vm_compare_state(vm, &snapshot, err);
	snapshot.trusted = config->snapshot_trusted;
	if (!result)
		result = guest_memory_map(&vm->memory, config->memory_bytes, config->memory_pages, err);
	if (!result && saved)
		result = config->snapshot_read ? snapshot_read(&snapshot, &vm->memory, err)
					       : snapshot_map(&snapshot, &vm->memory, err);
	if (!result)
		result = kvm_machine_set_memory(&vm->machine, &vm->memory, err);
	if (!result)
		result = vm_add_devices(vm, config, err);
	if (result)
		return result;
	return saved ? go_on(vm, config, &snapshot, err) : boot(vm, config, err);
}

int vm_create(struct vm **vm, const struct vm_config *config, struct error *err)
{
	cleanup(destroy_vm) struct vm *made = NULL;
	int share_fd = config->share_fd;
	int result = check_config(config, err);

	if (result)
		return result;
	made = xcalloc(1, sizeof(*made));
	made->machine.vm_fd = made->machine.statistics_fd = -EBADF;
	made->bus = (struct vcpu_bus){
		.mmio = access_mmio,
		.port = access_port,
		.crashed = processor_crashed,
		.debugged = processor_debugged,
		.is_break_point = is_break_point,
		.ready = thread_ready,
		.owner = made,
	};
	vcpu_gate_init(&made->gate);
	(void)pthread_mutex_init(&made->ring_lock, NULL);
	made->debug_fd = -EBADF;
	made->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (made->event_fd < 0)
		return error_set(err, errno, "make an eventfd");
	if (config->host)
		made->host = *config->host;
	else
		result = vm_host_probe(config->kvm_fd, &made->host, err);
	vm_describe(config, &made->about);
	if (!result)
		result = build(made, config, err);
	if (result)
		return result;
	close_fd(&share_fd);
	for (unsigned i = 0; i < config->disk_count; i++) {
		int fd = config->disks[i].fd;

		close_fd(&fd);
	}
	for (unsigned i = 0; i < config->net_count; i++) {
		int fd = config->nets[i].fd;

		close_fd(&fd);
	}
	*vm = take_pointer(&made);
	return 0;
}

/* Running */

struct vsock *vm_vsock(struct vm *vm)
{
	return vm->vsock;
}

int vm_event_fd(const struct vm *vm)
{
	return vm->event_fd;
}

static void *io_thread(void *argument)
{
	struct vm *vm = argument;
	struct error err;
	int result;

	(void)prctl(PR_SET_NAME, "devices");
	result = confine_drop_capabilities(&err);
	if (!result)
		result = confine_system_calls(&devices_filter, &err);
	thread_ready(vm, result ? &err : NULL);
	if (!result)
		event_loop_run(&vm->loop);
	return NULL;
}

static void ignore_kick(int number)
{
	(void)number;
}

static int start_threads(struct vm *vm, struct error *err)
{
	int result = vm_start_devices(vm, err);

	if (result)
		return result;
	result = confine_start_thread(&vm->io_thread, io_thread, vm);
	if (result)
		return error_set(err, result, "start the devices' thread");
	vm->io_started = true;
	/* The boot processor last: the others wait for its start-up interrupt. */
	for (unsigned i = vm->vcpu_count; i > 0; i--) {
		result = vcpu_start(&vm->vcpus[i - 1], &vm->bus, &vm->gate, err);
		if (result)
			return result;
	}
	pthread_mutex_lock(&vm->gate.lock);
	await_threads(vm);
	if (vm->start_error.code) {
		*err = vm->start_error;
		result = -err->code;
	}
	pthread_mutex_unlock(&vm->gate.lock);
	return result;
}

int vm_start(struct vm *vm, struct error *err)
{
	struct sigaction action = { .sa_handler = ignore_kick };
	sigset_t all, before;
	int result;

	/* A handler that does nothing: an ignored signal would not interrupt KVM_RUN. */
	if (sigaction(VCPU_KICK_SIGNAL, &action, NULL) < 0)
		return error_set(err, errno, "prepare the signal that stops vCPUs");
	confine_prepare();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	result = start_threads(vm, err);
	vm->started = result == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return result;
}

int vm_pause(struct vm *vm, bool paused, struct error *err)
{
	struct vcpu_gate *gate = &vm->gate;
	bool stopping;

	pthread_mutex_lock(&gate->lock);
	gate->paused = paused;
	for (unsigned i = 0; i < vm->vcpu_count && !gate->stopping; i++) {
		if (paused)
			vcpu_kick(&vm->vcpus[i]);
		else
			vcpu_release(&vm->vcpus[i]);
	}
	pthread_cond_broadcast(&gate->changed);
	/* Threads that are yet to start will find the gate shut. */
	while (paused && vm->started && !gate->stopping && gate->parked < vm->vcpu_count)
		pthread_cond_wait(&gate->changed, &gate->lock);
	stopping = gate->stopping;
	pthread_mutex_unlock(&gate->lock);
	return stopping ? error_set(err, -ESRCH, "the guest has stopped") : 0;
}
