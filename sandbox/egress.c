/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/egress.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "sandbox/egress_internal.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

struct egress_address egress_address_of(const uint8_t *bytes, size_t length)
{
	struct egress_address address;

	memcpy(address.bytes, mapped_prefix, sizeof(mapped_prefix));
	memcpy(length == 4 ? address.bytes + 12 : address.bytes, bytes, length == 4 ? 4 : 16);
	return address;
}

static bool is_mapped(const struct egress_address *address)
{
	return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static bool is_same(const struct egress_address *left, const struct egress_address *right)
{
	return memcmp(left->bytes, right->bytes, sizeof(left->bytes)) == 0;
}

/* ---- rules ---- */

static bool parse_address(const char *text, struct egress_address *address)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		*address = egress_address_of(bytes, 4);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		*address = egress_address_of(bytes, 16);
	else
		return false;
	return true;
}

static bool is_host_name(const char *text)
{
	if (strncmp(text, "*.", 2) == 0)
		text += 2;
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(text) && text[0] != '.' &&
	       !strstr(text, "..");
}

static bool parse_port(const char *text, uint16_t *port)
{
	uint64_t value;

	if (parse_u64(text, &value) < 0 || value > UINT16_MAX)
		return false;
	*port = (uint16_t)value;
	return value > 0;
}

/* Takes the port away from the text's end, and the brackets of an address. */
static bool split_port(char *text, uint16_t *port)
{
	char *colon = strrchr(text, ':');
	size_t length;

	*port = 0;
	if (text[0] == '[') {
		char *end = strchr(text, ']');

		if (!end || (end[1] && end[1] != ':') || (end[1] && !parse_port(end + 2, port)))
			return false;
		length = (size_t)(end - text) - 1;
		memmove(text, text + 1, length);
		text[length] = '\0';
		return true;
	}
	if (!colon || strchr(text, ':') != colon)
		return true; /* none, or an IPv6 address without one */
	*colon = '\0';
	return parse_port(colon + 1, port);
}

int egress_add_rule(struct egress *egress, const char *text, struct error *err)
{
	struct egress_rule rule = { .port = 0 };
	cleanup_free char *name = xstrdup(text);
	size_t length;
	bool good = split_port(name, &rule.port);

	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	length = strlen(name);
	if (length > 1 && name[length - 1] == '.')
		name[--length] = '\0';
	if (!good || length >= sizeof(rule.name))
		return error_set(err, -EINVAL, "--allow-host %s: NAME[:PORT] is expected", text);
	if (!parse_address(name, &rule.address)) {
		if (text[0] == '[' || !is_host_name(name))
			return error_set(err, -EINVAL, "--allow-host %s: this is neither a name nor an address", text);
		memcpy(rule.name, name, length + 1);
	}
	egress->rules = xrealloc(egress->rules, egress->rule_count + 1, sizeof(*egress->rules));
	egress->rules[egress->rule_count++] = rule;
	return 0;
}

bool egress_rule_is_for(const struct egress_rule *rule, const char *name)
{
	size_t length = strlen(name), suffix;

	if (rule->name[0] != '*')
		return rule->name[0] && strcmp(rule->name, name) == 0;
	suffix = strlen(rule->name) - 1; /* with its dot */
	return length > suffix && strcmp(name + length - suffix, rule->name + 1) == 0;
}

void egress_free(struct egress *egress)
{
	free(egress->rules);
	free(egress->published);
	free(egress->addresses);
	*egress = (struct egress){ .rule_count = 0 };
}

/* ---- addresses ---- */

/* Services of clouds that answer whoever is on the machine, at addresses that are not its link's: of Azure, Alibaba and
 * Oracle. */
static bool is_cloud_service(const uint8_t *bytes)
{
	static const uint8_t services[][4] = { { 168, 63, 129, 16 }, { 100, 100, 100, 200 }, { 192, 0, 0, 192 } };

	for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
		if (memcmp(bytes, services[i], sizeof(services[i])) == 0)
			return true;
	}
	return false;
}

