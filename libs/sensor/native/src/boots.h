/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BOOTS_H
#define HOSTWARD_BOOTS_H

/* Boots in a row that were not confirmed healthy, this one included, after counting it (once a boot). */
unsigned int hw_boots_count(int dirfd);
/* This boot is healthy: the count starts again. */
void hw_boots_healthy(int dirfd);
/* Of the kernel, or "unknown". */
void hw_boot_id(char ret[64]);

#endif
