/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_COMPANIONS_H
#define HOSTWARD_COMPANIONS_H
#include "table.h"

/*
 * Linux 6.12 loses running processes whose label is a stack (`hostward//&/usr/sbin/mysqld`): unless all profiles of the
 * stack are replaced in one write, and in the order of their names, only one more replacement reaches the process until
 * it is started anew. Shown by test/e2e/stacked-services.vm-spec.ts. So every write of ours replaces whole stacks in
 * that order: whatever runs stacked with a profile of ours is written along, unchanged, from the kernel's own copy.
 */

/*
 * Adds to `out`, which holds the blob to be loaded: profiles of ours that it lacks while processes are in them (their
 * open variant from `before` where that has them), and foreign profiles that processes are stacked with. What cannot be
 * had is left out with a warning: it must not keep a rule set from being loaded.
 */
void hw_companions_add(const char *securityfs, const struct hw_table *before, struct hw_buffer *out);

#endif
