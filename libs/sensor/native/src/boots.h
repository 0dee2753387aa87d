/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BOOTS_H
#define HOSTWARD_BOOTS_H
#include "snapshot.h"

#define HW_BOOTS_MAX 3u

/*
 * The guard against boot loops: counts this boot, once, and suspends to audit for an hour in memory, which the caller
 * stores, after HW_BOOTS_MAX in a row that were not confirmed healthy, unless something else has suspended. True if it did.
 */
bool hw_boots_guard(int dirfd, struct hw_memory *m);
/* This boot is healthy: the count starts again. */
void hw_boots_healthy(int dirfd);
/* Of the kernel, or "unknown". */
void hw_boot_id(char ret[64]);

#endif
