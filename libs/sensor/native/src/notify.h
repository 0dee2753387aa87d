/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_NOTIFY_H
#define HOSTWARD_NOTIFY_H
#include <stdint.h>

/* The datagram that sd_notify(3) sends, without libsystemd. Does nothing outside systemd. */
void hw_notify(const char *state);
/* Half of WatchdogSec= in ms, 0 when there is none. */
uint64_t hw_watchdog_ms(void);
/*
 * Around what nothing interrupts, such as the kernel's verifying of our programs: seconds, and minutes on a slow machine.
 * The watchdog gives it five minutes; may be nested.
 */
void hw_watchdog_patient(void);
void hw_watchdog_usual(void);

#endif
