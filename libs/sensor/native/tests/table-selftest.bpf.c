// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * Enforces nothing and is never attached: shows that the verifier takes hostward-table.h, and lets a test walk a blob
 * in the kernel (BPF_PROG_TEST_RUN of the raw tracepoint; context: what is asked, bytes of the path, subject, number of
 * the operation, socket kind or capability, asker).
 *
 * map blob: one value, the table; written by the test before the run, read here.
 * map path: one value, the path's bytes; as blob.
 * map verdict: one value, struct hw_tbl_verdict and then the subject; written here, read by the test.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#ifndef HW_TBL_SELFTEST_SIZE
#define HW_TBL_SELFTEST_SIZE 262144u
#endif
#define HW_TBL_MASK (HW_TBL_SELFTEST_SIZE - 1u)
#include "../include/hostward-table.h"

#define PATH_BYTES 4096u

char _license[] SEC("license") = "GPL";

struct blob {
        __u64 words[HW_TBL_SELFTEST_SIZE / 8];
};

struct path {
        __u64 words[PATH_BYTES / 8];
};

struct answer {
        struct hw_tbl_verdict verdict;
        __u32 subject;
};

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct blob);
} blob SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct path);
} path SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_ARRAY);
        __uint(max_entries, 1);
        __type(key, __u32);
        __type(value, struct answer);
} verdict SEC(".maps");

struct context {
        const struct blob *blob;
        const struct path *path;
        struct hw_tbl_walk walk;
        __u32 subject;
        __u32 length;
};

/* Eight bytes of the path in all automata: one load for them, and states in registers between them. */
static long eight_bytes(__u32 word, void *pointer) {
        struct context *c = pointer;
        __u32 left = c->length - 8 * word;
        __u64 bytes;

        if (8 * word >= c->length)
                return 1;
        bytes = c->path->words[hw_tbl_masked(word, PATH_BYTES / 8 - 1)];
#pragma unroll
        for (__u32 i = 0; i < 8; i++) {
                if (i >= left)
                        return 1;
                hw_tbl_step(c->blob, &c->walk, (__u8)(bytes >> (8 * i)));
                c->subject = hw_tbl_subject_step(c->blob, c->subject, (__u8)(bytes >> (8 * i)));
        }
        return hw_tbl_dead(&c->walk) && c->subject == 0;
}

/* What is asked, as in table-cases.h. */
enum { PATH, SOCKET, CAPABILITY, PROGRAM };

static __always_inline void judge_path(struct context *c, struct answer *answer, __u32 subject, __u32 operation,
                                       __u32 asker) {
        hw_tbl_start_for(c->blob, &c->walk, 1u << (operation & 15));
        c->subject = hw_tbl_subject_start(c->blob);
        bpf_loop(PATH_BYTES / 8, eight_bytes, c, 0);
        hw_tbl_decide(c->blob, &c->walk, subject, operation, asker, &answer->verdict);
        answer->subject = hw_tbl_subject_result(c->blob, c->subject);
}

SEC("raw_tp/sys_enter")
int hostward_table_selftest(struct bpf_raw_tracepoint_args *args) {
        __u32 zero = 0, what = (__u32)args->args[0], subject = (__u32)args->args[2], number = (__u32)args->args[3];
        struct context c = {
                .blob = bpf_map_lookup_elem(&blob, &zero),
                .path = bpf_map_lookup_elem(&path, &zero),
                .length = (__u32)args->args[1],
        };
        struct answer *answer = bpf_map_lookup_elem(&verdict, &zero);

        if (!c.blob || !c.path || !answer)
                return -1;
        if (what == SOCKET)
                hw_tbl_cell(c.blob, subject, number, &answer->verdict);
        else if (what == CAPABILITY)
                hw_tbl_capability(c.blob, subject, number, &answer->verdict);
        else
                judge_path(&c, answer, subject, number & 15, (__u32)args->args[4]);
        return 0;
}
