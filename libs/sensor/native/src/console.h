/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_CONSOLE_H
#define HOSTWARD_CONSOLE_H
#include <stdbool.h>
#include <stdint.h>

/* What a person types on the host; each returns the exit code. */
int hw_console_status(const char *socket, bool json);
int hw_console_suspend(const char *socket, const char *mode, const char *for_text, const char *reason);
int hw_console_simple(const char *socket, uint16_t type, const char *done);
/* Without the daemon, which would undo it. */
int hw_console_usb_release(const char *socket, const char *sysfs, const char *state_dir);

#endif
