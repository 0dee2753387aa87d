/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_DEVICES_H
#define HOSTWARD_DEVICES_H
#include "daemon.h"

/* USB, as the table in force asks. */
void hw_devices_start(struct hw_daemon *d); /* before the first table */
void hw_devices_settle(struct hw_daemon *d);
void hw_devices_write(const struct hw_daemon *d, struct hw_json *j);

#endif
