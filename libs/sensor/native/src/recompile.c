/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "context.h"
#include "enforce.h"
#include "file.h"
#include "jobs.h"
#include "links.h"
#include "log.h"
#include "recompile.h"
#include "restore.h"

#define PAUSE_MS 30000
#define PAUSE_AFTER_FAILURE_MS 300000
#define PAUSE_FOR_MORE_TIME_MS 5000

void hw_recompile_keep(struct hw_daemon *d, struct hw_slice envelope) {
        int r = hw_write_atomic(d->state_fd, HW_ENVELOPE, envelope.data, envelope.len, 0600);

        hw_buffer_free(&d->envelope);
        if (r < 0) {
                hw_warn("the envelope cannot be kept yet: after a start exceptions end by the control plane only error=%s",
                        strerror(-r));
                hw_buffer_add(&d->envelope, envelope.data, envelope.len);
        }
        d->context = d->compiled_beside;
        d->timers.recompile_at = 0;
}

void hw_recompile_keep_later(struct hw_daemon *d) {
        if (d->envelope.len == 0 ||
            hw_write_atomic(d->state_fd, HW_ENVELOPE, d->envelope.data, d->envelope.len, 0600) < 0)
                return;
        hw_buffer_free(&d->envelope);
        hw_info("the envelope is kept");
}

void hw_recompile_begins(struct hw_daemon *d) {
        d->compiled_for_bpf = d->bpf_lsm;
        d->compiled_beside = hw_context(d->options);
}

void hw_recompile_forget(struct hw_daemon *d) {
        (void)unlinkat(d->state_fd, HW_ENVELOPE, 0);
        hw_buffer_free(&d->envelope);
}

void hw_recompile_keep_previous(struct hw_daemon *d) {
        int r;

        hw_recompile_keep_later(d);
        r = d->envelope.len == 0 ? hw_link_atomic(d->state_fd, HW_ENVELOPE, HW_ENVELOPE_PREVIOUS) : -ENOENT;
        if (r == 0)
                return;
        (void)unlinkat(d->state_fd, HW_ENVELOPE_PREVIOUS, 0); /* of a table before that one */
        if (r != -ENOENT)
                hw_warn("the envelope of the last known good cannot be kept: after a fallback its exceptions end by the "
                        "control plane only error=%s", strerror(-r));
}

void hw_recompile_take_previous(struct hw_daemon *d) {
        hw_buffer_free(&d->envelope);
        hw_restore_envelope(d->state_fd);
        d->context = hw_context(d->options); /* as good as it was: not to be made anew before something changes */
        d->timers.recompile_at = 0;
}

bool hw_recompile_is_lost(const struct hw_daemon *d, const struct hw_table *t) {
        const struct hw_assignment_version *highest = &d->memory.highest;

        /* Where one was ever taken back, it may have been this one. */
        return d->memory.confirm != HW_CONFIRM_FELL_BACK && !d->memory.rejected_digest[0] &&
               hw_assignment_version_compare(&t->assignment_version, highest) == 0 &&
               (!d->table || hw_assignment_version_compare(&d->table->assignment_version, highest) < 0);
}

/*
 * Where a rule set cut the agent off when it was compiled anew, what it was before is in force under the same digest. It
 * would do so again, and is left alone until an exception in it ends.
 */
static bool was_taken_back(const struct hw_daemon *d) {
        return d->table && d->memory.confirm == HW_CONFIRM_FELL_BACK &&
               strcmp(d->table->digest, d->memory.rejected_digest) == 0;
}

static int read_envelope(const struct hw_daemon *d, struct hw_buffer *ret) {
        if (d->envelope.len == 0)
                return hw_read_file(d->state_fd, HW_ENVELOPE, HW_MAX_FRAME_BYTES, ret);
        hw_buffer_add(ret, d->envelope.data, d->envelope.len);
        return ret->failed ? -ENOMEM : 0;
}

bool hw_recompile_is_held(const struct hw_memory *m) {
        return m->hold != HW_HOLD_NONE || (m->suspension.active && m->suspension.by == HW_BY_BOOT_GUARD) ||
               m->confirm == HW_CONFIRM_WAITING;
}

bool hw_recompile_read(struct hw_daemon *d, struct hw_buffer *ret) {
        if (!hw_recompile_is_held(&d->memory))
                return read_envelope(d, ret) == 0;
        d->timers.recompile_at = 0;
        return false;
}

void hw_recompile_check(struct hw_daemon *d) {
        _cleanup_buffer_ struct hw_buffer envelope = { 0 };
        const uint64_t now = hw_now_ms(), time = hw_memory_time(&d->memory, hw_wall_ms());
        const bool over = d->table && d->table->valid_until && time >= d->table->valid_until;
        uint64_t unlike;

        if (now < d->timers.recompile_at || hw_recompile_is_held(&d->memory))
                return;
        unlike = d->table ? hw_links_unlike(d->table->links) : 0;
        if (!over && (was_taken_back(d) ||
                      (hw_context(d->options) == d->context && (unlike == 0 || unlike == d->links_tried))))
                return;
        d->timers.recompile_at = now + PAUSE_MS;
        if (over && d->table->valid_until > d->memory.ended_at) {
                d->memory.ended_at = d->table->valid_until;
                (void)hw_memory_store(d);
        }
        if (read_envelope(d, &envelope) < 0)
                return;
        d->links_tried = unlike; /* what the compiler sees otherwise for good is no reason to ask it again and again */
        hw_info("the rule set is compiled anew reason=%s",
                over ? "an exception has ended" : d->context ? "the host changed" : "at start");
        hw_jobs_recompile(d);
}

void hw_recompile_ended(struct hw_daemon *d, bool ok) {
        if (!ok)
                d->links_tried = 0;
        if (ok)
                d->context = d->compiled_beside;
        else if (d->compiled_for_bpf == d->bpf_lsm)
                d->timers.recompile_at = hw_now_ms() + PAUSE_AFTER_FAILURE_MS;
        else
                d->context = d->timers.recompile_at = 0; /* the kernel refused the programs: there is another answer now */
}

void hw_recompile_soon(struct hw_daemon *d) {
        d->timers.recompile_at = HW_MIN(d->timers.recompile_at, hw_now_ms() + PAUSE_FOR_MORE_TIME_MS);
}
