/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_FILE_H
#define HOSTWARD_FILE_H
#include "buffer.h"

/* The whole file behind dirfd/name appended to ret, at most max bytes: 0, -EFBIG or another negative errno. */
int hw_read_file(int dirfd, const char *name, size_t max, struct hw_buffer *ret);

/* Like above into a NUL-terminated array, cut at its size, trailing newlines removed. */
int hw_read_line(int dirfd, const char *name, char *ret, size_t size);

/*
 * Replaces the file: temporary file, fsync, rename, fsync of the directory. On any failure (a full disk too) the old
 * file is as it was. Mode 0600 unless a mode is given.
 */
int hw_write_atomic(int dirfd, const char *name, const void *data, size_t len, unsigned int mode);

/*
 * `to` becomes another name of the file `from`, without a moment in which it is missing and without room for what is in
 * it. Survives the loss of power from the next fsync of the directory on.
 */
int hw_link_atomic(int dirfd, const char *from, const char *to);

int hw_write_all(int fd, const void *data, size_t len);

/* CRC-32 (IEEE): against files cut or rotten, not against people. */
uint32_t hw_crc32(struct hw_slice s);

#endif
