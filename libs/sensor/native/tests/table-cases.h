/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_TABLE_CASES_H
#define HOSTWARD_TABLE_CASES_H
/* The test vectors that TypeScript wrote, for the tests on this side of the kernel's border and on the other. */
#include "check.h"
#include "../include/hostward-table.h"

struct table_case {
        enum { PATH, SOCKET, CAPABILITY, PROGRAM } what;
        const char *path;
        unsigned filled; /* that many bytes `a` follow the path */
        __u32 subject, number, asker; /* number: operation, kind or capability */
        struct hw_tbl_verdict verdict;
};

struct exec_case {
        const char *path;
        const char *arguments[4]; /* behind the name of the program, up to NULL */
        __u32 subject, asker;
        struct hw_tbl_verdict verdict;
};

#include "table-vectors.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static inline uint8_t *padded(const uint8_t *table, size_t used) {
        uint8_t *blob = calloc(1, TABLE_SIZE);

        CHECK(blob && used <= TABLE_SIZE);
        memcpy(blob, table, used);
        return blob;
}

static inline bool same(const struct hw_tbl_verdict *a, const struct hw_tbl_verdict *b) {
        return a->deny == b->deny && a->logged == b->logged && a->says == b->says && a->posture == b->posture &&
               a->rule == b->rule && a->audit == b->audit && a->list == b->list;
}

#endif
