/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_RING_H
#define HOSTWARD_BPF_RING_H
#include "bpf.h"

/* Maps the ring and the throttle, which are shared with the programs: 0, or a negative errno with nothing mapped. */
int hw_bpf_map(struct hw_bpf *b);
void hw_bpf_unmap(struct hw_bpf *b);
/* Reads what is there. `subjects`: the table's names of subjects. */
void hw_bpf_read(struct hw_bpf *b, char *const *subjects, size_t n_subjects);
/* The path of a program of which a record was read before, by its exec id. */
void hw_bpf_recall_program(struct hw_actor *a);

#endif
