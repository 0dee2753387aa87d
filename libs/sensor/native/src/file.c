/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"

int hw_read_file(int dirfd, const char *name, size_t max, struct hw_buffer *ret) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        size_t begun = ret->len;

        if (fd < 0)
                return -errno;
        for (;;) {
                ssize_t n;

                if (hw_buffer_reserve(ret, 65536) < 0)
                        return -ENOMEM;
                n = read(fd, ret->data + ret->len, 65536);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return 0;
                ret->len += (size_t)n;
                if (ret->len - begun > max)
                        return -EFBIG;
        }
}

int hw_read_line(int dirfd, const char *name, char *ret, size_t size) {
        _cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        ssize_t n;

        ret[0] = 0;
        if (fd < 0)
                return -errno;
        n = read(fd, ret, size - 1);
        if (n < 0)
                return -errno;
        ret[n] = 0;
        while (n > 0 && ret[n - 1] == '\n')
                ret[--n] = 0;
        return 0;
}

int hw_write_all(int fd, const void *data, size_t len) {
        const uint8_t *p = data;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

/* Into a new file: what an earlier life left under this name may be another name of a file in use (hw_link_atomic). */
static int write_synced(int dirfd, const char *temp, const void *data, size_t len, mode_t mode) {
        _cleanup_close_ int fd = -1;
        int r;

        (void)unlinkat(dirfd, temp, 0);
        fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        if (fchmod(fd, mode) < 0)
                return -errno;
        r = hw_write_all(fd, data, len);
        if (r < 0)
                return r;
        return fsync(fd) < 0 ? -errno : 0;
}

static int temporary_name(const char *name, char *ret, size_t size) {
        int n = snprintf(ret, size, ".%s.new", name);

        return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int hw_link_atomic(int dirfd, const char *from, const char *to) {
        char temp[256];
        int r = temporary_name(to, temp, sizeof temp);

        if (r < 0)
                return r;
        (void)unlinkat(dirfd, temp, 0);
        if (linkat(dirfd, from, dirfd, temp, 0) < 0)
                return -errno;
        r = renameat(dirfd, temp, dirfd, to) < 0 ? -errno : 0;
        (void)unlinkat(dirfd, temp, 0); /* it is still there where both were one file already */
        return r;
}

int hw_write_atomic(int dirfd, const char *name, const void *data, size_t len, unsigned int mode) {
        char temp[256];
        int r = temporary_name(name, temp, sizeof temp);

        if (r < 0)
                return r;
        r = write_synced(dirfd, temp, data, len, mode ? mode : 0600);
        if (r == 0 && renameat(dirfd, temp, dirfd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dirfd, temp, 0);
                return r;
        }
        return fsync(dirfd) < 0 ? -errno : 0;
}

uint32_t hw_crc32(struct hw_slice s) {
        uint32_t crc = 0xffffffffu;

        for (size_t i = 0; i < s.len; i++) {
                crc ^= s.data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
        }
        return ~crc;
}
