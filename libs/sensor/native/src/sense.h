/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_SENSE_H
#define HOSTWARD_SENSOR_SENSE_H
#include "bpf.h"
#include "hostward-sense.h"

struct sense_bpf;
struct ring_buffer;

/*
 * Watching by BPF programs of their own (bpf/sense.bpf.c), which need no BPF-LSM. Nothing is pinned: what is watched ends
 * with the daemon, enforcement does not hang on it.
 */
struct hw_sense {
        uint32_t wanted, watched; /* classes, bit 1 << enum hw_sense_class */
        char failure[128]; /* why not all that is wanted is watched */
        struct sense_bpf *programs; /* NULL: none are loaded */
        struct ring_buffer *ring;
        struct hw_bpf maps; /* of the programs: mounts and losses alone */
        uint64_t lost[HW_LOSSES]; /* since the daemon started */
        hw_bpf_handler handler;
        void *userdata;
};

void hw_sense_init(struct hw_sense *s, hw_bpf_handler handler, void *userdata);
/* Watches these classes from now on: their programs are loaded, others are not. True when the ring is another one. */
bool hw_sense_want(struct hw_sense *s, uint32_t classes);
/* Readable when there is something to read; -1 while nothing is watched. */
int hw_sense_fd(const struct hw_sense *s);
void hw_sense_read(struct hw_sense *s);
/* Filesystems are mounted elsewhere now. */
void hw_sense_mounts(struct hw_sense *s);
/* Takes what was lost into `lost`. */
void hw_sense_count(struct hw_sense *s);
void hw_sense_close(struct hw_sense *s);
const char *hw_sense_name(unsigned int class);

#endif
