/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_SENSE_H
#define HOSTWARD_SENSE_H
/* What the daemon and the programs that only watch share (bpf/sense.bpf.c); both are built from this file. */
#include "hostward-bpf.h"

/* What can be watched, bit 1 << class in HW_TAG_VISIBILITY. Mirror: libs/policy-model/src/visibility.ts, in this order. */
enum hw_sense_class {
        HW_SENSE_PROCESS,
        HW_SENSE_FILE,
        HW_SENSE_NETWORK,
        HW_SENSE_CAPABILITIES,
        HW_SENSE_DNS,
        HW_SENSE_CLASSES,
};

/* The same thing done again by the same run of a program is counted for so long, not told. */
#define HW_SENSE_REPEAT_NS 10000000000ull
#define HW_SENSE_REPEATS 16384

#define HW_SENSE_TEXT 256

/* A record. `event` has in `requested` what struct hw_bpf_event says, but for sockets, whose kind the daemon finds. */
struct hw_telemetry_event {
        __u32 class; /* enum hw_sense_class */
        __u32 refused; /* a capability: the answer was no */
        __u16 family, type, protocol, port; /* of a socket; port in network order */
        __u8 address[16]; /* of the other side, or the one that is bound; IPv4 in the first four */
        __u32 text_len;
        __u32 reserved;
        char text[HW_SENSE_TEXT] __attribute__((aligned(8))); /* arguments, NUL after each; a question to DNS as it went out, from its name on */
        struct hw_bpf_event event;
};

#endif
