/* SPDX-License-Identifier: Apache-2.0 */
#include "cgroups/systemd_bus.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "base/alloc.h"
#include "base/shared_library.h"

#define LIBRARY        "libsystemd.so.0"
#define BOOTED         "/run/systemd/system" /* sd_booted(3) */
#define PRIVATE_SOCKET "unix:path=/run/systemd/private"
#define SERVICE        "org.freedesktop.systemd1"
#define MANAGER_PATH   "/org/freedesktop/systemd1"
#define MANAGER        "org.freedesktop.systemd1.Manager"
#define NO_SUCH_UNIT   "org.freedesktop.systemd1.NoSuchUnit"
#define UNIT_EXISTS    "org.freedesktop.systemd1.UnitExists"

enum { START_TIMEOUT_MS = 30000 };

/* What is used of libsystemd. */
#define FUNCTIONS(X)                      \
	X(sd_bus_new)                     \
	X(sd_bus_set_address)             \
	X(sd_bus_start)                   \
	X(sd_bus_open_system)             \
	X(sd_bus_open_user)               \
	X(sd_bus_flush_close_unref)       \
	X(sd_bus_match_signal)            \
	X(sd_bus_message_new_method_call) \
	X(sd_bus_message_append)          \
	X(sd_bus_message_append_array)    \
	X(sd_bus_message_append_strv)     \
	X(sd_bus_message_open_container)  \
	X(sd_bus_message_close_container) \
	X(sd_bus_message_enter_container) \
	X(sd_bus_message_at_end)          \
	X(sd_bus_message_read)            \
	X(sd_bus_message_unref)           \
	X(sd_bus_call)                    \
	X(sd_bus_error_free)              \
	X(sd_bus_process)                 \
	X(sd_bus_wait)

struct library {
	void *handle;
#define MEMBER(name) __typeof__(&name) name;
	FUNCTIONS(MEMBER)
#undef MEMBER
};

struct job {
	char *path;   /* of the job that is waited for */
	char *result; /* "done", "failed", …; NULL: not yet */
};

struct systemd_bus {
	struct library library;
	sd_bus *connection;
	bool user, direct; /* direct: no bus daemon in between */
	struct job job;
};

struct systemd_property *systemd_property_add(
	struct systemd_properties *properties, const char *name, enum systemd_property_kind kind)
{
	struct systemd_property *property = NULL;

	for (size_t i = 0; i < properties->count && !property; i++) {
		if (strcmp(properties->items[i].name, name) == 0)
			property = &properties->items[i];
	}
	if (property) {
		free(property->name);
		free(property->text);
		free_strings(property->strings);
	} else {
		properties->items = xrealloc(properties->items, properties->count + 1, sizeof(*properties->items));
		property = &properties->items[properties->count++];
	}
	*property = (struct systemd_property){ .name = xstrdup(name), .kind = kind };
	return property;
}

void systemd_properties_free(struct systemd_properties *properties)
{
	for (size_t i = 0; i < properties->count; i++) {
		free(properties->items[i].name);
		free(properties->items[i].text);
		free_strings(properties->items[i].strings);
	}
	free(properties->items);
	*properties = (struct systemd_properties){ 0 };
}

