/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CLEAN_H
#define HOSTWARD_CLEAN_H
/* Cleanup attributes: what a function opens, it closes on every way out. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void hw_close(int *fd) {
        if (*fd >= 0)
                (void)close(*fd);
        *fd = -1;
}

static inline void hw_free_any(void *p) {
        free(*(void **)p);
}

static inline void hw_closedir(DIR **d) {
        if (*d)
                (void)closedir(*d);
}

static inline void hw_fclose(FILE **f) {
        if (*f)
                (void)fclose(*f);
}

#define _cleanup_close_ __attribute__((cleanup(hw_close)))
#define _cleanup_free_ __attribute__((cleanup(hw_free_any)))
#define _cleanup_closedir_ __attribute__((cleanup(hw_closedir)))
#define _cleanup_fclose_ __attribute__((cleanup(hw_fclose)))

#define HW_LEN(array) (sizeof(array) / sizeof((array)[0]))
#define HW_MIN(a, b) ((a) < (b) ? (a) : (b))
#define HW_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
