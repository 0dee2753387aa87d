/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "cgroup.h"
#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "devices.h"
#include "enforce.h"
#include "file.h"
#include "jobs.h"
#include "log.h"
#include "recompile.h"
#include "restore.h"

#define EXCEPTION_ENDED "exception-ended"

/*
 * After a swap the agent must reach the control plane again. If it does not, only a denial of ours that hit the agent
 * or the sensor since then leads back to the last known good: an outage alone opens nothing, and what other users are
 * denied counts for nothing, so that nobody can provoke a fallback.
 */
void hw_confirm_wait(struct hw_memory *m) {
        m->confirm = HW_CONFIRM_WAITING;
        m->confirm_since = hw_wall_ms();
        m->evidence = m->unproved = false;
}

void hw_confirm_begin(struct hw_daemon *d) {
        hw_confirm_wait(&d->memory);
        d->timers.swapped_at = hw_now_ms();
        d->timers.confirm_at = d->timers.swapped_at + d->options->confirm_ms;
}

/* The last known good. Where there was none the table that was taken back is still here, and can be loaded again. */
static bool came_back(const struct hw_daemon *d) {
        return d->memory.confirm == HW_CONFIRM_FELL_BACK && !hw_memory_rejects(&d->memory, d->table);
}

void hw_confirm_resumed(struct hw_daemon *d) {
        const bool proved = d->memory.confirm == HW_CONFIRM_DONE && !d->memory.unproved;

        if (!d->table || proved || came_back(d) || hw_memory_mode(&d->memory) != HW_MODE_ENFORCE)
                return;
        hw_confirm_begin(d);
}

/* Start of a process in ms since boot (field 22 of stat), UINT64_MAX when it cannot be told. */
static uint64_t started_at(pid_t pid) {
        char path[64], stat[1024];
        const char *p;
        unsigned long long ticks;
        long hz = sysconf(_SC_CLK_TCK);

        (void)snprintf(path, sizeof path, "/proc/%d/stat", pid);
        if (hz <= 0 || hw_read_line(AT_FDCWD, path, stat, sizeof stat) < 0)
                return UINT64_MAX;
        p = strrchr(stat, ')');
        if (!p || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                         &ticks) != 1)
                return UINT64_MAX;
        return ticks * 1000 / (unsigned long long)hz;
}

/*
 * Much of what a policy takes from the agent it would miss only when it is started anew: its program, its keys, what a
 * source's profile denies. Where policies override the protection of the control path, only a process that was started
 * under the rule set shows that it lets the agent through.
 */
static bool must_start_anew(const struct hw_daemon *d, pid_t pid) {
        return d->table->overrides && d->timers.swapped_at && hw_memory_mode(&d->memory) == HW_MODE_ENFORCE &&
               started_at(pid) < d->timers.swapped_at;
}

int hw_confirm_accept(struct hw_daemon *d, pid_t pid, const struct hw_assignment_version *assignment_version) {
        if (!d->table || hw_assignment_version_compare(assignment_version, &d->table->assignment_version) != 0)
                return -ESTALE;
        if (d->memory.confirm == HW_CONFIRM_DONE || d->memory.confirm == HW_CONFIRM_FELL_BACK) {
                /* Confirmed in an earlier boot, and again: under these rules this boot has led to the control plane too. */
                if (hw_memory_mode(&d->memory) == HW_MODE_ENFORCE && d->timers.healthy_at != UINT64_MAX)
                        d->timers.healthy_at = hw_now_ms();
                return 0;
        }
        if (must_start_anew(d, pid))
                return -EAGAIN;
        d->memory.confirm = HW_CONFIRM_DONE;
        d->memory.confirm_since = hw_wall_ms();
        d->memory.evidence = false;
        d->memory.unproved = hw_memory_mode(&d->memory) != HW_MODE_ENFORCE;
        if (!d->memory.unproved && d->memory.rejected_effect && hw_memory_rejects(&d->memory, d->table)) {
                d->memory.rejected_digest[0] = 0; /* loaded again at the console, it lets the agent through */
                d->memory.rejected_effect = 0;
        }
        if (strcmp(d->jobs.outcome.code, EXCEPTION_ENDED) == 0)
                hw_outcome_set(d, true, "", "%s", "");
        d->timers.confirm_at = UINT64_MAX;
        d->timers.healthy_at = hw_now_ms(); /* this boot counts as healthy */
        return hw_memory_store(d);
}

static bool hits_control_path(const struct hw_daemon *d, const struct hw_audit_record *record) {
        if (d->server.agent_known && record->fsuid == (int64_t)d->server.agent_uid)
                return true;
        if (record->pid <= 0)
                return false;
        return record->pid == getpid() || hw_server_is_agent(&d->server, (pid_t)record->pid) ||
               hw_in_unit(record->pid, "hostward-agent.service") || hw_in_unit(record->pid, "hostward-sensor.service");
}

/*
 * After the deadline a denial still counts where policies override the protection of the control path: the agent has to
 * start anew there, on a slow host for longer than the deadline. Elsewhere it does not: the control path is protected,
 * so that in a long outage a denial of the agent is more likely a trifle, and must open nothing.
 */
