/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "boots.h"
#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "enforce.h"
#include "jobs.h"
#include "log.h"
#include "suspend.h"

#define SAVE_SEEN_MS 60000

/* ISO 8601, UTC, to the second: for people. */
static void iso(uint64_t ms, char ret[32]) {
        time_t seconds = (time_t)(ms / 1000);
        struct tm utc;

        if (!gmtime_r(&seconds, &utc) || strftime(ret, 32, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
                strcpy(ret, "?");
}

static void tell(struct hw_daemon *d, const char *type, const char *what) {
        const struct hw_suspension *s = &d->memory.suspension;
        char info[HW_REASON_MAX + 128], until[32];

        iso(s->until, until);
        (void)snprintf(info, sizeof info, "%s until %s by %s: %s", hw_mode_text(s->mode), until, hw_by_text(s->by),
                       what);
        hw_events_add_own(&d->events, type, NULL, info);
        hw_warn("enforcement %s %s", type, info);
}

/* Loads what memory asks for now, and has the blocks proved where there are any. */
static int reload(struct hw_daemon *d, const char *what) {
        int r;

        hw_confirm_resumed(d);
        (void)hw_memory_store(d);
        free(d->answers);
        d->answers = NULL;
        r = hw_enforce_load(d, NULL, what);
        (void)hw_jobs_add(d, HW_JOB_PROBE, 0, 0, (struct hw_slice){ 0 });
        return r;
}

/* Whoever ends it knows of the boots that began it: a sensor that starts again must not begin it once more. */
static void leave_guard(struct hw_daemon *d, const struct hw_suspension *before) {
        if (before->active && before->by == HW_BY_BOOT_GUARD)
                hw_boots_healthy(d->state_fd);
}

int hw_suspend_begin(struct hw_daemon *d, const struct hw_suspension *s) {
        d->memory.suspension = *s;
        d->memory.seen_at = hw_wall_ms();
        d->timers.looked_at = hw_now_ms();
        tell(d, "suspended", s->reason);
        return reload(d, "suspended");
}

static void order(struct hw_memory *m, const struct hw_table *t, bool renewal) {
        const bool by_order = m->suspension.active && m->suspension.by == HW_BY_CONTROL_PLANE;
        const uint64_t time = hw_memory_time(m, hw_wall_ms());

        m->ordered = t->suspend;
        if (m->suspension.active && m->suspension.by == HW_BY_CONSOLE)
                return;
        if (t->suspend.set && t->suspend.until > time) {
                m->suspension = (struct hw_suspension){ .active = true, .mode = t->suspend.mode,
                                                        .by = HW_BY_CONTROL_PLANE, .until = t->suspend.until };
                memcpy(m->suspension.reason, t->suspend.reason, sizeof m->suspension.reason);
                m->seen_at = time;
        } else if (by_order || (m->suspension.by == HW_BY_BOOT_GUARD && !renewal))
                m->suspension = (struct hw_suspension){ 0 };
}

void hw_suspend_order(struct hw_memory *m, const struct hw_table *t, bool renewal) {
        const bool is_done = hw_assignment_version_is_set(&m->heeded) && hw_assignment_version_compare(&t->assignment_version, &m->heeded) == 0;

        if (!is_done) /* else the console may have ended it since */
                order(m, t, renewal);
}

void hw_suspend_tell_change(struct hw_daemon *d, const struct hw_suspension *before) {
        const struct hw_suspension *now = &d->memory.suspension;

        if (now->active && (!before->active || before->until != now->until || before->mode != now->mode))
                tell(d, "suspended", now->reason);
        if (!now->active || now->by != before->by)
                leave_guard(d, before);
        if (!now->active && before->active)
                hw_events_add_own(&d->events, "resumed", NULL, "the control plane ended it");
}

/* In force whether or not memory can be written: a host with a full disk must be let go by the fleet's operator too. */
static int obey(struct hw_daemon *d, const struct hw_table *t) {
        const struct hw_memory before = d->memory;
        int r;

        order(&d->memory, t, true);
        r = hw_memory_store(d);
        d->timers.looked_at = hw_now_ms();
        hw_suspend_tell_change(d, &before.suspension);
        if (hw_memory_mode(&d->memory) != hw_memory_mode(&before))
                (void)reload(d, d->memory.suspension.active ? "suspended" : "resumed");
        return r;
}

/* Once: an assignment is sent again and again, and the console may have ended the suspension since, or a later one. */
static bool is_heeded(const struct hw_memory *m, const struct hw_table *t) {
        return hw_assignment_version_compare(&t->assignment_version, &m->heeded) <= 0;
}

int hw_suspend_take(struct hw_daemon *d, const struct hw_table *t) {
        const struct hw_assignment_version highest = d->memory.highest;
        int r;

        d->memory.highest = t->assignment_version;
        r = is_heeded(&d->memory, t) ? hw_memory_store(d) : obey(d, t);
        if (r < 0) {
                d->memory.highest = highest; /* it comes again, and is kept when there is room */
                d->memory.heeded = t->assignment_version;
        }
        return r;
}

void hw_suspend_heed(struct hw_daemon *d, const struct hw_table *t) {
        if (hw_assignment_version_compare(&t->assignment_version, &d->memory.highest) <= 0 || is_heeded(&d->memory, t))
                return;
        d->memory.heeded = t->assignment_version;
        if (t->suspend.set || d->memory.ordered.set) /* else there is nothing to do, nor to keep */
                (void)obey(d, t);
}

int hw_suspend_end(struct hw_daemon *d, const char *why) {
        const struct hw_order_suspend *ordered = &d->memory.ordered; /* the table's, if that is the newest */
        bool was_console = d->memory.suspension.by != HW_BY_CONTROL_PLANE;

        tell(d, "resumed", why);
        leave_guard(d, &d->memory.suspension);
        d->memory.suspension = (struct hw_suspension){ 0 };
        if (was_console && ordered->set && ordered->until > hw_memory_time(&d->memory, hw_wall_ms())) {
                struct hw_suspension s = { .active = true, .mode = ordered->mode, .by = HW_BY_CONTROL_PLANE,
                                           .until = ordered->until };

                memcpy(s.reason, ordered->reason, sizeof s.reason);
                return hw_suspend_begin(d, &s);
        }
        return reload(d, "resumed");
}

void hw_suspend_check(struct hw_daemon *d) {
        uint64_t wall = hw_wall_ms(), now = hw_now_ms(), passed = d->timers.looked_at ? now - d->timers.looked_at : 0;

        d->timers.looked_at = now;
        if (!d->memory.suspension.active)
                return;
        d->memory.seen_at += passed;
        if (d->memory.suspension.by != HW_BY_BOOT_GUARD) /* which begins before anybody has set the clock */
                hw_memory_catch_up(&d->memory, wall);
        if (hw_suspension_over(&d->memory, wall)) {
                (void)hw_suspend_end(d, "its time is over");
                return;
        }
        if (now - d->timers.saved_at >= SAVE_SEEN_MS) {
                d->timers.saved_at = now;
                (void)hw_memory_store(d);
        }
}

int hw_unload(struct hw_daemon *d) {
        d->memory.hold = HW_HOLD_UNLOADED;
        leave_guard(d, &d->memory.suspension);
        d->memory.suspension = (struct hw_suspension){ 0 };
        d->timers.confirm_at = UINT64_MAX;
        hw_events_add_own(&d->events, "suspended", NULL, "off by console: unloaded until the next rule set or resume");
        return reload(d, "unloaded");
}

int hw_resume(struct hw_daemon *d) {
        const bool was_unloaded = d->memory.hold == HW_HOLD_UNLOADED;

        if (was_unloaded) {
                d->memory.hold = HW_HOLD_NONE;
                hw_events_add_own(&d->events, "resumed", NULL, "loaded again by console");
        }
        if (d->memory.suspension.active && (!was_unloaded || d->memory.suspension.by != HW_BY_CONTROL_PLANE))
                return hw_suspend_end(d, "ended at the console");
        return was_unloaded || hw_enforce_is_refused(d) ? reload(d, "resumed") : 0;
}
