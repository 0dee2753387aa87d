/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "clean.h"
#include "clock.h"
#include "enforce.h"
#include "held.h"
#include "jobs.h"
#include "log.h"
#include "recompile.h"
#include "state.h"
#include "suspend.h"
#include "trust.h"
#include "units.h"

/* The daemon goes on answering while the compiler and the prober work; whoever asked gets the answer at the end. */

#define ENVELOPES_BYTES_MAX (64u << 20) /* of all that wait */
#define LONGEST_COMPILATION 8u /* times the first limit */
#define OUT_OF_TIME "compiler-timeout"
#define FELL_BACK "fell-back"

static void start_next(struct hw_daemon *d);

static void end_job(struct hw_daemon *d) {
        hw_buffer_free(&d->jobs.running.envelope);
        d->jobs.running = (struct hw_job){ 0 };
        (void)malloc_trim(0); /* a rule set and the one before were in memory, in many pieces */
        start_next(d);
}

static void refuse(struct hw_daemon *d, const char *code, const char *message) {
        struct hw_client *client = hw_server_find(&d->server, d->jobs.running.client);

        hw_warn("an envelope was refused code=%s message=%s", code, message);
        if (client)
                hw_client_error(client, d->jobs.running.request, code, message);
        if (d->jobs.running.kind == HW_JOB_RECOMPILE)
                hw_recompile_ended(d, false);
        end_job(d);
}

static void answer_state(struct hw_daemon *d) {
        struct hw_client *client = hw_server_find(&d->server, d->jobs.running.client);

        if (client) {
                size_t begun = hw_frame_begin(&client->out, d->jobs.running.kind == HW_JOB_APPLY ? HW_MSG_APPLIED
                                                                                        : HW_MSG_STATUS_OK,
                                              d->jobs.running.request);
                _cleanup_buffer_ struct hw_buffer json = { 0 };

                hw_state_write(d, &json);
                hw_put_bytes(&client->out, HW_TAG_STATE, json.data, json.len);
                if (json.failed || hw_frame_end(&client->out, begun) < 0)
                        client->doomed = true;
        }
        end_job(d);
}

void hw_jobs_covered(struct hw_daemon *d) {
        if (d->jobs.running.covers)
                answer_state(d);
}

static void cover(struct hw_daemon *d) {
        d->jobs.running.covers = true;
        hw_cover(d);
        if (!d->walk)
                hw_jobs_covered(d);
}

/* Blocks are proved only while they are in force. */
static void probe(struct hw_daemon *d) {
        bool wanted = d->table && d->table->n_probes && hw_daemon_enforces(d) && hw_memory_mode(&d->memory) == HW_MODE_ENFORCE;
        int r;

        if (!wanted) {
                cover(d);
                return;
        }
        r = hw_prober_start(&d->jobs.prober, d->table, d->options->probe_ms);
        d->jobs.prober.loads = d->loads;
        if (r == 0)
                r = hw_daemon_watch(d, d->jobs.prober.fd, HW_ON_PROBER, EPOLLIN);
        if (r < 0) {
                hw_warn("the probes cannot be run error=%s", strerror(-r));
                hw_prober_stop(&d->jobs.prober);
                cover(d);
        }
}

static void probed(struct hw_daemon *d) {
        free(d->answers);
        /* A fallback or a suspension may have loaded something else meanwhile: then these answers are about another. */
        d->answers = d->table && d->jobs.prober.loads == d->loads ? d->jobs.prober.answers : NULL;
        if (d->answers)
                d->jobs.prober.answers = NULL;
        hw_prober_stop(&d->jobs.prober);
        cover(d);
}

void hw_jobs_prober_ready(struct hw_daemon *d) {
        if (hw_prober_read(&d->jobs.prober) == 1)
                probed(d);
}

void hw_jobs_prober_announced(struct hw_daemon *d) {
        (void)hw_prober_read(&d->jobs.prober);
}

void hw_jobs_prober_settle(struct hw_daemon *d) {
        if (d->jobs.prober.pid == 0 && d->jobs.prober.answers)
                probed(d);
}

void hw_jobs_prober_expired(struct hw_daemon *d) {
        const struct hw_prober *p = &d->jobs.prober;

        hw_prober_expire(&d->jobs.prober);
        if (d->table && p->loads == d->loads && p->answered < p->n)
                hw_warn("a probe did not come to an end in time, it and those behind it say nothing path=%s probes=%zu",
                        d->table->probes[p->answered].path, p->n - p->answered);
        probed(d);
}

