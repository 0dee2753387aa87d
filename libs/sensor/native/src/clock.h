/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CLOCK_H
#define HOSTWARD_CLOCK_H
#include <stdint.h>
#include <time.h>

static inline uint64_t hw_clock_ms(clockid_t clock) {
        struct timespec t;

        (void)clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Since boot, suspend included: for deadlines. */
static inline uint64_t hw_now_ms(void) {
        return hw_clock_ms(CLOCK_BOOTTIME);
}

/* Since 1970: for people and for what the control plane ordered. May jump. */
static inline uint64_t hw_wall_ms(void) {
        return hw_clock_ms(CLOCK_REALTIME);
}

#endif
