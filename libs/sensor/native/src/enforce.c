/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "boots.h"
#include "bpf-cgroups.h"
#include "bpf-pins.h"
#include "clean.h"
#include "clock.h"
#include "devices.h"
#include "enforce.h"
#include "file.h"
#include "jobs.h"
#include "log.h"
#include "notify.h"
#include "restore.h"
#include "suspend.h"
#include "swap-files.h"
#include "units.h"

#define NOT_LOADED "load-failed"
#define NOT_READ_BACK "read-back-failed"
#define LETS_PASS "apparmor-lets-pass"
#define RELOAD_PAUSE_MS 15000
#define RELOAD_PAUSE_MAX_MS 300000

void hw_outcome_set(struct hw_daemon *d, bool ok, const char *code, const char *format, ...) {
        va_list ap;

        d->jobs.outcome = (struct hw_outcome){ .ok = ok };
        (void)snprintf(d->jobs.outcome.code, sizeof d->jobs.outcome.code, "%s", code);
        va_start(ap, format);
        (void)vsnprintf(d->jobs.outcome.message, sizeof d->jobs.outcome.message, format, ap);
        va_end(ap);
        if (!ok)
                hw_error("a rule set is not enforced as it should be code=%s message=%s", code, d->jobs.outcome.message);
}

int hw_memory_store(struct hw_daemon *d) {
        int r = hw_memory_save(d->state_fd, &d->memory);

        if (r < 0 && !d->unkept)
                hw_error("the memory file cannot be written, the old one stays error=%s", strerror(-r));
        else if (r == 0 && d->unkept)
                hw_info("the memory file is written again");
        d->unkept = r < 0;
        return r;
}

/* Unloaded, no program may be there. */
static int verify_bpf(const struct hw_daemon *d) {
        if (d->memory.hold == HW_HOLD_UNLOADED)
                return d->bpf.shift ? -ESTALE : 0;
        return hw_bpf_verify(&d->bpf, d->table->bpf, hw_memory_mode(&d->memory));
}

int hw_enforce_verify(struct hw_daemon *d, bool just_loaded) {
        char mode[32];
        int r;

        d->verified_at = hw_wall_ms();
        d->bpf_ok = false;
        if (!d->table || !hw_daemon_enforces(d))
                return 0;
        if (hw_daemon_uses_bpf(d)) {
                hw_profile_set_free(&d->profiles);
                r = verify_bpf(d);
                d->bpf_ok = r == 0;
        } else
                r = hw_profiles_verify(d->options->securityfs, d->table, hw_memory_mode(&d->memory), just_loaded,
                                       &d->profiles);
        if (r < 0)
                hw_outcome_set(d, false, NOT_READ_BACK, "the kernel does not hold what was loaded: %s", strerror(-r));
        else if (!hw_daemon_uses_bpf(d) && hw_apparmor_lets_pass(d->options->sysfs, mode))
                hw_outcome_set(d, false, LETS_PASS,
                               "AppArmor is in mode %s for all profiles and refuses nothing: printf enforce "
                               ">/sys/module/apparmor/parameters/mode, and take apparmor.mode= off the kernel command line",
                               mode);
        else
                hw_outcome_set(d, true, "", "%s", "");
        return r;
}

/* The verifier's answers and those of a kernel that lacks something: another time they are the same. */
static bool is_refusal(int r) {
        return r == -EACCES || r == -EINVAL || r == -EPERM || r == -E2BIG || r == -ENOENT || r == -ESRCH || r == -EOPNOTSUPP;
}

static int load_bpf(struct hw_daemon *d, const struct hw_table *t, enum hw_mode mode) {
        const bool is_first = d->bpf.shift == 0;
        const int events = d->bpf.events;
        int r;

        r = hw_bpf_swap(&d->bpf, t->bpf, mode);
        if (is_first && is_refusal(r)) {
                hw_warn("this kernel does not take our BPF programs: AppArmor enforces where agent.yaml leaves the choice");
                d->bpf_lsm = false;
        }
        if (r == 0 && d->bpf.events != events)
                r = hw_daemon_watch(d, d->bpf.events, HW_ON_BPF, EPOLLIN);
        return r;
}

