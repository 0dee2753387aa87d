/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "json-read.h"

struct place {
        const uint8_t *p, *end;
};

static void skip_spaces(struct place *at) {
        while (at->p < at->end && memchr(" \t\r\n", *at->p, 4))
                at->p++;
}

static bool skip_char(struct place *at, uint8_t c) {
        skip_spaces(at);
        if (at->p == at->end || *at->p != c)
                return false;
        at->p++;
        return true;
}

/* A string, of which what stands between its quotes is told. */
static bool skip_string(struct place *at, struct hw_slice *ret) {
        if (!skip_char(at, '"'))
                return false;
        ret->data = at->p;
        for (; at->p < at->end && *at->p != '"'; at->p++)
                if (*at->p == '\\' && ++at->p == at->end)
                        return false;
        ret->len = (size_t)(at->p - ret->data);
        return skip_char(at, '"');
}

static bool skip_value(struct place *at, struct hw_slice *ret) {
        struct hw_slice string;
        size_t depth = 0;

        skip_spaces(at);
        if (at->p < at->end && *at->p == '"')
                return skip_string(at, ret);
        ret->data = at->p;
        for (; at->p < at->end; at->p++) {
                if (depth == 0 && memchr(",]}", *at->p, 3))
                        break;
                if (*at->p == '"') {
                        if (!skip_string(at, &string))
                                return false;
                        at->p--;
                } else if (*at->p == '{' || *at->p == '[')
                        depth++;
                else if (*at->p == '}' || *at->p == ']')
                        depth--;
        }
        ret->len = (size_t)(at->p - ret->data);
        return depth == 0 && ret->len > 0;
}

bool hw_json_find(struct hw_slice object, const char *key, struct hw_slice *ret) {
        struct place at = { object.data, object.data + object.len };
        struct hw_slice name;

        if (!skip_char(&at, '{'))
                return false;
        do {
                if (!skip_string(&at, &name) || !skip_char(&at, ':') || !skip_value(&at, ret))
                        return false;
                if (hw_slice_is(name, key))
                        return true;
        } while (skip_char(&at, ','));
        return false;
}

bool hw_json_item(struct hw_slice list, size_t index, struct hw_slice *ret) {
        struct place at = { list.data, list.data + list.len };

        if (!skip_char(&at, '['))
                return false;
        do {
                if (!skip_value(&at, ret))
                        return false;
                if (index-- == 0)
                        return true;
        } while (skip_char(&at, ','));
        return false;
}
