/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <string.h>

#include "bpf-record.h"
#include "bpf-ring.h"
#include "bpf-throttle.h"
#include "clean.h"
#include "clock.h"
#include "hostward-bpf.h"

/* A place whose process went on would have begun a window anew within the first of these. */
#define QUIET_NS (2 * HW_THROTTLE_WINDOW_NS)

/* One record stands for all that were suppressed; only what they have in common is told. */
static void tell(struct hw_bpf *b, const struct hw_throttle *place, uint32_t number, char *const *subjects,
                 size_t n_subjects) {
        static struct hw_bpf_event event; /* large */
        static struct hw_audit_record record;
        static struct hw_actor actor;

        memset(&event, 0, offsetof(struct hw_bpf_event, text));
        memcpy(&event, place->common, HW_EVENT_COMMON);
        event.time = place->since;
        event.suppressed = number - 1;
        if (!hw_bpf_record(b->generation, (struct hw_slice){ (const void *)&event, offsetof(struct hw_bpf_event, text) },
                           subjects, n_subjects, &actor, &record))
                return;
        hw_bpf_recall_program(&actor);
        (void)snprintf(record.info, sizeof record.info, "stands for %u that were not told one by one", number);
        b->handler(&record, b->userdata);
}

bool hw_bpf_tell_suppressed(struct hw_bpf *b, char *const *subjects, size_t n_subjects, bool all) {
        const uint64_t now = hw_now_ms() * 1000000;
        bool more = false;

        for (size_t i = 0; b->places && i < HW_THROTTLE_PLACES; i++) {
                struct hw_throttle *place = &b->places[i];
                const struct hw_throttle seen = *place;
                uint32_t number;

                if (seen.suppressed == 0)
                        continue;
                if (!all && now < seen.since + QUIET_NS) {
                        more = true;
                        continue;
                }
                number = __atomic_exchange_n(&place->suppressed, 0, __ATOMIC_ACQ_REL);
                if (number)
                        tell(b, &seen, number, subjects, n_subjects);
        }
        return more;
}
