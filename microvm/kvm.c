/* SPDX-License-Identifier: Apache-2.0 */
#include "microvm/kvm.h"

#include <cpuid.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "microvm/layout.h"

void kvm_classify(const struct kvm_evidence *evidence, struct vm_host *host)
{
	bool extensions = evidence->processor_vmx || evidence->processor_svm;
	const char *module = "kvm";

	/* Without the processor's extensions nothing can be done in hardware, whatever modules are called. */
	host->hardware = extensions && (evidence->module_intel || evidence->module_amd || !evidence->module_software);
	if (!host->hardware) {
		(void)snprintf(host->description, sizeof(host->description), "%s (software only)",
			evidence->module_software ? "kvm-pvm" : "kvm");
		return;
	}
	if (evidence->module_intel || evidence->processor_vmx)
		module = "kvm-intel";
	if (evidence->module_amd || evidence->processor_svm)
		module = "kvm-amd";
	(void)snprintf(host->description, sizeof(host->description), "%s with%s nested paging", module,
		evidence->nested_paging ? "" : "out");
}

static bool read_flag(const char *path)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char value = 'N';

	return fd >= 0 && read(fd, &value, 1) == 1 && (value == 'Y' || value == '1');
}

static void collect_evidence(struct kvm_evidence *evidence)
{
	unsigned eax, ebx, ecx, edx;

	*evidence = (struct kvm_evidence){
		.module_intel = access("/sys/module/kvm_intel", F_OK) == 0,
		.module_amd = access("/sys/module/kvm_amd", F_OK) == 0,
		.module_software = access("/sys/module/kvm_pvm", F_OK) == 0,
		.nested_paging = read_flag("/sys/module/kvm_intel/parameters/ept") ||
				 read_flag("/sys/module/kvm_amd/parameters/npt"),
	};
	if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
		evidence->processor_vmx = ecx & (1U << 5);
	if (__get_cpuid(0x80000001, &eax, &ebx, &ecx, &edx))
		evidence->processor_svm = ecx & (1U << 2);
}

int vm_host_probe(int kvm_fd, struct vm_host *host, struct error *err)
{
	struct kvm_evidence evidence;
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set(err, errno, "ask /dev/kvm for its version");
	collect_evidence(&evidence);
	host->api_version = version;
	kvm_classify(&evidence, host);
	return 0;
}

static const struct {
	int number;
	const char *name;
} capabilities_needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR" },
	{ KVM_CAP_SET_IDENTITY_MAP_ADDR, "KVM_CAP_SET_IDENTITY_MAP_ADDR" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_XSAVE, "KVM_CAP_XSAVE" },
	{ KVM_CAP_XCRS, "KVM_CAP_XCRS" },
	{ KVM_CAP_VCPU_EVENTS, "KVM_CAP_VCPU_EVENTS" },
};

static int check_host(int kvm_fd, struct error *err)
{
	int version = ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set(err, errno, "ask /dev/kvm for its version");
	if (version != KVM_API_VERSION)
		return error_set(
			err, -ENOTSUP, "/dev/kvm speaks version %d of its interface, not %d", version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(capabilities_needed); i++) {
		if (ioctl(kvm_fd, KVM_CHECK_EXTENSION, capabilities_needed[i].number) <= 0)
			return error_set(err, -ENOTSUP, "/dev/kvm lacks %s", capabilities_needed[i].name);
	}
	return 0;
}

/* KVM_CREATE_VM starts a kernel thread on some hosts and answers EINTR when a signal comes meanwhile. */
static int create_vm(int kvm_fd)
{
	int fd;

	do
		fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	while (fd < 0 && errno == EINTR);
	return fd;
}

