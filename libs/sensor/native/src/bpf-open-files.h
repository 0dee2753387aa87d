/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_BPF_OPEN_FILES_H
#define HOSTWARD_BPF_OPEN_FILES_H
#include <stdint.h>

#include "hostward-bpf.h"

typedef void (*hw_open_file_handler)(const struct hw_open_file *file, const char *path, void *userdata);
/*
 * One run of an iterator over open files, given by its link, record by record: 0, -ETIME where the time was up before
 * its end, or another negative errno. What was handed on before that is true.
 */
int hw_bpf_iterate(int link, uint64_t time_ms, hw_open_file_handler handler, void *userdata);
/* The same of what can be read from a descriptor. */
int hw_bpf_read_open_files(int fd, uint64_t time_ms, hw_open_file_handler handler, void *userdata);

#endif
