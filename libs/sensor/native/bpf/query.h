/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
#ifndef HOSTWARD_QUERY_H
#define HOSTWARD_QUERY_H
/*
 * From a message to a server of DNS to a verdict on the name that it asks for. What is no whole query is refused where
 * rules speak of names: none could be asked, and a server may understand what we do not.
 */
#include "dns.h"
#include "judge.h"

#define DNS_NAME 255 /* with its lengths and the final zero */
#define DNS_LABEL 63
#define DNS_HEAD (DNS_HEADER + DNS_NAME)

#define QUERY_PATH_END 1024 /* of the name as a path, in the scratch: what is longer than a name is not made */
/* Where the message is in the record's text, behind the room for the path. */
#define QUERY_RAW HW_EVENT_PATH_MAX
#define QUERY_RAW_MASK 511

static __always_inline __u8 *query_raw(struct hw_scratch *s) {
        return (__u8 *)&s->event.text[QUERY_RAW];
}

/* Case does not count; what would be taken for the end of a label is another byte, which no rule has. */
static __always_inline __u8 spelled(__u8 byte) {
        if (byte >= 'A' && byte <= 'Z')
                return byte + ('a' - 'A');
        return byte == '/' || byte == 0 ? 1 : byte;
}

struct query_name {
        struct hw_scratch *scratch;
        __u32 length; /* of the message */
        __u32 left;   /* bytes of the label */
        __u32 to;     /* where its next byte goes */
        __u32 whole;
};

/* One byte of the name, which is written from its end to its begin: labels behind one another, bytes in their order. */
static long query_byte(__u32 index, struct query_name *c) {
        struct hw_scratch *s = c->scratch;
        const __u32 at = DNS_HEADER + index;
        __u8 byte;

        if (at >= c->length)
                return 1;
        byte = query_raw(s)[at & QUERY_RAW_MASK];
        if (c->left == 0) {
                c->whole = byte == 0;
                if (byte == 0 || byte > DNS_LABEL)
                        return 1;
                c->left = byte;
                c->to = (s->start - byte - 1) & (HW_PATH_BUFFER - 1);
                s->start = c->to;
                s->path[c->to++] = '/';
                return 0;
        }
        s->path[c->to & (HW_PATH_BUFFER - 1)] = spelled(byte);
        c->to++;
        c->left--;
        return 0;
}

/* Puts the name of the message in the record's text into the scratch as a path. False: it is no whole query. */
static __always_inline bool query_path(struct hw_scratch *s, __u32 length) {
        struct query_name c = { .scratch = s, .length = length };
        const __u8 *raw = query_raw(s);

        s->end = QUERY_PATH_END;
        s->start = QUERY_PATH_END - 1;
        s->path[QUERY_PATH_END - 1] = '/';
        if (length <= DNS_HEADER || raw[4] != 0 || raw[5] != 1) /* questions, of which no server answers several */
                return false;
        (void)bpf_loop(DNS_NAME, query_byte, &c, 0);
        return c.whole;
}

struct query_decision {
        const struct hw_element *rules;
        struct hw_scratch *scratch;
        const struct hw_senders *senders;
        __u32 subject, deny;
};

/* By the rules for one of those who send; the first that refuses is told. */
static long query_sender(__u32 index, struct query_decision *c) {
        struct hw_bpf_event *e = &c->scratch->event;
        struct hw_tbl_verdict v;

        if (c->senders && c->senders->generation == c->rules->generation && index < c->senders->n)
                c->subject = c->senders->subject[index & (HW_SENDERS - 1)];
        hw_tbl_decide(c->rules->table, &c->scratch->walk, c->subject, HW_TBL_QUERY, HW_TBL_OTHER, &v);
        if (!v.deny && !v.logged)
                return 0;
        e->denied = v.deny ? HW_OP(QUERY) : 0;
        e->rule = v.rule ? v.rule : v.list;
        e->audit_rule = v.audit;
        e->subject = c->subject;
        c->scratch->due = 1;
        c->deny = v.deny;
        return v.deny;
}

/* None could be asked: as if a rule refused it. */
static __always_inline void query_refuse_unasked(struct query_decision *c) {
        struct hw_bpf_event *e = &c->scratch->event;

        e->cause = HW_CAUSE_QUERY;
        e->denied = HW_OP(QUERY);
        e->subject = c->subject;
        c->deny = c->scratch->due = 1;
}

