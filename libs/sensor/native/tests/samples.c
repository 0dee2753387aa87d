/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"
#include "check.h"

static void put_text(struct hw_buffer *b, uint8_t kind, const char *text) {
        size_t len = strlen(text) + 1;
        uint8_t header[3] = { kind, (uint8_t)len, (uint8_t)(len >> 8) };

        hw_buffer_add(b, header, sizeof header);
        hw_buffer_add(b, text, len);
}

void sample_profile(struct hw_buffer *b, const char *name, const char *mark) {
        static const uint8_t version[] = { 2, 7, 0x20, 0x20, 0 }, open = 7, close = 8;
        static const uint8_t blob[] = { 6, 4, 0, 0, 0, 8, 8, 8, 8 }; /* bytes that look like tokens */

        put_text(b, 4, "version");
        hw_buffer_add(b, version, sizeof version);
        put_text(b, 4, "profile");
        hw_buffer_add(b, &open, 1);
        put_text(b, 5, name);
        put_text(b, 4, mark ? mark : "aadfa");
        hw_buffer_add(b, blob, sizeof blob);
        put_text(b, 4, "flags");
        hw_buffer_add(b, &open, 1);
        hw_buffer_add(b, version, sizeof version);
        hw_buffer_add(b, &close, 1);
        hw_buffer_add(b, &close, 1);
}

static void put_blobs(struct hw_buffer *b, const char *const *names, const char *mark) {
        for (uint16_t tag = HW_TAG_ENFORCE; tag <= HW_TAG_OPEN; tag++) {
                struct hw_buffer blob = { 0 };

                for (size_t i = 0; i < 4 && names[i]; i++)
                        sample_profile(&blob, names[i], mark);
                hw_put_bytes(b, tag, blob.data, blob.len);
                hw_buffer_free(&blob);
        }
}

void sample_payload(struct hw_buffer *b, const struct sample *s) {
        const struct hw_assignment_version assignment_version = { 1, s->generation, 1000 };

        hw_put_assignment_version(b, &assignment_version);
        hw_put_u64(b, HW_TAG_EXPIRES_AT, 2000);
        hw_put_text(b, HW_TAG_DIGEST, s->digest);
        hw_put_text(b, HW_TAG_REPORT, "{}");
        for (size_t i = 0; i < 4 && s->names[i]; i++)
                hw_put_text(b, HW_TAG_PROFILE_NAME, s->names[i]);
        put_blobs(b, s->blob_names[0] ? s->blob_names : s->names, s->mark);
        hw_put_text(b, HW_TAG_TEXT, "profile hostward {}");
        if (s->probe)
                hw_put_bytes(b, HW_TAG_PROBE, s->probe, s->probe_len);
        if (s->dropin)
                hw_put_bytes(b, HW_TAG_DROPIN, s->dropin, s->dropin_len);
        if (s->overrides)
                hw_put_u64(b, HW_TAG_OVERRIDES, s->overrides);
}

struct hw_table *sample_table(uint64_t generation, const char *digest) {
        const struct sample sample = { .generation = generation, .digest = digest,
                                       .names = { "hostward", "hostward-src-a1" } };
        struct hw_buffer payload = { 0 };
        struct hw_table *t = NULL;
        const char *why;

        sample_payload(&payload, &sample);
        CHECK(hw_table_parse(&payload, &t, &why) == 0);
        return t;
}
