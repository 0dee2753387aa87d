/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CONTEXT_H
#define HOSTWARD_CONTEXT_H
#include "daemon.h"

/*
 * A hash of everything beside the envelope that the compiler's answer depends on: units, profiles of others, the
 * owner's configuration, the programs. What we write ourselves is no part of it. Never 0. Called at each check.
 */
uint64_t hw_context(const struct hw_options *o);

#endif
