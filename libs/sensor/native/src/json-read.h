/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_JSON_READ_H
#define HOSTWARD_JSON_READ_H
#include "buffer.h"

/*
 * Looks into JSON that the compiler wrote, for the console: where a value stands, as bytes, without what lies in it
 * being read. What is no JSON has no values.
 */

/* The value of a key of an object; of a string without its quotes, as it is escaped. false: there is none. */
bool hw_json_find(struct hw_slice object, const char *key, struct hw_slice *ret);
/* The value at an index of a list. false: it is shorter. */
bool hw_json_item(struct hw_slice list, size_t index, struct hw_slice *ret);

#endif