/* An empty variant beside a full one is a compiler's mistake: loading nothing would leave the other mode in force. */
static int load_variant(struct hw_daemon *d, const struct hw_table *t, const struct hw_table *before) {
        const enum hw_mode mode = hw_memory_mode(&d->memory);
        struct hw_slice blob = t->blobs[mode];
        const bool by_bpf = t->bpf.len > 0 && d->memory.hold != HW_HOLD_UNLOADED;
        int r = 0;

        hw_watchdog_patient(); /* the kernel verifies programs the first time, and takes each off alone in the end */
        if (by_bpf)
                r = load_bpf(d, t, mode);
        else if (t->bpf.len == 0 && d->apparmor && blob.len == 0 && t->n_names > 0)
                r = -ENODATA;
        if (r == 0 && d->apparmor) /* an empty blob opens the profiles from before: the other enforcer is there first */
                r = hw_profiles_swap(d->options->securityfs, blob, before);
        if (r == 0 && !by_bpf)
                hw_bpf_unload(&d->bpf);
        hw_watchdog_usual();
        return r;
}

/* What was read back before belongs to another mode or table: none of it may be taken for what is wanted now. */
static void distrust(struct hw_daemon *d) {
        (void)hw_enforce_verify(d, false);
        for (size_t i = 0; i < d->profiles.n; i++) {
                d->profiles.list[i].ok = false;
                d->profiles.list[i].expected[0] = 0;
        }
}

bool hw_enforce_is_refused(const struct hw_daemon *d) {
        return strcmp(d->jobs.outcome.code, NOT_LOADED) == 0 || strcmp(d->jobs.outcome.code, NOT_READ_BACK) == 0;
}

int hw_enforce_load(struct hw_daemon *d, const struct hw_table *before, const char *what) {
        int r;

        if (!d->table)
                return 0;
        d->loads++;
        r = load_variant(d, d->table, before);
        if (r < 0) {
                distrust(d);
                hw_outcome_set(d, false, NOT_LOADED, "the kernel refused the profiles: %s", strerror(-r));
                return r;
        }
        r = hw_enforce_verify(d, true);
        hw_units_settle(d);
        hw_devices_settle(d);
        hw_events_add_own(&d->events, "loaded", NULL, what);
        return r;
}

/* What follows a swap and must not fail it. */
static void follow_up(struct hw_daemon *d) {
        int r;

        hw_units_settle(d);
        if (d->apparmor)
                hw_profiles_retire(d->options->securityfs, d->table);
        r = hw_write_atomic(d->state_fd, "profiles.txt", d->table->text.data, d->table->text.len, 0600);
        if (r < 0)
                hw_warn("the profiles' source cannot be written error=%s", strerror(-r));
}

int hw_enforce_swap(struct hw_daemon *d, struct hw_table *t) {
        _cleanup_table_ struct hw_table *fresh = t;
        const struct hw_memory memory = d->memory;
        const bool unkept = d->unkept;
        struct hw_table *before;
        int r;

        r = hw_swap_files(d, fresh);
        if (r < 0) {
                hw_suspend_heed(d, fresh);
                hw_outcome_set(d, false, "snapshot-failed", "the snapshot cannot be written: %s", strerror(-r));
                return r;
        }
        r = load_variant(d, fresh, d->table);
        if (r < 0) {
                hw_swap_files_undo(d, &memory, unkept);
                hw_suspend_heed(d, fresh);
                hw_outcome_set(d, false, NOT_LOADED, "the kernel refused the profiles: %s", strerror(-r));
                return r;
        }
        hw_swap_files_done(d);
        d->stands_in = false;
        d->loads++;
        if (d->memory.confirm == HW_CONFIRM_WAITING)
                d->timers.confirm_at = hw_now_ms() + d->options->confirm_ms; /* loading is not the agent's time */
        before = d->table;
        d->table = fresh;
        fresh = NULL;
        free(d->answers);
        d->answers = NULL;
        hw_outcome_set(d, true, "", "%s", "");
        (void)hw_enforce_verify(d, true); /* a mismatch stays in the outcome, the rule set stays in force */
        follow_up(d);
        hw_devices_settle(d);
        hw_suspend_tell_change(d, &memory.suspension);
        hw_events_add_own(&d->events, "loaded", NULL, d->table->digest);
        (void)hw_table_free(before);
        return 0;
}

