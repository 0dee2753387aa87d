/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_LOSS_H
#define HOSTWARD_BPF_LOSS_H
#include "bpf.h"

/* What was lost since the last call, by cause; true if anything was. */
bool hw_bpf_poll_lost(struct hw_bpf *b, uint64_t ret[HW_LOSSES]);
const char *hw_loss_name(unsigned int cause); /* as in SensorState.losses.bpf */
const char *hw_loss_words(unsigned int cause);

#endif
