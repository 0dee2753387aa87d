/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_RECORD_H
#define HOSTWARD_BPF_RECORD_H
#include "audit-record.h"

/* What a record of the programs says; false: it is none. `actor` is what `ret` will point to. */
bool hw_bpf_record(uint64_t generation, struct hw_slice data, char *const *subjects, size_t n_subjects,
                   struct hw_actor *actor, struct hw_audit_record *ret);

#endif