static int set_up_chips(int vm_fd, struct error *err)
{
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = LAYOUT_IDENTITY_MAP;

	if (ioctl(vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return error_set(err, errno, "KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return error_set(err, errno, "KVM_SET_TSS_ADDR");
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return error_set(err, errno, "KVM_CREATE_IRQCHIP");
	if (ioctl(vm_fd, KVM_CREATE_PIT2, &pit) < 0)
		return error_set(err, errno, "KVM_CREATE_PIT2");
	return 0;
}

int kvm_machine_create(struct kvm_machine *machine, int kvm_fd, struct error *err)
{
	cleanup_fd int vm_fd = -EBADF;
	int result, run_bytes, xsave_bytes, ring_page;

	result = check_host(kvm_fd, err);
	if (result)
		return result;
	run_bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (run_bytes < (int)sizeof(struct kvm_run))
		return error_set(err, run_bytes < 0 ? errno : EINVAL, "KVM_GET_VCPU_MMAP_SIZE");
	vm_fd = create_vm(kvm_fd);
	if (vm_fd < 0)
		return error_set(err, errno, "create a virtual machine (KVM_CREATE_VM)");
	result = set_up_chips(vm_fd, err);
	if (result)
		return result;
	xsave_bytes = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
	ring_page = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_COALESCED_MMIO);
	if (ring_page < 0 || (ring_page + 1) * KVM_PAGE_BYTES > run_bytes)
		ring_page = 0;
	*machine = (struct kvm_machine){
		.run_bytes = (size_t)run_bytes,
		.ring_offset = (size_t)(ring_page * KVM_PAGE_BYTES),
		.xsave_bytes =
			xsave_bytes > (int)sizeof(struct kvm_xsave) ? (size_t)xsave_bytes : sizeof(struct kvm_xsave),
		.sync_regs = (ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_VALID_FIELDS) ==
			     KVM_SYNC_X86_VALID_FIELDS,
		.tsc_deadline = ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0,
		.vm_fd = take_fd(&vm_fd),
	};
	machine->statistics_fd = ioctl(machine->vm_fd, KVM_GET_STATS_FD, NULL);
	return 0;
}

void kvm_machine_close(struct kvm_machine *machine)
{
	close_fd(&machine->statistics_fd);
	close_fd(&machine->vm_fd);
}

int kvm_machine_set_memory(struct kvm_machine *machine, const struct guest_memory *memory, struct error *err)
{
	for (unsigned i = 0; i < memory->count; i++) {
		struct kvm_userspace_memory_region region = {
			.slot = i,
			.guest_phys_addr = memory->regions[i].address,
			.memory_size = memory->regions[i].size_bytes,
			.userspace_addr = (uintptr_t)memory->regions[i].host,
		};

		if (ioctl(machine->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
			return error_set(err, errno, "give the guest its memory (KVM_SET_USER_MEMORY_REGION)");
	}
	return 0;
}

int kvm_machine_irqfd(struct kvm_machine *machine, int event_fd, unsigned irq, struct error *err)
{
	struct kvm_irqfd irqfd = { .fd = (uint32_t)event_fd, .gsi = irq };

	if (ioctl(machine->vm_fd, KVM_IRQFD, &irqfd) < 0)
		return error_set(err, errno, "connect interrupt line %u (KVM_IRQFD)", irq);
	return 0;
}

int kvm_machine_ioeventfd(
	struct kvm_machine *machine, int event_fd, uint64_t address, uint32_t value, struct error *err)
{
	struct kvm_ioeventfd ioeventfd = {
		.datamatch = value,
		.addr = address,
		.len = sizeof(value),
		.fd = event_fd,
		.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
	};

	if (ioctl(machine->vm_fd, KVM_IOEVENTFD, &ioeventfd) < 0)
		return error_set(err, errno, "connect queue notifications at 0x%llx (KVM_IOEVENTFD)",
			(unsigned long long)address);
	return 0;
}

int kvm_machine_coalesce(struct kvm_machine *machine, uint64_t address, unsigned length, struct error *err)
{
	struct kvm_coalesced_mmio_zone zone = { .addr = address, .size = length };

	if (ioctl(machine->vm_fd, KVM_REGISTER_COALESCED_MMIO, &zone) < 0)
		return error_set(err, errno, "have stores at 0x%llx wait (KVM_REGISTER_COALESCED_MMIO)",
			(unsigned long long)address);
	return 0;
}
