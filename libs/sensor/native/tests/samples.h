/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SAMPLES_H
#define HOSTWARD_SAMPLES_H
#include "frame.h"
#include "table.h"

/* The least binary policy that holds a profile of this name; `mark` varies it, in the layout of apparmor_parser -o. */
void sample_profile(struct hw_buffer *b, const char *name, const char *mark);

/* A COMPILED payload with the catch-all and one source. */
struct sample {
        uint64_t generation;
        const char *digest;
        const char *names[4];
        const char *blob_names[4]; /* what the blobs hold; NULL: the same */
        const char *probe, *dropin;
        size_t probe_len, dropin_len;
        const char *mark; /* tables of one mark do the same in the kernel */
        uint64_t overrides;
};
void sample_payload(struct hw_buffer *b, const struct sample *s);
struct hw_table *sample_table(uint64_t generation, const char *digest);

#endif
