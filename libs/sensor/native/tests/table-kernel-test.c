/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostward-table.h in the kernel, on the test vectors: the program of table-selftest.bpf.c answers as TypeScript and C do.
 * Skipped, with the reason, where the kernel takes no raw tracepoint from us.
 */
#include <errno.h>

#include "table-cases.h"
#include "table_selftest.lskel.h"

static struct table_selftest *skel;

static void load_table(const uint8_t *table, size_t used) {
        uint8_t *blob = padded(table, used);
        const __u32 zero = 0;

        CHECK(skel_map_update_elem(skel->maps.blob.map_fd, &zero, blob, BPF_ANY) == 0);
        free(blob);
}

static size_t load_path(const struct table_case *c) {
        char path[4096] = "";
        const size_t length = strlen(c->path);
        const __u32 zero = 0;

        CHECK(length + c->filled < sizeof path);
        memcpy(path, c->path, length);
        memset(path + length, 'a', c->filled);
        CHECK(skel_map_update_elem(skel->maps.path.map_fd, &zero, path, BPF_ANY) == 0);
        return length + c->filled;
}

struct answer {
        struct hw_tbl_verdict verdict;
        __u32 subject;
};

static struct answer read_answer(void) {
        struct answer answer;
        const __u32 zero = 0;
        union bpf_attr attr = {
                .map_fd = (__u32)skel->maps.verdict.map_fd,
                .key = (__u64)(uintptr_t)&zero,
                .value = (__u64)(uintptr_t)&answer,
        };

        CHECK(skel_sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof attr) == 0);
        return answer;
}

static struct answer ask(const struct table_case *c) {
        __u64 context[12] = { c->what, load_path(c), c->subject, c->number, c->asker };
        union bpf_attr attr = { 0 };

        attr.test.prog_fd = (__u32)skel->progs.hostward_table_selftest.prog_fd;
        attr.test.ctx_in = (__u64)(uintptr_t)context;
        attr.test.ctx_size_in = sizeof context;
        CHECK(skel_sys_bpf(BPF_PROG_RUN, &attr, sizeof attr) == 0);
        return read_answer();
}

static void every_case_holds_in(const uint8_t *table, size_t used) {
        load_table(table, used);
        for (size_t i = 0; i < COUNT(table_cases); i++) {
                const struct table_case *c = &table_cases[i];
                const struct answer answer = ask(c);

                if (c->what == PROGRAM)
                        CHECK(answer.subject == c->subject);
                else
                        CHECK(same(&answer.verdict, &c->verdict));
        }
}

static void the_kernel_reads_one_automaton_as_typescript_wrote_it(void) {
        every_case_holds_in(table_whole, sizeof table_whole);
}

static void the_kernel_reads_many_automata_as_typescript_wrote_them(void) {
        every_case_holds_in(table_split, sizeof table_split);
}

int main(void) {
        skel = table_selftest__open_and_load();
        if (!skel) {
                printf("skip the kernel takes no raw tracepoint: %s\n", strerror(errno));
                return 0;
        }
        TEST(the_kernel_reads_one_automaton_as_typescript_wrote_it);
        TEST(the_kernel_reads_many_automata_as_typescript_wrote_them);
        table_selftest__destroy(skel);
        return 0;
}
