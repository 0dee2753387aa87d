/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_RESTORE_H
#define HOSTWARD_RESTORE_H
#include "snapshot.h"

/*
 * What an earlier life left on disk: table and memory, which are two files, so that a loss of power or a full disk may
 * have left them of two swaps. Used by early boot and by the daemon alike.
 */
struct hw_restored {
        struct hw_table *table; /* NULL: there is none */
        bool damaged, unread; /* the snapshot, or only not read this time; the table is the last known good, if any */
        bool memory_unread; /* this time: it is not written over only because it is empty here */
        bool changed; /* memory was made to agree with the table and is to be stored */
};

/* 0, or why there is no table: -ENOENT where none was ever applied. Memory is filled in either case. */
int hw_restore(int dirfd, struct hw_memory *ret_memory, struct hw_restored *ret);

/* The last known good becomes the snapshot; needs no room. */
int hw_snapshot_take_previous(int dirfd);
/* Its envelope becomes the envelope, where it has one. */
void hw_restore_envelope(int dirfd);

#endif
