/* SPDX-License-Identifier: Apache-2.0 */
#include "ns/netlink_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <libmnl/libmnl.h>

#include "base/shared_library.h"

#define LIBRARY "libmnl.so.0"

/* What is used of libmnl: result, name, parameters, arguments. First the functions that set errno. */
#define CALLS(X)                                                                                                     \
	X(struct mnl_socket *, mnl_socket_open2, (int bus, int flags), (bus, flags))                                 \
	X(int, mnl_socket_bind, (struct mnl_socket * socket, unsigned int groups, pid_t pid), (socket, groups, pid)) \
	X(int, mnl_socket_close, (struct mnl_socket * socket), (socket))                                             \
	X(ssize_t, mnl_socket_sendto, (const struct mnl_socket *socket, const void *data, size_t size),              \
		(socket, data, size))                                                                                \
	X(ssize_t, mnl_socket_recvfrom, (const struct mnl_socket *socket, void *data, size_t size),                  \
		(socket, data, size))                                                                                \
	X(int, mnl_cb_run,                                                                                           \
		(const void *data, size_t size, unsigned int sequence, unsigned int port, mnl_cb_t callback,         \
			void *context),                                                                              \
		(data, size, sequence, port, callback, context))
#define FUNCTIONS(X)                                                                                                \
	X(unsigned int, mnl_socket_get_portid, (const struct mnl_socket *socket), (socket))                         \
	X(struct nlmsghdr *, mnl_nlmsg_put_header, (void *data), (data))                                            \
	X(void *, mnl_nlmsg_put_extra_header, (struct nlmsghdr * message, size_t size), (message, size))            \
	X(bool, mnl_nlmsg_ok, (const struct nlmsghdr *message, int length), (message, length))                      \
	X(struct nlmsghdr *, mnl_nlmsg_next, (const struct nlmsghdr *message, int *length), (message, length))      \
	X(void *, mnl_nlmsg_get_payload, (const struct nlmsghdr *message), (message))                               \
	X(void *, mnl_nlmsg_get_payload_offset, (const struct nlmsghdr *message, size_t offset), (message, offset)) \
	X(void *, mnl_nlmsg_get_payload_tail, (const struct nlmsghdr *message), (message))                          \
	X(bool, mnl_attr_ok, (const struct nlattr *attribute, int length), (attribute, length))                     \
	X(struct nlattr *, mnl_attr_next, (const struct nlattr *attribute), (attribute))                            \
	X(uint16_t, mnl_attr_get_type, (const struct nlattr *attribute), (attribute))                               \
	X(uint16_t, mnl_attr_get_payload_len, (const struct nlattr *attribute), (attribute))                        \
	X(void *, mnl_attr_get_payload, (const struct nlattr *attribute), (attribute))                              \
	X(uint8_t, mnl_attr_get_u8, (const struct nlattr *attribute), (attribute))                                  \
	X(uint32_t, mnl_attr_get_u32, (const struct nlattr *attribute), (attribute))                                \
	X(const char *, mnl_attr_get_str, (const struct nlattr *attribute), (attribute))                            \
	X(void, mnl_attr_put, (struct nlmsghdr * message, uint16_t type, size_t size, const void *data),            \
		(message, type, size, data))                                                                        \
	X(void, mnl_attr_put_u8, (struct nlmsghdr * message, uint16_t type, uint8_t data), (message, type, data))   \
	X(void, mnl_attr_put_u32, (struct nlmsghdr * message, uint16_t type, uint32_t data), (message, type, data)) \
	X(void, mnl_attr_put_strz, (struct nlmsghdr * message, uint16_t type, const char *data),                    \
		(message, type, data))                                                                              \
	X(struct nlattr *, mnl_attr_nest_start, (struct nlmsghdr * message, uint16_t type), (message, type))        \
	X(void, mnl_attr_nest_end, (struct nlmsghdr * message, struct nlattr * nest), (message, nest))

struct library {
	void *handle; /* NULL: not loaded */
	int *(*errno_location)(void);
#define MEMBER(type, name, parameters, arguments) type(*name) parameters;
	CALLS(MEMBER)
	FUNCTIONS(MEMBER)
#undef MEMBER
};

/* Set once, in place of what the dynamic linker would have written into this program's procedure linkage table. */
static struct library library;

int netlink_library_load(struct error *err)
{
	struct library loaded = { 0 };
	int result;

	if (library.handle)
		return 0;
	result = shared_library_load(LIBRARY, "reading and changing network interfaces", &loaded.handle, err);
	if (result < 0)
		return result;
#define LOAD(type, name, parameters, arguments) LOAD_AS(name, name)
#define LOAD_AS(member, name)                                                   \
	loaded.member = (__typeof__(loaded.member))dlsym(loaded.handle, #name); \
	if (!loaded.member)                                                     \
		return error_set(err, -EOPNOTSUPP, LIBRARY " has no " #name);
	LOAD_AS(errno_location, __errno_location)
	CALLS(LOAD)
	FUNCTIONS(LOAD)
#undef LOAD
#undef LOAD_AS
	library = loaded;
	return 0;
}

bool netlink_library_is_loaded(void)
{
	return library.handle;
}

/* The library's own names, so that who uses it includes its header and calls it as ever. */
#define FORWARD(type, name, parameters, arguments) \
	type name parameters                       \
	{                                          \
		return library.name arguments;     \
	}
FUNCTIONS(FORWARD)
#undef FORWARD

/* With a statically linked program the library brings a C library of its own, which has an errno of its own. */
#define FORWARD(type, name, parameters, arguments)    \
	type name parameters                          \
	{                                             \
		type result = library.name arguments; \
                                                      \
		errno = *library.errno_location();    \
		return result;                        \
	}
CALLS(FORWARD)
#undef FORWARD
