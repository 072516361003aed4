/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second wall: the same bundle in a KVM micro-VM. The monitor runs in a jail that is built as a container's root
 * is: a tree with the bundle's root file system and volumes and nothing else. The guest sees that tree over virtio-fs
 * and builds the container from it.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/log.h"
#include "microvm/guest_protocol.h"
#include "ns/netlink_library.h"
#include "ns/network_guest.h"
#include "ns/rootfs.h"
#include "runtime/exec_microvm.h"
#include "runtime/guest_files.h"
#include "runtime/isolation.h"
#include "runtime/isolation_microvm.h"
#include "runtime/microvm_checkpoint.h"
#include "runtime/microvm_plan.h"
#include "runtime/monitor.h"
#include "runtime/passt.h"
#include "runtime/template.h"
#include "runtime/terminal.h"

#define SHARE_DESCRIPTORS_MAX 65536

static bool microvm_has_image(const struct oci_spec *spec)
{
	return spec->vm && spec->vm->image_path;
}

/* Locks of this kind belong to the open file, which the monitor inherits. */
static int lock_image(int fd, bool write, const char *path, struct error *err)
{
	struct flock lock = { .l_type = write ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES)
		return error_set(err, errno, "config.json: vm.image.path: lock %s", path);
	return error_set(err, -EBUSY, "config.json: vm.image.path: %s is in use by another micro-VM%s", path,
		write ? "" : " that writes to it");
}

/* Whether the guest can write is settled here, by how the image is opened: it can when the container's root is not
 * read-only and the image's own permissions say that anybody may. */
static int microvm_open_image(struct launch *launch, struct error *err)
{
	const struct oci_vm *vm = launch->spec->vm;
	cleanup_fd int fd = -EBADF;
	struct stat status;
	bool write;
	int result;

	if (!microvm_has_image(launch->spec))
		return 0;
	if (vm->image_format != OCI_IMAGE_RAW)
		return error_set(err, -ENOTSUP, "config.json: vm.image.format: micro-VMs take raw images only");
	if (stat(vm->image_path, &status) < 0)
		return error_set(err, errno, "config.json: vm.image.path: %s", vm->image_path);
	write = !launch->vm.guest.rootfs.readonly && (status.st_mode & (S_IWUSR | S_IWGRP | S_IWOTH));
	fd = open(vm->image_path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "config.json: vm.image.path: open %s", vm->image_path);
	result = lock_image(fd, write, vm->image_path, err);
	if (result == 0)
		launch->vm.image_fd = take_fd(&fd);
	launch->vm.root_is_image = result == 0;
	return result;
}

static int microvm_start_passt(struct launch *launch, struct error *err)
{
	const struct launch_options *options = launch->options;

	if (!options->vm_network)
		return options->vm_publish ? error_set(err, -EINVAL, "--vm-publish: it needs --vm-network=passt") : 0;
	if (strcmp(options->vm_network, "passt") != 0)
		return error_set(err, -EINVAL, "--vm-network %s: passt is there", options->vm_network);
	return passt_start(options->vm_publish, &launch->vm.passt_fd, err);
}

static int microvm_open(struct launch *launch, struct error *err)
{
	struct launch_vm *vm = &launch->vm;
	cleanup_free char *initrd_name = NULL;

	vm->kvm_fd = guest_open_kvm(err);
	if (vm->kvm_fd < 0)
		return vm->kvm_fd;
	vm->kernel_fd = guest_file_open(vm->kernel_path, "vmlinux", &vm->kernel_name, err);
	if (vm->kernel_fd < 0)
		return vm->kernel_fd;
	vm->initrd_fd = guest_file_open(vm->initrd_path, "initrd.cpio", &initrd_name, err);
	if (vm->initrd_fd < 0)
		return vm->initrd_fd;
	if (launch->options->checkpoint) {
		vm->checkpoint_fd = microvm_checkpoint_open(launch->options->checkpoint, err);
		if (vm->checkpoint_fd < 0)
			return vm->checkpoint_fd;
	}
	if (microvm_start_passt(launch, err) < 0)
		return -err->code;
	return microvm_open_image(launch, err);
}

