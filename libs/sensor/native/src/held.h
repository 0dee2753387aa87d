/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_HELD_H
#define HOSTWARD_HELD_H
#include "daemon.h"

/*
 * Counts anew whom the rules in force reach. Where all processes are to be looked at for what they have open, that
 * begins here, and whoever waits for it is told by hw_jobs_covered().
 */
void hw_cover(struct hw_daemon *d);
/* Nobody knows yet who has open what the rules refuse: until then none is said to be enforced. */
bool hw_cover_is_awaited(const struct hw_daemon *d);
/* Begins a walk, of what both descriptors give (bpf-held.h). */
void hw_cover_walk(struct hw_daemon *d, int files, int maps);
void hw_cover_walked(struct hw_daemon *d); /* it is through */
void hw_cover_expired(struct hw_daemon *d); /* its deadline has passed */

#endif
