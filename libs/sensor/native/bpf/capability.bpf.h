/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Capabilities. The hook comes after the kernel's own check, so it sees what would be granted.
 *
 * lsm/capable   in every user namespace, as on AppArmor; the answer to a refusal is EPERM. What the kernel asks for itself,
 *               to choose how much to show or to give, is refused in silence, as by the LSMs of the kernel: nobody wanted
 *               to use the capability, so a refusal is no denial. Judged by who is running, though the kernel may ask about
 *               `cred` of another: by those AppArmor finds the label, but no credentials name a program. Where they are not
 *               the caller's own they must not count as nobody's either: a task has the kernel ask by others whenever it
 *               likes (personalities of io_uring, a file that it opened before it changed its ids)
 */
#include "cell.h"

SEC("lsm/capable")
int BPF_PROG(hw_capable, const struct cred *cred, void *ns, int number, unsigned int options)
{
        return hw_cell_judge(HW_BPF_CAPABILITY, number, HW_HOOK_CAPABLE, options & CAP_OPT_NOAUDIT) ? -EPERM : 0;
}
