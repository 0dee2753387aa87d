/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_LOADED_H
#define HOSTWARD_BPF_LOADED_H
#include <stddef.h>
#include <stdint.h>

#include "hostward-bpf.h"

#define HW_BPF_SIZE_CLASSES 2
extern const unsigned int hw_bpf_size_classes[HW_BPF_SIZE_CLASSES]; /* log2 of bytes */
void hw_bpf_pin_path(const char *bpffs, unsigned int shift, const char *name, char *ret, size_t size);
/*
 * What the programs of this build judge by now, read by whoever is root beside the daemon: struct hw_element with
 * *ret_bytes bytes, to be freed. 0, -ENOENT when nothing of this build is loaded, or another negative errno.
 */
int hw_bpf_read_loaded(const char *bpffs, struct hw_element **ret, size_t *ret_bytes);

#endif
