/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to systemd over D-Bus: transient scopes, started, changed and stopped. Private to cgroups/.
 *
 * By libsystemd's sd-bus, which is loaded at the first call here and never by a command that uses the cgroupfs manager:
 * no symbol of it is linked, so that neither its loading (0.3 ms with its own libraries) nor its absence concerns
 * anybody else. sd-bus rather than libdbus, since it authenticates from inside a user namespace too (it lets the socket
 * say who the caller is, where libdbus sends a uid that means another one outside), and knows where the user's own
 * manager listens.
 *
 * Source: org.freedesktop.systemd1(5), sd-bus(3), systemd.scope(5), systemd.resource-control(5).
 */
#ifndef DUET_CGROUPS_SYSTEMD_BUS_H
#define DUET_CGROUPS_SYSTEMD_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

enum systemd_property_kind { /* and its D-Bus signature */
	SYSTEMD_BOOLEAN,     /* b */
	SYSTEMD_INT16,       /* n */
	SYSTEMD_UINT16,      /* q */
	SYSTEMD_INT32,       /* i */
	SYSTEMD_UINT32,      /* u */
	SYSTEMD_INT64,       /* x */
	SYSTEMD_UINT64,      /* t */
	SYSTEMD_DOUBLE,      /* d */
	SYSTEMD_STRING,      /* s */
	SYSTEMD_STRINGS,     /* as */
	SYSTEMD_BYTES,       /* ay */
};

struct systemd_property {
	char *name;
	enum systemd_property_kind kind;
	uint64_t number; /* the integers, two's complement */
	double real;     /* SYSTEMD_DOUBLE */
	char *text;      /* SYSTEMD_STRING, SYSTEMD_BYTES */
	size_t length;   /* SYSTEMD_BYTES */
	char **strings;  /* SYSTEMD_STRINGS, NULL-terminated */
};

struct systemd_properties {
	struct systemd_property *items;
	size_t count;
};

/* Appends one with that name (copied) and returns it for its value to be filled in. One of the same name is replaced.
 */
struct systemd_property *systemd_property_add(
	struct systemd_properties *properties, const char *name, enum systemd_property_kind kind);
void systemd_properties_free(struct systemd_properties *properties);
#define cleanup_systemd_properties cleanup(systemd_properties_free)

struct systemd_bus;

/* Connects to the system's manager or to the caller's own (user). -EOPNOTSUPP: systemd does not run here, or libsystemd
 * is missing. */
int systemd_bus_open(struct systemd_bus **bus, bool user, struct error *err);
void systemd_bus_close(struct systemd_bus **bus);
#define cleanup_systemd_bus cleanup(systemd_bus_close)

/* Starts a transient scope around the process pid and waits until it is there. -EEXIST: there is a unit of that name.
 */
int systemd_scope_start(struct systemd_bus *bus, const char *unit, pid_t pid,
	const struct systemd_properties *properties, struct error *err);
/* Sets properties until the unit ends. */
int systemd_scope_change(
	struct systemd_bus *bus, const char *unit, const struct systemd_properties *properties, struct error *err);
/* Does a unit have processes? One that is not there has none. */
int systemd_scope_is_empty(struct systemd_bus *bus, const char *unit, bool *empty, struct error *err);
/* Stops a scope and waits until it has; one that is not there is fine. */
int systemd_scope_stop(struct systemd_bus *bus, const char *unit, int timeout_ms, struct error *err);

#endif