static int microvm_open_debug(struct launch *launch, struct error *err)
{
	int directory = launch->container->directory_fd;
	struct launch_vm *vm = &launch->vm;

	if (!launch->options->vm_debug)
		return 0;
	vm->debug_fd = message_listen_stream(directory, CONTAINER_DEBUG_FILE, err);
	if (vm->debug_fd < 0)
		return vm->debug_fd;
	vm->log_fd = openat(directory, CONTAINER_LOG_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
	return vm->log_fd < 0 ? error_set(err, errno, "make %s in %s", CONTAINER_LOG_FILE, launch->container->path) : 0;
}

static int microvm_make_jail_directory(struct launch *launch, struct error *err)
{
	int directory = launch->container->directory_fd;

	/* The root of a user namespace in the guest has to get through; on this side the state directory is closed. */
	if (mkdirat(directory, CONTAINER_JAIL_FILE, 0711) < 0 ||
		mkdirat(directory, CONTAINER_JAIL_FILE "/rootfs", 0711) < 0 ||
		mkdirat(directory, CONTAINER_JAIL_FILE "/binds", 0711) < 0)
		return error_set(err, errno, "make the monitor's root in %s", launch->container->path);
	return 0;
}

static int microvm_prepare(struct launch *launch, struct error *err)
{
	int result = microvm_plan(launch, err);

	if (result == 0)
		result = netlink_library_load(err);
	if (result == 0)
		result = microvm_open(launch, err);
	if (result == 0)
		result = microvm_open_debug(launch, err);
	if (result == 0)
		result = microvm_make_jail_directory(launch, err);
	if (result < 0)
		return result;
	launch->child.is_monitor = true;
	launch->listener_fd = message_listen(launch->container->directory_fd, CONTAINER_CONTROL_FILE, err);
	return launch->listener_fd < 0 ? launch->listener_fd : 0;
}

static int microvm_streams(struct launch *launch, struct monitor_streams *streams, struct error *err)
{
	cleanup_fd int master = -EBADF;
	int result;

	*streams = (struct monitor_streams){ .fds = { -1, -1, -1 }, .terminal = launch->process.terminal };
	if (streams->terminal) {
		result = terminal_make(launch->process.rows, launch->process.columns, &master, &streams->fds[0], err);
		return result < 0 ? result : launch_child_terminal(launch, master, err);
	}
	for (int i = 0; i < 3; i++) {
		streams->fds[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
		if (streams->fds[i] < 0)
			return error_set(err, errno, "duplicate descriptor %d", i);
	}
	return 0;
}

/* The container's cgroup keeps this process from devices that the container may not use; the runtime is in none. */
static int microvm_open_tun(struct launch *launch, struct error *err)
{
	int fd = network_open_tun(0, err);

	return fd == -EPERM || fd == -EACCES ? launch_child_ask_tun(launch, err) : fd;
}

static int microvm_join_passt(struct launch *launch, struct net_options *nets, unsigned *count, struct error *err)
{
	struct network_plan *network = &launch->vm.network;

	if (network->interface_count)
		return error_set(
			err, -EBUSY, "--vm-network=passt: the container's network namespace has interfaces already");
	passt_plan(network);
	nets[0] = (struct net_options){
		.kind = NET_STREAM, .mtu = (uint16_t)network->interfaces[0].mtu, .fd = launch->vm.passt_fd
	};
	network_device_mac(0, nets[0].mac);
	*count = 1;
	return 0;
}

/* What the hooks and the engine have put into the network namespace, of which this process is a part. */
static int microvm_join_network(struct launch *launch, struct net_options *nets, unsigned *count, struct error *err)
{
	struct network_plan *network = &launch->vm.network;
	int result = network_read(network, err);

	if (result == 0 && network->interface_count > VM_NETS_MAX)
		return error_set(err, -ENOTSUP,
			"the container's network namespace has %u interfaces: a micro-VM can be given %u at most",
			network->interface_count, VM_NETS_MAX);
	if (result == 0 && launch->vm.passt_fd >= 0)
		return microvm_join_passt(launch, nets, count, err);
	for (*count = 0; result == 0 && *count < network->interface_count; (*count)++) {
		const struct network_interface *interface = &network->interfaces[*count];
		struct net_options *net = &nets[*count];

		*net = (struct net_options){ .kind = NET_TAP, .mtu = (uint16_t)interface->mtu };
		network_device_mac(*count, net->mac);
		net->fd = microvm_open_tun(launch, err);
		result = net->fd < 0 ? net->fd : network_join_tap(interface, net->fd, err);
	}
	return result;
}

/* What the container's process closes has to be closed for its peers: the monitor keeps no more of it than the devices
 * have, and standard error only for its own words. */
static int microvm_let_streams_go(const struct launch *launch, struct error *err)
{
	cleanup_fd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fd == STDERR_FILENO && (launch->vm.console || log_descriptor() == fd))
			continue;
		if (null < 0 || dup2(null, fd) < 0)
			return error_set(err, errno, "let standard streams go");
	}
	return 0;
}

