/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_LINKS_H
#define HOSTWARD_LINKS_H
#include "frame.h"

#define HW_LINKS_BYTES_MAX (256u << 10)

/* Whether `links` is PATH NUL TARGET NUL, again and again, as the field LINKS has it: absolute paths, and no target for what is none. */
bool hw_links_are_sound(struct hw_slice links);

/*
 * 0 where each link leads where the compiler saw it lead; else a hash of where those lead now that do not. Of other filesystems
 * than that of the root nothing is known here, since one may not answer. Called at each check.
 */
uint64_t hw_links_unlike(struct hw_slice links);

#endif
