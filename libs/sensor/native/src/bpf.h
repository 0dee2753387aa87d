/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SENSOR_BPF_H
#define HOSTWARD_SENSOR_BPF_H
#include "audit-record.h"
#include "coverage.h"
#include "hostward-bpf.h"
#include "table.h"

#define HW_BPF_LINKS_MAX 64

typedef void (*hw_bpf_handler)(const struct hw_audit_record *record, void *userdata);
/* Over what is open, see bpf/held.bpf.h; in the order of the skeleton. */
enum hw_bpf_iterator { HW_BPF_OWN_FILES, HW_BPF_HELD_FILES, HW_BPF_HELD_MAPS, HW_BPF_ITERATORS };

/*
 * The BPF enforcer: programs, their maps and the rule set in force, all pinned below <bpffs>/hostward/BUILD-SIZE, so that
 * they outlive the daemon. What is pinned by a program of the same build is taken over; another build's is replaced:
 * the new programs know the rule set and are attached before the old ones are let go. The daemon holds the links too, so
 * that removing the pins alone opens nothing.
 */
struct hw_bpf {
        const char *bpffs;
        unsigned int shift; /* size class of the programs that are attached, 0: none are */
        int rules, mounts, bindings, host, losses, events, throttle, table; /* maps; table: the inner one in force, or -1 */
        int queries; /* program that is attached to the cgroups */
        int iterators[HW_BPF_ITERATORS]; /* links */
        int links[HW_BPF_LINKS_MAX];
        size_t n_links;
        uint64_t generation; /* of the rule set in force; 0: none */
        size_t bound; /* files with several names that it counts for by each */
        char by_path_alone[HW_COVERAGE_TEXT]; /* which of them it does not count for so, and why; empty: none is known of */
        bool guarded; /* hw_bpf_guard() was asked for */
        int mountinfo; /* readable by EPOLLPRI after each change of mounts */
        size_t left_out; /* mounts by which files have no name, as last told */
        uint64_t *consumer;       /* of the ring */
        const uint8_t *ring;      /* producer's page, then the data twice */
        size_t ring_bytes;
        struct hw_throttle *places; /* of the throttle, shared with the programs */
        uint64_t lost[HW_LOSSES]; /* told in this life */
        uint64_t carried[HW_LOSSES]; /* by programs that were let go, not told yet */
        hw_bpf_handler handler; /* of what is left to read when programs are let go */
        void *userdata;
};

/* An empty one: nothing is attached. `handler` gets each record. */
void hw_bpf_init(struct hw_bpf *b, const char *bpffs, hw_bpf_handler handler, void *userdata);
/* Lets go of the descriptors; what is pinned stays in force. */
void hw_bpf_close(struct hw_bpf *b);

/* Takes over what an earlier life pinned. 0, or -ENOENT when there is nothing of this build. */
int hw_bpf_adopt(struct hw_bpf *b);

/*
 * Puts a table in the place of the one in force by one pointer, in that mode. Loads and attaches the programs first if
 * there are none or the table is too large for them. On failure what was in force stays.
 */
int hw_bpf_swap(struct hw_bpf *b, struct hw_slice table, enum hw_mode mode);

/* Reads back whether that table in that mode is what the programs judge by: 0, -ESTALE, or another errno. */
int hw_bpf_verify(const struct hw_bpf *b, struct hw_slice table, enum hw_mode mode);

/* Ends enforcement: programs are detached and every pin of ours is removed, also those of an earlier life. */
void hw_bpf_unload(struct hw_bpf *b);

/* From now on this process is the sensor that the programs guard (bpf/guard.h), until it ends. */
int hw_bpf_guard(struct hw_bpf *b);

/*
 * Waits until no program looks at what was taken out of a map or replaced in it any more: the kernel gives the room of an
 * entry to the next one at once, and a program that still reads it would take one file for another.
 */
int hw_bpf_wait(const struct hw_bpf *b);

/* Bytes of one table of the programs of a size class. */
size_t hw_bpf_element_bytes(unsigned int shift);

#endif
