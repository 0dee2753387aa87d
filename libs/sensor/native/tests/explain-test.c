/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <stddef.h>

#include "clean.h"
#include "explain.h"
#include "json-read.h"
#include "table-cases.h"

/* The console's answer says of a table what hostward-table.h reads from it, and which rule of the report that is. */

static const char report[] = "{\"v\":1,\"policies\":[{\"rules\":[\"no\"]}],\"attribution\":{\"x\":\"[{\\\"\",\"rules\":["
                             "{\"policy\":\"first\",\"tags\":[\"}]\"],\"rule\":\"file/matchPaths/0\",\"revision\":\"7\","
                             "\"action\":\"Block\"},{\"policy\":\"second\"}]}}";

static char general[] = "hostward";
static char *subjects[] = { general };

static struct hw_element *element(size_t *ret_bytes, enum hw_bpf_mode mode) {
        struct hw_element *e = calloc(1, sizeof *e + TABLE_SIZE + HW_SLACK);

        CHECK(e);
        e->mode = mode;
        memcpy(e->table, table_whole, sizeof table_whole);
        *ret_bytes = sizeof *e + TABLE_SIZE + HW_SLACK;
        return e;
}

static bool answer_has(enum hw_bpf_mode mode, const struct hw_question *q, const char *text) {
        const struct hw_table says = { .assignment_version = { 1, 12, 3 }, .digest = "ab", .report = slice(report),
                                       .subjects = subjects, .n_subjects = 1 };
        struct hw_buffer json = { 0 };
        size_t bytes;
        struct hw_element *e = element(&bytes, mode);
        bool found;

        CHECK(hw_question_is_whole(q));
        CHECK(hw_explain(e, bytes, &says, q, &json) == 0);
        found = memmem(json.data, json.len, text, strlen(text)) != NULL;
        if (!found)
                fprintf(stderr, "%.*s\n", (int)json.len, (const char *)json.data);
        hw_buffer_free(&json);
        free(e);
        return found;
}

/* The question that a test vector asks, if the console can ask it. */
static bool question(const struct table_case *c, struct hw_question *ret) {
        static const char *const words[] = { "read", "write", "link", "lock", "map", "exec" };
        static char number[8];

        *ret = (struct hw_question){ 0 };
        if (c->subject != 0 || c->filled || c->number >= (c->what == PATH ? HW_LEN(words) : 64))
                return false;
        if (c->what == PATH) {
                ret->path = c->path;
                ret->operation = words[c->number];
                ret->owner = c->asker == HW_TBL_OWNER;
                return c->path[0] == '/';
        }
        (void)snprintf(number, sizeof number, "%u", c->number);
        ret->capability = number;
        return c->what == CAPABILITY;
}

static void each_exec_is_answered_by_its_arguments(void) {
        size_t asked = 0;

        for (size_t i = 0; i < COUNT(exec_cases); i++) {
                const struct exec_case *c = &exec_cases[i];
                struct hw_question q = { .path = c->path, .operation = "exec", .owner = c->asker == HW_TBL_OWNER };

                if (c->subject != 0)
                        continue;
                for (; c->arguments[q.n_arguments]; q.n_arguments++)
                        q.arguments[q.n_arguments] = c->arguments[q.n_arguments];
                CHECK(answer_has(HW_BPF_ENFORCE, &q, c->verdict.deny     ? "\"verdict\":\"denied\""
                                                     : c->verdict.logged ? "\"verdict\":\"audited\""
                                                                         : "\"verdict\":\"allowed\""));
                asked++;
        }
        CHECK(asked > 20);
        CHECK(!hw_question_is_whole(&(struct hw_question){ .path = "/a", .operation = "read", .n_arguments = 1 }));
}

static void each_vector_is_answered_as_the_table_says(void) {
        size_t denied = 0, asked = 0;

        for (size_t i = 0; i < COUNT(table_cases); i++) {
                const struct hw_tbl_verdict *v = &table_cases[i].verdict;
                struct hw_question q;
                char rule[64];

                if (!question(&table_cases[i], &q))
                        continue;
                CHECK(answer_has(HW_BPF_ENFORCE, &q, v->deny     ? "\"verdict\":\"denied\""
                                                     : v->logged ? "\"verdict\":\"audited\""
                                                                 : "\"verdict\":\"allowed\""));
                (void)snprintf(rule, sizeof rule, "\"rule\":{\"index\":%u", v->rule - 1);
                CHECK(v->rule == 0 || answer_has(HW_BPF_ENFORCE, &q, rule));
                denied += v->deny;
                asked++;
        }
        CHECK(denied > 10 && asked > 100);
}

