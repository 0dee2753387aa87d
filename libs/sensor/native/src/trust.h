/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_TRUST_H
#define HOSTWARD_TRUST_H
#include "table.h"

/*
 * Files that the compiler believes (root's, in the trust directory that enrolment made). This program writes them
 * unread, because the compiler has no power to write.
 *   root.json    the newest root document            writer: enrolment, then here   readers: compiler, agent
 *   minimum-versions.json  versions of signed documents seen   writer: here                   reader: compiler
 */

/*
 * Keeps what a table brings, synced to disk, so that nothing is enforced whose trust could be forgotten. Minimum versions before
 * root: after a crash between them the older root still verifies what comes again. 0 or a negative errno.
 */
int hw_trust_keep(const char *dir, const struct hw_table *t);

#endif
