/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSE_RECORD_H
#define HOSTWARD_SENSE_RECORD_H
#include "audit-record.h"
#include "buffer.h"

/* False when the bytes are no telemetry event. `actor` is what `ret` will point to. */
bool hw_sense_record(struct hw_slice data, struct hw_actor *actor, struct hw_audit_record *ret);

#endif
