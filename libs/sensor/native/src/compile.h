/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_COMPILE_H
#define HOSTWARD_COMPILE_H
#include "snapshot.h"

/*
 * One question to the compiler, asked without waiting: envelopes go there unread, since this program has root's power
 * and must not parse what came over a network. Bounded in bytes by the frame, in time by the deadline.
 */
struct hw_compile {
        int fd; /* -1 when none is running */
        uint64_t deadline;
        struct hw_buffer out, in;
};

int hw_compile_start(struct hw_compile *c, const char *path, struct hw_slice envelope, const struct hw_memory *memory,
                     const char *securityfs, bool bpf_lsm, bool again, uint64_t timeout_ms);
bool hw_compile_wants_write(const struct hw_compile *c);
/* 1: the answer is complete, 0: more is to come, below 0: it failed. The answer's payload is then in c->in. */
int hw_compile_ready(struct hw_compile *c, uint16_t *ret_type);
void hw_compile_stop(struct hw_compile *c);

#endif