static int microvm_go_on(struct launch *launch, struct vm_config *config, struct vm **vm, struct error *err)
{
	cleanup_strbuf struct strbuf owner = STRBUF_INIT;
	int result = vm_checkpoint_owner(launch->vm.checkpoint_fd, &owner, err);

	if (result == 0)
		result = microvm_checkpoint_check_owner(launch, &owner, err);
	config->snapshot_fd = launch->vm.checkpoint_fd;
	config->snapshot_key = VM_CHECKPOINT_KEY;
	config->snapshot_read = true;
	if (result == 0)
		result = vm_create(vm, config, err);
	return result < 0 ? error_prefix(err, "go on from the checkpoint in %s", launch->options->checkpoint) : 0;
}

/* From a template where there is one; else it boots, and writes one where that is possible. */
static int microvm_go_on_or_boot(struct launch *launch, struct vm_config *config, unsigned char key[VM_KEY_BYTES],
	struct vm **vm, struct error *err)
{
	enum template_use use = TEMPLATE_NONE;
	cleanup_fd int template = -EBADF;
	int result;

	config->snapshot_fd = -EBADF;
	config->snapshot_key = key;
	if (vm_snapshot_key(config, key, err) == 0) {
		result = template_ask(launch, key, &template, &use, err);
		if (result < 0)
			return result;
	}
	if (use == TEMPLATE_READ || use == TEMPLATE_READ_TRUSTED) {
		config->snapshot_fd = template;
		config->snapshot_trusted = use == TEMPLATE_READ_TRUSTED;
		if (vm_create(vm, config, err) == 0) {
			log_debug("the guest goes on from a template");
			if (use == TEMPLATE_READ)
				(void)message_send(launch->child.socket, LAUNCH_TEMPLATE_WHOLE, NULL, 0, -1);
			return 0;
		}
		log_debug("%s", err->message);
		(void)message_send(launch->child.socket, LAUNCH_TEMPLATE_BAD, NULL, 0, -1);
		config->snapshot_fd = -EBADF;
	}
	result = vm_create(vm, config, err);
	if (result == 0 && use == TEMPLATE_SAVE) {
		memcpy(launch->vm.template_key, key, VM_KEY_BYTES);
		launch->vm.template_fd = take_fd(&template);
	}
	return result;
}

static int microvm_create(struct launch *launch, struct vm_config *config, struct vm **vm, struct error *err)
{
	unsigned char key[VM_KEY_BYTES];
	struct vm_host host;
	int result = vm_host_probe(config->kvm_fd, &host, err);

	if (result < 0)
		return result;
	config->host = &host;
	result = launch->vm.checkpoint_fd >= 0 ? microvm_go_on(launch, config, vm, err)
					       : microvm_go_on_or_boot(launch, config, key, vm, err);
	/* They end here; the machine has copied what it needs. */
	config->host = NULL;
	config->snapshot_key = NULL;
	return result;
}

