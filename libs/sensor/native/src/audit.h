/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_AUDIT_H
#define HOSTWARD_AUDIT_H
#include "audit-record.h"

/*
 * The audit stream by netlink multicast (CAP_AUDIT_READ). Counted as lost: what the kernel could not put into our
 * socket (ENOBUFS), what it could not put into its own queue (`lost` of AUDIT_GET, CAP_AUDIT_CONTROL), and records that
 * could not be read. The multicast group has no numbering of its own, so nothing else can be known.
 */
struct hw_audit {
        int fd;         /* multicast */
        int control_fd; /* AUDIT_GET and AUDIT_SET */
        uint64_t lost;
        uint32_t kernel_lost;
        bool kernel_lost_known;
};

/* 0, or a negative errno when this kernel or container has no audit stream for us. */
int hw_audit_open(struct hw_audit *a);
void hw_audit_close(struct hw_audit *a);

typedef void (*hw_record_handler)(const struct hw_audit_record *record, void *userdata);
/* Reads what is there, at most a few hundred records a call. Returns how many were lost meanwhile (ENOBUFS counts 1). */
unsigned int hw_audit_read(struct hw_audit *a, hw_record_handler handler, void *userdata);

/* Asks the kernel for its loss counter: the number lost since the last call. */
uint32_t hw_audit_poll_lost(struct hw_audit *a);

#endif
