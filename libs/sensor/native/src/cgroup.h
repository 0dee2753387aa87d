/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CGROUP_H
#define HOSTWARD_CGROUP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The path of a cgroup below the root of its tree, by its id; empty when it is gone. */
void hw_cgroup_path(uint64_t id, char *ret, size_t size);

/* The id of the container that a cgroup is of: the last 64 hex digits in its path; empty where it has none. */
void hw_container_of(const char *cgroup, char ret[65]);

/* Whether a process is of a system unit, by its cgroup: a user cannot move a process into one. */
bool hw_in_unit(int64_t pid, const char *unit);

#endif
