/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "policy-blob.h"

enum token { U8, U16, U32, U64, NAME, STRING, BLOB, STRUCT, STRUCT_END, LIST, LIST_END, ARRAY, ARRAY_END };

#define DEPTH_MAX 32

bool hw_name_is_ours(struct hw_slice name) {
        size_t prefix = strlen(HW_SOURCE_PREFIX);

        if (hw_slice_is(name, HW_CATCH_ALL))
                return true;
        if (name.len <= prefix || name.len > HW_NAME_MAX || memcmp(name.data, HW_SOURCE_PREFIX, prefix) != 0)
                return false;
        for (size_t i = prefix; i < name.len; i++) {
                uint8_t c = name.data[i];

                if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' &&
                    c != '_' && c != '.')
                        return false;
        }
        return true;
}

bool hw_subject_is_ours(struct hw_slice name) {
        return hw_slice_is(name, HW_CATCH_ALL HW_TERMINAL_SUFFIX) || hw_name_is_ours(name);
}

/* One token: its kind and, for names and strings, its text without the final NUL. */
struct item {
        enum token kind;
        struct hw_slice text;
};

static size_t length_bytes(enum token kind) {
        switch (kind) {
        case NAME:
        case STRING:
                return 2;
        case BLOB:
                return 4;
        default:
                return 0;
        }
}

static size_t fixed_bytes(enum token kind) {
        static const size_t sizes[] = { [U8] = 1, [U16] = 2, [U32] = 4, [U64] = 8, [ARRAY] = 2, [ARRAY_END] = 0 };

        return sizes[kind];
}

static int next_item(struct hw_slice *left, struct item *ret) {
        const uint8_t *p = left->data;
        size_t used = 1, body = 0, prefix;

        if (*p > ARRAY_END)
                return -EBADMSG;
        ret->kind = (enum token)*p;
        prefix = length_bytes(ret->kind);
        if (left->len - used < prefix)
                return -EBADMSG;
        for (size_t i = 0; i < prefix; i++)
                body |= (size_t)p[used + i] << (8 * i);
        used += prefix;
        body += fixed_bytes(ret->kind);
        if (left->len - used < body)
                return -EBADMSG;
        ret->text = (struct hw_slice){ p + used, body };
        if (ret->kind == NAME || ret->kind == STRING) {
                if (body == 0 || p[used + body - 1] != 0)
                        return -EBADMSG;
                ret->text.len--;
        }
        *left = (struct hw_slice){ p + used + body, left->len - used - body };
        return 0;
}

static bool opens(enum token kind) {
        return kind == STRUCT || kind == LIST || kind == ARRAY;
}

static bool closes(enum token kind) {
        return kind == STRUCT_END || kind == LIST_END || kind == ARRAY_END;
}

/* Skips to the end of the tree whose opening token was just read. */
static int skip_tree(struct hw_slice *left) {
        enum token stack[DEPTH_MAX] = { STRUCT };
        size_t depth = 1;
        struct item item;
        int r;

        while (depth > 0) {
                if (left->len == 0)
                        return -EBADMSG;
                r = next_item(left, &item);
                if (r < 0)
                        return r;
                if (opens(item.kind)) {
                        if (depth == DEPTH_MAX)
                                return -EBADMSG;
                        stack[depth++] = item.kind;
                } else if (closes(item.kind) && stack[--depth] + 1 != item.kind)
                        return -EBADMSG;
        }
        return 0;
}

static int expect(struct hw_slice *left, enum token kind, struct item *ret) {
        int r;

        if (left->len == 0)
                return -EBADMSG;
        r = next_item(left, ret);
        return r < 0 ? r : ret->kind == kind ? 0 : -EBADMSG;
}

/* `version` U32 `profile` STRUCT STRING ... STRUCT_END; a `namespace` in between is refused by falling through. */
static int next_profile(struct hw_slice *left, struct hw_slice *ret_name, struct hw_slice *ret_bytes) {
        const uint8_t *start = left->data;
        struct item item;
        int r;

        r = expect(left, NAME, &item);
        if (r == 0 && !hw_slice_is(item.text, "version"))
                r = -EBADMSG;
        if (r == 0)
                r = expect(left, U32, &item);
        if (r == 0)
                r = expect(left, NAME, &item);
        if (r == 0 && !hw_slice_is(item.text, "profile"))
                r = -EBADMSG;
        if (r == 0)
                r = expect(left, STRUCT, &item);
        if (r == 0)
                r = expect(left, STRING, &item);
        if (r < 0)
                return r;
        *ret_name = item.text;
        r = skip_tree(left);
        *ret_bytes = (struct hw_slice){ start, (size_t)(left->data - start) };
        return r;
}

int hw_blob_walk(struct hw_slice blob, hw_profile_handler profile, void *userdata) {
        struct hw_slice name, bytes;
        int r;

        while (blob.len > 0) {
                r = next_profile(&blob, &name, &bytes);
                if (r < 0)
                        return r;
                r = profile(name, bytes, userdata);
                if (r < 0)
                        return r;
        }
        return 0;
}
