/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BINDINGS_H
#define HOSTWARD_BINDINGS_H
#include "bpf.h"
#include "hostward-table.h"

/*
 * Files that have several names, one of which a rule speaks of (D7): bound by device, inode and inode generation,
 * so that the rule counts by the other names too, which nothing in their paths would tell. A file with one name needs
 * none: the programs refuse it a second one that would loosen a rule. Only what rules refuse or watch is carried over to
 * other names; what they allow, and lists of what is allowed, are not.
 */

/* bindings-search.c: goes through the local filesystems where rules of the table may match, for a bounded time. */
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

/*
 * bindings.c: fills the map. What cannot be bound is logged, for the rule set in force kept in by_path_alone too, and is no
 * reason to do without the rules.
 *
 * For a rule set that will take the place of that of `old`, which may be `b` itself. What was bound for that one stays
 * bound where a rule still speaks of the path: the inode that a package left behind may have other names.
 */
void hw_bindings_before(struct hw_bpf *b, struct hw_slice table, uint64_t generation, const struct hw_bpf *old);
/*
 * For the rule set in force: what came between the search before and the swap, or with a mount; what was bound for
 * others is forgotten. Only by the guarded daemon, whom the programs let into every directory.
 */
void hw_bindings_after(struct hw_bpf *b, struct hw_slice table);

#endif
