// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * What only watches, and never decides: for kernels with BPF and BTF, whether or not `bpf` is among their LSMs. Only the
 * programs of the classes that the host is to watch are loaded. Kernel threads and the sensor are not watched.
 *
 * tp_btf/sched_process_exec                   process: a program that was started (of a script its interpreter), with arguments
 * fexit/security_file_open                    file: a regular file that was opened, but not to execute it
 * fexit/security_socket_{connect,bind}        network: IPv4 and IPv6, what no LSM refused
 * fentry/security_sock_graft                  network: a connection that was accepted
 * fexit/cap_capable                           capabilities: one that was asked for, and the answer
 * fentry/ip_send_skb, ip6_send_skb            dns: a question over UDP to port 53
 */
#include "sense-maps.h"

#include "dns.h"
#include "event.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_UDP 17

/* Whether to tell of it: what is repeated within the window is counted. */
static __always_inline bool is_news(__u32 class, __u64 object, __u32 detail, __u32 *ret_left_out) {
        struct task_struct *task = bpf_get_current_task_btf();
        const __u64 now = bpf_ktime_get_boot_ns();
        struct hw_repeat_key key = { .object = object, .class = class, .detail = detail };
        const struct hw_repeat fresh = { .since = now };
        struct hw_repeat *known;

        key.tgid = (__u32)(bpf_get_current_pid_tgid() >> 32);
        if ((task->flags & PF_KTHREAD) || key.tgid == sensor)
                return false;
        key.start = BPF_CORE_READ(task, group_leader, start_boottime);
        key.exec = BPF_CORE_READ(task, self_exec_id);
        known = bpf_map_lookup_elem(&repeats, &key);
        *ret_left_out = 0;
        if (known && now - known->since < HW_SENSE_REPEAT_NS) {
                (void)__sync_fetch_and_add(&known->left_out, 1);
                hw_lost(HW_LOSS_THROTTLED);
                return false;
        }
        if (known)
                *ret_left_out = known->left_out;
        (void)bpf_map_update_elem(&repeats, &key, &fresh, BPF_ANY);
        return true;
}

static __always_inline struct hw_scratch *begin(__u32 class, __u32 left_out, __u32 kind, __u32 hook) {
        struct hw_scratch *s = hw_scratch_take();

        if (!s)
                return NULL;
        __builtin_memset(&s->seen, 0, offsetof(struct hw_telemetry_event, text));
        hw_record_clear(&s->seen.event);
        s->seen.class = class;
        s->seen.event.class = kind;
        s->seen.event.hook = hook;
        s->seen.event.suppressed = left_out;
        return s;
}

/* Completes the record in the scratch and sends it, or counts it. */
__noinline int hw_observe(struct hw_scratch *s) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct hw_bpf_event *e;
        __u64 length;

        if (!s)
                return 0;
        e = &s->seen.event;
        e->time = bpf_ktime_get_boot_ns();
        hw_tell_actor(e, task);
        hw_tell_context(e, task);
        length = offsetof(struct hw_telemetry_event, event) + HW_RECORD_HEAD +
                 ((e->path_len + e->exe_len + e->cwd_len) & (4 * HW_EVENT_PATH_MAX - 1));
        if (bpf_ringbuf_output(&telemetry_events, &s->seen, length, 0) < 0)
                hw_lost_some(HW_LOSS_RING, e->suppressed + 1);
        return 0;
}

static __always_inline void end(struct hw_scratch *s) {
        (void)hw_observe(s);
        hw_scratch_give(s);
}

