/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_TABLE_CHECK_H
#define HOSTWARD_TABLE_CHECK_H
/*
 * Whether bytes from elsewhere are a policy table before they are given to the kernel: every offset that a walk can
 * follow leads to a record of its section. For the host only, in time linear in the size.
 */
#include "hostward-table.h"

/* A section: where it begins and ends, and how long its records are. */
struct hw_tbl_section {
        __u32 begin, end, record;
};

struct hw_tbl_sections {
        struct hw_tbl_section transitions, classes, exceptions, rows, cells, conditions, vectors, subjects;
        __u32 n_subjects, byte_classes;
};

static inline int hw_tbl_has(const struct hw_tbl_section *s, __u32 off) {
        return off >= s->begin && off < s->end && (off - s->begin) % s->record == 0;
}

static inline int hw_tbl_whole(const struct hw_tbl_section *s) {
        return s->begin <= s->end && s->begin % 8 == 0 && (s->end - s->begin) % s->record == 0;
}

static inline int hw_tbl_read_sections(hw_tbl_ref blob, struct hw_tbl_sections *ret) {
        const __u32 classes = HW_TBL_LOAD32(blob, HW_TBL_OFF_CLASSES);
        const __u32 exceptions = HW_TBL_LOAD32(blob, HW_TBL_OFF_EXCEPTIONS);
        const __u32 rows = HW_TBL_LOAD32(blob, HW_TBL_OFF_ROWS), cells = HW_TBL_LOAD32(blob, HW_TBL_OFF_CELLS);
        const __u32 conditions = HW_TBL_LOAD32(blob, HW_TBL_OFF_CONDITIONS);
        const __u32 vectors = HW_TBL_LOAD32(blob, HW_TBL_OFF_VECTORS);
        const __u32 terminals = HW_TBL_LOAD32(blob, HW_TBL_OFF_TERMINALS);
        const __u32 subjects = HW_TBL_LOAD32(blob, HW_TBL_OFF_SUBJECTS), used = HW_TBL_LOAD32(blob, HW_TBL_OFF_USED);

        *ret = (struct hw_tbl_sections){
                .transitions = { HW_TBL_TRANSITIONS, classes, HW_TBL_SLOT_BYTES },
                .classes = { classes, exceptions, HW_TBL_CLASS_BYTES },
                .exceptions = { exceptions, rows, HW_TBL_EXCEPTION_BYTES },
                .rows = { rows, cells, HW_TBL_ROW_BYTES },
                .cells = { cells, conditions, HW_TBL_CELL_BYTES },
                .conditions = { conditions, vectors, HW_TBL_CONDITION_BYTES },
                .vectors = { vectors, subjects, HW_TBL_VECTOR_BYTES },
                .subjects = { subjects, used, HW_TBL_SUBJECT_BYTES },
                .n_subjects = HW_TBL_LOAD32(blob, HW_TBL_OFF_N_SUBJECTS),
        };
        for (__u32 byte = 0; byte < 256; byte++) {
                const __u32 class = HW_TBL_LOAD8(blob, HW_TBL_BYTE_CLASSES + byte);

                if (class > ret->byte_classes)
                        ret->byte_classes = class;
        }
        return used <= blob->size && hw_tbl_whole(&ret->transitions) && hw_tbl_whole(&ret->classes) &&
               hw_tbl_whole(&ret->exceptions) && hw_tbl_whole(&ret->rows) && hw_tbl_whole(&ret->cells) &&
               hw_tbl_whole(&ret->conditions) && hw_tbl_whole(&ret->vectors) && hw_tbl_whole(&ret->subjects) && ret->n_subjects > 0 &&
               ret->n_subjects <= HW_TBL_SUBJECTS_MAX &&
               ret->n_subjects == (used - subjects) / HW_TBL_SUBJECT_BYTES &&
               (terminals == 0 || (terminals <= ret->n_subjects && ret->n_subjects - terminals == terminals)) &&
               HW_TBL_LOAD32(blob, HW_TBL_OFF_N_AUTOMATA) <= HW_TBL_AUTOMATA_MAX;
}

/* A state, or the dead one. */
static inline int hw_tbl_is_state(hw_tbl_ref blob, const struct hw_tbl_sections *s, __u32 state) {
        return state == 0 || (hw_tbl_has(&s->transitions, state) && (HW_TBL_LOAD32(blob, state) & HW_TBL_HEAD) != 0 &&
                              (s->transitions.end - state) / HW_TBL_SLOT_BYTES > s->byte_classes);
}

