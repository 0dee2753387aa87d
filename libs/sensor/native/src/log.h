/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_LOG_H
#define HOSTWARD_LOG_H
#include <stdio.h>

/* One line to the journal by way of stderr, with systemd's level prefix. The message is constant, values are fields. */
#define hw_error(format, ...) fprintf(stderr, "<3>" format "\n" __VA_OPT__(, ) __VA_ARGS__)
#define hw_warn(format, ...) fprintf(stderr, "<4>" format "\n" __VA_OPT__(, ) __VA_ARGS__)
#define hw_info(format, ...) fprintf(stderr, "<6>" format "\n" __VA_OPT__(, ) __VA_ARGS__)

#endif
