/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/network.h"

#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "ns/netlink_library.h"
#include "ns/rtnetlink.h"

/* Flags of an address that somebody chose; the others are states that the kernel finds anew. */
#define CHOSEN_ADDRESS_FLAGS \
	(IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

struct address {
	struct ifaddrmsg header;
	uint32_t flags, priority;
	unsigned char local[16], address[16], broadcast[16];
	uint16_t local_length, address_length, broadcast_length;
};

struct address_list {
	unsigned int interface;
	struct address *addresses;
	size_t count;
};

struct index_list {
	unsigned int *indices;
	size_t count;
	const char *wanted_name;
	bool name_taken;
};

/* A socket keeps the namespace in which it was made. */
static struct mnl_socket *open_socket_in(int namespace, int own_namespace, struct error *err)
{
	cleanup_rtnetlink struct mnl_socket *socket = NULL;

	if (setns(namespace, CLONE_NEWNET) < 0) {
		(void)error_set(err, errno, "enter the container's network namespace");
		return NULL;
	}
	socket = rtnetlink_open();
	if (!socket)
		(void)error_set(err, errno, "open a netlink socket in the container's network namespace");
	if (setns(own_namespace, CLONE_NEWNET) < 0) {
		(void)error_set(err, errno, "return from the container's network namespace");
		return NULL;
	}
	return take_pointer(&socket);
}

static uint16_t keep_bytes(const struct nlattr *attribute, unsigned char bytes[16])
{
	uint16_t length = mnl_attr_get_payload_len(attribute);

	if (length > 16)
		return 0;
	memcpy(bytes, mnl_attr_get_payload(attribute), length);
	return length;
}

static int note_address(const struct nlmsghdr *message, void *data)
{
	const struct ifaddrmsg *header = mnl_nlmsg_get_payload(message);
	struct address address = { .header = *header, .flags = header->ifa_flags };
	struct address_list *list = data;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		switch (mnl_attr_get_type(attribute)) {
		case IFA_LOCAL:
			address.local_length = keep_bytes(attribute, address.local);
			break;
		case IFA_ADDRESS:
			address.address_length = keep_bytes(attribute, address.address);
			break;
		case IFA_BROADCAST:
			address.broadcast_length = keep_bytes(attribute, address.broadcast);
			break;
		case IFA_FLAGS:
			address.flags = mnl_attr_get_u32(attribute);
			break;
		case IFA_RT_PRIORITY:
			address.priority = mnl_attr_get_u32(attribute);
			break;
		}
	}
	if (header->ifa_index != list->interface || header->ifa_scope != RT_SCOPE_UNIVERSE ||
		!(address.flags & IFA_F_PERMANENT))
		return MNL_CB_OK;
	list->addresses = xrealloc(list->addresses, list->count + 1, sizeof(*list->addresses));
	list->addresses[list->count++] = address;
	return MNL_CB_OK;
}

static int list_addresses(struct mnl_socket *socket, struct address_list *list)
{
	return rtnetlink_list(
		socket, RTM_GETADDR, AF_UNSPEC, sizeof(struct ifaddrmsg), note_address, list, &list->count);
}

static int add_address(struct mnl_socket *socket, unsigned int interface, const struct address *address)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *header;

	message->nlmsg_type = RTM_NEWADDR;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	*header = address->header;
	header->ifa_index = interface;
	header->ifa_flags = (unsigned char)(address->flags & CHOSEN_ADDRESS_FLAGS);
	if (address->local_length)
		mnl_attr_put(message, IFA_LOCAL, address->local_length, address->local);
	if (address->address_length)
		mnl_attr_put(message, IFA_ADDRESS, address->address_length, address->address);
	if (address->broadcast_length)
		mnl_attr_put(message, IFA_BROADCAST, address->broadcast_length, address->broadcast);
	mnl_attr_put_u32(message, IFA_FLAGS, address->flags & CHOSEN_ADDRESS_FLAGS);
	if (address->priority)
		mnl_attr_put_u32(message, IFA_RT_PRIORITY, address->priority);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int note_index(const struct nlmsghdr *message, void *data)
{
	const struct ifinfomsg *header = mnl_nlmsg_get_payload(message);
	struct index_list *list = data;
	const struct nlattr *attribute;

	if (!list->count)
		list->name_taken = false;
	mnl_attr_for_each(attribute, message, sizeof(*header))
	{
		if (mnl_attr_get_type(attribute) == IFLA_IFNAME && list->wanted_name &&
			strcmp(mnl_attr_get_str(attribute), list->wanted_name) == 0)
			list->name_taken = true;
	}
	list->indices = xrealloc(list->indices, list->count + 1, sizeof(*list->indices));
	list->indices[list->count++] = (unsigned int)header->ifi_index;
	return MNL_CB_OK;
}

static int list_links(struct mnl_socket *socket, struct index_list *list)
{
	return rtnetlink_list(socket, RTM_GETLINK, AF_UNSPEC, sizeof(struct ifinfomsg), note_index, list, &list->count);
}

static struct ifinfomsg *put_link_header(struct nlmsghdr *message, unsigned int interface)
{
	struct ifinfomsg *header;

	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header = mnl_nlmsg_put_extra_header(message, sizeof(*header));
	header->ifi_family = AF_UNSPEC;
	header->ifi_index = (int)interface;
	return header;
}