/* A file by its path on the host, or in its own filesystem where the host does not mount that. */
static __always_inline void tell_file(struct hw_scratch *s, struct file *file) {
        struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);

        s->seen.event.ino = BPF_CORE_READ(dentry, d_inode, i_ino);
        s->seen.event.dev = BPF_CORE_READ(dentry, d_inode, i_sb, s_dev);
        if (hw_path_build(s, (__u64)dentry, 0) >= 0)
                s->seen.event.path_len = hw_append_path(&s->seen.event, 0, s);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(sense_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
        const unsigned long from = BPF_CORE_READ(task, mm, arg_start), length = BPF_CORE_READ(task, mm, arg_end) - from;
        struct hw_scratch *s;
        __u32 left_out;

        if (!is_news(HW_SENSE_PROCESS, 0, 0, &left_out))
                return 0;
        s = begin(HW_SENSE_PROCESS, left_out, HW_BPF_PATH, HW_HOOK_EXEC);
        if (!s)
                return 0;
        s->seen.text_len = length < HW_SENSE_TEXT ? length & (HW_SENSE_TEXT - 1) : HW_SENSE_TEXT - 1;
        if (bpf_probe_read_user(s->seen.text, s->seen.text_len & (HW_SENSE_TEXT - 1), (void *)from) < 0)
                s->seen.text_len = 0;
        tell_file(s, bprm->file);
        end(s);
        return 0;
}

#define READS 1 /* letters of `requested`, as operations of the table */
#define WRITES 2

