/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_LSM_H
#define HOSTWARD_BPF_LSM_H
#include <stdbool.h>

/*
 * Whether BPF programs of type LSM deny on this kernel what they are made to: found by a denial of our own open
 * (bpf/lsm_probe.bpf.c), not by version. For a process of one thread.
 */
bool hw_bpf_lsm_works(const char *securityfs);
/* Whether programs that are loaded anew are told the addresses they need. @return 0, -EPERM (logged), -ENOENT */
int hw_bpf_addresses_told(void);

#endif
