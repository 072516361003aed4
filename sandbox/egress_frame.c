/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: Ethernet, IP of both versions, TCP, UDP. The sandbox's every byte is a hostile one. */
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sandbox/egress_internal.h"

enum {
	IPV4_BYTES = 20,
	IPV6_BYTES = 40,
	TCP_BYTES = 20,
	UDP_BYTES = 8,
	TCP_FIN_SYN = 0x03,
	TCP_RST = 0x04,
	TCP_SYN = 0x02,
	TCP_ACK = 0x10,
	HOPS = 64,
	DNS_PORT = 53,
	ICMP_UNREACHABLE = 3,
	ICMP_PROHIBITED = 13,
	ICMP6_UNREACHABLE = 1,
	ICMP6_PROHIBITED = 1,
};

struct packet {
	const uint8_t *frame, *ip, *segment; /* Ethernet's, IP's and TCP's or UDP's headers */
	size_t segment_length;
	size_t address_bytes; /* 4 or 16 */
	uint8_t protocol;
	struct egress_address source, destination;
	uint16_t source_port, destination_port; /* 0 where the protocol has none */
};

static bool parse_ipv4(struct packet *packet, size_t length)
{
	const uint8_t *ip = packet->ip;
	size_t header, total;

	if (length < IPV4_BYTES || ip[0] >> 4 != 4)
		return false;
	header = (size_t)(ip[0] & 15) * 4;
	total = get16(ip + 2);
	/* Fragments hide what they are part of. */
	if (header < IPV4_BYTES || total < header || total > length || (get16(ip + 6) & 0x3fff))
		return false;
	packet->address_bytes = 4;
	packet->protocol = ip[9];
	packet->source = egress_address_of(ip + 12, 4);
	packet->destination = egress_address_of(ip + 16, 4);
	packet->segment = ip + header;
	packet->segment_length = total - header;
	return true;
}

/* Extension headers are not looked behind: what they carry is refused as an unknown protocol. */
static bool parse_ipv6(struct packet *packet, size_t length)
{
	const uint8_t *ip = packet->ip;

	if (length < IPV6_BYTES || ip[0] >> 4 != 6 || (size_t)get16(ip + 4) + IPV6_BYTES > length)
		return false;
	packet->address_bytes = 16;
	packet->protocol = ip[6];
	packet->source = egress_address_of(ip + 8, 16);
	packet->destination = egress_address_of(ip + 24, 16);
	packet->segment = ip + IPV6_BYTES;
	packet->segment_length = get16(ip + 4);
	return true;
}

static bool parse_ports(struct packet *packet)
{
	size_t least = packet->protocol == IPPROTO_TCP ? TCP_BYTES : UDP_BYTES;

	if (packet->protocol != IPPROTO_TCP && packet->protocol != IPPROTO_UDP)
		return true;
	if (packet->segment_length < least)
		return false;
	packet->source_port = get16(packet->segment);
	packet->destination_port = get16(packet->segment + 2);
	return true;
}

/* ---- replies ---- */

static uint32_t sum(uint32_t total, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		total += get16(data + i);
	if (length & 1)
		total += (uint32_t)data[length - 1] << 8;
	return total;
}

