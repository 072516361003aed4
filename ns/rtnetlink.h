/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking rtnetlink(7) through libmnl: requests and whole lists. Host only; private to ns/.
 */
#ifndef DUET_NS_RTNETLINK_H
#define DUET_NS_RTNETLINK_H

#include <libmnl/libmnl.h>
#include <stddef.h>

#include "base/error.h"

void rtnetlink_close(struct mnl_socket **socket);
#define cleanup_rtnetlink cleanup(rtnetlink_close)

/* A socket of the network namespace that the caller is in now; it keeps that one. NULL: errno says why. */
struct mnl_socket *rtnetlink_open(void);

/* Sends a request and hands every answer to the callback (NULL: none). 0 or a negative errno; -EINTR: a list that
 * changed while it was read. */
int rtnetlink_talk(struct mnl_socket *socket, struct nlmsghdr *message, mnl_cb_t callback, void *data);

/* Reads a whole list (RTM_GETLINK, RTM_GETADDR, …), whose request has a header of header_bytes, all zero but the family
 * in its first byte. Begins again, after *count = 0, when the list changes meanwhile. */
int rtnetlink_list(struct mnl_socket *socket, uint16_t type, unsigned char family, size_t header_bytes,
	mnl_cb_t callback, void *data, size_t *count);

#endif
