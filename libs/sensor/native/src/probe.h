/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_PROBE_H
#define HOSTWARD_PROBE_H
#include <sys/types.h>

#include "table.h"

#define HW_PROBE_COMM "hostward-probe"

enum hw_probe_result { HW_PROBE_INCONCLUSIVE, HW_PROBE_BLOCKED, HW_PROBE_ALLOWED };
const char *hw_probe_result_text(enum hw_probe_result result);

struct hw_probe_answer {
        enum hw_probe_result result;
        int error; /* errno of the attempt that decided, 0 when it went through */
};

/*
 * Probes run in a process of their own (the prober), so that a filesystem that does not answer cannot hang the daemon; it
 * is killed at the deadline, and what it did not answer is inconclusive (ETIMEDOUT). For each probe the prober forks twice: a control that
 * keeps our exempt label, and, if plain permissions let that through, a child that enters the profile first. A program
 * to be executed is traced and killed at the exec stop, before its first instruction.
 */
struct hw_prober {
        pid_t pid;
        int fd; /* readable: call hw_prober_read() */
        struct hw_probe_answer *answers; /* one per probe of the table */
        size_t n, answered; /* in order */
        uint64_t deadline;  /* monotonic: each word from it moves that on by silence_ms, up to the last one */
        uint64_t silence_ms, last_deadline;
        uint64_t loads; /* what was loaded when it began, by the daemon's count */
};

/* 0 or a negative errno: -EBUSY while too many are held by filesystems that do not answer. */
int hw_prober_start(struct hw_prober *p, const struct hw_table *t, uint64_t silence_ms);
/* 1 when all is answered or the prober is gone, 0 when more is to come. */
int hw_prober_read(struct hw_prober *p);
/* The deadline has passed. */
void hw_prober_expire(struct hw_prober *p);
void hw_prober_stop(struct hw_prober *p);
/* Those that have ended since; never waits. */
void hw_prober_reap(void);

/*
 * Whether a denial came from a probe of ours: its pid was announced by the prober before it acted. Read the prober's
 * pipe before asking, so that no announcement is missed.
 */
bool hw_probe_is_ours(pid_t pid, const char *comm);

#endif
