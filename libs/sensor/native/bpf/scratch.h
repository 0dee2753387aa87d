/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_SCRATCH_H
#define HOSTWARD_SCRATCH_H
/* The maps that paths need. Whoever includes this has declared struct hw_scratch, each object its own. */
#include "kernel.h"
#include "hostward-bpf.h"

#define HW_SCRATCHES 8

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, HW_SCRATCHES);
        __type(key, __u32);
        __type(value, struct hw_scratch);
} scratches SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, 4096);
        __type(key, __u32);
        __type(value, struct hw_mount);
} mounts SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
        __uint(max_entries, 2 * HW_LOSSES);
        __type(key, __u32);
        __type(value, __u64);
} losses SEC(".maps");

static __always_inline void hw_lost_some(__u32 cause, __u32 number) {
        __u64 *count = bpf_map_lookup_elem(&losses, &cause);

        if (count)
                *count += number;
}

static __always_inline void hw_lost(__u32 cause) {
        hw_lost_some(cause, 1);
}

static __always_inline struct hw_scratch *hw_scratch_take(void) {
        for (__u32 i = 0; i < HW_SCRATCHES; i++) {
                const __u32 key = i;
                struct hw_scratch *s = bpf_map_lookup_elem(&scratches, &key);

                if (s && __sync_lock_test_and_set(&s->busy, 1) == 0)
                        return s;
        }
        hw_lost(HW_LOSS_SCRATCH);
        return NULL;
}

static __always_inline void hw_scratch_give(struct hw_scratch *s) {
        (void)__sync_lock_test_and_set(&s->busy, 0);
}

#endif
