/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bpf-loaded.h"
#include "bpf.h"
#include "clean.h"
#include "explain.h"
#include "hostward-table-check.h"
#include "hostward-table.h"
#include "json-read.h"
#include "json.h"
#include "snapshot.h"

static const char *const operations[] = { "read", "write", "link", "lock", "map", "exec" };

#define HW_DOMAIN_MAX 253

static int operation_of(const char *word) {
        for (size_t i = 0; word && i < HW_LEN(operations); i++)
                if (strcmp(word, operations[i]) == 0)
                        return (int)i;
        return -1;
}

static bool capability_of(const char *text, uint32_t *ret) {
        char rest;

        return sscanf(text, "%2u%c", ret, &rest) == 1 && *ret < HW_TBL_VECTOR_BYTES / 4;
}

static uint32_t socket_of(const char *text) {
        unsigned int family, type, protocol;
        char rest;

        if (sscanf(text, "%3u/%3u/%3u%c", &family, &type, &protocol, &rest) != 3)
                return HW_TBL_SOCKET_NONE;
        return hw_tbl_socket_kind(family, type, protocol);
}

bool hw_question_is_whole(const struct hw_question *q) {
        uint32_t number;

        if (!!q->path + !!q->capability + !!q->network + !!q->domain != 1 || (q->program && q->program[0] != '/'))
                return false;
        if (q->path)
                return q->path[0] == '/' && operation_of(q->operation) >= 0 && q->n_arguments <= HW_QUESTION_ARGUMENTS &&
                       (q->n_arguments == 0 || operation_of(q->operation) == HW_TBL_EXEC);
        if (q->operation || q->owner || q->n_arguments)
                return false;
        if (q->domain)
                return q->domain[0] && strlen(q->domain) <= HW_DOMAIN_MAX && !strchr(q->domain, '/');
        return q->capability ? capability_of(q->capability, &number) : socket_of(q->network) != HW_TBL_SOCKET_NONE;
}

static uint32_t subject_of(hw_tbl_ref table, const char *program) {
        uint32_t state = hw_tbl_subject_start(table);

        for (; program && *program; program++)
                state = hw_tbl_subject_step(table, state, (uint8_t)*program);
        return program ? hw_tbl_subject_result(table, state) : 0;
}

/* One label after the other from the last to the first, each with a slash: as bpf/query.h writes a name. */
static void walk_domain(hw_tbl_ref table, struct hw_tbl_walk *walk, const char *domain) {
        size_t end = strlen(domain);

        hw_tbl_step(table, walk, '/');
        while (end > 0) {
                size_t begin = end;

                while (begin > 0 && domain[begin - 1] != '.')
                        begin--;
                for (size_t i = begin; i < end; i++)
                        hw_tbl_step(table, walk, (uint8_t)tolower((unsigned char)domain[i]));
                if (end > begin)
                        hw_tbl_step(table, walk, '/');
                end = begin > 0 ? begin - 1 : 0;
        }
}

static bool has_another_argument(hw_tbl_ref table, uint32_t start, const struct hw_question *q) {
        for (size_t i = 0; i < q->n_arguments; i++) {
                uint32_t state = start;

                for (const char *byte = q->arguments[i]; *byte; byte++)
                        state = hw_tbl_next(table, state, hw_tbl_byte_class(table, (uint8_t)*byte));
                if (!hw_tbl_holds(table, state))
                        return true;
        }
        return false;
}

/* As bpf/arguments.h does: an exec with these arguments by the verdict on one without. */
static void decide_arguments(hw_tbl_ref table, const struct hw_tbl_walk *walk, uint32_t subject, uint32_t asker,
                             const struct hw_question *q, struct hw_tbl_verdict *v) {
        const uint32_t list = HW_TBL_LOAD32(table, hw_tbl_subject_record(table, subject) + HW_TBL_SUBJECT_LISTS +
                                                           4 * HW_TBL_LIST_OF_PROCESS);
        uint64_t decision = v->decision;
        uint32_t audit = v->audit;

        for (uint32_t i = 0; i < walk->n; i++)
                for (uint32_t at = hw_tbl_conditions(table, walk, i, subject, asker); at != 0;
                     at = HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_NEXT)) {
                        const uint32_t watched = HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_AUDIT);

                        if (!has_another_argument(table, HW_TBL_LOAD32(table, at + HW_TBL_CONDITION_STATE), q))
                                continue;
                        decision = HW_MAX(decision, HW_TBL_LOAD64(table, at));
                        if (watched - 1 < audit - 1) /* 0, none, is the greatest here */
                                audit = watched;
                }
        hw_tbl_settle(decision, audit, list, v);
}

static void decide(hw_tbl_ref table, uint32_t subject, const struct hw_question *q, struct hw_tbl_verdict *ret) {
        const uint32_t asker = q->owner ? HW_TBL_OWNER : HW_TBL_OTHER;
        struct hw_tbl_walk walk;
        uint32_t number = 0;

        if (q->network)
                hw_tbl_cell(table, subject, socket_of(q->network), ret);
        else if (q->capability && capability_of(q->capability, &number))
                hw_tbl_capability(table, subject, number, ret);
        else if (q->domain) {
                hw_tbl_start_for(table, &walk, 1u << HW_TBL_QUERY);
                walk_domain(table, &walk, q->domain);
                hw_tbl_decide(table, &walk, subject, HW_TBL_QUERY, HW_TBL_OTHER, ret);
        } else {
                number = (uint32_t)operation_of(q->operation);
                hw_tbl_start_for(table, &walk, 1u << number);
                for (const char *byte = q->path; *byte; byte++)
                        hw_tbl_step(table, &walk, (uint8_t)*byte);
                hw_tbl_decide(table, &walk, subject, number, asker, ret);
                if (number == HW_TBL_EXEC)
                        decide_arguments(table, &walk, subject, asker, q, ret);
        }
}

