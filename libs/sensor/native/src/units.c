/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's part in drop-ins: what is told of them, and that systemd reads them. */
#include <string.h>

#include "dropin.h"
#include "enforce.h"
#include "log.h"
#include "systemd.h"
#include "units.h"

#define DRIFT "drop-in of "
#define FAILED "drop-in-failed"

struct changes {
        struct hw_daemon *d;
        bool are_drift;
        size_t n;
};

static void tell(const char *unit, const char *what, void *userdata) {
        struct changes *changes = userdata;
        char text[HW_NAME_MAX];

        changes->n++;
        if (!changes->are_drift)
                return;
        (void)snprintf(text, sizeof text, DRIFT "%s %s", unit, what);
        hw_drift_add(changes->d, NULL, text);
}

bool hw_units_are_unsettled(const struct hw_daemon *d) {
        return strcmp(d->jobs.outcome.code, FAILED) == 0;
}

static void settle(struct hw_daemon *d, bool are_drift) {
        struct changes changes = { d, are_drift, 0 };
        const bool failed_before = hw_units_are_unsettled(d);
        const char *unit = "any unit";
        int r;

        if (!d->table)
                return;
        r = hw_dropins_write(d->options->dropin_dir, d->table, hw_memory_mode(&d->memory), tell, &changes, &unit);
        if (changes.n > 0) {
                hw_info("drop-ins of units were made what the rules ask for changed=%zu", changes.n);
                hw_systemd_reload();
        }
        if (r < 0 && !failed_before)
                hw_outcome_set(d, false, FAILED, "the drop-in of %s cannot be written: %s", unit, strerror(-r));
        if (r < 0)
                return;
        if (failed_before)
                hw_outcome_set(d, true, "", "%s", "");
        hw_drift_repaired(d, DRIFT);
}

void hw_units_settle(struct hw_daemon *d) {
        settle(d, false);
}

void hw_units_check(struct hw_daemon *d) {
        settle(d, true);
}
