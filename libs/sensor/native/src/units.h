/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_UNITS_H
#define HOSTWARD_UNITS_H
#include "daemon.h"

/* Drop-ins of units are made what the table asks for; in a check what was not so is drift. */
void hw_units_settle(struct hw_daemon *d);
void hw_units_check(struct hw_daemon *d);
/* One that could not be written, which the outcome tells: what is loaded is in force all the same. */
bool hw_units_are_unsettled(const struct hw_daemon *d);

#endif
