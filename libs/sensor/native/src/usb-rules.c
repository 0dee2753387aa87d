/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "usb-rules.h"

#define CLASS_MISCELLANEOUS 0xefu
#define LEVEL_MAX 6u

#define DEVICE_BYTES 18u
#define INTERFACE_BYTES 9u
#define TYPE_DEVICE 1u
#define TYPE_INTERFACE 4u

/* The next word of a line: digits up to `max`, or `-` for HW_USB_ANY where `any`. */
static bool take_number(const char **line, uint32_t max, bool any, uint32_t *ret) {
        const char *p = *line;
        uint64_t value = 0;

        if (any && p[0] == '-' && p[1] == ' ') {
                *ret = HW_USB_ANY;
                *line = p + 2;
                return true;
        }
        if (*p < '0' || *p > '9')
                return false;
        for (; *p >= '0' && *p <= '9' && value <= max; p++)
                value = value * 10 + (uint64_t)(*p - '0');
        if (value > max || *p != ' ')
                return false;
        *ret = (uint32_t)value;
        *line = p + 1;
        return true;
}

static bool take_byte(const char **line, uint32_t max, uint16_t *ret) {
        uint32_t value;

        if (!take_number(line, max, true, &value))
                return false;
        *ret = (uint16_t)value;
        return true;
}

static bool take_action(const char **line, struct hw_usb_rule *rule, bool *ret_is_list) {
        static const struct {
                const char *word;
                enum hw_usb_action action;
                bool is_list;
        } words[] = { { "allow ", HW_USB_ALLOW, false },
                      { "audit ", HW_USB_AUDIT, false },
                      { "block ", HW_USB_BLOCK, false },
                      { "unlisted-audit ", HW_USB_AUDIT, true },
                      { "unlisted-block ", HW_USB_BLOCK, true } };

        for (size_t i = 0; i < HW_LEN(words); i++)
                if (strncmp(*line, words[i].word, strlen(words[i].word)) == 0) {
                        *line += strlen(words[i].word);
                        rule->action = words[i].action;
                        *ret_is_list = words[i].is_list;
                        return true;
                }
        return false;
}

static int parse_line(const char *line, struct hw_usb_rules *ret) {
        struct hw_usb_rule rule = { 0 };
        bool is_list;

        if (!take_action(&line, &rule, &is_list) || !take_number(&line, UINT16_MAX, false, &rule.rank) ||
            !take_number(&line, INT32_MAX, false, &rule.rule) || !take_byte(&line, UINT8_MAX, &rule.class) ||
            !take_byte(&line, UINT8_MAX, &rule.sub_class) || !take_byte(&line, UINT8_MAX, &rule.protocol) ||
            !take_byte(&line, LEVEL_MAX, &rule.level))
                return -EBADMSG;
        rule.spares = strcmp(line, "control-path") == 0;
        if (!rule.spares && strcmp(line, "nothing") != 0)
                return -EBADMSG;
        if ((is_list && ret->has_list) || (!is_list && ret->n == HW_USB_RULES_MAX))
                return -EBADMSG;
        if (is_list)
                ret->unlisted = rule;
        else
                ret->list[ret->n++] = rule;
        ret->has_list = ret->has_list || is_list;
        ret->blocks = ret->blocks || rule.action == HW_USB_BLOCK;
        return 0;
}

int hw_usb_rules_parse(struct hw_slice text, struct hw_usb_rules *ret) {
        const char *p = (const char *)text.data, *end = p + text.len;
        char line[128];

        memset(ret, 0, sizeof *ret);
        if (text.len == 0 || memchr(p, 0, text.len))
                return -EBADMSG;
        while (p < end) {
                const char *newline = memchr(p, '\n', (size_t)(end - p));

                if (!newline || (size_t)(newline - p) >= sizeof line)
                        return -EBADMSG;
                memcpy(line, p, (size_t)(newline - p));
                line[newline - p] = 0;
                if (parse_line(line, ret) < 0)
                        return -EBADMSG;
                p = newline + 1;
        }
        return 0;
}

static bool same_function(struct hw_usb_function a, struct hw_usb_function b) {
        return a.class == b.class && a.sub_class == b.sub_class && a.protocol == b.protocol;
}

static int add_function(struct hw_usb_descriptors *d, const uint8_t *triple) {
        const struct hw_usb_function function = { triple[0], triple[1], triple[2] };

        for (size_t i = 0; i < d->n; i++)
                if (same_function(d->functions[i], function))
                        return 0;
        if (d->n == HW_USB_FUNCTIONS_MAX)
                return -EBADMSG;
        d->functions[d->n++] = function;
        return 0;
}

/*
 * From one descriptor to the next by their own lengths, as the kernel walks: what it leaves of a malformed configuration
 * ends before the malformed part, so that the length a configuration claims for itself would lead past the next one.
 */
