/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostward-table.h on the test vectors that TypeScript wrote (libs/policy-compiler/src/bpf/vectors.spec.ts): both read
 * a table alike, in one automaton and in several. And whatever is changed in a table, the check refuses it or the walk
 * stays inside.
 */
#include "table-cases.h"
#include "../include/hostward-table-check.h"

static void walk(hw_tbl_ref blob, const struct table_case *c, struct hw_tbl_walk *w) {
        for (const char *byte = c->path; *byte; byte++)
                hw_tbl_step(blob, w, (__u8)*byte);
        for (unsigned i = 0; i < c->filled; i++)
                hw_tbl_step(blob, w, 'a');
}

/* Verdicts for which the kernel does not ask. */
static size_t unspoken;

static void judge(hw_tbl_ref blob, const struct table_case *c, struct hw_tbl_verdict *v) {
        struct hw_tbl_walk w;

        if (c->what == SOCKET)
                hw_tbl_cell(blob, c->subject, c->number, v);
        else if (c->what == CAPABILITY)
                hw_tbl_capability(blob, c->subject, c->number, v);
        else {
                hw_tbl_start_for(blob, &w, 1u << c->number);
                walk(blob, c, &w);
                hw_tbl_decide(blob, &w, c->subject, c->number, c->asker, v);
                if (c->number != HW_TBL_QUERY && !hw_tbl_speaks(blob, &w, c->subject)) {
                        unspoken++;
                        CHECK(!v->deny && !v->logged);
                }
        }
}

static __u32 subject_of(hw_tbl_ref blob, const char *path) {
        __u32 state = hw_tbl_subject_start(blob);

        for (; *path; path++)
                state = hw_tbl_subject_step(blob, state, (__u8)*path);
        return hw_tbl_subject_result(blob, state);
}

static void every_case_holds_in(const uint8_t *table, size_t used) {
        uint8_t *bytes = padded(table, used);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        CHECK(hw_tbl_check(&blob));
        for (size_t i = 0; i < COUNT(table_cases); i++) {
                const struct table_case *c = &table_cases[i];
                struct hw_tbl_verdict v;

                if (c->what == PROGRAM) {
                        CHECK(subject_of(&blob, c->path) == c->subject);
                        continue;
                }
                judge(&blob, c, &v);
                if (!same(&v, &c->verdict))
                        fprintf(stderr, "case %zu: %s+%u\n", i, c->path, c->filled);
                CHECK(same(&v, &c->verdict));
        }
        CHECK(unspoken > 0);
        free(bytes);
}

static bool holds(hw_tbl_ref blob, __u32 state, const char *argument) {
        for (const char *byte = argument; *byte; byte++)
                state = hw_tbl_next(blob, state, hw_tbl_byte_class(blob, (__u8)*byte));
        return hw_tbl_holds(blob, state);
}

static bool has_another(hw_tbl_ref blob, __u32 state, const struct exec_case *c) {
        for (const char *const *argument = c->arguments; *argument; argument++)
                if (!holds(blob, state, *argument))
                        return true;
        return false;
}

/* As bpf/arguments.h puts an exec together. */
static void judge_exec(hw_tbl_ref blob, const struct exec_case *c, struct hw_tbl_verdict *v) {
        const struct table_case path = { .path = c->path };
        struct hw_tbl_walk w;
        __u64 decision;
        __u32 audit;

        hw_tbl_start_for(blob, &w, 1u << HW_TBL_EXEC);
        walk(blob, &path, &w);
        hw_tbl_decide(blob, &w, c->subject, HW_TBL_EXEC, c->asker, v);
        decision = v->decision;
        audit = v->audit;
        for (__u32 i = 0; i < w.n; i++) {
                __u32 at = hw_tbl_conditions(blob, &w, i, c->subject, c->asker);

                for (; at != 0; at = HW_TBL_LOAD32(blob, at + HW_TBL_CONDITION_NEXT)) {
                        const __u32 watched = HW_TBL_LOAD32(blob, at + HW_TBL_CONDITION_AUDIT);

                        if (!has_another(blob, HW_TBL_LOAD32(blob, at + HW_TBL_CONDITION_STATE), c))
                                continue;
                        if (HW_TBL_LOAD64(blob, at) > decision)
                                decision = HW_TBL_LOAD64(blob, at);
                        if (watched - 1 < audit - 1)
                                audit = watched;
                }
        }
        if (decision != v->decision || audit != v->audit)
                hw_tbl_settle(decision, audit,
                              HW_TBL_LOAD32(blob, hw_tbl_subject_record(blob, c->subject) + HW_TBL_SUBJECT_LISTS), v);
}

