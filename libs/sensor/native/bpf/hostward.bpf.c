// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * The enforcer's programs: one object, so that they share their maps and are loaded together; one file a concern. None
 * may sleep: a rule set is taken out of use by the grace period that non-sleepable programs hold up.
 */
#include "kernel.h"

#include "capability.bpf.h"
#include "exec.bpf.h"
#include "file.bpf.h"
#include "guard.bpf.h"
#include "held.bpf.h"
#include "mount.bpf.h"
#include "network.bpf.h"
#include "query.bpf.h"

char _license[] SEC("license") = "GPL";
