/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "clean.h"
#include "kernel-file.h"

int hw_kernel_write(const char *securityfs, const char *name, const void *data, size_t len) {
        _cleanup_close_ int fd = -1;
        char path[4096];
        ssize_t n;
        int r;

        r = snprintf(path, sizeof path, "%s/apparmor/%s", securityfs, name);
        if (r < 0 || (size_t)r >= sizeof path)
                return -ENAMETOOLONG;
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        n = write(fd, data, len);
        if (n < 0)
                return -errno;
        return (size_t)n == len ? 0 : -EIO;
}
