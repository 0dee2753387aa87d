/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Names that are asked of DNS, as they leave: what the sender's memory holds could still be changed.
 *
 * cgroup_skb/egress   packets to port 53 over UDP and TCP, from every cgroup. A query by UDP is judged as the sending
 *                     task's (EPERM); a connection as that of all who send by it: what is refused, and all that
 *                     follows it, does not leave, and lsm/socket_sendmsg says EACCES from then on.
 */
#include "query.h"

#define ETHERTYPE_IP 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define IPV6_OPTIONS 0
#define IPV6_ROUTING 43
#define IPV6_FRAGMENT 44
#define IPV6_DESTINATION 60
#define IPV6_HEADERS_MAX 8
#define TCP_SYN 0x02

/* What a packet carries: protocol 0 where it is none that is looked at. */
struct packet {
        __u32 protocol;
        __u32 at; /* of the header behind those of IP */
};

static __always_inline struct packet after_ipv4(struct __sk_buff *skb) {
        struct packet p = {};
        __u8 header[20];

        if (bpf_skb_load_bytes(skb, 0, header, sizeof header) < 0)
                return p;
        if ((header[6] & 0x1f) || header[7]) /* of a packet cut before, not its begin */
                return p;
        p.protocol = header[9];
        p.at = 4 * (header[0] & 0xf);
        return p;
}

static __always_inline struct packet after_ipv6(struct __sk_buff *skb) {
        struct packet p = { .at = 40 };
        __u8 next, header[4];

        if (bpf_skb_load_bytes(skb, 6, &next, 1) < 0)
                return p;
        for (__u32 i = 0; i < IPV6_HEADERS_MAX; i++) {
                if (next == PROTOCOL_TCP || next == PROTOCOL_UDP) {
                        p.protocol = next;
                        return p;
                }
                if (next != IPV6_OPTIONS && next != IPV6_ROUTING && next != IPV6_DESTINATION && next != IPV6_FRAGMENT)
                        return p;
                if (bpf_skb_load_bytes(skb, p.at, header, sizeof header) < 0)
                        return p;
                if (next == IPV6_FRAGMENT && (header[2] || (header[3] & 0xf8)))
                        return p;
                p.at += next == IPV6_FRAGMENT ? 8 : 8 * (header[1] + 1);
                next = header[0];
        }
        return p;
}

static __always_inline struct packet look_into(struct __sk_buff *skb) {
        if (skb->protocol == __builtin_bswap16(ETHERTYPE_IP))
                return after_ipv4(skb);
        if (skb->protocol == __builtin_bswap16(ETHERTYPE_IPV6))
                return after_ipv6(skb);
        return (struct packet){};
}

static __always_inline bool is_to_dns(struct __sk_buff *skb, const struct packet *p) {
        __u16 port = 0;

        return (p->protocol == PROTOCOL_UDP || p->protocol == PROTOCOL_TCP) &&
               bpf_skb_load_bytes(skb, p->at + 2, &port, sizeof port) == 0 && port == __builtin_bswap16(DNS_PORT);
}

/* The same number, of which the verifier of kernel 6.1 can tell that it is 1 at least and HW_STREAM_HEAD at most. */
static __always_inline __u32 some_bytes(__u32 n) {
        n = (n - 1) & (HW_STREAM_HEAD - 1);
        __asm__ volatile("" : "+r"(n));
        return n + 1;
}

static __always_inline int judge_datagram(struct __sk_buff *skb, struct hw_scratch *s, __u32 at) {
        const __u32 total = skb->len;
        __u32 length = total > at && !skb->gso_size ? total - at : 0; /* else it is several in one */

        hw_record_clear(&s->event);
        s->event.fsuid = hw_fsuid();
        if (length > DNS_HEAD)
                length = DNS_HEAD;
        if (length > 0 && bpf_skb_load_bytes(skb, at, query_raw(s), some_bytes(length)) < 0)
                length = 0;
        return hw_query_judge(s, length, NULL);
}

struct stream {
        struct __sk_buff *skb;
        struct hw_scratch *scratch;
        struct hw_senders *of;
        __u32 at, left; /* bytes of the packet */
        __u32 deny;
};

