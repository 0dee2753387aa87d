/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

void hw_buffer_free(struct hw_buffer *b) {
        free(b->data);
        *b = (struct hw_buffer){ 0 };
}

int hw_buffer_reserve(struct hw_buffer *b, size_t more) {
        size_t need, cap;
        uint8_t *grown;

        if (b->failed || __builtin_add_overflow(b->len, more, &need)) {
                b->failed = true;
                return -ENOMEM;
        }
        if (need <= b->cap)
                return 0;
        cap = b->cap ? b->cap : 256;
        while (cap < need)
                if (__builtin_mul_overflow(cap, (size_t)2, &cap)) {
                        b->failed = true;
                        return -ENOMEM;
                }
        grown = realloc(b->data, cap);
        if (!grown) {
                b->failed = true;
                return -ENOMEM;
        }
        b->data = grown;
        b->cap = cap;
        return 0;
}

void hw_buffer_add(struct hw_buffer *b, const void *data, size_t len) {
        if (len == 0 || hw_buffer_reserve(b, len) < 0)
                return;
        memcpy(b->data + b->len, data, len);
        b->len += len;
}

void hw_buffer_text(struct hw_buffer *b, const char *text) {
        hw_buffer_add(b, text, strlen(text));
}

void hw_buffer_format(struct hw_buffer *b, const char *format, ...) {
        char small[512];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(small, sizeof small, format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof small)
                b->failed = true;
        else
                hw_buffer_add(b, small, (size_t)n);
}

void hw_buffer_drop_front(struct hw_buffer *b, size_t len) {
        if (len == 0)
                return;
        memmove(b->data, b->data + len, b->len - len);
        b->len -= len;
        /* A frame of 32 MiB must not keep its memory for the life of an idle connection. */
        if (b->len == 0 && b->cap > 65536)
                hw_buffer_free(b);
}

bool hw_slice_is(struct hw_slice s, const char *text) {
        return s.len == strlen(text) && (s.len == 0 || memcmp(s.data, text, s.len) == 0);
}

char *hw_slice_dup(struct hw_slice s) {
        char *copy;

        if (s.len && memchr(s.data, 0, s.len))
                return NULL;
        copy = malloc(s.len + 1);
        if (!copy)
                return NULL;
        if (s.len)
                memcpy(copy, s.data, s.len);
        copy[s.len] = 0;
        return copy;
}
