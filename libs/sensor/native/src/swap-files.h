/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SWAP_FILES_H
#define HOSTWARD_SWAP_FILES_H
#include "daemon.h"

/* The files of a swap, written before the kernel gets the table. 0, or a negative errno with nothing changed. */
int hw_swap_files(struct hw_daemon *d, struct hw_table *t);
/* By names alone: a swap that failed for want of room leaves none to write the old files once more. */
void hw_swap_files_undo(struct hw_daemon *d, const struct hw_memory *memory, bool unkept);
void hw_swap_files_done(const struct hw_daemon *d);

#endif
