/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_RECOMPILE_H
#define HOSTWARD_RECOMPILE_H
#include "daemon.h"

/*
 * The rule set in force compiled anew without anybody's asking, from the envelope that it came in: when an exception
 * ends, after a start (another kernel, parser or program), and when what the compiler looks at on this host changed
 * (units, profiles of others, the owner's configuration). The envelope is a file beside the snapshot. One that was newer
 * than the table in force, for a snapshot that could not be read, brings that newer rule set back.
 */

void hw_recompile_keep(struct hw_daemon *d, struct hw_slice envelope);
/* Writes what found no room; called now and then. Nobody sends an envelope again whose rule set is in force. */
void hw_recompile_keep_later(struct hw_daemon *d);
void hw_recompile_forget(struct hw_daemon *d);
/* The table in force is confirmed and gives way to another: its envelope is that of the last known good from now on. */
void hw_recompile_keep_previous(struct hw_daemon *d);
/* The last known good is in force again; what it has of exceptions still ends. */
void hw_recompile_take_previous(struct hw_daemon *d);
/* The newest table that was accepted, which is not in force since its snapshot was lost. */
bool hw_recompile_is_lost(const struct hw_daemon *d, const struct hw_table *t);
/* A compilation begins: what it sees of the host is what counts as unchanged later. */
void hw_recompile_begins(struct hw_daemon *d);
/* The envelope, when its turn has come: what ran before may have brought another. False where there is none, or it is held. */
bool hw_recompile_read(struct hw_daemon *d, struct hw_buffer *ret);
/* Queues it where it is due; called now and then. */
void hw_recompile_check(struct hw_daemon *d);
/* Somebody holds the rules back, and a swap would let them go: nothing is compiled anew, and what was is put aside. */
bool hw_recompile_is_held(const struct hw_memory *m);
/* How it ended: a failure is tried again later. */
void hw_recompile_ended(struct hw_daemon *d, bool ok);
/* It failed, and the next try has more of what it lacked. */
void hw_recompile_soon(struct hw_daemon *d);

#endif