/* Move and rename are one request: there is no moment at which the device is there under its old name. */
static int move_link(struct mnl_socket *socket, unsigned int interface, int namespace, const char *name)
{
	char buffer[512];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);

	(void)put_link_header(message, interface);
	mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t) namespace);
	mnl_attr_put_strz(message, IFLA_IFNAME, name);
	return rtnetlink_talk(socket, message, NULL, NULL);
}

static int bring_link_up(struct mnl_socket *socket, unsigned int interface)
{
	char buffer[256];
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *header = put_link_header(message, interface);

	header->ifi_change = IFF_UP;
	header->ifi_flags = IFF_UP;
	return rtnetlink_talk(socket, message, NULL, NULL);
}

/* The interface that was not there before. Its number may have changed on the way, its name if it was a template. */
static unsigned int find_new_link(struct mnl_socket *socket, const struct index_list *before)
{
	struct index_list after = { 0 };
	unsigned int found = 0;

	if (list_links(socket, &after) == 0) {
		for (size_t i = 0; i < after.count && !found; i++) {
			bool known = false;

			for (size_t k = 0; k < before->count; k++)
				known = known || before->indices[k] == after.indices[i];
			if (!known)
				found = after.indices[i];
		}
	}
	free(after.indices);
	return found;
}

static int set_up_moved(struct mnl_socket *inside, const struct index_list *before,
	const struct address_list *addresses, const char *name, struct error *err)
{
	unsigned int interface = find_new_link(inside, before);
	int result = 0;

	if (!interface)
		return error_set(err, -ENODEV, "find the network device \"%s\" in the container", name);
	for (size_t i = 0; i < addresses->count && result == 0; i++)
		result = add_address(inside, interface, &addresses->addresses[i]);
	if (result < 0)
		return error_set(err, -result, "give the network device \"%s\" its addresses in the container", name);
	result = bring_link_up(inside, interface);
	return result < 0 ? error_set(err, -result, "bring the network device \"%s\" up in the container", name) : 0;
}

/* The kernel would move the device first and then fail to rename it, and it would be lost with the container. */
static int check_name(
	const struct index_list *links, const char *host_name, const char *container_name, struct error *err)
{
	if (!links->name_taken)
		return 0;
	return error_set(
		err, EEXIST, "move the network device \"%s\" into the container as \"%s\"", host_name, container_name);
}

static int move_and_set_up(struct mnl_socket *outside, struct mnl_socket *inside, int namespace, const char *host_name,
	const char *container_name, struct address_list *addresses, struct index_list *before, struct error *err)
{
	int result = list_addresses(outside, addresses);

	if (result == 0)
		result = list_links(inside, before);
	if (result < 0)
		return error_set(err, -result, "read the addresses of the network device \"%s\"", host_name);
	result = check_name(before, host_name, container_name, err);
	if (result < 0)
		return result;
	result = move_link(outside, addresses->interface, namespace, container_name);
	if (result < 0)
		return error_set(err, -result, "move the network device \"%s\" into the container as \"%s\"", host_name,
			container_name);
	return set_up_moved(inside, before, addresses, container_name, err);
}

static int move_with_sockets(struct mnl_socket *outside, struct mnl_socket *inside, int namespace,
	const char *host_name, const char *container_name, struct error *err)
{
	struct address_list addresses = { .interface = if_nametoindex(host_name) };
	struct index_list before = { .wanted_name = container_name };
	int result;

	if (!addresses.interface)
		return error_set(err, errno, "find the network device \"%s\"", host_name);
	result = move_and_set_up(outside, inside, namespace, host_name, container_name, &addresses, &before, err);
	free(addresses.addresses);
	free(before.indices);
	return result;
}

static int refuse_own_namespace(int namespace, int own_namespace, const char *host_name, struct error *err)
{
	struct stat theirs, ours;

	if (fstat(namespace, &theirs) < 0 || fstat(own_namespace, &ours) < 0)
		return error_set(err, errno, "look at the container's network namespace");
	if (theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino)
		return error_set(err, -EINVAL,
			"move the network device \"%s\": the container has no network namespace of its own", host_name);
	return 0;
}

int network_move_device(const char *host_name, const char *container_name, pid_t pid, struct error *err)
{
	cleanup_rtnetlink struct mnl_socket *outside = NULL;
	cleanup_rtnetlink struct mnl_socket *inside = NULL;
	cleanup_fd int namespace = -EBADF, own_namespace = -EBADF;
	cleanup_free char *path = xprintf("/proc/%d/ns/net", (int)pid);
	int result;

	namespace = open(path, O_RDONLY | O_CLOEXEC);
	own_namespace = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (namespace < 0 || own_namespace < 0)
		return error_set(err, errno, "open the container's network namespace");
	result = refuse_own_namespace(namespace, own_namespace, host_name, err);
	if (result < 0)
		return result;
	if (strlen(host_name) >= IFNAMSIZ || strlen(container_name) >= IFNAMSIZ)
		return error_set(err, -EINVAL,
			"move the network device \"%s\" as \"%s\": a name has at most %d characters", host_name,
			container_name, IFNAMSIZ - 1);
	result = netlink_library_load(err);
	if (result < 0)
		return result;
	outside = rtnetlink_open();
	if (!outside)
		return error_set(err, errno, "open a netlink socket");
	inside = open_socket_in(namespace, own_namespace, err);
	if (!inside)
		return err ? -err->code : -EIO;
	return move_with_sockets(outside, inside, namespace, host_name, container_name, err);
}
