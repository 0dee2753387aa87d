/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_EVENTS_H
#define HOSTWARD_EVENTS_H
#include "audit-record.h"
#include "buffer.h"

#define HW_EVENTS_MAX 8192
#define HW_EVENTS_BYTES_MAX (8u << 20)
#define HW_JOURNAL_MAX 256

/*
 * A ring of events as JSON, numbered for ever: numbers begin at (seconds since 1970) << 20 and above whatever was given
 * out before, by the journal and the file `numbers`, so that a subscriber's last number keeps its meaning over restarts,
 * whatever the clock said, and stay below 2^53. The oldest give way, and a subscriber who comes too late is told how many
 * it missed. What the sensor did itself (suspended, fallback, drift ...) is also kept in the file `journal`, since it must
 * be known even if made offline.
 */
struct hw_event {
        uint64_t seq;
        struct hw_slice json;
};

struct hw_events {
        struct hw_event ring[HW_EVENTS_MAX];
        size_t first, n, bytes;
        uint64_t next_seq, run_begin, dropped_last; /* numbers from run_begin on are without gaps */
        uint64_t reserved; /* what `numbers` says: none from here on was given out */
        int dirfd;
};

/* Without a directory (-1) nothing is kept over restarts. */
void hw_events_init(struct hw_events *e, int dirfd);
void hw_events_free(struct hw_events *e);

/*
 * A denial or an audited access under the rule set of that generation, 0: it cannot be told which. Who acted is read
 * from /proc now where the record does not say it, as long as the process is there.
 */
void hw_events_add_record(struct hw_events *e, const struct hw_audit_record *r, uint64_t generation);
/* A USB device that was judged; `info` in fields of its own. */
struct hw_device_event {
        bool denied;
        uint32_t rule; /* index into the rules of the table in force */
        const char *name, *dev, *info;
};
void hw_events_add_device(struct hw_events *e, const struct hw_device_event *device, uint64_t generation);
/* `count` < 0 when it cannot be known. */
void hw_events_add_lost(struct hw_events *e, int64_t count, const char *info);
/* Something the sensor did, kept in the journal too. `profile` may be NULL. */
void hw_events_add_own(struct hw_events *e, const char *type, const char *profile, const char *info);

/* The first event after `seq`, or NULL. ret_missed: how many after it have been dropped. */
const struct hw_event *hw_events_after(const struct hw_events *e, uint64_t seq, uint64_t *ret_missed);

#endif
