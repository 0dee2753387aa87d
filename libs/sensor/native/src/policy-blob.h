/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_POLICY_BLOB_H
#define HOSTWARD_POLICY_BLOB_H
#include "buffer.h"

#define HW_CATCH_ALL "hostward"
#define HW_SOURCE_PREFIX "hostward-src-"
#define HW_TERMINAL_SUFFIX "-tty" /* of a subject of the policy table while it has a terminal */
#define HW_EXEMPT "hostward-sensor"
#define HW_EXEMPT_INIT "hostward-init"
#define HW_EXEMPT_COMPILER "hostward-compiler"
#define HW_AGENT_PROFILE "hostward-agent"
#define HW_NAME_MAX 200

typedef int (*hw_name_handler)(const char *name, void *userdata);

/* Whether a profile may be loaded and replaced by us: the catch-all and the sources, never another name on the host. */
bool hw_name_is_ours(struct hw_slice name);
/* The same of a subject of the policy table. */
bool hw_subject_is_ours(struct hw_slice name);

/*
 * Binary policy as the kernel takes it is a run of profiles, each a tagged tree (security/apparmor/policy_unpack.c).
 * Calls `profile` with the name of each and the bytes that load it alone. Returns 0, -EBADMSG when it is not well
 * formed or goes to a namespace, or what `profile` returned below 0. This is what stops a mistaken compiler from
 * replacing the profiles of others.
 */
typedef int (*hw_profile_handler)(struct hw_slice name, struct hw_slice bytes, void *userdata);
int hw_blob_walk(struct hw_slice blob, hw_profile_handler profile, void *userdata);

#endif
