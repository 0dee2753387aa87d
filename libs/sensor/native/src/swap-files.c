/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "enforce.h"
#include "file.h"
#include "log.h"
#include "recompile.h"
#include "suspend.h"
#include "swap-files.h"

/* What a swap replaces, and what its files are called until it is done. */
static const char *const replaced[][2] = { { HW_SNAPSHOT, HW_SNAPSHOT ".old" }, { HW_MEMORY, HW_MEMORY ".old" } };

static void drop_old(int dirfd) {
        for (size_t i = 0; i < HW_LEN(replaced); i++)
                (void)unlinkat(dirfd, replaced[i][1], 0);
}

static int set_aside(int dirfd) {
        int r = 0;

        drop_old(dirfd);
        for (size_t i = 0; i < HW_LEN(replaced) && (r == 0 || r == -ENOENT); i++)
                r = hw_link_atomic(dirfd, replaced[i][0], replaced[i][1]);
        return r == -ENOENT ? 0 : r;
}

void hw_swap_files_undo(struct hw_daemon *d, const struct hw_memory *memory, bool unkept) {
        d->memory = *memory;
        d->unkept = unkept;
        for (size_t i = 0; i < HW_LEN(replaced); i++) {
                const char *name = replaced[i][0], *old = replaced[i][1];

                if (renameat(d->state_fd, old, d->state_fd, name) < 0 &&
                    (errno != ENOENT || (unlinkat(d->state_fd, name, 0) < 0 && errno != ENOENT)))
                        hw_error("a file cannot be put back name=%s error=%m", name);
        }
        drop_old(d->state_fd); /* names of one file are not renamed */
        (void)fsync(d->state_fd);
}

/* After a fallback the last known good is in force already. */
static bool is_known_good(const struct hw_memory *m) {
        return m->hold == HW_HOLD_NONE && m->confirm == HW_CONFIRM_DONE && !m->unproved;
}

/*
 * A renewal: the same in the kernel under a later assignment version. What was confirmed stays confirmed; else an agent that is
 * taken over could use each renewal to have the rule set taken back.
 */
static bool is_renewal(const struct hw_daemon *d, const struct hw_table *t) {
        return d->table && d->memory.hold == HW_HOLD_NONE && d->memory.confirm != HW_CONFIRM_NONE &&
               d->memory.confirm != HW_CONFIRM_FELL_BACK && hw_table_same_effect(d->table, t);
}

static int write_files(struct hw_daemon *d, struct hw_table *t) {
        const bool renewal = is_renewal(d, t), blocked = hw_memory_mode(&d->memory) == HW_MODE_ENFORCE;
        const bool keep = d->table && !d->stands_in && !renewal && is_known_good(&d->memory);
        int r = keep ? hw_link_atomic(d->state_fd, HW_SNAPSHOT, HW_SNAPSHOT_PREVIOUS) : 0;

        if (keep)
                hw_recompile_keep_previous(d);
        if (r == 0 || r == -ENOENT)
                r = hw_snapshot_save(d->state_fd, HW_SNAPSHOT, t);
        if (r < 0)
                return r;
        d->memory.table = t->checksum;
        d->memory.hold = HW_HOLD_NONE;
        /* The last known good that is compiled anew: what came since counts, also of whether the host is suspended. */
        if (hw_assignment_version_compare(&t->assignment_version, &d->memory.highest) >= 0) {
                d->memory.highest = t->assignment_version;
                hw_suspend_order(&d->memory, t, renewal);
        }
        d->timers.looked_at = hw_now_ms();
        if (!renewal)
                hw_confirm_begin(d);
        else if (!blocked)
                hw_confirm_resumed(d);
        return hw_memory_store(d);
}

int hw_swap_files(struct hw_daemon *d, struct hw_table *t) {
        const struct hw_memory memory = d->memory;
        const bool unkept = d->unkept;
        int r = set_aside(d->state_fd);

        if (r < 0) {
                drop_old(d->state_fd);
                return r;
        }
        r = write_files(d, t);
        if (r < 0)
                hw_swap_files_undo(d, &memory, unkept);
        return r;
}

void hw_swap_files_done(const struct hw_daemon *d) {
        drop_old(d->state_fd);
}
