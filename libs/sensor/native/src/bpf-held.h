/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_BPF_HELD_H
#define HOSTWARD_SENSOR_BPF_HELD_H
#include <pthread.h>
#include <sys/types.h>

#include "bpf.h"

#define HW_HELD_MAX 256
#define HW_HELD_A_PROCESS 8 /* so that one with many hides no other */
#define HW_HELD_SILENCE_MS 20000 /* a process whose mappings are locked holds the kernel, and the walk, for as long */

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

void hw_held_free(struct hw_held *held);

/* One after the other, in any order of processes; then sorted, each process once: 0 or -ENOMEM. */
void hw_held_add(const struct hw_open_file *file, const char *path, void *held);
int hw_held_sort(struct hw_held *held);
size_t hw_held_processes(const struct hw_held *held);
const struct hw_holder *hw_held_holder(const struct hw_held *held, size_t i);
/* A path that it holds, empty where none is listed. */
const char *hw_held_path(const struct hw_held *held, pid_t pid);

/*
 * A walk through all open files, then all mappings, by the rules in force, for some seconds each. It has a thread of its own,
 * the only one beside the loop's: the kernel looks at up to a million descriptors before it returns from one read. That
 * thread knows nothing but this.
 */
struct hw_held_walk {
        int files, maps; /* to read one run of an iterator from */
        int through; /* readable once the walk is */
        uint64_t loads; /* what was loaded when it began, by the daemon's count */
        uint64_t deadline; /* monotonic: by then it is told that not all was looked at */
        int error; /* 0, or a negative errno where not all was looked at; -ETIME: the time was up */
        struct hw_held held; /* what was found until then */
        pthread_t thread;
};

/* Takes the descriptors over; each may be a negative errno instead. NULL, with errno, where it cannot begin. */
struct hw_held_walk *hw_held_walk_begin(int files, int maps);
/* Waits until it is through: its error, and what it found in `ret`, in the place of what was there. Frees it. */
int hw_held_walk_end(struct hw_held_walk *w, struct hw_held *ret);

#endif
