/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_AUDIT_RECORD_H
#define HOSTWARD_AUDIT_RECORD_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actor.h"

#define HW_AUDIT_PATH_MAX 4096

/*
 * One AppArmor record of the audit stream, pure text in. Every string in it may have been chosen by an attacker: the
 * kernel quotes what is harmless and hex-encodes the rest, so a value can never look like a further field, provided
 * that the reader is as strict as this one.
 */
struct hw_audit_record {
        bool denied; /* else audited or allowed by a complain profile */
        uint64_t time_ms, serial;
        char profile[256], operation[64], requested[64], denied_mask[64], comm[64], peer[256], info[256];
        char name[HW_AUDIT_PATH_MAX + 1], target[HW_AUDIT_PATH_MAX + 1]; /* target: of a link, or an exec's label */
        char capname[64], family[32], sock_type[32];
        int64_t pid, fsuid, ouid, capability, protocol; /* -1 when absent */
        bool bpf; /* not of the stream: a record of the BPF programs, told in the same words */
        /* Of those: */
        const char *observed; /* its class, where it was only watched; NULL: not so */
        bool guard; /* an attempt on the sensor itself; `requested` says which */
        bool in_force; /* its rule set is the one in force */
        int64_t rule; /* index into the rules of the table in force, or -1 */
        uint32_t suppressed, device; /* records of this rule and process left out since the last; as the kernel has it */
        uint64_t inode; /* 0: there is none */
        const struct hw_actor *actor; /* NULL: look into /proc */
};

/*
 * 1 with a record about a profile of ours, 0 when it is about something else, -EBADMSG when it cannot be read (count
 * it: it may have been ours).
 */
int hw_audit_record_parse(const char *text, size_t len, struct hw_audit_record *ret);

#endif
