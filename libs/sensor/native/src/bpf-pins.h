/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_PINS_H
#define HOSTWARD_BPF_PINS_H
#include "bpf.h"

/*
 * Pins what is not pinned, in the place of what an earlier life left under its name, and removes every other pin of ours:
 * programs that stayed attached by it would go on with their own rule set. How many were amiss, or a negative errno.
 */
int hw_bpf_repin(struct hw_bpf *b);
/* In the place of what an earlier life may have left under that name: 0 or a negative errno. */
int hw_bpf_pin_as(const struct hw_bpf *b, int fd, const char *name);
/* Opens what is pinned for the size class; a descriptor of what is not there is below 0. */
void hw_bpf_open_pins(struct hw_bpf *b);
void hw_bpf_unpin_all(const struct hw_bpf *b);

#endif