static int microvm_make(struct launch *launch, int share, struct monitor **monitor, struct error *err)
{
	const struct launch_vm *options = &launch->vm;
	struct blk_options root = { .fd = options->image_fd, .id = "duet-root" };
	struct net_options nets[VM_NETS_MAX];
	struct vm_config config = {
		.kvm_fd = options->kvm_fd,
		.kernel_fd = options->kernel_fd,
		.kernel_name = options->kernel_name,
		.initrd_fd = options->initrd_fd,
		.cmdline = options->cmdline,
		.boot_protocol = options->boot,
		.memory_bytes = options->memory_bytes,
		.memory_pages = options->huge_pages ? GUEST_PAGES_HUGE : GUEST_PAGES_TRANSPARENT,
		.vcpus = options->vcpus,
		.share_fd = share,
		.share_descriptors_max = SHARE_DESCRIPTORS_MAX,
		/* Nothing but what is shared needs them. */
		.share_capabilities = geteuid() == 0 && launch->plan.rootfs.mount_count,
		.disks = &root,
		.disk_count = options->image_fd >= 0,
		.nets = nets,
		.console_fd = options->console ? STDERR_FILENO : options->log_fd,
	};
	struct monitor_streams streams;
	struct vm *vm = NULL;
	int result = microvm_streams(launch, &streams, err);

	if (result == 0)
		result = microvm_join_network(launch, nets, &config.net_count, err);
	if (result == 0)
		result = microvm_create(launch, &config, &vm, err);
	/* It is the disk's now. */
	if (result == 0)
		launch->vm.image_fd = launch->vm.passt_fd = -EBADF;
	if (result == 0)
		result = monitor_create(monitor, launch, vm, &streams, err);
	return result < 0 ? result : microvm_let_streams_go(launch, err);
}

/* Whether one of the guest's first mounts covers this path. */
static bool covered(const struct rootfs_plan *guest, uint32_t mount_count, const char *path)
{
	for (uint32_t i = 0; i < mount_count; i++) {
		const char *earlier = guest->mounts[i].destination;
		size_t length = strlen(earlier);

		if (strncmp(path, earlier, length) == 0 && (path[length] == '/' || path[length] == '\0'))
			return true;
	}
	return false;
}

static int make_mount_point(int root, const struct mount_plan *mount, struct error *err)
{
	bool file = (mount->flags & MS_BIND) && !mount->source_is_directory;
	cleanup_fd int made = -EBADF;

	if (mount->link)
		return rootfs_make_link(root, mount, err);
	made = file ? make_file_in_root(root, mount->destination, 0644)
		    : make_directories_in_root(root, mount->destination, 0755);

	return made < 0 ? error_set(err, -made, "make the mount point \"%s\"", mount->destination) : 0;
}

/* The guest cannot make the mount points and the working directory that a read-only root lacks, since it is read-only
 * on this side: they are made here, as they are for a container. */
