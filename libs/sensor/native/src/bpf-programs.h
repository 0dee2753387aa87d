/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_PROGRAMS_H
#define HOSTWARD_BPF_PROGRAMS_H
#include "bpf.h"

struct hw_bpf_object {
        int rules, mounts, bindings, host, losses, events, throttle;
        int queries;
        int iterators[HW_BPF_ITERATORS];
        uint32_t map_ids[HW_HOST_MAPS];
        int links[HW_BPF_LINKS_MAX];
        size_t n_links;
};
#define HW_BPF_SMALL 20u /* size classes of the programs, log2 of bytes */
#define HW_BPF_LARGE 24u
/* Loads the programs of a size class, lets `prepare` fill their maps, then attaches them. */
int hw_bpf_object_load(unsigned int shift, int (*prepare)(struct hw_bpf_object *o, void *userdata), void *userdata,
                       struct hw_bpf_object *ret);
void hw_bpf_object_close(struct hw_bpf_object *o);
/* What libbpf warns of goes to our log. */
void hw_bpf_log_libbpf(void);
/* How many programs there are beside the iterators. */
size_t hw_bpf_object_links(void);

#endif
