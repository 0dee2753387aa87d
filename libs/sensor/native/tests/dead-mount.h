/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_DEAD_MOUNT_H
#define HOSTWARD_DEAD_MOUNT_H
#include <sys/types.h>

/* Mounts of this process are its own from now on: 0 or a negative errno. */
int private_mounts(void);

/*
 * Mounts a filesystem whose server takes every question and answers none, as one that went away: who asks it something
 * waits past SIGKILL. `mode`: of its root, S_IFDIR or S_IFREG. It ends with this process. 0 or a negative errno.
 */
int dead_mount(const char *at, mode_t mode);

#endif
