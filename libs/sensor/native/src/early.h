/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_EARLY_H
#define HOSTWARD_EARLY_H
#include "daemon.h"

/*
 * hostward-early.service: loads the snapshot before the network is up, with nothing but files. It never fails the
 * boot: whatever goes wrong is said in the journal, and the daemon takes it up later. After some boots in a
 * row that were not confirmed healthy it loads the audit variant (hw_boots_guard()), so that a rule set that stops the
 * boot can be replaced.
 */
void hw_early_run(const struct hw_options *options);

#endif