static void compile(struct hw_daemon *d) {
        struct hw_slice envelope;
        int r;

        if (d->jobs.running.kind == HW_JOB_RECOMPILE && !hw_recompile_read(d, &d->jobs.running.envelope)) {
                end_job(d);
                return;
        }
        envelope = (struct hw_slice){ d->jobs.running.envelope.data, d->jobs.running.envelope.len };
        hw_recompile_begins(d);
        r = hw_compile_start(&d->jobs.compile, d->options->compiler, envelope, &d->memory, d->options->securityfs,
                             d->bpf_lsm, d->jobs.running.kind == HW_JOB_RECOMPILE, d->jobs.compile_ms);

        if (r == 0)
                r = hw_daemon_watch(d, d->jobs.compile.fd, HW_ON_COMPILE, EPOLLIN | EPOLLOUT);
        if (r < 0) {
                hw_compile_stop(&d->jobs.compile);
                refuse(d, "compiler-unavailable", strerror(-r));
        }
}

static void start_next(struct hw_daemon *d) {
        if (d->jobs.running.kind != HW_JOB_NONE || d->jobs.n_waiting == 0)
                return;
        d->jobs.running = d->jobs.waiting[0];
        d->jobs.n_waiting--;
        memmove(d->jobs.waiting, d->jobs.waiting + 1, d->jobs.n_waiting * sizeof d->jobs.waiting[0]);
        if (d->jobs.running.kind == HW_JOB_APPLY || d->jobs.running.kind == HW_JOB_RECOMPILE) {
                compile(d);
                return;
        }
        if (d->jobs.running.kind == HW_JOB_RECHECK) {
                if (hw_enforce_verify(d, false) < 0)
                        (void)hw_enforce_load(d, NULL, "at recheck");
                else
                        hw_units_check(d);
        }
        probe(d);
}

/*
 * The last two places are for the daemon's own probes and for what it compiles anew: clients must not be able to keep a
 * block from being proved, or an exception open.
 */
static bool has_room(const struct hw_daemon *d, enum hw_job_kind kind, size_t bytes) {
        for (size_t i = 0; i < d->jobs.n_waiting; i++)
                bytes += d->jobs.waiting[i].envelope.len;
        return bytes <= ENVELOPES_BYTES_MAX && d->jobs.n_waiting < HW_JOBS_MAX - (kind == HW_JOB_PROBE ? 1u : 2u);
}

int hw_jobs_add(struct hw_daemon *d, enum hw_job_kind kind, uint64_t client, uint32_t request,
                struct hw_slice envelope) {
        struct hw_job job = { .kind = kind, .client = client, .request = request };

        if (kind == HW_JOB_PROBE)
                for (size_t i = 0; i < d->jobs.n_waiting; i++)
                        if (d->jobs.waiting[i].kind == HW_JOB_RECHECK || d->jobs.waiting[i].kind == HW_JOB_PROBE)
                                return 0; /* one that waits already does it */
        if (!has_room(d, kind, envelope.len))
                return -EBUSY;
        hw_buffer_add(&job.envelope, envelope.data, envelope.len);
        if (job.envelope.failed)
                return -ENOMEM;
        d->jobs.waiting[d->jobs.n_waiting++] = job;
        start_next(d);
        return 0;
}

void hw_jobs_recompile(struct hw_daemon *d) {
        if (d->jobs.running.kind == HW_JOB_RECOMPILE)
                return;
        for (size_t i = 0; i < d->jobs.n_waiting; i++)
                if (d->jobs.waiting[i].kind == HW_JOB_RECOMPILE)
                        return;
        /* In front of what clients ask: they always have something to ask. Its place is kept free by `has_room`. */
        memmove(d->jobs.waiting + 1, d->jobs.waiting, d->jobs.n_waiting * sizeof d->jobs.waiting[0]);
        d->jobs.waiting[0] = (struct hw_job){ .kind = HW_JOB_RECOMPILE };
        d->jobs.n_waiting++;
        start_next(d);
}