void hw_drift_add(struct hw_daemon *d, const char *profile, const char *what) {
        struct hw_drift *drift;

        if (d->n_drift == HW_DRIFT_MAX)
                memmove(d->drift, d->drift + 1, sizeof d->drift[0] * (size_t)(HW_DRIFT_MAX - 1));
        else
                d->n_drift++;
        drift = &d->drift[d->n_drift - 1];
        *drift = (struct hw_drift){ .detected_at = hw_wall_ms() };
        (void)snprintf(drift->what, sizeof drift->what, "%s", what);
        hw_events_add_own(&d->events, "drift", profile, drift->what);
        hw_warn("something is not as it was left what=%s", drift->what);
}

void hw_drift_repaired(struct hw_daemon *d, const char *kind) {
        for (size_t i = 0; i < d->n_drift; i++)
                if (!d->drift[i].repaired_at && strncmp(d->drift[i].what, kind, strlen(kind)) == 0)
                        d->drift[i].repaired_at = hw_wall_ms();
}

static void record_drift(struct hw_daemon *d, const char *name, const char *how) {
        char what[sizeof d->drift[0].what];

        (void)snprintf(what, sizeof what, "profile %.*s %s", HW_NAME_MAX, name, how);
        hw_drift_add(d, name, what);
}

/* Profiles that were verified once and are not as they were. */
static size_t find_drift(struct hw_daemon *d) {
        size_t found = 0;

        for (size_t i = 0; i < d->profiles.n; i++) {
                const struct hw_profile *p = &d->profiles.list[i];

                if (p->ok || !p->expected[0])
                        continue;
                found++;
                if (found <= HW_DRIFT_MAX)
                        record_drift(d, p->name,
                                     !p->loaded                          ? "was removed"
                                     : strcmp(p->hash, p->expected) != 0 ? "was replaced"
                                                                         : "was put into another mode");
        }
        return found;
}

static void repaired(struct hw_daemon *d, size_t found) {
        hw_drift_repaired(d, "");
        hw_info("the rules are in force again drifted=%zu", found);
        (void)hw_jobs_add(d, HW_JOB_PROBE, 0, 0, (struct hw_slice){ 0 });
}

static void check_bpf(struct hw_daemon *d) {
        const int detached = hw_bpf_attach_again(&d->bpf);
        const int unpinned = d->bpf.shift ? hw_bpf_repin(&d->bpf) : 0;
        int r;

        if (detached > 0)
                record_drift(d, "of BPF", "was detached from the cgroups: names of DNS were not judged");
        else if (detached < 0)
                hw_error("what judges names of DNS was detached and cannot be attached again error=%s", strerror(-detached));
        if (unpinned > HW_MAX(detached, 0))
                record_drift(d, "of BPF", "was unpinned; it stayed in force");
        r = verify_bpf(d);
        if (r == 0)
                d->verified_at = hw_wall_ms(); /* what cannot be read grows old */
        if (r == -ESTALE)
                record_drift(d, "of BPF", "was replaced");
        if (r == 0)
                hw_units_check(d);
        if (r == -ESTALE && hw_enforce_load(d, NULL, "repaired after drift") < 0)
                return;
        if (r == -ESTALE || unpinned > 0 || detached > 0)
                repaired(d, 1);
}

/*
 * What the kernel took and did not show afterwards is loaded again at once, since nothing may be in force; a kernel that
 * never shows it, or somebody who takes it away each time, must not keep us loading.
 */
