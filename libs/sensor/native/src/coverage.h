/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_COVERAGE_H
#define HOSTWARD_COVERAGE_H
#include "policy-blob.h"
#include "table.h"

#define HW_COVERAGE_LIST 20
#define HW_COVERAGE_TEXT 400

/*
 * Which processes a profile of the table reaches, and later ones will; a retired profile of ours does not count. A
 * process in a stack of profiles is uncovered, see hw_profiles_swap(). Without kernel threads.
 */
struct hw_coverage {
        uint64_t confined, uncovered, exempt;
        char list[HW_COVERAGE_LIST][48]; /* "pid comm" of uncovered ones */
        size_t n_list;
        char by_path_alone[HW_COVERAGE_TEXT]; /* of struct hw_bpf */
};

void hw_coverage_count(const struct hw_table *t, struct hw_coverage *ret);

/* Whether a label such as `hostward//&/usr/sbin/mysqld (enforce)` has `name` as one of its stacked components. */
bool hw_label_has(const char *label, const char *name);

/*
 * Whether a process of this label may keep an older rule set. Not told by when it started: it may have inherited the
 * label from a process that is older than the rule set.
 */
bool hw_label_may_be_stale(const char *label);

/* Makes this process run under the profile of this name alone: 0 or errno. */
int hw_label_enter(const char *name);

/*
 * Started by systemd on a confined host the daemon is stacked with our catch-all, since systemd's executor is confined
 * itself: what it denies must not hit the one who loads the next rule set. So it enters its exempt profile by itself.
 */
void hw_label_exempt_self(void);

/* Whether any process runs under a profile of this name. */
bool hw_label_in_use(const char *name);

#endif
