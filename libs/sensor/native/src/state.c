/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "bpf-loss.h"
#include "clock.h"
#include "devices.h"
#include "file.h"
#include "held.h"
#include "json.h"
#include "state.h"

static void put_assignment_version(struct hw_json *j, const char *key, const struct hw_assignment_version *o) {
        if (!hw_assignment_version_is_set(o))
                return;
        hw_json_open(j, key, '{');
        hw_json_decimal(j, "epoch", o->epoch);
        hw_json_decimal(j, "generation", o->generation);
        hw_json_int(j, "issuedAt", (int64_t)o->issued_at);
        hw_json_close(j, '}');
}

static void put_table(struct hw_json *j, const struct hw_table *t) {
        if (!t)
                return;
        put_assignment_version(j, "assignmentVersion", &t->assignment_version);
        hw_json_int(j, "expiresAt", (int64_t)t->expires_at);
        hw_json_text(j, "digest", t->digest);
        hw_json_base64(j, "report", t->report);
}

/* The assignment has expired and no newer one came: it stays in force, and this is said. */
static bool is_stale(const struct hw_daemon *d) {
        return d->table && hw_memory_time(&d->memory, hw_wall_ms()) >= d->table->expires_at;
}

static void put_outcome(struct hw_json *j, const struct hw_outcome *o) {
        hw_json_open(j, "outcome", '{');
        hw_json_bool(j, "ok", o->ok);
        if (o->code[0])
                hw_json_text(j, "code", o->code);
        if (o->message[0])
                hw_json_text(j, "message", o->message);
        hw_json_close(j, '}');
}

static void put_profiles(struct hw_json *j, const struct hw_profile_set *set) {
        hw_json_open(j, "profiles", '[');
        for (size_t i = 0; i < set->n; i++) {
                hw_json_open(j, NULL, '{');
                hw_json_text(j, "name", set->list[i].name);
                hw_json_bool(j, "loaded", set->list[i].loaded);
                hw_json_text(j, "mode", set->list[i].mode);
                hw_json_text(j, "hash", set->list[i].hash);
                hw_json_text(j, "expectedHash", set->list[i].expected);
                hw_json_bool(j, "ok", set->list[i].ok);
                hw_json_close(j, '}');
        }
        hw_json_close(j, ']');
}

/* The one thing that is loaded where BPF enforces, said as a profile is. */
static void put_bpf(struct hw_json *j, const struct hw_daemon *d) {
        char expected[16];

        (void)snprintf(expected, sizeof expected, "%08x", hw_crc32(d->table->bpf));
        hw_json_open(j, "profiles", '[');
        hw_json_open(j, NULL, '{');
        hw_json_text(j, "name", "bpf");
        hw_json_bool(j, "loaded", d->bpf.shift != 0);
        hw_json_text(j, "mode", d->bpf.shift ? "enforce" : "");
        hw_json_text(j, "hash", d->bpf_ok ? expected : "");
        hw_json_text(j, "expectedHash", expected);
        hw_json_bool(j, "ok", d->bpf_ok);
        hw_json_close(j, '}');
        hw_json_close(j, ']');
}

static const struct hw_probe_answer *answer_of(const struct hw_daemon *d, size_t i) {
        static const struct hw_probe_answer awaited = { .result = HW_PROBE_INCONCLUSIVE, .error = EINPROGRESS };

        return d->answers ? &d->answers[i] : &awaited;
}

/*
 * The probes of the table in force; while they are still to come, as inconclusive with EINPROGRESS (mirror:
 * apps/agent/src/reporting/rule-status.ts), so that nobody takes a block for one that cannot be proved.
 */
static void put_probes(struct hw_json *j, const struct hw_daemon *d) {
        const bool awaited = d->jobs.running.kind != HW_JOB_NONE && hw_memory_mode(&d->memory) == HW_MODE_ENFORCE;

        hw_json_open(j, "probes", '[');
        for (size_t i = 0; d->table && (d->answers || awaited) && i < d->table->n_probes; i++) {
                const struct hw_probe *probe = &d->table->probes[i];

                hw_json_open(j, NULL, '{');
                hw_json_text(j, "kind", hw_probe_kind_text(probe->kind));
                hw_json_text(j, "rule", probe->rule);
                hw_json_text(j, "profile", probe->profile);
                hw_json_text(j, "path", probe->path);
                hw_json_text(j, "result", hw_probe_result_text(answer_of(d, i)->result));
                hw_json_int(j, "errno", answer_of(d, i)->error);
                hw_json_close(j, '}');
        }
        hw_json_close(j, ']');
}

static void put_coverage(struct hw_json *j, const struct hw_coverage *c, bool awaited) {
        hw_json_open(j, "coverage", '{');
        hw_json_int(j, "confined", (int64_t)c->confined);
        hw_json_int(j, "uncovered", (int64_t)c->uncovered);
        hw_json_int(j, "exempt", (int64_t)c->exempt);
        hw_json_open(j, "list", '[');
        for (size_t i = 0; i < c->n_list; i++)
                hw_json_text(j, NULL, c->list[i]);
        hw_json_close(j, ']');
        if (c->by_path_alone[0])
                hw_json_text(j, "byPathAlone", c->by_path_alone);
        if (awaited)
                hw_json_bool(j, "awaited", true);
        hw_json_close(j, '}');
}

