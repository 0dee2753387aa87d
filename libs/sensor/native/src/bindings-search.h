/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BINDINGS_SEARCH_H
#define HOSTWARD_BINDINGS_SEARCH_H
#include "buffer.h"
#include "hostward-table.h"

/* Goes through the local filesystems where rules of the table may match, for a bounded time. */
struct hw_bindings_search {
        uint64_t entries; /* looked at */
        bool partial; /* the time was up */
        char stopped_at[256]; /* then: in this directory */
        int error; /* the first that kept it from looking at a file */
};

/* A file with several names, `fd` for looking only and not the handler's; its path, and where the walk over that ends. */
typedef void (*hw_bindings_handler)(int fd, const char *path, const struct hw_tbl_walk *walk, void *userdata);
/* Paths begin at `root`. 0, -ENOMEM, or -EBADMSG for a table that hw_tbl_check() would not have passed. */
int hw_bindings_search(const char *root, struct hw_slice table, hw_bindings_handler handler, void *userdata,
                       struct hw_bindings_search *ret);
/* Where the walk over a path ends. False: no rule refuses or watches anything there. */
bool hw_bindings_walk(struct hw_slice table, const char *path, struct hw_tbl_walk *ret);

#endif