/* What does in the kernel what is there already can cut nobody off. */
static bool would_cut_off(const struct hw_daemon *d, const struct hw_table *t) {
        const bool is_there = d->table && d->memory.hold == HW_HOLD_NONE && hw_table_same_effect(d->table, t);

        return !is_there && hw_memory_rejects(&d->memory, t);
}

/* Whether the table may take the place of the present one; NULL if it may, else a code. */
static const char *objection(const struct hw_daemon *d, const struct hw_table *t, const char **ret_message) {
        int order = hw_assignment_version_compare(&t->assignment_version, &d->memory.highest);

        if (order < 0 || hw_assignment_version_compare(&t->assignment_version, &d->memory.heeded) < 0) {
                *ret_message = "a newer assignment was accepted before";
                return "stale-assignment-version";
        }
        if (order == 0 ? strcmp(t->digest, d->memory.rejected_digest) == 0 : would_cut_off(d, t)) {
                *ret_message = "this rule set cut the agent off before and was taken back; what its assignment says of a "
                               "suspension counts";
                return FELL_BACK;
        }
        if (order == 0 && !hw_recompile_is_lost(d, t)) {
                *ret_message = "another assignment with the same assignment version was accepted before";
                return "conflicting-assignment-version";
        }
        return NULL;
}

static bool in_force(const struct hw_daemon *d, const struct hw_table *t) {
        return d->table && hw_assignment_version_compare(&t->assignment_version, &d->table->assignment_version) == 0 &&
               strcmp(t->digest, d->table->digest) == 0;
}

/* An exception that has ended ends, even if the agent was cut off without it. */
static bool is_settled(const struct hw_daemon *d, const struct hw_table *t) {
        if (!in_force(d, t) || hw_table_equals(d->table, t))
                return in_force(d, t);
        if (!would_cut_off(d, t) || hw_memory_outlived(&d->memory, d->table, hw_wall_ms()))
                return false;
        hw_warn("compiled anew the rule set would be what cut the agent off before, so it stays as it is");
        return true;
}

/*
 * What is in force, made anew: the same assignment version, maybe another effect; or what was, and was lost. Anything else is that of
 * a table that gave way since.
 */
static void recompiled(struct hw_daemon *d, struct hw_table *t) {
        int r = 0;

        if (hw_recompile_is_held(&d->memory)) { /* since it began: it is made once more when they are let go */
                (void)hw_table_free(t);
                probe(d);
                return;
        }
        if (!in_force(d, t) && !hw_recompile_is_lost(d, t)) {
                (void)hw_table_free(t);
                refuse(d, "not-in-force", "the envelope is not that of the rule set in force");
                return;
        }
        if (is_settled(d, t))
                (void)hw_table_free(t);
        else
                r = hw_enforce_swap(d, t);
        if (r < 0) {
                refuse(d, d->jobs.outcome.code, d->jobs.outcome.message);
                return;
        }
        hw_recompile_ended(d, true);
        probe(d);
}

/*
 * There may have been no room for the envelope, or the daemon ended right after the swap. Where the host has changed
 * since, the next check compiles anew.
 */
static void keep_again(struct hw_daemon *d, const struct hw_table *t) {
        hw_recompile_keep(d, (struct hw_slice){ d->jobs.running.envelope.data, d->jobs.running.envelope.len });
        if (!hw_table_equals(d->table, t))
                d->context = 0;
}

/* More time than the first limit is given as long as it is needed: a host that is slow stays so. */
static void settle_limit(struct hw_daemon *d) {
        const uint64_t took = hw_now_ms() + d->jobs.compile_ms - d->jobs.compile.deadline;

        if (took < d->options->compile_ms / 2)
                d->jobs.compile_ms = d->options->compile_ms;
}

/* The rule set stays out; whom it trusts and whether the host is suspended is no matter of rules. */
static void refuse_but_trust(struct hw_daemon *d, const struct hw_table *t, const char *message) {
        int r = hw_trust_keep(d->options->trust_dir, t);

        if (r < 0) {
                hw_suspend_heed(d, t);
                refuse(d, "trust-not-kept", strerror(-r));
                return;
        }
        r = hw_assignment_version_compare(&t->assignment_version, &d->memory.highest) > 0 ? hw_suspend_take(d, t) : 0;
        if (r < 0)
                refuse(d, "not-kept", strerror(-r));
        else
                refuse(d, FELL_BACK, message);
}

