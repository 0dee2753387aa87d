/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_ENFORCE_H
#define HOSTWARD_ENFORCE_H
#include "daemon.h"

/* What is in the kernel. */
void hw_outcome_set(struct hw_daemon *d, bool ok, const char *code, const char *format, ...)
        __attribute__((format(printf, 4, 5)));
/*
 * Loads the variant that memory asks for and reads it back; `before` is the table that was loaded, NULL when it was this
 * one; `what` goes into the event.
 */
int hw_enforce_load(struct hw_daemon *d, const struct hw_table *before, const char *what);
int hw_enforce_verify(struct hw_daemon *d, bool just_loaded); /* hw_profiles_verify() */
/* What the kernel holds is not what was asked for at the last attempt. */
bool hw_enforce_is_refused(const struct hw_daemon *d);
/* Puts a new table in the place of the present one; takes it over. 0, or a negative errno with the outcome set. */
int hw_enforce_swap(struct hw_daemon *d, struct hw_table *t);
/* Compares the kernel with what was verified; repairs and records what drifted. */
void hw_enforce_check(struct hw_daemon *d);
void hw_enforce_start(struct hw_daemon *d);
/* `what` is not as it was left; `profile` may be NULL. */
void hw_drift_add(struct hw_daemon *d, const char *profile, const char *what);
/* All drift whose words begin so is as it should be again. */
void hw_drift_repaired(struct hw_daemon *d, const char *kind);
/* What cannot be written is in force and stored at a later check, if that comes before the next start. */
int hw_memory_store(struct hw_daemon *d);

#endif