SEC("fexit/security_file_open")
int BPF_PROG(sense_open, struct file *file, int answer)
{
        struct inode *inode = BPF_CORE_READ(file, f_path.dentry, d_inode);
        struct hw_scratch *s;
        __u32 requested = 0, left_out;

        if (answer != 0 || (file->f_flags & FMODE_EXEC_FLAG) || (BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFREG)
                return 0;
        if (file->f_mode & FMODE_READ)
                requested |= READS;
        if ((file->f_mode & FMODE_WRITE) || (file->f_flags & O_TRUNC))
                requested |= WRITES;
        if (!is_news(HW_SENSE_FILE, BPF_CORE_READ(inode, i_ino), BPF_CORE_READ(inode, i_sb, s_dev) ^ requested << 30, &left_out))
                return 0;
        s = begin(HW_SENSE_FILE, left_out, HW_BPF_PATH, HW_HOOK_OPEN);
        if (!s)
                return 0;
        s->seen.event.requested = requested;
        tell_file(s, file);
        end(s);
        return 0;
}

/* What of struct sockaddr_in and sockaddr_in6 is told. */
struct address {
        __u16 family, port;
        __u8 bytes[16];
};

static __always_inline bool read_address(struct address *a, const void *from) {
        *a = (struct address){ 0 };
        if (bpf_probe_read_kernel(a, 4, from) < 0)
                return false;
        if (a->family == AF_INET)
                return bpf_probe_read_kernel(a->bytes, 4, from + 4) == 0;
        return a->family == AF_INET6 && bpf_probe_read_kernel(a->bytes, 16, from + 8) == 0;
}

static __always_inline int socket_seen(struct sock *sk, const struct address *a, __u32 hook) {
        struct hw_scratch *s;
        __u64 object[2];
        __u32 left_out;

        __builtin_memcpy(object, a->bytes, sizeof object);
        if (!is_news(HW_SENSE_NETWORK, object[0] ^ (object[1] << 16 | object[1] >> 48) ^ (__u64)a->family << 56,
                     hook << 16 | a->port, &left_out))
                return 0;
        s = begin(HW_SENSE_NETWORK, left_out, HW_BPF_SOCKET, hook);
        if (!s)
                return 0;
        s->seen.family = a->family;
        s->seen.port = a->port;
        s->seen.type = BPF_CORE_READ(sk, sk_type);
        s->seen.protocol = BPF_CORE_READ(sk, sk_protocol);
        __builtin_memcpy(s->seen.address, a->bytes, sizeof a->bytes);
        end(s);
        return 0;
}

SEC("fexit/security_socket_connect")
int BPF_PROG(sense_connect, struct socket *sock, void *address, int length, int answer)
{
        struct address a;

        return answer == 0 && read_address(&a, address) ? socket_seen(sock->sk, &a, HW_HOOK_SOCKET_CONNECT) : 0;
}

SEC("fexit/security_socket_bind")
int BPF_PROG(sense_bind, struct socket *sock, void *address, int length, int answer)
{
        struct address a;

        return answer == 0 && read_address(&a, address) ? socket_seen(sock->sk, &a, HW_HOOK_SOCKET_BIND) : 0;
}

SEC("fentry/security_sock_graft")
int BPF_PROG(sense_accept, struct sock *sk, struct socket *parent)
{
        struct address a = { .family = sk->__sk_common.skc_family, .port = sk->__sk_common.skc_dport };

        if (a.family == AF_INET)
                __builtin_memcpy(a.bytes, &(__be32){ sk->__sk_common.skc_daddr }, 4);
        else if (a.family == AF_INET6)
                BPF_CORE_READ_INTO(&a.bytes, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
        else
                return 0;
        return socket_seen(sk, &a, HW_HOOK_SOCKET_ACCEPT);
}

SEC("fexit/cap_capable")
int BPF_PROG(sense_capable, const struct cred *cred, void *ns, int number, unsigned int options, int answer)
{
        struct hw_scratch *s;
        __u32 left_out;

        if ((options & CAP_OPT_NOAUDIT) || !is_news(HW_SENSE_CAPABILITIES, number, answer != 0, &left_out))
                return 0;
        s = begin(HW_SENSE_CAPABILITIES, left_out, HW_BPF_CAPABILITY, HW_HOOK_CAPABLE);
        if (!s)
                return 0;
        s->seen.event.requested = number;
        s->seen.refused = answer != 0;
        end(s);
        return 0;
}

struct udp_header {
        __u16 source, destination, length, checksum;
};

static __always_inline __u64 hash_of(const struct hw_telemetry_event *o) {
        const __u64 *words = (const __u64 *)o->text;
        __u64 hash = 0;

        for (__u32 i = 0; i < HW_SENSE_TEXT / sizeof *words; i++) {
                hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15ull;
                hash ^= hash >> 29;
        }
        return hash;
}

/*
 * The text is read before it is known whether it is news, so the scratch is taken first. A datagram is sent by whoever
 * asked, so the current task is the one that asks.
 */
static __always_inline int question_seen(struct sk_buff *skb, __u32 at_protocol) {
        const unsigned char *head = BPF_CORE_READ(skb, head), *udp = head + BPF_CORE_READ(skb, transport_header);
        struct hw_scratch *s;
        struct udp_header header;
        __u8 protocol = 0, third = DNS_RESPONSE;
        __u32 length, left_out;

        (void)bpf_probe_read_kernel(&protocol, 1, head + BPF_CORE_READ(skb, network_header) + at_protocol);
        if (protocol != IPPROTO_UDP || bpf_probe_read_kernel(&header, sizeof header, udp) < 0 ||
            header.destination != __builtin_bswap16(DNS_PORT))
                return 0;
        length = __builtin_bswap16(header.length);
        (void)bpf_probe_read_kernel(&third, 1, udp + sizeof header + 2);
        if (length <= sizeof header + DNS_HEADER || (third & DNS_RESPONSE))
                return 0;
        length -= sizeof header + DNS_HEADER;
        if (length > HW_SENSE_TEXT - 1)
                length = HW_SENSE_TEXT - 1;
        s = begin(HW_SENSE_DNS, 0, HW_BPF_SOCKET, HW_HOOK_SOCKET_SEND);
        if (!s)
                return 0;
        __builtin_memset(s->seen.text, 0, sizeof s->seen.text);
        s->seen.text_len = length & (HW_SENSE_TEXT - 1);
        if (bpf_probe_read_kernel(s->seen.text, s->seen.text_len & (HW_SENSE_TEXT - 1), udp + sizeof header + DNS_HEADER) == 0 &&
            is_news(HW_SENSE_DNS, hash_of(&s->seen), 0, &left_out)) {
                s->seen.event.suppressed = left_out;
                (void)hw_observe(s);
        }
        hw_scratch_give(s);
        return 0;
}

SEC("fentry/ip_send_skb")
int BPF_PROG(sense_dns, void *net, struct sk_buff *skb)
{
        return question_seen(skb, 9);
}

SEC("fentry/ip6_send_skb")
int BPF_PROG(sense_dns6, struct sk_buff *skb)
{
        return question_seen(skb, 6);
}

char _license[] SEC("license") = "GPL";
