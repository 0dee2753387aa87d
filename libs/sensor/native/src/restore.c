/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "clock.h"
#include "confirm.h"
#include "daemon.h"
#include "file.h"
#include "log.h"
#include "restore.h"
#include "suspend.h"

int hw_snapshot_take_previous(int dirfd) {
        int r = hw_link_atomic(dirfd, HW_SNAPSHOT_PREVIOUS, HW_SNAPSHOT);

        if (r == 0 && fsync(dirfd) < 0)
                r = -errno;
        if (r < 0)
                hw_error("the last known good cannot be made the snapshot error=%s", strerror(-r));
        return r;
}

void hw_restore_envelope(int dirfd) {
        int r = hw_link_atomic(dirfd, HW_ENVELOPE_PREVIOUS, HW_ENVELOPE);

        if (r == 0)
                return;
        (void)unlinkat(dirfd, HW_ENVELOPE, 0); /* of what was taken back */
        if (r != -ENOENT)
                hw_warn("the envelope of the last known good cannot be taken: its exceptions end by the control plane only "
                        "error=%s", strerror(-r));
}

/* Memory was stored, and the last known good is not the snapshot yet. */
static bool fell_back(const struct hw_memory *m, const struct hw_table *t) {
        return m->confirm == HW_CONFIRM_FELL_BACK && m->hold == HW_HOLD_NONE && m->table != t->checksum &&
               strcmp(m->rejected_digest, t->digest) == 0;
}

static void finish_fallback(int dirfd, struct hw_memory *m, struct hw_restored *r) {
        struct hw_table *good = NULL;

        if (hw_snapshot_load(dirfd, HW_SNAPSHOT_PREVIOUS, &good) < 0) {
                m->hold = HW_HOLD_FELL_BACK;
                return;
        }
        hw_restore_envelope(dirfd);
        (void)hw_snapshot_take_previous(dirfd);
        (void)hw_table_free(r->table);
        r->table = good;
}

/* The table was written, and memory is still of the one before: as a swap would have left it. */
static void finish_swap(struct hw_memory *m, const struct hw_table *t) {
        hw_warn("the rule set was not remembered yet: it is to be confirmed digest=%s", t->digest);
        m->hold = HW_HOLD_NONE;
        if (hw_assignment_version_compare(&t->assignment_version, &m->highest) >= 0) { /* else a last known good that was compiled anew */
                m->highest = t->assignment_version;
                hw_suspend_order(m, t, false);
        }
        hw_confirm_wait(m);
}

static void agree(int dirfd, struct hw_memory *m, bool remembered, struct hw_restored *r) {
        if (hw_assignment_version_compare(&r->table->assignment_version, &m->highest) == 0 && hw_assignment_version_compare(&m->heeded, &m->highest) <= 0)
                m->ordered = r->table->suspend; /* a program before this one did not keep it */
        if (m->table && m->table == r->table->checksum)
                return;
        if (fell_back(m, r->table))
                finish_fallback(dirfd, m, r);
        else if (m->table || !remembered)
                finish_swap(m, r->table);
        m->table = r->table->checksum;
        r->changed = true;
}

/* Read this time or not: -EBADMSG stays so. */
static bool may_be_read_later(int r) {
        return r < 0 && r != -ENOENT && r != -EBADMSG;
}

/*
 * The last known good in the place of a snapshot that the next start may read, with what memory says of that one. Where it
 * was not confirmed, what is stored meanwhile is of this table; then the other is met as one that was just written.
 */
static void stand_in(struct hw_memory *m, const struct hw_table *t) {
        if ((m->confirm == HW_CONFIRM_DONE && !m->unproved) || m->confirm == HW_CONFIRM_FELL_BACK)
                return;
        m->confirm = HW_CONFIRM_DONE;
        m->evidence = m->unproved = false;
        m->table = t->checksum;
}

int hw_restore(int dirfd, struct hw_memory *ret_memory, struct hw_restored *ret) {
        int remembered = hw_memory_load(dirfd, ret_memory), r;

        *ret = (struct hw_restored){ 0 };
        if (remembered < 0 && remembered != -ENOENT)
                hw_error("the memory file cannot be read, suspension and highest assignment version are taken from the snapshot "
                         "error=%s", strerror(-remembered));
        ret->memory_unread = may_be_read_later(remembered);
        hw_memory_catch_up(ret_memory, hw_wall_ms());
        r = hw_snapshot_load(dirfd, HW_SNAPSHOT, &ret->table);
        if (r == 0)
                agree(dirfd, ret_memory, remembered == 0, ret);
        if (r == 0 || r == -ENOENT)
                return r;
        hw_error("the snapshot cannot be read, the last known good takes its place error=%s", strerror(-r));
        ret->unread = may_be_read_later(r);
        ret->damaged = !ret->unread;
        r = hw_snapshot_load(dirfd, HW_SNAPSHOT_PREVIOUS, &ret->table);
        if (r == 0 && ret->unread)
                stand_in(ret_memory, ret->table);
        return r;
}
