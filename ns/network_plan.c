/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/network_plan.h"

#include <string.h>
#include <sys/socket.h>

#include "base/alloc.h"

/* Smallest encodings of one element, for wire_get_count(). */
enum { INTERFACE_WIRE_BYTES = 20, ADDRESS_WIRE_BYTES = 26, ROUTE_WIRE_BYTES = 35, NEIGHBOUR_WIRE_BYTES = 19 };

void network_plan_free(struct network_plan *plan)
{
	free(plan->interfaces);
	free(plan->addresses);
	free(plan->routes);
	free(plan->neighbours);
	*plan = (struct network_plan){ 0 };
}

static void put_ip(const struct network_ip *ip, struct strbuf *out)
{
	wire_put_bytes(out, ip->bytes, ip->length);
}

static void put_interface(const struct network_interface *interface, struct strbuf *out)
{
	wire_put_string(out, interface->name);
	wire_put_bytes(out, interface->mac, sizeof(interface->mac));
	wire_put_u32(out, interface->mtu);
	wire_put_u8(out, interface->own_link_local);
}

static void put_address(const struct network_address *address, struct strbuf *out)
{
	wire_put_u32(out, address->interface);
	put_ip(&address->local, out);
	put_ip(&address->peer, out);
	put_ip(&address->broadcast, out);
	wire_put_u8(out, address->prefix_length);
	wire_put_u8(out, address->scope);
	wire_put_u32(out, address->flags);
	wire_put_u32(out, address->metric);
}

static void put_route(const struct network_route *route, struct strbuf *out)
{
	wire_put_u32(out, route->interface);
	wire_put_u8(out, route->family);
	wire_put_u8(out, route->destination_length);
	wire_put_u8(out, route->type);
	wire_put_u8(out, route->scope);
	wire_put_u8(out, route->protocol);
	wire_put_u8(out, route->service);
	put_ip(&route->destination, out);
	put_ip(&route->gateway, out);
	put_ip(&route->source, out);
	wire_put_u8(out, route->onlink);
	wire_put_u32(out, route->metric);
	wire_put_u32(out, route->mtu);
	wire_put_u32(out, route->maximum_segment);
}

static void put_neighbour(const struct network_neighbour *neighbour, struct strbuf *out)
{
	wire_put_u32(out, neighbour->interface);
	put_ip(&neighbour->address, out);
	wire_put_bytes(out, neighbour->mac, sizeof(neighbour->mac));
	wire_put_u8(out, neighbour->flags);
}

void network_plan_encode(const struct network_plan *plan, struct strbuf *out)
{
	wire_put_u32(out, plan->interface_count);
	for (uint32_t i = 0; i < plan->interface_count; i++)
		put_interface(&plan->interfaces[i], out);
	wire_put_u32(out, plan->address_count);
	for (uint32_t i = 0; i < plan->address_count; i++)
		put_address(&plan->addresses[i], out);
	wire_put_u32(out, plan->route_count);
	for (uint32_t i = 0; i < plan->route_count; i++)
		put_route(&plan->routes[i], out);
	wire_put_u32(out, plan->neighbour_count);
	for (uint32_t i = 0; i < plan->neighbour_count; i++)
		put_neighbour(&plan->neighbours[i], out);
}

/* A blob of exactly that many bytes. */
static void get_exact(struct wire_reader *in, unsigned char *place, size_t wanted)
{
	size_t length;
	cleanup_free unsigned char *bytes = wire_get_bytes(in, &length);

	if (in->failed || length != wanted)
		in->failed = true;
	else
		memcpy(place, bytes, wanted);
}

static struct network_ip get_ip(struct wire_reader *in)
{
	struct network_ip ip = { 0 };
	size_t length;
	cleanup_free unsigned char *bytes = wire_get_bytes(in, &length);

	if (length != 0 && length != 4 && length != 16)
		in->failed = true;
	if (in->failed)
		return ip;
	ip.length = (uint8_t)length;
	if (length)
		memcpy(ip.bytes, bytes, length);
	return ip;
}

static void get_interface(struct network_interface *interface, struct wire_reader *in)
{
	cleanup_free char *name = wire_get_string(in);

	if (!name || !*name || strlen(name) >= sizeof(interface->name))
		in->failed = true;
	else
		memcpy(interface->name, name, strlen(name));
	get_exact(in, interface->mac, sizeof(interface->mac));
	interface->mtu = wire_get_u32(in);
	interface->own_link_local = wire_get_u8(in) != 0;
}