static void every_exec_holds_in(const uint8_t *table, size_t used) {
        uint8_t *bytes = padded(table, used);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        CHECK(hw_tbl_has_conditions(&blob));
        for (size_t i = 0; i < COUNT(exec_cases); i++) {
                struct hw_tbl_verdict v;

                judge_exec(&blob, &exec_cases[i], &v);
                if (!same(&v, &exec_cases[i].verdict))
                        fprintf(stderr, "exec %zu: %s\n", i, exec_cases[i].path);
                CHECK(same(&v, &exec_cases[i].verdict));
        }
        free(bytes);
}

static void arguments_are_read_alike(void) {
        every_exec_holds_in(table_whole, sizeof table_whole);
        every_exec_holds_in(table_split, sizeof table_split);
}

static void what_typescript_wrote_is_read_alike(void) {
        every_case_holds_in(table_whole, sizeof table_whole);
        every_case_holds_in(table_split, sizeof table_split);
}

static void all_automata_together_say_the_same(void) {
        uint8_t *bytes = padded(table_split, sizeof table_split);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        for (size_t i = 0; i < COUNT(table_cases) && table_cases[i].what == PATH; i++) {
                const struct table_case *c = &table_cases[i];
                struct hw_tbl_verdict v;
                struct hw_tbl_walk w;

                hw_tbl_start(&blob, &w);
                walk(&blob, c, &w);
                hw_tbl_decide(&blob, &w, c->subject, c->number, c->asker, &v);
                CHECK(same(&v, &c->verdict));
        }
        free(bytes);
}

static void a_subject_of_another_table_is_everybody(void) {
        uint8_t *bytes = padded(table_whole, sizeof table_whole);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        for (size_t i = 0; i < COUNT(table_cases) && table_cases[i].subject == 0; i++) {
                struct table_case c = table_cases[i];
                struct hw_tbl_verdict v;

                c.subject = 77777;
                judge(&blob, &c, &v);
                CHECK(same(&v, &c.verdict));
        }
        free(bytes);
}

static void whoever_has_a_terminal_is_another_subject(void) {
        uint8_t *bytes = padded(table_whole, sizeof table_whole);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };
        const __u32 programs = hw_tbl_programs(&blob);

        CHECK(programs == 3 && HW_TBL_LOAD32(&blob, HW_TBL_OFF_TERMINALS) == programs);
        bytes[HW_TBL_OFF_TERMINALS]--; /* some have one of their own, some have not */
        CHECK(!hw_tbl_check(&blob));
        free(bytes);
}

static bool leaves(const struct hw_tbl_blob *blob, const char *from, const char *to) {
        const struct table_case here = { .path = from }, there = { .path = to };
        struct hw_tbl_walk w, v;
        struct hw_tbl_verdict verdict;

        hw_tbl_start_for(blob, &w, 1u << HW_TBL_ABOVE);
        hw_tbl_start_for(blob, &v, 1u << HW_TBL_ABOVE);
        walk(blob, &here, &w);
        walk(blob, &there, &v);
        hw_tbl_leave(blob, &w, &v);
        hw_tbl_decide(blob, &w, 0, HW_TBL_ABOVE, HW_TBL_OTHER, &verdict);
        return verdict.deny;
}

static void a_directory_leaves_a_pattern_only_for_where_it_does_not_hold(void) {
        uint8_t *bytes = padded(table_split, sizeof table_split);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        CHECK(leaves(&blob, "/home/u/.ssh/", "/home/u/ssh/"));
        CHECK(leaves(&blob, "/home/u/", "/opt/u/"));
        CHECK(!leaves(&blob, "/home/u/.ssh/", "/home/v/w/.ssh/"));
        CHECK(!leaves(&blob, "/home/u/", "/home/v/"));
        CHECK(!leaves(&blob, "/opt/u/", "/home/u/"));
        free(bytes);
}

