/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "systemd.h"

void hw_systemd_reload(void) {
        (void)kill(1, SIGHUP);
}
