/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CONFIRM_H
#define HOSTWARD_CONFIRM_H
#include "daemon.h"

/* Commit-confirm (D11). */
void hw_confirm_begin(struct hw_daemon *d);
void hw_confirm_wait(struct hw_memory *m);
/* What is loaded blocks again after it did not: unless it was confirmed while it blocked, it must be confirmed now. */
void hw_confirm_resumed(struct hw_daemon *d);
/* 0, -ESTALE for another assignment version, -EAGAIN when the process must be started anew first. */
int hw_confirm_accept(struct hw_daemon *d, pid_t pid, const struct hw_assignment_version *assignment_version);
void hw_confirm_evidence(struct hw_daemon *d, const struct hw_audit_record *record);
void hw_confirm_expired(struct hw_daemon *d);

#endif
