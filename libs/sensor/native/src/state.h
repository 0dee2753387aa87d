/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_STATE_H
#define HOSTWARD_STATE_H
#include "daemon.h"

/* SensorState of libs/sensor/src/state.ts. */
const char *hw_enforcer_text(const struct hw_daemon *d);
void hw_state_write(const struct hw_daemon *d, struct hw_buffer *out);

#endif
