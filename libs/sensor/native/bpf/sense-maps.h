/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_SENSE_MAPS_H
#define HOSTWARD_SENSE_MAPS_H
#include "kernel.h"
#include "hostward-sense.h"
#include "path-room.h"

/* The daemon, which is not watched: set before the programs are loaded. */
const volatile __u32 sensor = 0;

/* Room for one telemetry event on one CPU; the members for paths are those of maps.h. */
struct hw_scratch {
        __u32 busy;
        __u32 start, end, own, entry, more;
        struct dentry *dentry, *root;
        int climbed;
        struct hw_telemetry_event seen;
        char path[HW_PATH_BUFFER + 256];
};

#include "scratch.h"

/* Nothing is known of the host's mounts but what `mounts` says. */
static __always_inline __u32 hw_plain_device(void) {
        return 0;
}

/* What one run of a program did to one object. */
struct hw_repeat_key {
        __u64 start, exec, object;
        __u32 tgid, class, detail, reserved;
};

struct hw_repeat {
        __u64 since;
        __u32 left_out; /* since then */
        __u32 reserved;
};

/* Writer and reader: programs. Full: the one that was not used for longest goes, and is told once more. */
struct {
        __uint(type, BPF_MAP_TYPE_LRU_HASH);
        __uint(max_entries, HW_SENSE_REPEATS);
        __type(key, struct hw_repeat_key);
        __type(value, struct hw_repeat);
} repeats SEC(".maps");

/* Apart from the enforcer's, so that nothing that is only watched takes the room of a denial. */
struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 20);
} telemetry_events SEC(".maps");

#endif
