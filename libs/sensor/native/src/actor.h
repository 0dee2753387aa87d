/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_ACTOR_H
#define HOSTWARD_ACTOR_H
#include <stdbool.h>
#include <stdint.h>

#include "json.h"

#define HW_PARENTS_MAX 8
#define HW_EXEC_ID_MAX 80
#define HW_ACTOR_PATH_MAX 4096

struct hw_parent {
        int64_t pid;
        char comm[32], exec[HW_EXEC_ID_MAX];
};

/*
 * The process behind a record and where it stood. What cannot be told is empty or -1. An exec id names one run of one
 * program on this host for ever, whatever becomes of its pid: boot, start of the process, pid, number of its exec.
 */
struct hw_actor {
        int64_t ppid, uid, loginuid;
        char exec[HW_EXEC_ID_MAX], tty[64], container[65];
        char exe[HW_ACTOR_PATH_MAX + 1], cwd[HW_ACTOR_PATH_MAX + 1], cgroup[HW_ACTOR_PATH_MAX + 1];
        struct hw_parent parents[HW_PARENTS_MAX]; /* nearest first */
        size_t n_parents;
};

void hw_actor_init(struct hw_actor *a);

/* The exec id of a run: `start` in ns since this boot. */
void hw_exec_id(uint64_t start, uint32_t pid, uint64_t exec, char ret[HW_EXEC_ID_MAX]);

/* From /proc, of a process that may have ended or run another program since: best effort, and without an exec id. */
void hw_actor_read(int64_t pid, struct hw_actor *ret);

void hw_actor_write(struct hw_json *j, const struct hw_actor *a);

#endif
