/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_DNS_H
#define HOSTWARD_DNS_H
/* What both objects must know of a message to a server of DNS (RFC 1035). */
#define DNS_PORT 53
#define DNS_HEADER 12
#define DNS_RESPONSE 0x80 /* in the third byte */

#endif
