/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_TABLE_H
#define HOSTWARD_TABLE_H
#include "frame.h"
#include "usb-rules.h"

/* Order of assignments, compared lexicographically; all zero means none. */
struct hw_assignment_version {
        uint64_t epoch, generation, issued_at;
};

int hw_assignment_version_compare(const struct hw_assignment_version *a, const struct hw_assignment_version *b);
bool hw_assignment_version_is_set(const struct hw_assignment_version *o);
int hw_payload_assignment_version(struct hw_slice payload, struct hw_assignment_version *ret);
void hw_put_assignment_version(struct hw_buffer *b, const struct hw_assignment_version *o);

enum hw_mode { HW_MODE_ENFORCE, HW_MODE_AUDIT, HW_MODE_OFF };
const char *hw_mode_text(enum hw_mode mode);
int hw_mode_parse(struct hw_slice text, enum hw_mode *ret);

enum hw_probe_kind { HW_PROBE_READ, HW_PROBE_WRITE, HW_PROBE_EXEC };
const char *hw_probe_kind_text(enum hw_probe_kind kind);

struct hw_probe {
        enum hw_probe_kind kind;
        char *rule, *profile, *path;
};

struct hw_dropin {
        char *unit, *content;
};

#define HW_DIGEST_MAX 128
#define HW_REASON_MAX 512
#define HW_TABLE_PROFILES_MAX 4096
#define HW_TABLE_PROBES_MAX 512
#define HW_TABLE_DROPINS_MAX 512
#define HW_TABLE_SUBJECTS_MAX 16384
#define HW_ROOT_BYTES_MAX (128u << 10)
#define HW_MINIMUM_VERSIONS_BYTES_MAX (1u << 20)
#define HW_EFFECT_BYTES 64u

/* A suspension as ordered by the control plane. */
struct hw_order_suspend {
        bool set;
        enum hw_mode mode;
        uint64_t until;
        char reason[HW_REASON_MAX + 1];
};

/* What the compiler made of one rule set: the checked content of a COMPILED frame. Slices point into `payload`. */
struct hw_table {
        struct hw_buffer payload;
        uint32_t checksum; /* of the payload, once it was written to a snapshot or read from one */
        struct hw_assignment_version assignment_version;
        uint64_t expires_at;
        uint64_t overrides; /* policies that override the protection of the control path */
        uint64_t kill_holders; /* 1: of what the table for BPF refuses and was open before; 0: they are told of */
        uint64_t visibility; /* what is watched, bit 1 << enum hw_sense_class; has no part in the effect */
        uint64_t valid_until; /* wall clock, ms: an exception ends; 0: none does */
        char digest[HW_DIGEST_MAX + 1];
        struct hw_slice report, text;
        struct hw_slice root, minimum_versions; /* empty: there are none */
        struct hw_slice links; /* as the compiler saw them (links.h); they have no part in the effect */
        struct hw_slice blobs[3]; /* by enum hw_mode */
        struct hw_slice effect; /* what they were made from, and in the second half by; empty: only they tell */
        struct hw_slice bpf; /* the table for BPF; empty: AppArmor enforces */
        char **subjects; /* of `bpf`, in its order */
        size_t n_subjects;
        char **names;
        size_t n_names;
        struct hw_probe *probes;
        size_t n_probes;
        struct hw_dropin *dropins;
        size_t n_dropins;
        struct hw_slice devices;
        struct hw_usb_rules *usb; /* of `devices`; NULL: no rule speaks of them */
        struct hw_order_suspend suspend;
};

/*
 * Takes the payload over, on failure too. 0, -ENOMEM, or -EBADMSG with *ret_why saying what is wrong. Checked: each
 * field once, every name ours, and each blob containing exactly the named profiles.
 */
int hw_table_parse(struct hw_buffer *payload, struct hw_table **ret, const char **ret_why);
/*
 * Assignment version and suspension alone, of an assignment that could not be compiled; nothing is taken over. -ENOENT where it does
 * not say its assignment version.
 */
int hw_table_parse_word(struct hw_slice payload, struct hw_table *ret);
struct hw_table *hw_table_free(struct hw_table *t);
/* Whether nothing at all tells them apart. */
bool hw_table_equals(const struct hw_table *a, const struct hw_table *b);
/* Whether both do the same in the kernel, whatever they are called. */
bool hw_table_same_effect(const struct hw_table *a, const struct hw_table *b);
/* Told from others by this number where one of the two is not there any more, whatever parser or kernel made them; never 0. */
uint64_t hw_table_effect(const struct hw_table *t);
bool hw_table_has_name(const struct hw_table *t, const char *name);

static inline void hw_table_freep(struct hw_table **t) {
        *t = hw_table_free(*t);
}
#define _cleanup_table_ __attribute__((cleanup(hw_table_freep)))

#endif
