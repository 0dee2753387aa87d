/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_THROTTLE_H
#define HOSTWARD_THROTTLE_H
/*
 * A rule that one process hits again and again is told of some times a second, and how often else: in its next record,
 * or by the daemon once it is quiet (src/bpf-throttle.c). Each rule and process has a place of its own, so noise of one
 * hides no other. Where there is no place nothing is held back.
 */
#include "maps.h"

/* Writer: programs; the daemon takes `suppressed` by an exchange in shared memory. Full: see above. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(map_flags, BPF_F_MMAPABLE);
        __uint(max_entries, HW_THROTTLE_PLACES);
        __type(key, __u32);
        __type(value, struct hw_throttle);
} throttle SEC(".maps");

#define HW_THROTTLE_WAYS 4

static __always_inline bool hw_was_refused(const struct hw_bpf_event *e) {
        return e->denied != 0 && e->mode == HW_BPF_ENFORCE;
}

/* Rule, process and verdict in one number. */
static __always_inline __u64 throttle_owner(const struct hw_bpf_event *e) {
        __u64 owner = e->start ^ ((__u64)e->tgid << 40);

        owner = (owner ^ (e->rule ? e->rule : e->audit_rule)) * 0x9e3779b97f4a7c15ull;
        owner = (owner ^ owner >> 29 ^ ((__u64)e->class << 8 | hw_was_refused(e))) * 0xbf58476d1ce4e5b9ull;
        return (owner ^ owner >> 32) | 1;
}

/* Whether a place that another had is ours now. */
static __always_inline bool throttle_take(struct hw_throttle *t, __u64 held, __u64 owner, const struct hw_bpf_event *e) {
        __u32 untold;

        if (__sync_val_compare_and_swap(&t->owner, held, owner) != held)
                return false;
        untold = __sync_lock_test_and_set(&t->suppressed, 0);
        if (untold)
                hw_lost_some(HW_LOSS_THROTTLED, untold);
        t->since = e->time;
        t->passed = 0;
        __builtin_memcpy(t->common, e, HW_EVENT_COMMON);
        return true;
}

/* Whether the record may go; puts into it how many of its like did not since the last. */
static __always_inline bool hw_throttle_admits(struct hw_bpf_event *e) {
        const __u64 owner = throttle_owner(e);

        for (__u32 way = 0; way < HW_THROTTLE_WAYS; way++) {
                const __u32 place = ((owner >> 1) + way) & (HW_THROTTLE_PLACES - 1);
                struct hw_throttle *t = bpf_map_lookup_elem(&throttle, &place);
                __u64 held;

                if (!t)
                        return true;
                held = t->owner;
                if (held != owner && held != 0 && e->time - t->since < 2 * HW_THROTTLE_WINDOW_NS)
                        continue;
                if (held != owner && !throttle_take(t, held, owner, e))
                        continue;
                if (e->time - t->since >= HW_THROTTLE_WINDOW_NS) {
                        t->since = e->time;
                        t->passed = 0;
                }
                if (__sync_fetch_and_add(&t->passed, 1) >= HW_THROTTLE_RECORDS) {
                        (void)__sync_fetch_and_add(&t->suppressed, 1);
                        return false;
                }
                e->suppressed = __sync_lock_test_and_set(&t->suppressed, 0);
                return true;
        }
        return true;
}

#endif