static uint16_t fold(uint32_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

/* Ethernet's and IP's headers of a frame back to where the packet came from; where the payload goes. */
static uint8_t *begin_reply(const struct packet *packet, uint8_t *frame, uint8_t protocol, size_t payload)
{
	uint8_t *ip = frame + ETH_HLEN;

	memcpy(frame, packet->frame + ETH_ALEN, ETH_ALEN);
	memcpy(frame + ETH_ALEN, packet->frame, ETH_ALEN);
	memcpy(frame + 12, packet->frame + 12, 2);
	memset(ip, 0, IPV6_BYTES);
	if (packet->address_bytes == 4) {
		ip[0] = 0x45;
		put16(ip + 2, (unsigned int)(IPV4_BYTES + payload));
		ip[8] = HOPS;
		ip[9] = protocol;
		memcpy(ip + 12, packet->ip + 16, 4);
		memcpy(ip + 16, packet->ip + 12, 4);
		put16(ip + 10, fold(sum(0, ip, IPV4_BYTES)));
		return ip + IPV4_BYTES;
	}
	ip[0] = 0x60;
	put16(ip + 4, (unsigned int)payload);
	ip[6] = protocol;
	ip[7] = HOPS;
	memcpy(ip + 8, packet->ip + 24, 16);
	memcpy(ip + 24, packet->ip + 8, 16);
	return ip + IPV6_BYTES;
}

static size_t end_reply(const struct packet *packet, const uint8_t *frame, const uint8_t *payload, size_t length)
{
	(void)packet;
	return (size_t)(payload - frame) + length;
}

/* With the pseudo header of the reply, whose addresses are the packet's. */
static uint16_t checksum(const struct packet *packet, uint8_t protocol, const uint8_t *payload, size_t length)
{
	size_t first = packet->address_bytes == 4 ? 12 : 8;
	uint32_t total = protocol + (uint32_t)length;

	total = sum(total, packet->ip + first, packet->address_bytes * 2);
	return fold(sum(total, payload, length));
}

static void reset_connection(const struct packet *packet, struct egress_reply *reply)
{
	uint8_t flags = packet->segment[13];
	size_t header = (size_t)(packet->segment[12] >> 4) * 4, data;
	uint8_t *tcp;
	uint32_t next;

	if ((flags & TCP_RST) || header < TCP_BYTES || header > packet->segment_length)
		return;
	tcp = begin_reply(packet, reply->frame, IPPROTO_TCP, TCP_BYTES);
	memset(tcp, 0, TCP_BYTES);
	put16(tcp, packet->destination_port);
	put16(tcp + 2, packet->source_port);
	tcp[12] = TCP_BYTES / 4 << 4;
	tcp[13] = TCP_RST;
	if (flags & TCP_ACK) {
		memcpy(tcp + 4, packet->segment + 8, 4);
	} else {
		data = packet->segment_length - header;
		next = ((uint32_t)get16(packet->segment + 4) << 16 | get16(packet->segment + 6)) + (uint32_t)data +
		       ((flags & TCP_FIN_SYN) != 0);
		put16(tcp + 8, next >> 16);
		put16(tcp + 10, next & 0xffff);
		tcp[13] |= TCP_ACK;
	}
	put16(tcp + 16, checksum(packet, IPPROTO_TCP, tcp, TCP_BYTES));
	reply->length = end_reply(packet, reply->frame, tcp, TCP_BYTES);
}

/* ICMP's "prohibited", with the beginning of what is. */
static void prohibit(const struct packet *packet, struct egress_reply *reply)
{
	bool old = packet->address_bytes == 4;
	uint8_t protocol = old ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	size_t quoted = (size_t)(packet->segment - packet->ip) + UDP_BYTES;
	uint8_t *icmp;

	if (packet->protocol != IPPROTO_UDP || ETH_HLEN + IPV6_BYTES + 8 + quoted > EGRESS_REPLY_MAX)
		return;
	icmp = begin_reply(packet, reply->frame, protocol, 8 + quoted);
	memset(icmp, 0, 8);
	icmp[0] = old ? ICMP_UNREACHABLE : ICMP6_UNREACHABLE;
	icmp[1] = old ? ICMP_PROHIBITED : ICMP6_PROHIBITED;
	memcpy(icmp + 8, packet->ip, quoted);
	put16(icmp + 2, old ? fold(sum(0, icmp, 8 + quoted)) : checksum(packet, protocol, icmp, 8 + quoted));
	reply->length = end_reply(packet, reply->frame, icmp, 8 + quoted);
}

/* ---- verdicts ---- */

static enum egress_verdict refuse(struct egress *egress, const struct packet *packet, struct egress_reply *reply)
{
	char what[EGRESS_NAME_MAX], address[64];

	egress_print_address(&packet->destination, address, sizeof(address));
	if (packet->protocol == IPPROTO_TCP || packet->protocol == IPPROTO_UDP)
		(void)snprintf(what, sizeof(what), "%s %s:%u", packet->protocol == IPPROTO_TCP ? "tcp" : "udp", address,
			packet->destination_port);
	else
		(void)snprintf(what, sizeof(what), "protocol %u %s", packet->protocol, address);
	egress_note_refusal(egress, what);
	if (packet->protocol == IPPROTO_TCP)
		reset_connection(packet, reply);
	else
		prohibit(packet, reply);
	return EGRESS_REFUSE;
}

static bool is_multicast(const struct packet *packet)
{
	return packet->address_bytes == 4 ? packet->destination.bytes[12] >= 224 : packet->destination.bytes[0] == 0xff;
}

/* A reply on a connection that came in for a published port; the sandbox cannot begin one that way. */
static bool is_published(const struct egress *egress, const struct packet *packet)
{
	if (packet->protocol != IPPROTO_TCP || (packet->segment[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN)
		return false;
	for (size_t i = 0; i < egress->published_count; i++) {
		if (egress->published[i] == packet->source_port)
			return true;
	}
	return false;
}

enum egress_verdict egress_look(struct egress *egress, const uint8_t *frame, size_t length, const uint8_t **message,
	size_t *message_length, struct egress_reply *reply)
{
	struct packet packet = { .frame = frame, .ip = frame + ETH_HLEN };
	uint16_t type = length > ETH_HLEN ? get16(frame + 12) : 0;
	bool good = false;

	reply->length = 0;
	if (type == ETH_P_IP)
		good = parse_ipv4(&packet, length - ETH_HLEN);
	else if (type == ETH_P_IPV6)
		good = parse_ipv6(&packet, length - ETH_HLEN);
	if (!good || !parse_ports(&packet) || is_multicast(&packet))
		return EGRESS_DROP;
	if (memcmp(&packet.destination, &egress->name_server, sizeof(packet.destination)) == 0) {
		if (packet.protocol != IPPROTO_UDP || packet.destination_port != DNS_PORT)
			return refuse(egress, &packet, reply);
		*message = packet.segment + UDP_BYTES;
		*message_length = packet.segment_length - UDP_BYTES;
		return EGRESS_ASK;
	}
	if (is_published(egress, &packet))
		return EGRESS_PASS;
	/* Errors and echoes carry what they like: not where there is a list. */
	if (packet.protocol != IPPROTO_TCP && packet.protocol != IPPROTO_UDP && egress->listed)
		return refuse(egress, &packet, reply);
	return egress_may_reach(egress, &packet.destination, packet.destination_port) ? EGRESS_PASS
										      : refuse(egress, &packet, reply);
}

size_t egress_answer(const uint8_t *question_frame, const uint8_t *payload, size_t length, uint8_t *frame, size_t size)
{
	struct packet packet = { .frame = question_frame, .ip = question_frame + ETH_HLEN };
	bool old = get16(question_frame + 12) == ETH_P_IP;
	uint8_t *udp;

	if (ETH_HLEN + IPV6_BYTES + UDP_BYTES + length > size || length > UINT16_MAX - IPV6_BYTES - UDP_BYTES)
		return 0;
	/* The frame was looked at when it came. */
	if (!(old ? parse_ipv4(&packet, UINT16_MAX) : parse_ipv6(&packet, UINT16_MAX + IPV6_BYTES)) ||
		!parse_ports(&packet))
		return 0;
	udp = begin_reply(&packet, frame, IPPROTO_UDP, UDP_BYTES + length);
	put16(udp, packet.destination_port);
	put16(udp + 2, packet.source_port);
	put16(udp + 4, (unsigned int)(UDP_BYTES + length));
	put16(udp + 6, 0);
	memcpy(udp + UDP_BYTES, payload, length);
	put16(udp + 6, checksum(&packet, IPPROTO_UDP, udp, UDP_BYTES + length));
	return end_reply(&packet, frame, udp, UDP_BYTES + length);
}
