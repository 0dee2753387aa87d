/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_BPF_HELD_H
#define HOSTWARD_SENSOR_BPF_HELD_H
#include <sys/types.h>

#include "bpf.h"

#define HW_HELD_MAX 256

/* What a process has open or mapped, from before a rule, that it could not open now. */
struct hw_held_file {
        pid_t pid;
        bool listed; /* as in struct hw_open_file */
        char comm[16];
        char path[HW_OPEN_FILE_PATH];
};

struct hw_held {
        struct hw_held_file list[HW_HELD_MAX];
        size_t n, more; /* listed, and beyond that */
        size_t processes; /* of those listed */
};

/* Goes through all open files and mappings once, by the rules in force: 0 or a negative errno. */
int hw_bpf_held(const struct hw_bpf *b, struct hw_held *ret);

#endif
