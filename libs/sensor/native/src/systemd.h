/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOSTWARD_SYSTEMD_H
#define HOSTWARD_SYSTEMD_H

/* Has systemd read its units again. The tests link another definition (tests/fake-kernel.c): PID 1 is not theirs. */
void hw_systemd_reload(void);

#endif
