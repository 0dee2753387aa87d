/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Capabilities. The hook comes after the kernel's own check, so it sees what would be granted.
 *
 * lsm/capable   in every user namespace, as on AppArmor; the answer to a refusal is EPERM
 */
#include "cell.h"

SEC("lsm/capable")
int BPF_PROG(hw_capable, const struct cred *cred, void *ns, int number)
{
        return hw_cell_judge(HW_BPF_CAPABILITY, number, HW_HOOK_CAPABLE) ? -EPERM : 0;
}