static void put_drift(struct hw_json *j, const struct hw_daemon *d) {
        hw_json_open(j, "drift", '[');
        for (size_t i = 0; i < d->n_drift; i++) {
                hw_json_open(j, NULL, '{');
                hw_json_text(j, "what", d->drift[i].what);
                hw_json_int(j, "detectedAt", (int64_t)d->drift[i].detected_at);
                if (d->drift[i].repaired_at)
                        hw_json_int(j, "repairedAt", (int64_t)d->drift[i].repaired_at);
                hw_json_close(j, '}');
        }
        hw_json_close(j, ']');
}

static void put_memory(struct hw_json *j, const struct hw_memory *m) {
        if (m->suspension.active) {
                hw_json_open(j, "suspension", '{');
                hw_json_text(j, "mode", hw_mode_text(m->suspension.mode));
                hw_json_int(j, "until", (int64_t)m->suspension.until);
                hw_json_text(j, "reason", m->suspension.reason);
                hw_json_text(j, "by", hw_by_text(m->suspension.by));
                hw_json_close(j, '}');
        }
        if (m->confirm != HW_CONFIRM_NONE) {
                hw_json_open(j, "confirm", '{');
                hw_json_text(j, "state", hw_confirm_text(m->confirm));
                hw_json_int(j, "since", (int64_t)m->confirm_since);
                hw_json_close(j, '}');
        }
}

static void put_lsm(struct hw_json *j, const char *securityfs) {
        char path[4096], list[1024];
        int n = snprintf(path, sizeof path, "%s/lsm", securityfs);

        hw_json_open(j, "lsm", '[');
        if (n > 0 && (size_t)n < sizeof path && hw_read_line(AT_FDCWD, path, list, sizeof list) == 0)
                for (char *save = NULL, *name = strtok_r(list, ",", &save); name; name = strtok_r(NULL, ",", &save))
                        hw_json_text(j, NULL, name);
        hw_json_close(j, ']');
}

static void put_losses(struct hw_json *j, const struct hw_daemon *d) {
        hw_json_open(j, "losses", '{');
        hw_json_int(j, "audit", (int64_t)d->audit.lost);
        hw_json_open(j, "bpf", '{');
        for (unsigned int cause = 0; cause < HW_LOSSES; cause++)
                hw_json_int(j, hw_loss_name(cause), (int64_t)d->bpf.lost[cause]);
        hw_json_close(j, '}');
        hw_json_close(j, '}');
}

static void put_classes(struct hw_json *j, const char *key, uint32_t classes) {
        hw_json_open(j, key, '[');
        for (unsigned int class = 0; class < HW_SENSE_CLASSES; class++)
                if (classes & (1u << class))
                        hw_json_text(j, NULL, hw_sense_name(class));
        hw_json_close(j, ']');
}

static void put_sensing(struct hw_json *j, const struct hw_daemon *d) {
        const struct hw_sense *s = &d->sense;

        hw_json_open(j, "sensing", '{');
        put_classes(j, "wanted", s->wanted);
        put_classes(j, "watched", s->watched);
        if (s->failure[0])
                hw_json_text(j, "failure", s->failure);
        hw_json_open(j, "losses", '{');
        hw_json_int(j, "ring", (int64_t)s->lost[HW_LOSS_RING]);
        hw_json_int(j, "scratch", (int64_t)s->lost[HW_LOSS_SCRATCH]);
        hw_json_int(j, "race", (int64_t)s->lost[HW_LOSS_RACE]);
        hw_json_int(j, "repeated", (int64_t)s->lost[HW_LOSS_THROTTLED]);
        hw_json_int(j, "queue", (int64_t)d->server.telemetry_events_missed);
        hw_json_close(j, '}');
        hw_json_close(j, '}');
}

const char *hw_enforcer_text(const struct hw_daemon *d) {
        return hw_daemon_uses_bpf(d) ? "bpf" : d->apparmor ? "apparmor" : "none";
}

void hw_state_write(const struct hw_daemon *d, struct hw_buffer *out) {
        struct hw_json j = { out, true };
        struct utsname uts;

        hw_json_open(&j, NULL, '{');
        hw_json_text(&j, "version", HW_VERSION);
        hw_json_int(&j, "abi", HW_ABI_VERSION);
        hw_json_text(&j, "enforcer", hw_enforcer_text(d));
        hw_json_text(&j, "mode", hw_mode_text(d->table ? hw_memory_mode(&d->memory) : HW_MODE_OFF));
        hw_json_bool(&j, "bpfLsm", d->bpf_lsm);
        put_table(&j, d->table);
        hw_json_bool(&j, "stale", is_stale(d));
        put_assignment_version(&j, "highest", &d->memory.highest);
        put_outcome(&j, &d->jobs.outcome);
        if (hw_daemon_uses_bpf(d))
                put_bpf(&j, d);
        else
                put_profiles(&j, &d->profiles);
        put_probes(&j, d);
        put_coverage(&j, &d->coverage, hw_cover_is_awaited(d));
        put_drift(&j, d);
        put_memory(&j, &d->memory);
        put_losses(&j, d);
        hw_devices_write(d, &j);
        put_sensing(&j, d);
        hw_json_bool(&j, "auditListening", d->audit.fd >= 0);
        put_lsm(&j, d->options->securityfs);
        hw_json_text(&j, "kernel", uname(&uts) < 0 ? "" : uts.release);
        hw_json_int(&j, "asOf", (int64_t)d->verified_at);
        hw_json_close(&j, '}');
}