/* A message whose begin is there, as far as it is looked at: two bytes for its length, then as over UDP. */
static __always_inline void judge_message(struct stream *c, __u32 length) {
        struct hw_scratch *s = c->scratch;
        struct hw_senders *of = c->of;

        if (length > DNS_HEAD)
                length = DNS_HEAD;
        hw_record_clear(&s->event);
        __builtin_memcpy(&s->event, of->actor, HW_EVENT_COMMON);
        (void)bpf_probe_read_kernel(query_raw(s), DNS_HEAD, of->head + 2);
        c->deny = hw_query_judge(s, length, of);
}

/* One piece of the stream: the rest of a message, or the begin of the next. */
static long stream_piece(__u32 index, struct stream *c) {
        struct hw_senders *of = c->of;
        __u32 n, length, have = of->have & (HW_STREAM_HEAD - 1);

        (void)index;
        if (c->left == 0)
                return 1;
        if (of->skip > 0) {
                n = of->skip < c->left ? of->skip : c->left;
                of->skip -= n;
                c->at += n;
                c->left -= n;
                return 0;
        }
        n = have < DNS_HEAD + 2 ? DNS_HEAD + 2 - have : 1;
        if (n > c->left)
                n = c->left;
        if (bpf_skb_load_bytes(c->skb, c->at, &of->head[have], some_bytes(n)) < 0) {
                c->deny = 1;
                return 1;
        }
        have += n;
        c->at += n;
        c->left -= n;
        of->have = have;
        length = (__u32)of->head[0] << 8 | of->head[1];
        if (have < 2 || have < (length < DNS_HEAD ? length : DNS_HEAD) + 2)
                return 0;
        judge_message(c, length);
        of->have = 0;
        if (have > length + 2) { /* the begin of the next was read with it */
                c->at -= have - length - 2;
                c->left += have - length - 2;
        } else
                of->skip = length + 2 - have;
        return c->deny != 0;
}

#define STREAM_PIECES (65536 / DNS_HEADER) /* each message has two at most, and a header */

/* The new bytes of a packet; what is sent again was judged before. */
static __always_inline int judge_stream(struct stream *c, __u32 number) {
        struct hw_senders *of = c->of;
        const __u32 old = of->begun ? of->expected - number : 0;

        if (of->begun && (__s32)old > 0) {
                if (old >= c->left)
                        return 0;
                c->at += old;
                c->left -= old;
                number += old;
        }
        if (!of->begun || number != of->expected)
                of->have = of->skip = 0; /* from before the rules: as if a message began here */
        of->begun = 1;
        of->expected = number + c->left;
        (void)bpf_loop(STREAM_PIECES, stream_piece, c, 0);
        return c->deny || c->left > 0;
}

static __always_inline int judge_segment(struct __sk_buff *skb, const struct hw_element *rules, struct hw_scratch *s,
                                         __u32 at) {
        struct stream c = { .skb = skb, .scratch = s };
        struct bpf_sock *sk = skb->sk ? bpf_sk_fullsock(skb->sk) : NULL;
        const __u32 total = skb->len;
        __u8 header[14];
        __u32 number;

        if (!sk || bpf_skb_load_bytes(skb, at, header, sizeof header) < 0)
                return 0;
        c.of = bpf_sk_storage_get(&senders, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        c.at = at + 4 * (header[12] >> 4);
        c.left = total > c.at ? total - c.at : 0;
        if (!c.of)
                return c.left > 0 && rules->mode == HW_BPF_ENFORCE;
        number = (__u32)header[4] << 24 | (__u32)header[5] << 16 | (__u32)header[6] << 8 | header[7];
        if (header[13] & TCP_SYN) {
                number++;
                c.of->begun = 1;
                c.of->expected = number;
        }
        if (c.left == 0)
                return 0;
        if (!c.of->refused && judge_stream(&c, number))
                c.of->refused = 1;
        return c.of->refused && rules->mode == HW_BPF_ENFORCE;
}

SEC("cgroup_skb/egress")
int hw_query_egress(struct __sk_buff *skb)
{
        const struct hw_element *rules = hw_rules();
        struct hw_scratch *s;
        struct packet p;
        int refused;

        if (!rules || rules->mode == HW_BPF_OFF || !hw_tbl_concerns_any(rules->table, HW_OP(QUERY)))
                return 1;
        p = look_into(skb);
        if (!is_to_dns(skb, &p))
                return 1;
        s = hw_scratch_take();
        if (!s)
                return rules->mode != HW_BPF_ENFORCE;
        refused = p.protocol == PROTOCOL_UDP ? judge_datagram(skb, s, p.at + 8) : judge_segment(skb, rules, s, p.at);
        hw_scratch_give(s);
        return !refused;
}
