/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SUSPEND_H
#define HOSTWARD_SUSPEND_H
#include "daemon.h"

/* Break-glass. Negative where the kernel did not take it, which the outcome tells; memory says it all the same. */
int hw_suspend_begin(struct hw_daemon *d, const struct hw_suspension *s);
int hw_suspend_end(struct hw_daemon *d, const char *why);
int hw_unload(struct hw_daemon *d);
int hw_resume(struct hw_daemon *d);
void hw_suspend_check(struct hw_daemon *d);
/*
 * What the signed assignment says, at a swap, before it is loaded; the console's own word goes first. A `renewal` is
 * what stopped the boots, once more: the boot guard's suspension stays.
 */
void hw_suspend_order(struct hw_memory *m, const struct hw_table *t, bool renewal);
/*
 * The same of an assignment whose rule set is refused since it cut the agent off: the host is suspended, or is no more,
 * with what it has in force. From then on the assignment is the newest. Negative where that cannot be stored: it holds
 * until the next start then, and the assignment is not the newest.
 */
int hw_suspend_take(struct hw_daemon *d, const struct hw_table *t);
/*
 * The same of one that cannot be put in force: it cannot be compiled, there is no room for it, or the kernel refuses its
 * rules. It is expected to come again, so it does not count as seen; what it says of a suspension is done once.
 */
void hw_suspend_heed(struct hw_daemon *d, const struct hw_table *t);
void hw_suspend_tell_change(struct hw_daemon *d, const struct hw_suspension *before);

#endif
