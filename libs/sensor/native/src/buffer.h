/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BUFFER_H
#define HOSTWARD_BUFFER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing byte string. A failed allocation sticks: check `failed` once, at the end. */
struct hw_buffer {
        uint8_t *data;
        size_t len, cap;
        bool failed;
};

/* Bytes that belong to somebody else. */
struct hw_slice {
        const uint8_t *data;
        size_t len;
};

void hw_buffer_free(struct hw_buffer *b);
int hw_buffer_reserve(struct hw_buffer *b, size_t more);
void hw_buffer_add(struct hw_buffer *b, const void *data, size_t len);
void hw_buffer_text(struct hw_buffer *b, const char *text);
void hw_buffer_format(struct hw_buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void hw_buffer_drop_front(struct hw_buffer *b, size_t len);

#define _cleanup_buffer_ __attribute__((cleanup(hw_buffer_free)))

bool hw_slice_is(struct hw_slice s, const char *text);
/* A NUL-terminated copy, or NULL: out of memory, or a NUL inside. */
char *hw_slice_dup(struct hw_slice s);

#endif
