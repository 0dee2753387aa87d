/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_BPF_HELD_H
#define HOSTWARD_SENSOR_BPF_HELD_H
#include <sys/types.h>

#include "bpf.h"

#define HW_HELD_MAX 256
#define HW_HELD_A_PROCESS 8 /* so that one with many hides no other */

/* What a process has open or mapped, from before a rule, that it could not open now. */
struct hw_held_file {
        pid_t pid;
        char comm[16];
        char path[HW_OPEN_FILE_PATH];
};

struct hw_holder {
        pid_t pid;
        bool by_rule; /* a rule refuses something of what it holds; else a list does not allow it */
        char comm[16];
};

struct hw_held {
        struct hw_held_file list[HW_HELD_MAX];
        size_t n, more; /* listed, and beyond that */
        struct hw_buffer holders; /* struct hw_holder, all of them */
};

/*
 * Goes through all open files, then all mappings, by the rules in force, for some seconds each: 0, or a negative errno
 * (-ETIME: the time was up) where not all was looked at. What was found until then is in `ret` all the same, in the place
 * of what was there.
 */
int hw_bpf_held(const struct hw_bpf *b, struct hw_held *ret);
void hw_held_free(struct hw_held *held);

/* One after the other, in any order of processes; then sorted, each process once: 0 or -ENOMEM. */
void hw_held_add(const struct hw_open_file *file, const char *path, void *held);
int hw_held_sort(struct hw_held *held);
size_t hw_held_processes(const struct hw_held *held);
const struct hw_holder *hw_held_holder(const struct hw_held *held, size_t i);
/* A path that it holds, empty where none is listed. */
const char *hw_held_path(const struct hw_held *held, pid_t pid);

#endif
