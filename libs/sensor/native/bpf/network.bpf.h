/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Sockets, by family, type and protocol. Sockets of the kernel itself are not judged, nor AF_UNIX and netlink.
 *
 * lsm/socket_create                                         what socket(2) asks for
 * lsm/socket_{bind,connect,listen,accept,sendmsg,recvmsg}   a socket from before the rules, or handed over by another process
 */
#include "cell.h"
#include "query.h"

static __always_inline int judge_socket(struct socket *sock, __u32 hook) {
        const struct sock *sk = sock->sk;

        if (!sk)
                return 0;
        return hw_cell_judge(HW_BPF_SOCKET,
                             hw_tbl_socket_kind(sk->__sk_common.skc_family, sk->sk_type, sk->sk_protocol), hook, 0)
                       ? -EACCES
                       : 0;
}

SEC("lsm/socket_create")
int BPF_PROG(hw_socket_create, int family, int type, int protocol, int kern)
{
        if (kern)
                return 0;
        return hw_cell_judge(HW_BPF_SOCKET, hw_tbl_socket_kind(family, type, protocol), HW_HOOK_SOCKET_CREATE, 0)
                       ? -EACCES
                       : 0;
}

SEC("lsm/socket_bind")
int BPF_PROG(hw_socket_bind, struct socket *sock)
{
        return judge_socket(sock, HW_HOOK_SOCKET_BIND);
}

SEC("lsm/socket_connect")
int BPF_PROG(hw_socket_connect, struct socket *sock)
{
        return judge_socket(sock, HW_HOOK_SOCKET_CONNECT);
}

SEC("lsm/socket_listen")
int BPF_PROG(hw_socket_listen, struct socket *sock)
{
        return judge_socket(sock, HW_HOOK_SOCKET_LISTEN);
}

SEC("lsm/socket_accept")
int BPF_PROG(hw_socket_accept, struct socket *sock)
{
        return judge_socket(sock, HW_HOOK_SOCKET_ACCEPT);
}

SEC("lsm/socket_sendmsg")
int BPF_PROG(hw_socket_sendmsg, struct socket *sock, struct msghdr *msg)
{
        const int refused = judge_socket(sock, HW_HOOK_SOCKET_SEND);

        return refused ? refused : hw_query_sent(sock, msg);
}

SEC("lsm/socket_recvmsg")
int BPF_PROG(hw_socket_recvmsg, struct socket *sock)
{
        return judge_socket(sock, HW_HOOK_SOCKET_RECEIVE);
}