/* A rule by its index plus one; 0 is none. */
static void put_rule(struct hw_json *j, const char *key, uint32_t number, struct hw_slice rules) {
        static const char *const fields[] = { "policy", "revision", "rule", "action" };
        struct hw_slice rule = { 0 }, value;

        if (number == 0)
                return;
        hw_json_open(j, key, '{');
        hw_json_int(j, "index", number - 1);
        if (rules.len && hw_json_item(rules, number - 1, &rule))
                for (size_t i = 0; i < HW_LEN(fields); i++)
                        if (hw_json_find(rule, fields[i], &value))
                                hw_json_bytes(j, fields[i], value);
        hw_json_close(j, '}');
}

static void put_verdict(struct hw_json *j, const struct hw_tbl_verdict *v, uint32_t mode, struct hw_slice rules) {
        const bool refused = v->deny && mode == HW_BPF_ENFORCE;

        hw_json_text(j, "verdict", refused ? "denied" : v->deny || v->logged ? "audited" : "allowed");
        put_rule(j, "rule", v->rule, rules);
        put_rule(j, "allowList", v->rule ? 0 : v->list, rules);
        put_rule(j, "audit", v->audit, rules);
}

int hw_explain(const struct hw_element *element, size_t bytes, const struct hw_table *says, const struct hw_question *q,
               struct hw_buffer *ret) {
        static const char *const modes[] = { "enforce", "audit", "off" };
        struct hw_tbl_blob blob = { element->table, (uint32_t)(bytes - offsetof(struct hw_element, table)) };
        struct hw_json j = { ret, true };
        struct hw_slice attribution, rules = { 0 };
        struct hw_tbl_verdict verdict;
        uint32_t subject;

        blob.size = HW_MIN(blob.size, HW_TBL_LOAD32(&blob, HW_TBL_OFF_SIZE)); /* the map may be of a larger class */
        if (!hw_tbl_check(&blob) || element->mode >= HW_LEN(modes))
                return -EINVAL;
        subject = subject_of(&blob, q->program);
        if (q->terminal)
                subject += HW_TBL_LOAD32(&blob, HW_TBL_OFF_TERMINALS);
        decide(&blob, subject, q, &verdict);
        hw_json_open(&j, NULL, '{');
        hw_json_text(&j, "mode", modes[element->mode]);
        if (says) {
                hw_json_decimal(&j, "generation", says->assignment_version.generation);
                hw_json_text(&j, "digest", says->digest);
                if (!hw_json_find(says->report, "attribution", &attribution) ||
                    !hw_json_find(attribution, "rules", &rules))
                        rules = (struct hw_slice){ 0 };
                if (subject < says->n_subjects)
                        hw_json_text(&j, "subject", says->subjects[subject]);
        }
        if (element->mode == HW_BPF_OFF)
                hw_json_text(&j, "verdict", "allowed");
        else
                put_verdict(&j, &verdict, element->mode, rules);
        hw_json_close(&j, '}');
        return ret->failed ? -ENOMEM : 0;
}

/* The rule set of the snapshot, if it is what the kernel has. */
static struct hw_table *load_names(const char *state_dir, const struct hw_element *element, size_t bytes) {
        _cleanup_close_ int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct hw_table *t = NULL;

        if (dir < 0 || hw_snapshot_load(dir, HW_SNAPSHOT, &t) < 0)
                return NULL;
        if (t->bpf.len > 0 && t->bpf.len <= bytes - offsetof(struct hw_element, table) &&
            memcmp(t->bpf.data, element->table, t->bpf.len) == 0)
                return t;
        return hw_table_free(t);
}

int hw_console_explain(const char *bpffs, const char *state_dir, const struct hw_question *q) {
        _cleanup_free_ struct hw_element *element = NULL;
        _cleanup_table_ struct hw_table *says = NULL;
        _cleanup_buffer_ struct hw_buffer json = { 0 };
        size_t bytes = 0;
        int r;

        if (!hw_question_is_whole(q)) {
                fputs("hostward-sensor: ask for one object: --path /PATH --operation read|write|link|lock|map|exec\n"
                      "(of an exec with up to 64 times --argument TEXT),\n"
                      "--capability NUMBER, --network FAMILY/TYPE/PROTOCOL, or --domain NAME; --program /PATH says who acts\n", stderr);
                return 2;
        }
        r = hw_bpf_read_loaded(bpffs, &element, &bytes);
        if (r == 0)
                says = load_names(state_dir, element, bytes);
        if (r == 0)
                r = hw_explain(element, bytes, says, q, &json);
        if (r < 0) {
                fprintf(stderr, "hostward-sensor: no table of this version can be read: %s\n%s\n", strerror(-r),
                        r == -ENOENT ? "Where AppArmor enforces, `hostward get alerts` names the rule; see hostward-sensor status."
                                     : "Only root may ask, on a host with BPF-LSM.");
                return 1;
        }
        printf("%.*s\n", (int)json.len, (const char *)json.data);
        return 0;
}
