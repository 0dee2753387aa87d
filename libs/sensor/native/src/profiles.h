/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_PROFILES_H
#define HOSTWARD_PROFILES_H
#include "policy-blob.h"
#include "table.h"

/* What the kernel says about one profile of the table in force. */
struct hw_profile {
        const char *name; /* the table's */
        bool loaded, ok;
        char mode[32];
        char hash[129];     /* the kernel's, now */
        char expected[129]; /* the kernel's, when its copy was compared byte for byte with what we loaded */
};

struct hw_profile_set {
        struct hw_profile *list;
        size_t n;
};

void hw_profile_set_free(struct hw_profile_set *set);

bool hw_apparmor_present(const char *securityfs);

/*
 * Of all profiles at once, whatever each says of itself: `complain` lets everything pass. True, with the mode's name, where
 * it is one that refuses nothing; false where the kernel does not tell.
 */
bool hw_apparmor_lets_pass(const char *sysfs, char ret_mode[32]);

/* One write to .replace: all profiles of the blob or none. An empty blob loads nothing. */
int hw_profiles_load(const char *securityfs, struct hw_slice blob);

/*
 * As load, and in the same write opens what the table `before` had and the blob has not: the catch-all, since without it
 * every process would be unconfined for the next table too, and a source's profile while a process is in it. One write,
 * because a running process whose label is a stack (`hostward//&hostward-src-...`) takes part in one replacement only:
 * Linux 6.12, built without CONFIG_SECURITY_APPARMOR_DEBUG_ASSERTS, loses such a label from its set when it updates it
 * (the side effect of AA_BUG(!__label_replace()) is compiled out), and no later one reaches the process.
 */
int hw_profiles_swap(const char *securityfs, struct hw_slice blob, const struct hw_table *before);

/*
 * Makes `set` the names of the table and compares the kernel's copy with the blob of `mode`: by raw_data where the
 * kernel exports it. Else the hash is trusted that it has when this process has `just_loaded` the blob, and compared
 * with that one, which is in `set`, at other times: what somebody else loaded, an earlier life of ours too, may have any
 * content under the right name. 0 when all are as they should be, -ESTALE when not, other errno when the kernel cannot
 * be read.
 */
int hw_profiles_verify(const char *securityfs, const struct hw_table *t, enum hw_mode mode, bool just_loaded,
                       struct hw_profile_set *set);

/* Reads name, mode and hash again and compares them with what was verified. Same returns. */
int hw_profiles_refresh(const char *securityfs, struct hw_profile_set *set);

/* Names of ours that are loaded now: calls `found` for each. */
int hw_profiles_each_loaded(const char *securityfs, hw_name_handler found, void *userdata);

/* Removes what `now` does not have and no process is in; never the catch-all. */
void hw_profiles_retire(const char *securityfs, const struct hw_table *now);

#endif