static inline int hw_tbl_check_transitions(hw_tbl_ref blob, const struct hw_tbl_sections *s) {
        for (__u32 at = s->transitions.begin; at < s->transitions.end; at += HW_TBL_SLOT_BYTES) {
                const __u32 owner = HW_TBL_LOAD32(blob, at), class = owner & HW_TBL_CLASS_MASK;

                if (owner == HW_TBL_UNUSED)
                        continue;
                if (!hw_tbl_is_state(blob, s, HW_TBL_LOAD32(blob, at + 4)))
                        return 0;
                /* A class, the number of a subject, or 1: an argument that a set holds. */
                if ((owner & HW_TBL_HEAD) && class > 1 && class >= s->n_subjects && !hw_tbl_has(&s->classes, class))
                        return 0;
        }
        for (__u32 i = 0; i < HW_TBL_AUTOMATA_MAX; i++)
                if (!hw_tbl_is_state(blob, s, HW_TBL_LOAD32(blob, HW_TBL_OFF_START + 4 * i)))
                        return 0;
        return hw_tbl_is_state(blob, s, HW_TBL_LOAD32(blob, HW_TBL_OFF_SUBJECT_START));
}

static inline int hw_tbl_check_classes(hw_tbl_ref blob, const struct hw_tbl_sections *s) {
        for (__u32 at = s->classes.begin; at < s->classes.end; at += HW_TBL_CLASS_BYTES) {
                const __u32 base = HW_TBL_LOAD32(blob, at + 4);

                if (!hw_tbl_has(&s->rows, HW_TBL_LOAD32(blob, at)) || !hw_tbl_has(&s->exceptions, base) ||
                    (s->exceptions.end - base) / HW_TBL_EXCEPTION_BYTES < s->n_subjects)
                        return 0;
        }
        for (__u32 at = s->exceptions.begin; at < s->exceptions.end; at += HW_TBL_EXCEPTION_BYTES)
                if (HW_TBL_LOAD32(blob, at) != 0 && !hw_tbl_has(&s->rows, HW_TBL_LOAD32(blob, at + 4)))
                        return 0;
        return 1;
}

/* Rows and vectors hold nothing but offsets of cells. */
static inline int hw_tbl_check_cells(hw_tbl_ref blob, const struct hw_tbl_sections *s,
                                     const struct hw_tbl_section *section) {
        for (__u32 at = section->begin; at < section->end; at += 4)
                if (!hw_tbl_has(&s->cells, HW_TBL_LOAD32(blob, at)))
                        return 0;
        return 1;
}

/* Each leads on to a later one, so that all of a cell come to an end. */
static inline int hw_tbl_check_conditions(hw_tbl_ref blob, const struct hw_tbl_sections *s) {
        for (__u32 at = s->cells.begin; at < s->cells.end; at += HW_TBL_CELL_BYTES) {
                const __u32 first = HW_TBL_LOAD32(blob, at + HW_TBL_CELL_CONDITIONS);

                if (first != 0 && !hw_tbl_has(&s->conditions, first))
                        return 0;
        }
        for (__u32 at = s->conditions.begin; at < s->conditions.end; at += HW_TBL_CONDITION_BYTES) {
                const __u32 next = HW_TBL_LOAD32(blob, at + HW_TBL_CONDITION_NEXT);

                if (!hw_tbl_is_state(blob, s, HW_TBL_LOAD32(blob, at + HW_TBL_CONDITION_STATE)) ||
                    (next != 0 && (next <= at || !hw_tbl_has(&s->conditions, next))))
                        return 0;
        }
        return 1;
}

static inline int hw_tbl_check_subjects(hw_tbl_ref blob, const struct hw_tbl_sections *s) {
        for (__u32 at = s->subjects.begin; at < s->subjects.end; at += HW_TBL_SUBJECT_BYTES)
                if (!hw_tbl_has(&s->vectors, HW_TBL_LOAD32(blob, at + HW_TBL_SUBJECT_SOCKETS)) ||
                    !hw_tbl_has(&s->vectors, HW_TBL_LOAD32(blob, at + HW_TBL_SUBJECT_CAPABILITIES)))
                        return 0;
        return 1;
}

/* Whether the blob is a table of this version, whole. */
static inline int hw_tbl_check(hw_tbl_ref blob) {
        struct hw_tbl_sections s;

        if (blob->size < HW_TBL_SIZE_SMALL || blob->size > HW_TBL_SIZE_MAX || (blob->size & (blob->size - 1)) != 0)
                return 0;
        return HW_TBL_LOAD32(blob, HW_TBL_OFF_MAGIC) == HW_TBL_MAGIC &&
               HW_TBL_LOAD32(blob, HW_TBL_OFF_VERSION) == HW_TBL_VERSION &&
               HW_TBL_LOAD32(blob, HW_TBL_OFF_SIZE) == blob->size && hw_tbl_read_sections(blob, &s) &&
               hw_tbl_check_transitions(blob, &s) && hw_tbl_check_classes(blob, &s) &&
               hw_tbl_check_cells(blob, &s, &s.rows) && hw_tbl_check_cells(blob, &s, &s.vectors) &&
               hw_tbl_check_conditions(blob, &s) && hw_tbl_check_subjects(blob, &s);
}

#endif
