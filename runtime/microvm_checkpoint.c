/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/microvm_checkpoint.h"

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/wire.h"
#include "runtime/control.h"

#define END_TIMEOUT_MS 10000

const char *microvm_checkpoint_path(const struct checkpoint_options *options)
{
	return options->image_path ? options->image_path : "checkpoint";
}

bool microvm_checkpoint_is_there(const struct checkpoint_options *options)
{
	cleanup_free char *path = xprintf("%s/" MICROVM_CHECKPOINT_FILE, microvm_checkpoint_path(options));

	return access(path, F_OK) == 0;
}

/* ---- saving ---- */

/* What only means something to criu. */
static int refuse_options(const struct checkpoint_options *options, struct error *err)
{
	const char *name = options->pre_dump      ? "--pre-dump"
			   : options->parent_path ? "--parent-path"
			   : options->page_server ? "--page-server"
			   : options->lazy_pages  ? "--lazy-pages"
						  : NULL;

	return name ? error_set(err, -ENOTSUP, "%s: the container is a micro-VM, whose memory is written at once", name)
		    : 0;
}

static int open_directory(const char *path, struct error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT && mkdir(path, 0700) == 0)
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_set(err, errno, "open the checkpoint's directory %s", path) : fd;
}

static int order(
	const struct container *container, const struct checkpoint_options *options, int file, struct error *err)
{
	cleanup_free struct message *answer = message_new();
	cleanup_strbuf struct strbuf request = STRBUF_INIT;
	cleanup_fd int connection = control_connect(container, err);

	if (connection < 0)
		return connection;
	wire_put_u32(&request, options->leave_running);
	wire_put_u32(&request, options->compress);
	return control_request(connection, CONTROL_CHECKPOINT, &request, file, LAUNCH_DONE, answer, err);
}

/* The file has its name when it is complete. */
static int save(
	const struct container *container, const struct checkpoint_options *options, int directory, struct error *err)
{
	cleanup_free char *temporary = xprintf(".%s.%d", MICROVM_CHECKPOINT_FILE, (int)getpid());
	cleanup_fd int file = openat(directory, temporary, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result;

	if (file < 0)
		return error_set(err, errno, "make a file in the directory of the checkpoint");
	result = order(container, options, file, err);
	if (result == 0 && renameat(directory, temporary, directory, MICROVM_CHECKPOINT_FILE) < 0)
		result = error_set(err, errno, "make the checkpoint's file \"" MICROVM_CHECKPOINT_FILE "\"");
	if (result < 0)
		(void)unlinkat(directory, temporary, 0);
	return result;
}

int microvm_checkpoint(const struct container *container, const struct checkpoint_options *options, struct error *err)
{
	const char *path = microvm_checkpoint_path(options);
	cleanup_fd int pidfd = container_pidfd(container), directory = open_directory(path, err);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };
	int result = directory < 0 ? directory : refuse_options(options, err);

	if (result == 0)
		result = save(container, options, directory, err);

	if (result < 0)
		return error_prefix(err, "checkpoint container \"%s\"", container->id);
	if (!options->leave_running && pidfd >= 0)
		(void)poll(&ended, 1, END_TIMEOUT_MS);
	return 0;
}

/* ---- going on ---- */

int microvm_checkpoint_open(const char *image_path, struct error *err)
{
	cleanup_free char *path = xprintf("%s/" MICROVM_CHECKPOINT_FILE, image_path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? error_set(err, errno, "open the checkpoint of a micro-VM %s", path) : fd;
}

static bool is_link_local(const struct network_address *address)
{
	return address->local.length == 16 && address->scope == RT_SCOPE_LINK;
}

/* Without the addresses that each kernel makes from the interface's own, the guest's too: on the host they come a
 * moment after the interface is up, which may be before or after a machine is made. */
void microvm_checkpoint_put_owner(const struct launch *launch, struct strbuf *owner)
{
	struct network_plan network = launch->vm.network;
	cleanup_free struct network_address *addresses = xcalloc(network.address_count + 1, sizeof(*addresses));

	network.addresses = addresses;
	network.address_count = 0;
	for (uint32_t i = 0; i < launch->vm.network.address_count; i++) {
		if (!is_link_local(&launch->vm.network.addresses[i]))
			addresses[network.address_count++] = launch->vm.network.addresses[i];
	}
	wire_put_u8(owner, launch->process.terminal);
	network_plan_encode(&network, owner);
}

int microvm_checkpoint_check_owner(const struct launch *launch, const struct strbuf *owner, struct error *err)
{
	cleanup_strbuf struct strbuf here = STRBUF_INIT;

	microvm_checkpoint_put_owner(launch, &here);
	if (!owner->length || owner->data[0] != here.data[0])
		return error_set(err, -ESTALE, "its container has %s terminal, and this one %s one",
			here.data[0] ? "no" : "a", here.data[0] ? "has" : "has not");
	if (owner->length != here.length || memcmp(owner->data, here.data, here.length) != 0)
		return error_set(err, -ESTALE,
			"the interfaces, addresses or routes of the network namespace are not those that its guest "
			"has");
	return 0;
}