static bool may_be_cut_off(const struct hw_daemon *d) {
        return d->memory.confirm == HW_CONFIRM_WAITING ||
               (d->memory.confirm == HW_CONFIRM_UNCONFIRMED && d->table && d->table->overrides);
}

/* Where the clock was set back since the swap, its times say nothing of what came first. */
static bool is_older(const struct hw_daemon *d, const struct hw_audit_record *record) {
        return record->time_ms < d->memory.confirm_since && hw_wall_ms() >= d->memory.confirm_since;
}

void hw_confirm_evidence(struct hw_daemon *d, const struct hw_audit_record *record) {
        if (!may_be_cut_off(d) || d->memory.evidence || !record->denied)
                return;
        if (is_older(d, record) || !hits_control_path(d, record))
                return;
        if (d->memory.confirm == HW_CONFIRM_UNCONFIRMED) {
                d->memory.confirm = HW_CONFIRM_WAITING;
                d->memory.confirm_since = hw_wall_ms();
                d->timers.confirm_at = hw_now_ms() + d->options->confirm_ms;
        }
        d->memory.evidence = true;
        hw_warn("the agent or the sensor was denied something operation=%s name=%s", record->operation, record->name);
        (void)hw_memory_store(d);
}

/*
 * Under one digest a rule set may do something else: for other labels, or on a host that has changed. That is tried once
 * more; after that nothing of this digest is, so that a host that changes to and fro does not fall back for ever.
 */
static void reject(struct hw_memory *m, const struct hw_table *bad) {
        const uint64_t effect = hw_table_effect(bad);
        const bool otherwise = strcmp(m->rejected_digest, bad->digest) == 0 && m->rejected_effect != effect;

        memcpy(m->rejected_digest, bad->digest, sizeof bad->digest);
        m->rejected_effect = otherwise ? 0 : effect;
}

/*
 * `good` is NULL before the first table that was confirmed; taken over. Memory goes to disk first: dead in between, or
 * without the other, the next start knows what to do (restore.c).
 */
static void fall_back(struct hw_daemon *d, struct hw_table *good) {
        struct hw_table *bad = d->table;

        reject(&d->memory, bad);
        d->memory.confirm = HW_CONFIRM_FELL_BACK;
        d->memory.confirm_since = hw_wall_ms();
        d->memory.hold = good ? HW_HOLD_NONE : HW_HOLD_FELL_BACK;
        if (good) {
                d->table = good;
                d->memory.table = good->checksum;
        }
        (void)hw_memory_store(d);
        if (good) {
                hw_recompile_take_previous(d);
                (void)hw_snapshot_take_previous(d->state_fd);
        }
        free(d->answers);
        d->answers = NULL;
        hw_events_add_own(&d->events, "fallback", NULL,
                          good ? "the agent was cut off by a denial: the last known good is in force again"
                               : "the agent was cut off by a denial: nothing is blocked until the next rule set");
        if (hw_enforce_load(d, good ? bad : NULL, "fallback") == 0 || d->jobs.outcome.ok)
                hw_outcome_set(d, false, "fell-back", "rule set %.64s cut the agent off and was taken back",
                               d->memory.rejected_digest);
        if (good) {
                hw_devices_settle(d); /* what was found of them points to rules of `bad`, also where the load failed */
                if (d->apparmor)
                        hw_profiles_retire(d->options->securityfs, good);
                (void)hw_table_free(bad);
        }
        (void)hw_jobs_add(d, HW_JOB_PROBE, 0, 0, (struct hw_slice){ 0 });
}

/*
 * What was good before and does the same cannot be what cuts the agent off now; opening the host would be wrong. And an
 * agent that is taken over must not get an exception back that has ended, by having itself denied something.
 */
static bool may_come_back(struct hw_daemon *d, const struct hw_table *good) {
        if (hw_table_same_effect(good, d->table))
                return false;
        if (!hw_memory_outlived(&d->memory, good, hw_wall_ms()))
                return true;
        hw_outcome_set(d, false, EXCEPTION_ENDED,
                       "the agent was denied something and did not reach the control plane; the rule set before has an "
                       "exception that has ended, so it does not come back: apply another, or at the console: "
                       "hostward-sensor suspend");
        return false;
}

void hw_confirm_expired(struct hw_daemon *d) {
        d->timers.confirm_at = UINT64_MAX;
        if (d->memory.confirm != HW_CONFIRM_WAITING || !d->table)
                return;
        if (d->memory.evidence && hw_memory_mode(&d->memory) == HW_MODE_ENFORCE) {
                struct hw_table *good = NULL;

                (void)hw_snapshot_load(d->state_fd, HW_SNAPSHOT_PREVIOUS, &good);
                if (!good || may_come_back(d, good)) {
                        fall_back(d, good);
                        return;
                }
                (void)hw_table_free(good);
        }
        d->memory.confirm = HW_CONFIRM_UNCONFIRMED;
        d->memory.confirm_since = hw_wall_ms();
        hw_warn("the control plane was not reached after a swap, the rule set stays in force");
        (void)hw_memory_store(d);
}
