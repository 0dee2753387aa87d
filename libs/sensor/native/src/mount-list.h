/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_MOUNT_LIST_H
#define HOSTWARD_MOUNT_LIST_H
#include <stdbool.h>
#include <stddef.h>

#include "buffer.h"

/*
 * The mounts that this process sees, as the kernel lists them: what is mounted where is read without asking the
 * filesystem, which may not answer, and then whoever asks it waits for ever.
 */
struct hw_mount_list {
        struct hw_buffer text;
        struct hw_mount_line *lines;
        size_t n;
};

/* 0 or a negative errno, and then it is empty. */
int hw_mount_list_read(struct hw_mount_list *ret);
void hw_mount_list_free(struct hw_mount_list *list);
/* Whether what is mounted there, uppermost, is of a kind on which files may have several names. False where nothing is. */
bool hw_mount_list_is_local(const struct hw_mount_list *list, const char *place);

#endif
