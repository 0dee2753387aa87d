/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_MAPS_H
#define HOSTWARD_MAPS_H
#include "kernel.h"
#include "hostward-bpf.h"
#include "path-room.h"

/* Bytes of the size class less one: set before the programs are loaded, so a constant to the verifier. */
const volatile __u32 table_mask = 0xfffff;
#define HW_TBL_MASK table_mask
/* Whether lsm/path_rename is told flags (since 6.0), which else calls it for each direction of an exchange. */
const volatile bool rename_has_flags = false;
#include "hostward-table.h"

/* What is asked about an object, by each of its names. */
struct hw_asked {
        struct hw_binding_key key;
        __u64 inode; /* its address */
        __u32 bound; /* whether the key is in `bindings` */
        __u32 operations, flags;
        __u32 subject, asker;
        __u32 foreign; /* it has no path on the host */
        __u32 alone;   /* nor on any other: a pipe, a memfd */
};

/* What a rule says of an exec with an argument that its set does not hold (HW_TBL_CONDITION_BYTES). */
struct hw_condition {
        __u64 decision;
        __u32 audit;
        __u32 state;
};

/* Room for one operation on one CPU. Programs may be preempted, so each takes one that is not in use. */
struct hw_scratch {
        __u32 busy;
        __u32 start, end; /* of the path */
        __u32 own; /* where it starts without a mount point */
        __u32 entry, more; /* of its mount: the one to try next, and whether there are any */
        /* Here and not on the stack, since the verifier then does not follow each value that they may have. */
        struct dentry *dentry, *root; /* where the climb is and ends */
        int climbed; /* its outcome */
        __u32 position; /* of the walk over the path */
        __u32 state; /* of the automaton that is walked */
        __u32 operation, left; /* the one that is decided, and those that are not yet */
        __u32 further; /* a name beside the object's own: rules can refuse more, what is allowed and lists say nothing */
        __u32 due; /* a record */
        __u32 listed; /* what is refused is so for want of a rule that allows it */
        __u32 told; /* its path is in the record */
        __u32 torn; /* the rule set changed meanwhile */
        __u32 automaton, chain; /* of the conditions that are collected */
        __u64 strongest; /* what decided on exec by the name that was walked last */
        __u32 conditional; /* conditions on the exec */
        struct hw_condition condition[HW_TBL_CONDITIONS_MAX];
        struct hw_asked asked;
        struct hw_tbl_walk walk, moved;
        struct hw_bpf_event event;
        char path[HW_PATH_BUFFER + 256];
};

#include "scratch.h"

/* Who asks about the path that was walked. */
struct hw_decision {
        const struct hw_element *rules;
        struct hw_scratch *scratch;
        __u32 subject, asker;
};

/* The subject of a task, valid for one rule set only. */
struct hw_task {
        __u64 generation;
        __u32 subject;
        __u32 reserved;
};

/*
 * An exec that is let through unless its arguments say otherwise, which stand still only when the program has taken the
 * place of the caller. A script and its interpreter may each have conditions.
 */
#define HW_EXEC_FILES 2
#define HW_EXEC_RECORD 2048
#define HW_EXEC_CHUNK 256 /* of the arguments, and of the page that they are in: powers of two */

struct hw_exec_file {
        __u64 ino;
        __u32 dev, inode_generation;
        __u32 argc; /* when it was asked about: each script puts some in front */
        __u32 conditional;
        struct hw_condition condition[HW_TBL_CONDITIONS_MAX];
        __u64 record[HW_EXEC_RECORD / 8]; /* struct hw_bpf_event, its text cut; its rule set is that of the conditions */
};

struct hw_exec {
        __u32 n; /* files */
        __u32 fresh; /* the next one stands in its place, but for argc */
        __u32 admitted; /* it runs, with these arguments */
        /* Of the walk over the arguments, for one condition. */
        __u32 start, state, skip, string, strings, offset, size, fired, unread;
        __u64 address, strongest;
        struct hw_exec_file file[HW_EXEC_FILES];
        __u8 chunk[2 * HW_EXEC_CHUNK]; /* half of it is used */
};

struct {
        __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct hw_exec);
} execs SEC(".maps");

/*
 * Who sends by a TCP connection to a server of DNS, and where its stream is. Packets leave in any task's name, so it is
 * noted when data is handed over; who sent for an earlier rule set counts as everybody until the next time.
 */
#define HW_SENDERS 4
#define HW_STREAM_HEAD 512 /* a power of two; there is room for as much again behind it */

struct hw_senders {
        __u64 generation; /* of the rule set that the subjects are of */
        __u32 n; /* more than HW_SENDERS: there were more than there is room for */
        __u32 subject[HW_SENDERS];
        __u32 refused; /* nothing more goes through */
        __u32 expected; /* number of the next byte */
        __u32 have; /* bytes of a message in `head` */
        __u32 skip; /* bytes of it that are not looked at */
        __u32 begun; /* `expected` is known */
        __u64 actor[HW_EVENT_COMMON / 8]; /* who sent last, as struct hw_bpf_event has it */
        __u8 head[2 * HW_STREAM_HEAD];
};

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct hw_senders);
} senders SEC(".maps");

struct hw_rules_inner {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __uint(key_size, sizeof(__u32));
        __uint(value_size, 1 << 20); /* another one takes its place when the programs are loaded */
};

/* The rule set in force: one pointer. */
struct {
        __uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
        __uint(max_entries, 1);
        __type(key, __u32);
        __array(values, struct hw_rules_inner);
} rules SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct hw_task);
} tasks SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, HW_BINDINGS_MAX);
        __type(key, struct hw_binding_key);
        __type(value, struct hw_binding);
} bindings SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct hw_host);
} host SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 20);
} events SEC(".maps");

static __always_inline __u32 hw_plain_device(void) {
        const struct hw_host *h = bpf_map_lookup_elem(&host, &(const __u32){ 0 });

        return h ? h->plain : 0;
}

static __always_inline struct hw_element *hw_rules(void) {
        const __u32 zero = 0;
        void *inner = bpf_map_lookup_elem(&rules, &zero);

        return inner ? bpf_map_lookup_elem(inner, &zero) : NULL;
}

#endif
