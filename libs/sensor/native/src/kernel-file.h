/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_KERNEL_FILE_H
#define HOSTWARD_KERNEL_FILE_H
#include <stddef.h>

/*
 * Hands `data` to <securityfs>/apparmor/<name> (.replace or .remove) in one write, which the kernel takes whole or not
 * at all. 0 or the kernel's negative errno. The tests link another definition (tests/fake-kernel.c).
 */
int hw_kernel_write(const char *securityfs, const char *name, const void *data, size_t len);

#endif