static int load_library(struct library *library, struct error *err)
{
	int result = shared_library_load(LIBRARY, "the systemd cgroup manager", &library->handle, err);

	if (result < 0)
		return result;
#define LOAD(name)                                                                \
	library->name = (__typeof__(library->name))dlsym(library->handle, #name); \
	if (!library->name)                                                       \
		return error_set(err, -EOPNOTSUPP, "the systemd cgroup manager: " LIBRARY " has no " #name);
	FUNCTIONS(LOAD)
#undef LOAD
	return 0;
}

void systemd_bus_close(struct systemd_bus **location)
{
	struct systemd_bus *bus = *location;

	if (!bus)
		return;
	if (bus->connection)
		(void)bus->library.sd_bus_flush_close_unref(bus->connection);
	/* The library stays: it may have registered what is called at the thread's end. */
	free(bus->job.path);
	free(bus->job.result);
	free(bus);
	*location = NULL;
}

/* A system without a bus daemon still has the socket that systemctl(1) uses for root. */
static int connect_directly(struct systemd_bus *bus)
{
	const struct library *library = &bus->library;
	int result = library->sd_bus_new(&bus->connection);

	if (result >= 0)
		result = library->sd_bus_set_address(bus->connection, PRIVATE_SOCKET);
	if (result >= 0)
		result = library->sd_bus_start(bus->connection);
	bus->direct = true;
	return result;
}

static int on_job_removed(sd_bus_message *message, void *context, sd_bus_error *unused)
{
	struct systemd_bus *bus = context;
	const char *path, *unit, *result;
	uint32_t id;

	(void)unused;
	if (bus->library.sd_bus_message_read(message, "uoss", &id, &path, &unit, &result) < 0)
		return 0;
	if (bus->job.path && !bus->job.result && strcmp(path, bus->job.path) == 0)
		bus->job.result = xstrdup(result);
	return 0;
}

int systemd_bus_open(struct systemd_bus **ret, bool user, struct error *err)
{
	cleanup_systemd_bus struct systemd_bus *bus = xcalloc(1, sizeof(*bus));
	int result;

	if (access(BOOTED, F_OK) < 0)
		return error_set(err, -EOPNOTSUPP,
			"the systemd cgroup manager needs systemd as the first process of this machine, which it is "
			"not (" BOOTED " is missing): use --cgroup-manager=cgroupfs");
	result = load_library(&bus->library, err);
	if (result < 0)
		return result;
	bus->user = user;
	if (user)
		result = bus->library.sd_bus_open_user(&bus->connection);
	else
		result = bus->library.sd_bus_open_system(&bus->connection);
	if (result < 0 && !user)
		result = connect_directly(bus);
	if (result < 0)
		return error_set(err, -result, "connecting to %s",
			user ? "the user's systemd (DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR says where)"
			     : "systemd over D-Bus");
	result = bus->library.sd_bus_match_signal(bus->connection, NULL, bus->direct ? NULL : SERVICE, MANAGER_PATH,
		MANAGER, "JobRemoved", on_job_removed, bus);
	if (result < 0)
		return error_set(err, -result, "listening to systemd over D-Bus");
	*ret = take_pointer(&bus);
	return 0;
}

/* ---- messages ---- */

static int append_number(
	const struct library *library, sd_bus_message *message, const struct systemd_property *property)
{
	switch (property->kind) {
	case SYSTEMD_BOOLEAN:
		return library->sd_bus_message_append(message, "(sv)", property->name, "b", (int)property->number);
	case SYSTEMD_INT16:
		return library->sd_bus_message_append(
			message, "(sv)", property->name, "n", (int)(int16_t)property->number);
	case SYSTEMD_UINT16:
		return library->sd_bus_message_append(
			message, "(sv)", property->name, "q", (unsigned)(uint16_t)property->number);
	case SYSTEMD_INT32:
		return library->sd_bus_message_append(message, "(sv)", property->name, "i", (int32_t)property->number);
	case SYSTEMD_UINT32:
		return library->sd_bus_message_append(message, "(sv)", property->name, "u", (uint32_t)property->number);
	case SYSTEMD_INT64:
		return library->sd_bus_message_append(message, "(sv)", property->name, "x", (int64_t)property->number);
	case SYSTEMD_UINT64:
		return library->sd_bus_message_append(message, "(sv)", property->name, "t", property->number);
	default:
		return -EINVAL;
	}
}

static int append_array(const struct library *library, sd_bus_message *message, const struct systemd_property *property)
{
	bool bytes = property->kind == SYSTEMD_BYTES;
	int result = library->sd_bus_message_open_container(message, SD_BUS_TYPE_STRUCT, "sv");

	if (result >= 0)
		result = library->sd_bus_message_append(message, "s", property->name);
	if (result >= 0)
		result = library->sd_bus_message_open_container(message, SD_BUS_TYPE_VARIANT, bytes ? "ay" : "as");
	if (result >= 0)
		result = bytes ? library->sd_bus_message_append_array(
					 message, SD_BUS_TYPE_BYTE, property->text, property->length)
			       : library->sd_bus_message_append_strv(message, property->strings);
	if (result >= 0)
		result = library->sd_bus_message_close_container(message);
	if (result >= 0)
		result = library->sd_bus_message_close_container(message);
	return result;
}

static int append_properties(
	const struct library *library, sd_bus_message *message, const struct systemd_properties *properties)
{
	int result = 0;

	for (size_t i = 0; i < properties->count && result >= 0; i++) {
		const struct systemd_property *property = &properties->items[i];

		if (property->kind == SYSTEMD_BYTES || property->kind == SYSTEMD_STRINGS)
			result = append_array(library, message, property);
		else if (property->kind == SYSTEMD_STRING)
			result = library->sd_bus_message_append(message, "(sv)", property->name, "s", property->text);
		else if (property->kind == SYSTEMD_DOUBLE)
			result = library->sd_bus_message_append(message, "(sv)", property->name, "d", property->real);
		else
			result = append_number(library, message, property);
	}
	return result;
}

struct call {
	const struct library *library;
	sd_bus_message *message, *reply;
	sd_bus_error error;
};

static void call_end(struct call *call)
{
	(void)call->library->sd_bus_message_unref(call->message);
	(void)call->library->sd_bus_message_unref(call->reply);
	call->library->sd_bus_error_free(&call->error);
}

static int call_begin(const struct systemd_bus *bus, const char *method, struct call *call)
{
	*call = (struct call){ .library = &bus->library };
	return bus->library.sd_bus_message_new_method_call(
		bus->connection, &call->message, bus->direct ? NULL : SERVICE, MANAGER_PATH, MANAGER, method);
}

/* `result` is that of putting the message together. The error is filled in but for who wanted what. */
static int call_make(const struct systemd_bus *bus, struct call *call, int result, struct error *err)
{
	if (result >= 0)
		result = bus->library.sd_bus_call(bus->connection, call->message, 0, &call->error, &call->reply);
	if (result >= 0)
		return 0;
	if (call->error.name && strcmp(call->error.name, UNIT_EXISTS) == 0)
		result = -EEXIST;
	else if (call->error.name && strcmp(call->error.name, NO_SUCH_UNIT) == 0)
		result = -ENOENT;
	return error_set(err, result, "%s", call->error.message ? call->error.message : strerror(-result));
}

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The reply names a job; it is done when systemd says that it removed it. */
static int wait_for_job(struct systemd_bus *bus, struct call *call, int timeout_ms, struct error *err)
{
	int64_t deadline_ms = now_ms() + timeout_ms;
	const char *path;
	int result = bus->library.sd_bus_message_read(call->reply, "o", &path);

	if (result < 0)
		return error_set(err, -result, "reading systemd's answer");
	free(bus->job.path);
	free(take_pointer(&bus->job.result));
	bus->job.path = xstrdup(path);
	while (!bus->job.result) {
		int64_t left_ms = deadline_ms - now_ms();

		result = bus->library.sd_bus_process(bus->connection, NULL);
		if (result == 0 && left_ms <= 0)
			result = -ETIMEDOUT;
		else if (result == 0)
			result = bus->library.sd_bus_wait(bus->connection, (uint64_t)left_ms * 1000);
		if (result < 0 && result != -EINTR)
			return error_set(err, -result, "waiting for systemd");
	}
	if (strcmp(bus->job.result, "done") != 0)
		return error_set(err, -EIO, "systemd says \"%s\"", bus->job.result);
	return 0;
}

int systemd_scope_start(struct systemd_bus *bus, const char *unit, pid_t pid,
	const struct systemd_properties *properties, struct error *err)
{
	const struct library *library = &bus->library;
	cleanup(call_end) struct call call;
	int result = call_begin(bus, "StartTransientUnit", &call);

	if (result >= 0)
		result = library->sd_bus_message_append(call.message, "ss", unit, "fail");
	if (result >= 0)
		result = library->sd_bus_message_open_container(call.message, SD_BUS_TYPE_ARRAY, "(sv)");
	if (result >= 0)
		result = library->sd_bus_message_append(call.message, "(sv)", "PIDs", "au", 1, (uint32_t)pid);
	if (result >= 0)
		result = append_properties(library, call.message, properties);
	if (result >= 0)
		result = library->sd_bus_message_close_container(call.message);
	if (result >= 0)
		result = library->sd_bus_message_append(call.message, "a(sa(sv))", 0);
	result = call_make(bus, &call, result, err);
	if (result == 0)
		result = wait_for_job(bus, &call, START_TIMEOUT_MS, err);
	return result < 0 ? error_prefix(err, "starting the systemd scope %s", unit) : 0;
}

int systemd_scope_change(
	struct systemd_bus *bus, const char *unit, const struct systemd_properties *properties, struct error *err)
{
	const struct library *library = &bus->library;
	cleanup(call_end) struct call call;
	int result = call_begin(bus, "SetUnitProperties", &call);

	if (result >= 0)
		result = library->sd_bus_message_append(call.message, "sb", unit, 1);
	if (result >= 0)
		result = library->sd_bus_message_open_container(call.message, SD_BUS_TYPE_ARRAY, "(sv)");
	if (result >= 0)
		result = append_properties(library, call.message, properties);
	if (result >= 0)
		result = library->sd_bus_message_close_container(call.message);
	result = call_make(bus, &call, result, err);
	return result < 0 ? error_prefix(err, "changing the systemd scope %s", unit) : 0;
}

int systemd_scope_is_empty(struct systemd_bus *bus, const char *unit, bool *empty, struct error *err)
{
	cleanup(call_end) struct call call;
	int result = call_begin(bus, "GetUnitProcesses", &call);

	if (result >= 0)
		result = bus->library.sd_bus_message_append(call.message, "s", unit);
	result = call_make(bus, &call, result, err);
	if (result == -ENOENT) {
		*empty = true;
		return 0;
	}
	if (result == 0)
		result = bus->library.sd_bus_message_enter_container(call.reply, SD_BUS_TYPE_ARRAY, "(sus)");
	if (result >= 0)
		result = bus->library.sd_bus_message_at_end(call.reply, 0);
	if (result < 0)
		return error_set(err, -result, "listing the processes of the systemd scope %s", unit);
	*empty = result > 0;
	return 0;
}

int systemd_scope_stop(struct systemd_bus *bus, const char *unit, int timeout_ms, struct error *err)
{
	cleanup(call_end) struct call call;
	struct error failure = { 0 };
	int result = call_begin(bus, "StopUnit", &call);

	if (result >= 0)
		result = bus->library.sd_bus_message_append(call.message, "ss", unit, "replace");
	result = call_make(bus, &call, result, &failure);
	if (result == -ENOENT)
		return 0;
	if (result == 0)
		result = wait_for_job(bus, &call, timeout_ms, &failure);
	if (result == 0)
		return 0;
	if (err)
		*err = failure;
	return error_prefix(err, "stopping the systemd scope %s", unit);
}
