/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_MESSAGES_H
#define HOSTWARD_MESSAGES_H
#include "daemon.h"

/* What clients ask. */
int hw_messages_handle(struct hw_client *client, const struct hw_header *header, struct hw_slice payload,
                       void *userdata);

#endif
