/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_HASH_H
#define HOSTWARD_HASH_H
#include <stddef.h>
#include <stdint.h>

#define HW_HASH_BASIS 0xcbf29ce484222325ull

/* FNV-1a. */
static inline uint64_t hw_hash_mix(uint64_t hash, const void *data, size_t len) {
        const uint8_t *p = data;

        for (size_t i = 0; i < len; i++)
                hash = (hash ^ p[i]) * 0x100000001b3ull;
        return hash;
}

#endif
