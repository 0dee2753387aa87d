/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SNAPSHOT_H
#define HOSTWARD_SNAPSHOT_H
#include "table.h"

/*
 * Files in the state directory (root's, 0700). Each is written to a temporary name, synced and renamed, and ends in a
 * checksum; one that is cut or altered is not loaded (-EBADMSG), and the last known good takes its place. One that cannot be
 * read for another reason may be read at the next start: it is left alone.
 *   snapshot       the table in force            writer: daemon   readers: daemon, early
 *   snapshot.prev  the last table confirmed good
 *   envelope, envelope.prev  what these two came in (recompile.h); no checksum: the compiler verifies it
 *   memory         struct hw_memory
 *   *.old          both of the above as they were before a swap that is not done yet
 *   boots          boot id and number of boots in a row that were not confirmed healthy (boots.c)
 * Mirror: libs/policy-compiler/src/plan/protected-paths.ts, which refuses rules that would keep the daemon from writing them.
 */
#define HW_SNAPSHOT "snapshot"
#define HW_SNAPSHOT_PREVIOUS "snapshot.prev"
#define HW_ENVELOPE "envelope"
#define HW_ENVELOPE_PREVIOUS "envelope.prev"
#define HW_MEMORY "memory"

enum hw_hold { HW_HOLD_NONE, HW_HOLD_UNLOADED, HW_HOLD_FELL_BACK };
enum hw_confirm { HW_CONFIRM_NONE, HW_CONFIRM_WAITING, HW_CONFIRM_DONE, HW_CONFIRM_UNCONFIRMED, HW_CONFIRM_FELL_BACK };
enum hw_by { HW_BY_CONSOLE, HW_BY_CONTROL_PLANE, HW_BY_BOOT_GUARD };

const char *hw_confirm_text(enum hw_confirm confirm);
const char *hw_by_text(enum hw_by by);

struct hw_suspension {
        bool active;
        enum hw_mode mode; /* audit or off */
        enum hw_by by;
        uint64_t until; /* wall clock, ms */
        char reason[HW_REASON_MAX + 1];
};

/* What must outlive the daemon beside the table. */
struct hw_memory {
        struct hw_assignment_version highest;
        char rejected_digest[HW_DIGEST_MAX + 1]; /* cut this host off once: not applied again */
        uint64_t rejected_effect; /* hw_table_effect() of it; 0: whatever it does, since it cut the host off in two ways */
        enum hw_hold hold;
        enum hw_confirm confirm;
        uint64_t confirm_since;
        bool evidence; /* the kernel denied something to the agent or the sensor since the swap */
        bool unproved; /* confirmed while suspended: nothing was blocked, so nothing is known of the blocks */
        struct hw_suspension suspension;
        struct hw_order_suspend ordered; /* by the assignment of `highest`; waits while the console has the say */
        uint32_t table; /* checksum of the snapshot that this speaks of; 0: not known, written by a version before */
        struct hw_assignment_version heeded; /* the newest assignment of which the suspension alone was done; 0 0 0: none */
        uint64_t ended_at; /* end of an exception (VALID_UNTIL) that has passed: it stays over at a boot in 1970; 0 = none */
        uint64_t seen_at; /* the time of the suspension: the wall clock when it began, and on with the time since boot */
};

/* The variant of the table that is to be loaded now. */
enum hw_mode hw_memory_mode(const struct hw_memory *m);

/*
 * The latest of the clock and the last signed time, by which the ends count that the control plane set: on a host that
 * boots in 1970 what had ended stays ended.
 */
uint64_t hw_memory_time(const struct hw_memory *m, uint64_t wall_ms);

/*
 * While nobody looked, or the machine was paused from outside, only the wall clock went on. Where a suspension has an end
 * before the last signed time, the clock was wrong when it began, and says nothing of how long that is ago.
 */
void hw_memory_catch_up(struct hw_memory *m, uint64_t wall_ms);

/*
 * An end that the control plane set counts by the greatest time ever seen, so that a clock set back extends nothing; one
 * of this host by the time that passed, so that a clock set right from before the last signed time does not end it. True
 * when it has come.
 */
bool hw_suspension_over(const struct hw_memory *m, uint64_t wall_ms);

/* Whether an exception in it was seen to end: such a table does not come back. */
bool hw_memory_outlived(const struct hw_memory *m, const struct hw_table *t, uint64_t wall_ms);

/* Whether it does what cut this host off, under the same digest. */
bool hw_memory_rejects(const struct hw_memory *m, const struct hw_table *t);

int hw_snapshot_save(int dirfd, const char *name, struct hw_table *t);
int hw_snapshot_load(int dirfd, const char *name, struct hw_table **ret);
int hw_memory_save(int dirfd, const struct hw_memory *m);
/* -ENOENT when there is none yet, -EBADMSG when it is damaged; *ret is then empty. */
int hw_memory_load(int dirfd, struct hw_memory *ret);

#endif
