/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_LSM_H
#define HOSTWARD_BPF_LSM_H
#include <stdbool.h>

/*
 * Whether BPF programs of type LSM are called (`bpf` among the active LSMs) and taken by this kernel: found by loading
 * bpf/lsm_probe.bpf.c, not by version.
 */
bool hw_bpf_lsm_works(const char *securityfs);

#endif
