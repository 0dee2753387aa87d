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

/*
 * Fills the map. What cannot be bound is logged, for the rule set in force kept in by_path_alone too, and is no
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
