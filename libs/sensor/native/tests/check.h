/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CHECK_H
#define HOSTWARD_CHECK_H
/* The least a test needs: CHECK says where and what, a test prints its sentence, and the first failure ends it all. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

#define CHECK(condition)                                                                              \
        do {                                                                                          \
                if (!(condition)) {                                                                   \
                        fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);     \
                        exit(1);                                                                      \
                }                                                                                     \
        } while (0)

#define TEST(function) (function(), printf("ok %s\n", #function))

static inline struct hw_slice slice(const char *text) {
        return (struct hw_slice){ (const uint8_t *)text, strlen(text) };
}

/* Deterministic: a failure of the fuzz loops can be repeated. */
static inline uint32_t next_random(uint64_t *seed) {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return (uint32_t)(*seed >> 16);
}

#endif
