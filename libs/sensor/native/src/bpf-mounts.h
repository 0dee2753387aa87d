/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_MOUNTS_H
#define HOSTWARD_BPF_MOUNTS_H
#include "bpf.h"

/* The host's mounts, whatever namespace the reader was put into. */
#define HW_MOUNTINFO "/proc/1/mountinfo"

/* Tells the programs where filesystems are mounted now. */
int hw_bpf_mounts(struct hw_bpf *b);

#endif