static void compiled(struct hw_daemon *d, struct hw_buffer *payload) {
        _cleanup_table_ struct hw_table *t = NULL;
        const char *message, *code;
        int r = hw_table_parse(payload, &t, &message);

        settle_limit(d);
        if (r < 0) {
                refuse(d, "compiler-malformed", message);
                return;
        }
        if (d->jobs.running.kind == HW_JOB_RECOMPILE) {
                struct hw_table *own = t;

                t = NULL;
                recompiled(d, own);
                return;
        }
        if (in_force(d, t)) {
                keep_again(d, t);
                probe(d);
                return;
        }
        code = objection(d, t, &message);
        if (code && strcmp(code, FELL_BACK) == 0) {
                refuse_but_trust(d, t, message);
                return;
        }
        if (code) {
                refuse(d, code, message);
                return;
        }
        r = hw_trust_keep(d->options->trust_dir, t);
        if (r < 0) {
                hw_suspend_heed(d, t);
                refuse(d, "trust-not-kept", strerror(-r)); /* else what was seen could go back after a restart */
                return;
        }
        r = hw_enforce_swap(d, t);
        t = NULL;
        if (r < 0)
                refuse(d, d->jobs.outcome.code, d->jobs.outcome.message);
        else {
                hw_recompile_forget(d); /* that of the table before would be refused as an older one */
                hw_recompile_keep(d, (struct hw_slice){ d->jobs.running.envelope.data, d->jobs.running.envelope.len });
                probe(d);
        }
}

/*
 * Nobody can tell a rule set that never comes to an end from a sound one on a host that is slow or busy: the next try is
 * given twice the time. Newer assignments wait for that long at most, and what is in force stays.
 */
static void out_of_time(struct hw_daemon *d, const char *message) {
        const bool by_itself = d->jobs.running.kind == HW_JOB_RECOMPILE;
        const uint64_t had = d->jobs.compile_ms;
        char text[2048];

        d->jobs.compile_ms = HW_MIN(d->jobs.compile_ms * 2, d->options->compile_ms * LONGEST_COMPILATION);
        (void)snprintf(text, sizeof text, "%s; the next try has %llu s", message,
                       (unsigned long long)d->jobs.compile_ms / 1000);
        refuse(d, OUT_OF_TIME, text);
        if (by_itself && d->jobs.compile_ms > had)
                hw_recompile_soon(d);
}

static void rejected(struct hw_daemon *d, struct hw_slice payload) {
        _cleanup_free_ char *code = NULL, *message = NULL;
        struct hw_table word = { 0 };
        struct hw_slice value;

        if (hw_payload_check(payload) == 0 && hw_payload_one(payload, HW_TAG_CODE, &value) == 0)
                code = hw_slice_dup(value);
        if (code && hw_payload_one(payload, HW_TAG_MESSAGE, &value) == 0)
                message = hw_slice_dup(value);
        if (code && d->jobs.running.kind == HW_JOB_APPLY && hw_table_parse_word(payload, &word) == 0)
                hw_suspend_heed(d, &word);
        if (code && strcmp(code, OUT_OF_TIME) == 0)
                out_of_time(d, message ? message : "");
        else
                refuse(d, code ? code : "compiler-malformed", message ? message : "");
}

void hw_jobs_compile_ready(struct hw_daemon *d) {
        struct hw_buffer payload;
        uint16_t type = 0;
        int r = hw_compile_ready(&d->jobs.compile, &type);

        if (r == 0) {
                if (!hw_compile_wants_write(&d->jobs.compile))
                        (void)hw_daemon_watch(d, d->jobs.compile.fd, HW_ON_COMPILE, EPOLLIN);
                return;
        }
        payload = d->jobs.compile.in;
        d->jobs.compile.in = (struct hw_buffer){ 0 };
        hw_compile_stop(&d->jobs.compile);
        if (r < 0)
                refuse(d, r == -EBADMSG ? "compiler-malformed" : "compiler-failed", strerror(-r));
        else if (type == HW_MSG_COMPILED)
                compiled(d, &payload);
        else
                rejected(d, (struct hw_slice){ payload.data, payload.len });
        hw_buffer_free(&payload);
}

void hw_jobs_compile_expired(struct hw_daemon *d) {
        hw_compile_stop(&d->jobs.compile);
        out_of_time(d, "the compiler did not answer in time");
}