static int microvm_make_mount_points(const struct launch *launch, struct error *err)
{
	const struct rootfs_plan *guest = &launch->vm.guest.rootfs;
	const char *directory = guest->working_directory;
	cleanup_fd int root = -EBADF;
	int result = 0;

	if (!guest->readonly || launch->vm.root_is_image)
		return 0;
	root = open(launch->plan.rootfs.mounts[0].source, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_set(err, errno, "open the root file system %s", launch->plan.rootfs.mounts[0].source);
	for (uint32_t i = 0; i < guest->mount_count && result == 0; i++) {
		if (!covered(guest, i, guest->mounts[i].destination))
			result = make_mount_point(root, &guest->mounts[i], err);
	}
	/* Whether it could be made shows when the process enters it. */
	if (result == 0 && directory && !covered(guest, guest->mount_count, directory)) {
		int made = make_directories_in_root(root, directory, 0755);

		close_fd(&made);
	}
	return result;
}

static int microvm_build_jail(struct launch *launch, struct rootfs **rootfs, int *share, struct error *err)
{
	int result = microvm_make_mount_points(launch, err);

	if (result == 0)
		result = rootfs_open(rootfs, &launch->plan.rootfs, err);
	if (result == 0)
		result = rootfs_mount(*rootfs, err);
	if (result == 0)
		result = launch_child_mounted(launch, err);
	if (result < 0)
		return result;
	*share = openat(rootfs_directory(*rootfs), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *share < 0 ? error_set(err, errno, "open the monitor's root") : 0;
}

static void microvm_close(struct launch *launch)
{
	close_fd(&launch->vm.kvm_fd);
	close_fd(&launch->vm.kernel_fd);
	close_fd(&launch->vm.initrd_fd);
	close_fd(&launch->vm.image_fd);
	close_fd(&launch->vm.passt_fd);
	close_fd(&launch->vm.checkpoint_fd);
}

/* The caller's descriptors, whatever they are, have no business in a monitor, which keeps what it does not close. */
static void microvm_close_inherited(const struct launch *launch)
{
	int keep[] = {
		launch->child.socket,
		launch->listener_fd,
		launch->vm.kvm_fd,
		launch->vm.kernel_fd,
		launch->vm.initrd_fd,
		launch->vm.image_fd,
		launch->vm.passt_fd,
		launch->vm.debug_fd,
		launch->vm.log_fd,
		launch->vm.checkpoint_fd,
		log_descriptor(),
	};

	close_all_but(keep, ARRAY_SIZE(keep));
}

static int microvm_child(struct launch *launch, struct error *err)
{
	struct rootfs *rootfs = NULL;
	struct monitor *monitor = NULL;
	int share = -EBADF, result;

	microvm_close_inherited(launch);
	result = microvm_build_jail(launch, &rootfs, &share, err);
	/* Guest memory is this process's. */
	if (result == 0)
		result = process_set_memory_policy(&launch->process.memory_policy, err);
	if (result == 0)
		result = microvm_make(launch, share, &monitor, err);
	if (result == 0)
		result = rootfs_pivot(rootfs, err);
	if (result == 0)
		result = rootfs_finish(rootfs, err);
	rootfs_close(&rootfs);
	if (result < 0)
		return result;
	microvm_close(launch);
	return monitor_run(monitor, err);
}

static void microvm_release(struct launch *launch)
{
	struct launch_vm *vm = &launch->vm;

	microvm_close(launch);
	close_fd(&vm->template.directory_fd);
	close_fd(&vm->template.fd);
	close_fd(&vm->debug_fd);
	close_fd(&vm->log_fd);
	close_fd(&vm->template.read_fd);
	container_plan_free(&vm->guest);
	network_plan_free(&vm->network);
	strbuf_free(&vm->limits);
	free_pointer(&vm->kernel_name);
	free_pointer(&vm->cmdline);
}

/* A network namespace that was there before outlives the monitor, and with it the redirections. */
static void microvm_forget(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->namespace_count; i++) {
		const struct oci_namespace *namespace = &spec->namespaces[i];
		struct error err;

		if (namespace->kind == NAMESPACE_NETWORK && namespace->path &&
			network_release(namespace->path, &err) < 0)
			log_warning("%s", err.message);
	}
}

const struct isolation isolation_microvm = {
	.name = "microvm",
	.has_image = microvm_has_image,
	.prepare = microvm_prepare,
	.child = microvm_child,
	.release = microvm_release,
	.forget = microvm_forget,
	.signal = microvm_signal,
	.exec_prepare = exec_microvm_prepare,
	.exec_child = exec_microvm_child,
	.processes = microvm_processes,
	.pause = microvm_pause,
	.update = microvm_update,
	.checkpoint = microvm_checkpoint,
	.statistics = microvm_statistics,
};