static void a_name_of_dns_is_asked_as_people_write_it(void) {
        static const struct {
                const char *name, *verdict;
        } asked[] = {
                { "evil.example", "\"verdict\":\"denied\"" },      { "www.EVIL.example.", "\"verdict\":\"denied\"" },
                { "a.ok.evil.example", "\"verdict\":\"allowed\"" }, { "notevil.example", "\"verdict\":\"allowed\"" },
                { "seen.example", "\"verdict\":\"audited\"" },     { "example", "\"verdict\":\"allowed\"" },
        };

        for (size_t i = 0; i < COUNT(asked); i++) {
                const struct hw_question q = { .domain = asked[i].name };

                CHECK(answer_has(HW_BPF_ENFORCE, &q, asked[i].verdict));
        }
}

static void the_rule_is_named_by_the_report_of_its_rule_set(void) {
        for (size_t i = 0; i < COUNT(table_cases); i++) {
                struct hw_question q;

                if (!question(&table_cases[i], &q) || table_cases[i].verdict.rule != 1)
                        continue;
                CHECK(answer_has(HW_BPF_ENFORCE, &q, "{\"index\":0,\"policy\":\"first\",\"revision\":\"7\","
                                                     "\"rule\":\"file/matchPaths/0\",\"action\":\"Block\"}"));
                CHECK(answer_has(HW_BPF_ENFORCE, &q, "\"generation\":\"12\",\"digest\":\"ab\",\"subject\":\"hostward\""));
                return;
        }
        CHECK(!"a vector decided by the first rule");
}

static void what_is_not_enforced_is_not_said_to_be_denied(void) {
        for (size_t i = 0; i < COUNT(table_cases); i++) {
                struct hw_question q;

                if (!question(&table_cases[i], &q) || !table_cases[i].verdict.deny)
                        continue;
                CHECK(answer_has(HW_BPF_AUDIT, &q, "\"mode\":\"audit\"") &&
                      answer_has(HW_BPF_AUDIT, &q, "\"verdict\":\"audited\""));
                CHECK(answer_has(HW_BPF_OFF, &q, "\"verdict\":\"allowed\""));
                return;
        }
        CHECK(!"a vector that is denied");
}

static void a_question_is_about_one_object_that_there_can_be(void) {
        static const struct hw_question bad[] = {
                { 0 },
                { .path = "/a" },
                { .path = "a", .operation = "read" },
                { .path = "/a", .operation = "dance" },
                { .path = "/a", .operation = "read", .capability = "1" },
                { .path = "/a", .operation = "read", .program = "cat" },
                { .capability = "64" },
                { .capability = "1x" },
                { .capability = "1", .operation = "read" },
                { .network = "2/1" },
                { .network = "1/1/0" }, /* AF_UNIX is not judged */
                { .domain = "" },
                { .domain = "evil.example/a" },
                { .domain = "evil.example", .operation = "read" },
        };
        static const struct hw_question good[] = {
                { .path = "/a", .operation = "exec", .program = "/bin/sh", .owner = true },
                { .capability = "13" },
                { .network = "2/3/1" },
                { .domain = "evil.example" },
        };

        for (size_t i = 0; i < HW_LEN(bad); i++)
                CHECK(!hw_question_is_whole(&bad[i]));
        for (size_t i = 0; i < HW_LEN(good); i++)
                CHECK(hw_question_is_whole(&good[i]));
}

static void a_table_that_is_none_has_no_answer(void) {
        const struct hw_question q = { .path = "/a", .operation = "read" };
        struct hw_buffer json = { 0 };
        size_t bytes;
        struct hw_element *e = element(&bytes, HW_BPF_ENFORCE);

        e->table[0] ^= 1;
        CHECK(hw_explain(e, bytes, NULL, &q, &json) < 0);
        hw_buffer_free(&json);
        free(e);
}

static void json_that_is_cut_or_changed_is_never_read_beyond(void) {
        uint64_t seed = 7;

        for (int i = 0; i < 50000; i++) {
                const size_t len = next_random(&seed) % sizeof report;
                uint8_t *exact = malloc(len ? len : 1);
                struct hw_slice rules, rule, found;

                CHECK(exact);
                memcpy(exact, report, len);
                if (len && i % 2)
                        exact[next_random(&seed) % len] = (uint8_t)"{}[]\",:\\ x"[next_random(&seed) % 10];
                if (hw_json_find((struct hw_slice){ exact, len }, "attribution", &rules) &&
                    hw_json_find(rules, "rules", &rules) && hw_json_item(rules, 1, &rule))
                        (void)hw_json_find(rule, "policy", &found);
                free(exact);
        }
}

int main(void) {
        TEST(each_vector_is_answered_as_the_table_says);
        TEST(each_exec_is_answered_by_its_arguments);
        TEST(a_name_of_dns_is_asked_as_people_write_it);
        TEST(the_rule_is_named_by_the_report_of_its_rule_set);
        TEST(what_is_not_enforced_is_not_said_to_be_denied);
        TEST(a_question_is_about_one_object_that_there_can_be);
        TEST(a_table_that_is_none_has_no_answer);
        TEST(json_that_is_cut_or_changed_is_never_read_beyond);
        return 0;
}
