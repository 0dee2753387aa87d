/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_EXPLAIN_H
#define HOSTWARD_EXPLAIN_H
#include "hostward-bpf.h"
#include "table.h"

/* What is asked of a table: who does what with which object. */
#define HW_QUESTION_ARGUMENTS 64

struct hw_question {
        const char *program; /* whose subject is asked for; NULL: everybody's */
        const char *path, *operation; /* a directory ends in a slash; read, write, link, lock, map or exec */
        const char *capability; /* a number of capabilities(7) */
        const char *network; /* FAMILY/TYPE/PROTOCOL, numbers of socket(2) */
        const char *domain; /* a name that is asked of DNS */
        const char *arguments[HW_QUESTION_ARGUMENTS]; /* of an exec, behind the program's name */
        size_t n_arguments;
        bool owner; /* the object is the asker's own */
        bool terminal; /* who asks has a terminal */
};

/* Whether it asks for exactly one object, and one that there can be. */
bool hw_question_is_whole(const struct hw_question *q);

/*
 * The verdict of a table, as JSON: `says` is the rule set that it was compiled from, by which rules have names, NULL:
 * they have numbers only. -EINVAL for a table that is none.
 */
int hw_explain(const struct hw_element *element, size_t bytes, const struct hw_table *says, const struct hw_question *q,
               struct hw_buffer *ret);

/* The console's answer, from the table that the kernel judges by now; an exit status. */
int hw_console_explain(const char *bpffs, const char *state_dir, const struct hw_question *q);

#endif