int hw_usb_descriptors_parse(struct hw_slice raw, struct hw_usb_descriptors *ret) {
        const uint8_t *p = raw.data, *end = raw.data + raw.len;

        memset(ret, 0, sizeof *ret);
        if (raw.len < DEVICE_BYTES || p[0] != DEVICE_BYTES || p[1] != TYPE_DEVICE)
                return -EBADMSG;
        ret->device = (struct hw_usb_function){ p[4], p[5], p[6] };
        ret->vendor = (uint16_t)(p[8] | p[9] << 8);
        ret->product = (uint16_t)(p[10] | p[11] << 8);
        for (p += DEVICE_BYTES; p < end; p += p[0]) {
                if (end - p < 2 || p[0] < 2 || p[0] > end - p)
                        return -EBADMSG;
                if (p[1] == TYPE_INTERFACE && p[0] >= INTERFACE_BYTES && add_function(ret, p + 5) < 0)
                        return -EBADMSG;
        }
        return 0;
}

/* BUS-PORT[.PORT]*: interfaces have a colon, controllers no dash. */
unsigned int hw_usb_level(const char *place) {
        unsigned int level = 0;
        size_t digits = strspn(place, "0123456789");

        if (digits == 0 || place[digits] != '-')
                return 0;
        for (const char *p = place + digits + 1;; p += digits + 1) {
                digits = strspn(p, "0123456789");
                if (digits == 0)
                        return 0;
                level++;
                if (p[digits] == 0)
                        return level;
                if (p[digits] != '.')
                        return 0;
        }
}

static bool holds(uint16_t asked, unsigned int value) {
        return asked == HW_USB_ANY || asked == value;
}

/* Hubs only carry other devices, each judged for itself: they are meant where they are named. */
static bool matches(const struct hw_usb_rule *rule, struct hw_usb_function f, unsigned int level) {
        if (rule->class == HW_USB_ANY && f.class == HW_USB_CLASS_HUB)
                return false;
        return holds(rule->class, f.class) && holds(rule->sub_class, f.sub_class) &&
               holds(rule->protocol, f.protocol) && holds(rule->level, level);
}

static bool goes_first(const struct hw_usb_rule *a, const struct hw_usb_rule *b) {
        return !b || a->rank > b->rank || (a->rank == b->rank && a->action > b->action);
}

static struct hw_usb_verdict judge_function(const struct hw_usb_rules *rules, struct hw_usb_function f,
                                            unsigned int level, bool is_named) {
        const struct hw_usb_rule *found = NULL;

        for (size_t i = 0; i < rules->n; i++)
                if (matches(&rules->list[i], f, level) && goes_first(&rules->list[i], found))
                        found = &rules->list[i];
        if (!found && rules->has_list && is_named && f.class != HW_USB_CLASS_HUB)
                found = &rules->unlisted;
        return (struct hw_usb_verdict){ found ? found->action : HW_USB_ALLOW, found, f };
}

static struct hw_usb_verdict judge_unreadable(const struct hw_usb_rules *rules) {
        struct hw_usb_verdict verdict = { 0 };

        if (rules->has_list && rules->unlisted.action == HW_USB_BLOCK)
                return (struct hw_usb_verdict){ HW_USB_BLOCK, &rules->unlisted, { 0 } };
        for (size_t i = 0; i < rules->n; i++)
                if (rules->list[i].action == HW_USB_BLOCK && goes_first(&rules->list[i], verdict.rule))
                        verdict = (struct hw_usb_verdict){ HW_USB_BLOCK, &rules->list[i], { 0 } };
        return verdict;
}

struct hw_usb_verdict hw_usb_judge(const struct hw_usb_rules *rules, const struct hw_usb_descriptors *d,
                                   unsigned int level) {
        struct hw_usb_verdict worst = { 0 }, verdict;
        bool is_named;

        if (!d)
                return judge_unreadable(rules);
        /* A device of class 0 or EF says no more than that its interfaces differ: a list need not name that. */
        is_named = d->n == 0 || (d->device.class != 0 && d->device.class != CLASS_MISCELLANEOUS);
        worst = judge_function(rules, d->device, level, is_named);
        for (size_t i = 0; i < d->n; i++) {
                verdict = judge_function(rules, d->functions[i], level, true);
                if (verdict.action > worst.action || !worst.rule)
                        worst = verdict;
        }
        return worst;
}

bool hw_usb_event_concerns(struct hw_slice message) {
        const char *p = (const char *)message.data, *end = p + message.len;
        bool is_usb = false, is_device = false;

        while (p < end) {
                const size_t len = strnlen(p, (size_t)(end - p));
                const struct hw_slice word = { (const uint8_t *)p, len };

                is_usb = is_usb || hw_slice_is(word, "SUBSYSTEM=usb");
                is_device = is_device || hw_slice_is(word, "DEVTYPE=usb_device");
                p += len + 1;
        }
        return is_usb && is_device;
}
