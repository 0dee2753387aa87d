/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_CGROUPS_H
#define HOSTWARD_BPF_CGROUPS_H
#include "bpf.h"

#define HW_CGROUPS "/sys/fs/cgroup"
/* The root of all cgroups, where queries to DNS are judged; -EOPNOTSUPP where there is no cgroup v2. */
int hw_bpf_cgroups(void);
/* Whether somebody detached what judges them. */
bool hw_bpf_is_detached(const struct hw_bpf *b);
/* Attaches it again; hw_bpf_repin() is to follow. How many there were, or a negative errno. */
int hw_bpf_attach_again(struct hw_bpf *b);

#endif