static void get_address(struct network_address *address, struct wire_reader *in)
{
	address->interface = wire_get_u32(in);
	address->local = get_ip(in);
	address->peer = get_ip(in);
	address->broadcast = get_ip(in);
	address->prefix_length = wire_get_u8(in);
	address->scope = wire_get_u8(in);
	address->flags = wire_get_u32(in);
	address->metric = wire_get_u32(in);
	if (!address->local.length || address->prefix_length > address->local.length * 8)
		in->failed = true;
}

static void get_route(struct network_route *route, struct wire_reader *in)
{
	size_t length;

	route->interface = wire_get_u32(in);
	route->family = wire_get_u8(in);
	route->destination_length = wire_get_u8(in);
	route->type = wire_get_u8(in);
	route->scope = wire_get_u8(in);
	route->protocol = wire_get_u8(in);
	route->service = wire_get_u8(in);
	route->destination = get_ip(in);
	route->gateway = get_ip(in);
	route->source = get_ip(in);
	route->onlink = wire_get_u8(in) != 0;
	route->metric = wire_get_u32(in);
	route->mtu = wire_get_u32(in);
	route->maximum_segment = wire_get_u32(in);
	length = route->family == AF_INET ? 4 : 16;
	if ((route->family != AF_INET && route->family != AF_INET6) ||
		(route->destination.length && route->destination.length != length) ||
		route->destination_length > route->destination.length * 8)
		in->failed = true;
}

static void get_neighbour(struct network_neighbour *neighbour, struct wire_reader *in)
{
	neighbour->interface = wire_get_u32(in);
	neighbour->address = get_ip(in);
	get_exact(in, neighbour->mac, sizeof(neighbour->mac));
	neighbour->flags = wire_get_u8(in);
	if (!neighbour->address.length)
		in->failed = true;
}

static bool interfaces_exist(const struct network_plan *plan)
{
	bool good = true;

	for (uint32_t i = 0; i < plan->address_count; i++)
		good = good && plan->addresses[i].interface < plan->interface_count;
	for (uint32_t i = 0; i < plan->route_count; i++)
		good = good && (plan->routes[i].interface < plan->interface_count ||
				       plan->routes[i].interface == NETWORK_NO_INTERFACE);
	for (uint32_t i = 0; i < plan->neighbour_count; i++)
		good = good && plan->neighbours[i].interface < plan->interface_count;
	return good;
}

static void *get_array(struct wire_reader *in, uint32_t *count, size_t wire_bytes, size_t element_bytes)
{
	*count = wire_get_count(in, wire_bytes);
	return *count ? xcalloc(*count, element_bytes) : NULL;
}

static void get_plan(struct network_plan *plan, struct wire_reader *in)
{
	plan->interfaces = get_array(in, &plan->interface_count, INTERFACE_WIRE_BYTES, sizeof(*plan->interfaces));
	for (uint32_t i = 0; i < plan->interface_count; i++)
		get_interface(&plan->interfaces[i], in);
	plan->addresses = get_array(in, &plan->address_count, ADDRESS_WIRE_BYTES, sizeof(*plan->addresses));
	for (uint32_t i = 0; i < plan->address_count; i++)
		get_address(&plan->addresses[i], in);
	plan->routes = get_array(in, &plan->route_count, ROUTE_WIRE_BYTES, sizeof(*plan->routes));
	for (uint32_t i = 0; i < plan->route_count; i++)
		get_route(&plan->routes[i], in);
	plan->neighbours = get_array(in, &plan->neighbour_count, NEIGHBOUR_WIRE_BYTES, sizeof(*plan->neighbours));
	for (uint32_t i = 0; i < plan->neighbour_count; i++)
		get_neighbour(&plan->neighbours[i], in);
}

int network_plan_decode(struct network_plan *plan, struct wire_reader *in, struct error *err)
{
	struct network_plan read = { 0 };

	get_plan(&read, in);
	if (in->failed || !interfaces_exist(&read)) {
		network_plan_free(&read);
		return error_set(err, -EBADMSG, "decode the plan of a network: it is short or malformed");
	}
	*plan = read;
	return 0;
}
