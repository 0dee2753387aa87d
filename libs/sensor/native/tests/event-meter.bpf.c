// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * Enforces nothing and is never attached: writes copies of one record into a ring as the programs do, as many as a run of
 * BPF_PROG_RUN asks for (context: how many, bytes of each), for tests/event-meter.c to read.
 *
 * map record: one value, the record's bytes; written by the meter before the run.
 * map sent: what went into the ring and what found no room, since the object was loaded; read by the meter.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#define RECORD_BYTES 2048u

char _license[] SEC("license") = "GPL";

struct record {
        __u8 bytes[RECORD_BYTES];
};

struct sent {
        __u64 records, lost;
};

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct record);
} record SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct sent);
} sent SEC(".maps");

struct run {
        struct record *record;
        struct sent *sent;
        __u32 bytes;
};

static long write_one(__u32 index, struct run *run) {
        const __u32 bytes = run->bytes & (RECORD_BYTES - 1);

        (void)index;
        if (bpf_ringbuf_output(&events, run->record, bytes, 0) == 0)
                run->sent->records++;
        else
                run->sent->lost++;
        return 0;
}

SEC("raw_tp/sys_enter")
int hostward_event_meter(struct bpf_raw_tracepoint_args *context)
{
        const __u32 zero = 0;
        struct run run = { bpf_map_lookup_elem(&record, &zero), bpf_map_lookup_elem(&sent, &zero),
                           (__u32)context->args[1] };

        if (run.record && run.sent)
                (void)bpf_loop((__u32)context->args[0], write_one, &run, 0);
        return 0;
}