/* Whether rules speak of names to anybody who sends by a connection; of whom nobody is known, to everybody. */
static __always_inline bool concerns_senders(const struct hw_element *rules, const struct hw_senders *senders,
                                             bool known) {
        bool any = !known && hw_tbl_concerns(rules->table, 0, HW_OP(QUERY));

        for (__u32 i = 0; known && i < HW_SENDERS && i < senders->n; i++)
                any |= hw_tbl_concerns(rules->table, senders->subject[i], HW_OP(QUERY));
        return any;
}

/*
 * Whether the message in the scratch's text, so many bytes of it, is to be refused: by the rules for all who send by a
 * connection, or else for the task that runs. The head of the record is clear, but for the actor of a connection.
 */
__noinline int hw_query_judge(struct hw_scratch *s, __u32 length, struct hw_senders *senders) {
        const struct hw_element *rules = hw_rules();
        struct query_decision c = { .rules = rules, .scratch = s, .senders = senders };
        bool known;

        if (!s || !rules || (length > DNS_HEADER && (query_raw(s)[2] & DNS_RESPONSE)))
                return 0;
        if (!senders)
                c.subject = hw_subject_unkept(rules, s);
        known = senders && senders->n > 0 && senders->generation == rules->generation;
        if (senders ? !concerns_senders(rules, senders, known) : !hw_tbl_concerns(rules->table, c.subject, HW_OP(QUERY)))
                return 0;
        s->due = 0;
        if (!query_path(s, length) || (known && senders->n > HW_SENDERS)) {
                query_refuse_unasked(&c);
        } else {
                hw_walk_path(rules, s, HW_OP(QUERY));
                (void)bpf_loop(known ? senders->n : 1, query_sender, &c, 0);
                if (s->due)
                        s->event.path_len = hw_append_path(&s->event, 0, s);
        }
        if (s->due) {
                s->event.class = HW_BPF_QUERY;
                s->event.hook = HW_HOOK_QUERY;
                s->event.requested = HW_OP(QUERY);
                hw_record_send(rules, s);
        }
        return c.deny && rules->mode == HW_BPF_ENFORCE;
}

static __always_inline void add_sender(struct hw_senders *to, __u32 subject) {
        for (__u32 i = 0; i < HW_SENDERS; i++) {
                if (i >= to->n) {
                        to->subject[i] = subject;
                        to->n = i + 1;
                        return;
                }
                if (to->subject[i] == subject)
                        return;
        }
        to->n = HW_SENDERS + 1;
}

static __always_inline bool is_internet(const struct sock *sk) {
        return sk->__sk_common.skc_family == 2 /* AF_INET */ || sk->__sk_common.skc_family == 10 /* AF_INET6 */;
}

static __always_inline bool goes_to_dns(const struct sock *sk, const struct msghdr *msg) {
        const __u16 port = __builtin_bswap16(DNS_PORT);
        const void *name = msg->msg_name;
        __u16 named = 0;

        if (sk->__sk_common.skc_dport == port)
                return true;
        if (name) /* sin_port and sin6_port, when a connection is opened with data */
                (void)bpf_probe_read_kernel(&named, sizeof named, name + 2);
        return named == port;
}

/* Notes who hands data over to a connection to a server of DNS. -EACCES: something was refused by it already. */
static __always_inline int hw_query_sent(struct socket *sock, struct msghdr *msg) {
        const struct hw_element *rules = hw_rules();
        struct sock *sk = sock->sk;
        struct hw_bpf_event *actor;
        struct hw_senders *to;
        __u32 subject;

        if (!sk || sk->sk_type != 1 /* SOCK_STREAM */ || !is_internet(sk) || !goes_to_dns(sk, msg))
                return 0;
        if (!rules || rules->mode == HW_BPF_OFF || !hw_tbl_concerns_any(rules->table, HW_OP(QUERY)))
                return 0;
        subject = hw_subject(rules);
        to = bpf_sk_storage_get(&senders, sk, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
        if (!to || subject == HW_NO_ROOM)
                return rules->mode == HW_BPF_ENFORCE ? -EACCES : 0;
        if (to->refused && rules->mode == HW_BPF_ENFORCE)
                return -EACCES;
        if (to->generation != rules->generation)
                to->n = 0;
        to->generation = rules->generation;
        add_sender(to, subject);
        actor = (struct hw_bpf_event *)to->actor;
        actor->fsuid = hw_fsuid();
        hw_tell_actor(actor, bpf_get_current_task_btf());
        return 0;
}

#endif
