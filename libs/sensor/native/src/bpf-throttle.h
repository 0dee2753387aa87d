/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_THROTTLE_H
#define HOSTWARD_BPF_THROTTLE_H
#include "bpf.h"

/*
 * Tells the numbers of what was suppressed where no record followed that would: at once with `all`,
 * else once the process is quiet. Whether there are more to come.
 */
bool hw_bpf_tell_suppressed(struct hw_bpf *b, char *const *subjects, size_t n_subjects, bool all);

#endif
