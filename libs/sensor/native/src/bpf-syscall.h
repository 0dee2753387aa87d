/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_SYSCALL_H
#define HOSTWARD_BPF_SYSCALL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_link_info;

/* System calls on maps, programs and links. 0 or more, or a negative errno. */
int hw_bpf_map_create(unsigned int type, size_t key, size_t value, unsigned int entries);
int hw_bpf_map_update(int fd, const void *key, const void *value);
int hw_bpf_map_lookup(int fd, const void *key, void *ret);
int hw_bpf_map_delete(int fd, const void *key);
int hw_bpf_map_next(int fd, const void *key, void *ret);
int hw_bpf_map_freeze(int fd);
int hw_bpf_map_id(int fd);
/* Whether both are descriptors of one map, program or link, given that they are of a kind. */
bool hw_bpf_is_same(int a, int b);
int hw_bpf_pin(int fd, const char *path);
int hw_bpf_link_info(int fd, struct bpf_link_info *ret);
int hw_bpf_link_create(int program, int target, unsigned int type);
int hw_bpf_get(const char *path);
/* A descriptor to read one run of an iterator from, given by its link. */
int hw_bpf_iterator(int link);
/* Descriptors that can only read, which the programs leave to every root. */
int hw_bpf_get_to_read(const char *path);
int hw_bpf_map_to_read(uint32_t id);

#endif