static void sockets_are_told_apart_by_family_type_and_protocol(void) {
        static const struct {
                __u32 family, type, protocol, kind;
        } cases[] = {
                { 2, 1, 0, HW_TBL_SOCKET_INET_TCP },
                { 2, 1 | 02000000, 6, HW_TBL_SOCKET_INET_TCP },
                { 2, 1, 256, HW_TBL_SOCKET_INET_TCP },
                { 2, 1, 262, HW_TBL_SOCKET_INET_MPTCP },
                { 2, 1, 132, HW_TBL_SOCKET_INET_SCTP },
                { 2, 1, 99, HW_TBL_SOCKET_INET_STREAM },
                { 2, 2, 17, HW_TBL_SOCKET_INET_UDP },
                { 2, 2, 1, HW_TBL_SOCKET_INET_ICMP },
                { 2, 2, 58, HW_TBL_SOCKET_INET_DGRAM },
                { 2, 2, 136, HW_TBL_SOCKET_INET_UDPLITE },
                { 2, 3, 1, HW_TBL_SOCKET_INET_RAW_ICMP },
                { 2, 3, 255, HW_TBL_SOCKET_INET_RAW },
                { 2, 4, 0, HW_TBL_SOCKET_INET_RDM },
                { 2, 5, 132, HW_TBL_SOCKET_INET_SCTP_MANY },
                { 2, 6, 33, HW_TBL_SOCKET_INET_DCCP },
                { 2, 9, 0, HW_TBL_SOCKET_INET_OTHER },
                { 10, 1, 6, HW_TBL_SOCKET_INET6 + HW_TBL_SOCKET_INET_TCP },
                { 10, 2, 58, HW_TBL_SOCKET_INET6 + HW_TBL_SOCKET_INET_ICMP },
                { 10, 2, 1, HW_TBL_SOCKET_INET6 + HW_TBL_SOCKET_INET_DGRAM },
                { 10, 3, 58, HW_TBL_SOCKET_INET6 + HW_TBL_SOCKET_INET_RAW_ICMP },
                { 17, 3, 768, HW_TBL_SOCKET_PACKET_RAW },
                { 17, 2, 768, HW_TBL_SOCKET_PACKET_DGRAM },
                { 40, 1, 0, HW_TBL_SOCKET_VSOCK },
                { 31, 5, 0, HW_TBL_SOCKET_BLUETOOTH },
                { 29, 3, 1, HW_TBL_SOCKET_CAN },
                { 43, 1, 0, HW_TBL_SOCKET_SMC },
                { 44, 3, 0, HW_TBL_SOCKET_XDP },
                { 33, 2, 2, HW_TBL_SOCKET_OTHER },
                { 1, 1, 0, HW_TBL_SOCKET_NONE },
                { 16, 3, 0, HW_TBL_SOCKET_NONE },
                { 38, 5, 0, HW_TBL_SOCKET_NONE },
        };

        for (size_t i = 0; i < COUNT(cases); i++)
                CHECK(hw_tbl_socket_kind(cases[i].family, cases[i].type, cases[i].protocol) == cases[i].kind);
}

static void a_changed_table_is_refused_or_walked_inside_its_bounds(void) {
        uint64_t seed = 0x9e3779b97f4a7c15u;
        uint8_t *bytes = padded(table_split, sizeof table_split);
        const struct hw_tbl_blob blob = { bytes, TABLE_SIZE };
        unsigned refused = 0;

        for (int round = 0; round < 400; round++) {
                const size_t at = next_random(&seed) % sizeof table_split & ~(size_t)3;
                uint32_t kept, changed = next_random(&seed) << (next_random(&seed) & 24);

                memcpy(&kept, bytes + at, 4);
                memcpy(bytes + at, &changed, 4);
                if (!hw_tbl_check(&blob))
                        refused++;
                for (size_t i = 0; i < COUNT(table_cases); i += 61) {
                        struct hw_tbl_verdict v;

                        judge(&blob, &table_cases[i], &v);
                }
                memcpy(bytes + at, &kept, 4);
        }
        CHECK(refused > 200);
        CHECK(hw_tbl_check(&blob));
        free(bytes);
}

static void what_is_not_a_table_is_refused(void) {
        uint8_t *bytes = padded(table_whole, sizeof table_whole);
        struct hw_tbl_blob blob = { bytes, TABLE_SIZE };

        blob.size = TABLE_SIZE / 2;
        CHECK(!hw_tbl_check(&blob));
        blob.size = 16;
        CHECK(!hw_tbl_check(&blob));
        blob.size = TABLE_SIZE;
        bytes[TABLE_SIZE - 1] = 1;
        CHECK(hw_tbl_check(&blob));
        bytes[HW_TBL_OFF_VERSION]++;
        CHECK(!hw_tbl_check(&blob));
        free(bytes);
}

int main(void) {
        TEST(what_typescript_wrote_is_read_alike);
        TEST(arguments_are_read_alike);
        TEST(all_automata_together_say_the_same);
        TEST(a_directory_leaves_a_pattern_only_for_where_it_does_not_hold);
        TEST(a_subject_of_another_table_is_everybody);
        TEST(whoever_has_a_terminal_is_another_subject);
        TEST(sockets_are_told_apart_by_family_type_and_protocol);
        TEST(a_changed_table_is_refused_or_walked_inside_its_bounds);
        TEST(what_is_not_a_table_is_refused);
        return 0;
}