static bool may_load_again(struct hw_daemon *d) {
        const uint64_t now = hw_now_ms();

        if (strcmp(d->jobs.outcome.code, NOT_LOADED) == 0)
                return true;
        if (now < d->timers.reload_at)
                return false;
        d->timers.reload_pause = HW_MIN(HW_MAX(d->timers.reload_pause * 2, RELOAD_PAUSE_MS), RELOAD_PAUSE_MAX_MS);
        d->timers.reload_at = now + d->timers.reload_pause;
        return true;
}

static void load_again(struct hw_daemon *d) {
        const size_t found = find_drift(d);

        d->verified_at = hw_wall_ms();
        if (found == 0 && !may_load_again(d))
                return;
        if (hw_enforce_load(d, NULL, found > 0 ? "repaired after drift" : "loaded after a failure") < 0)
                return;
        repaired(d, found);
}

/* Told, not put back: it is the whole machine's, and whoever did it meant other profiles than ours. */
static void check_mode(struct hw_daemon *d) {
        const bool was = strcmp(d->jobs.outcome.code, LETS_PASS) == 0;
        char mode[32], what[sizeof d->drift[0].what];

        if (hw_apparmor_lets_pass(d->options->sysfs, mode) == was)
                return;
        (void)hw_enforce_verify(d, false);
        if (was) {
                repaired(d, 1);
                return;
        }
        (void)snprintf(what, sizeof what, "AppArmor was put into mode %s for all profiles", mode);
        hw_drift_add(d, NULL, what);
}

void hw_enforce_check(struct hw_daemon *d) {
        int r;

        if (hw_daemon_uses_bpf(d)) {
                check_bpf(d);
                return;
        }
        if (!d->table || !d->apparmor) {
                d->verified_at = hw_wall_ms();
                return;
        }
        r = hw_profiles_refresh(d->options->securityfs, &d->profiles);
        if (r == 0) {
                d->verified_at = hw_wall_ms();
                hw_units_check(d);
        }
        if (r == 0 && !hw_enforce_is_refused(d)) {
                d->timers.reload_pause = 0;
                check_mode(d);
        }
        else if (r == 0 || r == -ESTALE)
                load_again(d);
}

/* Told until the next start; where it is damaged, the last known good is the snapshot from then on. */
static void tell_unread(struct hw_daemon *d, bool damaged) {
        if (d->jobs.outcome.ok)
                hw_outcome_set(d, false, damaged ? "snapshot-damaged" : "snapshot-unreadable",
                               "the snapshot cannot be read; %s",
                               d->table ? "the last known good is in force" : "nor can the last known good");
        if (!damaged || !d->table || hw_snapshot_take_previous(d->state_fd) < 0)
                return;
        d->memory.table = d->table->checksum;
        (void)hw_memory_store(d);
}

static void put_in_force(struct hw_daemon *d) {
        /* Early boot or an earlier life of ours may have loaded it already: then the kernel is left alone. */
        if (hw_enforce_verify(d, false) < 0)
                (void)hw_enforce_load(d, NULL, "at start");
        else
                hw_units_settle(d); /* died before they were written, or they went meanwhile */
        (void)hw_jobs_add(d, HW_JOB_PROBE, 0, 0, (struct hw_slice){ 0 });
}

/* Early boot does it; where there was no room for its memory, it comes to the same here. */
static void guard(struct hw_daemon *d, bool may_store) {
        if (d->table && !d->memory.suspension.active && hw_boots_guard(d->state_fd, &d->memory) && may_store)
                (void)hw_memory_store(d);
}

void hw_enforce_start(struct hw_daemon *d) {
        struct hw_restored restored;

        (void)hw_restore(d->state_fd, &d->memory, &restored);
        hw_swap_files_done(d);
        d->table = restored.table;
        d->stands_in = restored.unread || restored.damaged;
        if (restored.changed) {
                d->timers.swapped_at = hw_now_ms(); /* maybe: an agent of before shows nothing of what it is denied */
                if (!restored.memory_unread)
                        (void)hw_memory_store(d);
        }
        hw_outcome_set(d, true, "", "%s", "");
        guard(d, !restored.memory_unread);
        if (d->table)
                put_in_force(d);
        if (restored.damaged || restored.unread)
                tell_unread(d, restored.damaged);
}
