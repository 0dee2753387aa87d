/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_COMPANIONS_H
#define HOSTWARD_COMPANIONS_H
#include "table.h"

/*
 * Linux 6.12 loses running processes whose label is a stack (`hostward//&hostward-src-systemd//&mysqld`): the first
 * replacement of a profile of the stack reaches them, later ones need not until they are started anew. Seen with stacks
 * of two and of three profiles, all of ours or not, whatever was written together and in whatever order; a process in
 * one profile alone is always reached. So whoever runs in a stack is counted as uncovered (coverage.h). Whole stacks
 * are still written at once, in the order of their names: it has been seen to reach `hostward//&reader` and costs
 * little. Whatever runs stacked with a profile of ours is written along, unchanged, from the kernel's own copy.
 */

/*
 * Adds to `out`, which holds the blob to be loaded: profiles of ours that it lacks while processes are in them (their
 * open variant from `before` where that has them), and foreign profiles that processes are stacked with. What cannot be
 * had is left out with a warning: it must not keep a rule set from being loaded.
 */
void hw_companions_add(const char *securityfs, const struct hw_table *before, struct hw_buffer *out);

#endif