/* The host's own, its link's, and what is no address of one machine. */
bool egress_is_special(const struct egress_address *address)
{
	const uint8_t *bytes = address->bytes;
	static const uint8_t zeros[15];

	if (is_mapped(address))
		return bytes[12] == 0 || bytes[12] == 127 || bytes[12] >= 224 ||
		       (bytes[12] == 169 && bytes[13] == 254) || is_cloud_service(bytes + 12);
	if (memcmp(bytes, zeros, 15) == 0 && bytes[15] <= 1)
		return true;
	/* Link-local, multicast; addresses in which IPv4's are hidden: compatible, 6to4, NAT64, Teredo; and those of
	 * clouds' metadata services. */
	return (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80) || bytes[0] == 0xff || memcmp(bytes, zeros, 12) == 0 ||
	       (bytes[0] == 0x20 && bytes[1] == 0x02) ||
	       memcmp(bytes, (const uint8_t[]){ 0x00, 0x64, 0xff, 0x9b }, 4) == 0 ||
	       memcmp(bytes, (const uint8_t[]){ 0x20, 0x01, 0, 0 }, 4) == 0 ||
	       memcmp(bytes, (const uint8_t[]){ 0xfd, 0x00, 0x0e, 0xc2 }, 4) == 0 ||
	       memcmp(bytes, (const uint8_t[]){ 0xfd, 0x20, 0x00, 0xce }, 4) == 0;
}

bool egress_may_reach(const struct egress *egress, const struct egress_address *address, uint16_t port)
{
	if (egress_is_special(address))
		return false;
	if (!egress->listed)
		return true;
	for (size_t i = 0; i < egress->rule_count; i++) {
		const struct egress_rule *rule = &egress->rules[i];

		if (!rule->name[0] && is_same(&rule->address, address) && (!rule->port || rule->port == port))
			return true;
	}
	for (size_t i = 0; i < egress->address_count; i++) {
		if (is_same(&egress->addresses[i].address, address) &&
			(!egress->addresses[i].port || egress->addresses[i].port == port))
			return true;
	}
	return false;
}

bool egress_allow(struct egress *egress, const struct egress_address *address, uint16_t port)
{
	if (egress_is_special(address))
		return false;
	for (size_t i = 0; i < egress->address_count; i++) {
		if (is_same(&egress->addresses[i].address, address) && egress->addresses[i].port == port)
			return true;
	}
	if (egress->address_count == EGRESS_ADDRESSES_MAX)
		return false;
	egress->addresses = xrealloc(egress->addresses, egress->address_count + 1, sizeof(*egress->addresses));
	egress->addresses[egress->address_count].address = *address;
	egress->addresses[egress->address_count++].port = port;
	return true;
}

/* ---- refusals ---- */

void egress_note_refusal(struct egress *egress, const char *what)
{
	struct egress_counts *counts = egress->counts;

	counts->refused++;
	for (unsigned int i = 0; i < counts->refusal_count; i++) {
		if (strcmp(counts->refusals[i].what, what) == 0) {
			counts->refusals[i].count++;
			return;
		}
	}
	if (counts->refusal_count == EGRESS_REFUSALS_MAX)
		return;
	(void)snprintf(counts->refusals[counts->refusal_count].what, sizeof(counts->refusals[0].what), "%s", what);
	counts->refusals[counts->refusal_count++].count = 1;
}

void egress_print_address(const struct egress_address *address, char *text, size_t size)
{
	char digits[INET6_ADDRSTRLEN];
	bool mapped = is_mapped(address);

	(void)inet_ntop(
		mapped ? AF_INET : AF_INET6, mapped ? address->bytes + 12 : address->bytes, digits, sizeof(digits));
	(void)snprintf(text, size, mapped ? "%s" : "[%s]", digits);
}
