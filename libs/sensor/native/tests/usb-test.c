/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "clean.h"
#include "file.h"
#include "usb-spare.h"
#include "usb.h"

/* What rules say of USB devices, and what is done to a bus, here a folder in the place of sysfs. */

static struct hw_usb_rules rules;
static struct hw_usb_descriptors device;

/* A device that says it is of a class, with interfaces of others (class, subclass, protocol each). */
static struct hw_slice raw_device(uint8_t class, const uint8_t *triples, size_t n) {
        static uint8_t raw[18 + 9 + 128 * 9];

        memset(raw, 0, sizeof raw);
        memcpy(raw, (uint8_t[]){ 18, 1, 0, 2, class, 0, 0, 64, 0xf4, 0x46, 0x01, 0x00, 0, 1, 1, 2, 3, 1 }, 18);
        memcpy(raw + 18, (uint8_t[]){ 9, 2, 0xff, 0xff, 1, 1, 0, 0x80, 50 }, 9); /* a length that is a lie */
        for (size_t i = 0; i < n; i++)
                memcpy(raw + 27 + i * 9, (uint8_t[]){ 9, 4, (uint8_t)i, 0, 0, triples[i * 3], triples[i * 3 + 1],
                                                      triples[i * 3 + 2], 0 }, 9);
        return (struct hw_slice){ raw, 27 + n * 9 };
}

#define DEVICE(class, ...)                                                                                       \
        raw_device(class, (uint8_t[]){ __VA_ARGS__ }, sizeof(uint8_t[]){ __VA_ARGS__ } / 3)

static enum hw_usb_action action_of(const char *text, struct hw_slice raw, unsigned int level) {
        CHECK(hw_usb_rules_parse(slice(text), &rules) == 0);
        CHECK(hw_usb_descriptors_parse(raw, &device) == 0);
        return hw_usb_judge(&rules, &device, level).action;
}

static void a_rule_names_class_subclass_protocol_and_level(void) {
        const char *text = "block 211 3 8 6 80 2 control-path\n";

        CHECK(action_of(text, DEVICE(0, 8, 6, 80), 2) == HW_USB_BLOCK);
        CHECK(action_of(text, DEVICE(0, 8, 6, 80), 1) == HW_USB_ALLOW);
        CHECK(action_of(text, DEVICE(0, 8, 6, 98), 2) == HW_USB_ALLOW);
        CHECK(action_of(text, DEVICE(0, 3, 1, 1), 2) == HW_USB_ALLOW);
}

static void the_most_specific_rule_decides_and_between_equals_the_strictest(void) {
        const char *text = "block 100 0 8 - - - nothing\nallow 110 1 8 6 - - nothing\naudit 110 2 8 6 - - nothing\n";

        CHECK(action_of(text, DEVICE(0, 8, 6, 80), 1) == HW_USB_AUDIT);
        CHECK(action_of(text, DEVICE(0, 8, 1, 80), 1) == HW_USB_BLOCK);
        CHECK(hw_usb_judge(&rules, &device, 1).rule->rule == 0);
}

static void a_composite_device_is_judged_by_its_worst_interface(void) {
        const char *text = "block 100 0 8 - - - control-path\nallow 100 1 3 - - - control-path\n";

        CHECK(action_of(text, DEVICE(0, 3, 1, 1, 8, 6, 80), 1) == HW_USB_BLOCK);
        CHECK(action_of(text, DEVICE(9, 9, 0, 0, 8, 6, 80), 1) == HW_USB_BLOCK);
        CHECK(action_of(text, DEVICE(8, 3, 1, 1), 1) == HW_USB_BLOCK);
}

static void a_list_refuses_what_it_does_not_name_but_hubs(void) {
        const char *text = "allow 100 0 3 - - - control-path\nunlisted-block 0 0 - - - - control-path\n";

        CHECK(action_of(text, DEVICE(0, 3, 1, 1), 1) == HW_USB_ALLOW);
        CHECK(action_of(text, DEVICE(0xef, 3, 1, 1), 1) == HW_USB_ALLOW);
        CHECK(action_of(text, DEVICE(0, 3, 1, 1, 0xff, 0, 0), 1) == HW_USB_BLOCK);
        CHECK(action_of(text, DEVICE(9, 9, 0, 0), 1) == HW_USB_ALLOW);
        CHECK(action_of(text, raw_device(0, NULL, 0), 1) == HW_USB_BLOCK);
}

static void hubs_are_meant_where_they_are_named(void) {
        CHECK(action_of("block 0 0 - - - - nothing\n", DEVICE(9, 9, 0, 0), 1) == HW_USB_ALLOW);
        CHECK(action_of("block 100 0 9 - - - nothing\n", DEVICE(9, 9, 0, 0), 1) == HW_USB_BLOCK);
}

static void a_device_that_cannot_be_read_is_refused_by_any_block(void) {
        CHECK(hw_usb_rules_parse(slice("block 100 4 8 - - - nothing\n"), &rules) == 0);
        CHECK(hw_usb_judge(&rules, NULL, 1).action == HW_USB_BLOCK);
        CHECK(hw_usb_rules_parse(slice("audit 100 4 8 - - - nothing\n"), &rules) == 0);
        CHECK(hw_usb_judge(&rules, NULL, 1).action == HW_USB_ALLOW);
}

static void malformed_rules_are_refused(void) {
        static const char *const bad[] = {
                "", "block 1 2 8 - - - nothing", "block 1 2 256 - - - nothing\n", "block 1 2 8 - - 7 nothing\n",
                "block 1 2 8 - - -\n", "deny 1 2 8 - - - nothing\n", "block - 2 8 - - - nothing\n",
                "block 1 2 8  - - - nothing\n", "block 99999999999999999999 2 8 - - - nothing\n",
                "unlisted-block 0 0 - - - - nothing\nunlisted-block 0 0 - - - - nothing\n",
        };

        for (size_t i = 0; i < HW_LEN(bad); i++)
                CHECK(hw_usb_rules_parse(slice(bad[i]), &rules) < 0);
}

static void descriptors_of_anybody_are_read_within_their_bounds(void) {
        struct hw_slice raw = DEVICE(0, 8, 6, 80, 3, 1, 1);
        uint64_t seed = 7;

        for (int i = 0; i < 200000; i++) {
                size_t len = next_random(&seed) % (raw.len + 1);
                uint8_t *copy = malloc(len + 1);

                CHECK(copy);
                memcpy(copy, raw.data, len);
                if (len > 18)
                        copy[18 + next_random(&seed) % (len - 18)] = (uint8_t)next_random(&seed);
                copy = realloc(copy, len ? len : 1); /* so that a read beyond it is found */
                CHECK(hw_usb_descriptors_parse((struct hw_slice){ copy, len }, &device) <= 0);
                CHECK(device.n <= HW_USB_FUNCTIONS_MAX);
                free(copy);
        }
        raw = DEVICE(0, 8, 6, 80);
        raw.len--; /* cut within the last */
        CHECK(hw_usb_descriptors_parse(raw, &device) < 0);
}

static void more_functions_than_there_can_be_are_not_left_out(void) {
        uint8_t triples[3 * 128];

        for (size_t i = 0; i < sizeof triples; i++)
                triples[i] = (uint8_t)(i / 3);
        CHECK(hw_usb_descriptors_parse(raw_device(0, triples, 128), &device) < 0);
        memset(triples, 1, sizeof triples);
        CHECK(hw_usb_descriptors_parse(raw_device(0, triples, 128), &device) == 0 && device.n == 1);
}

static void a_place_tells_how_deep_a_device_is(void) {
        CHECK(hw_usb_level("1-2") == 1 && hw_usb_level("1-2.3") == 2 && hw_usb_level("12-4.1.15") == 3);
        CHECK(!hw_usb_level("usb1") && !hw_usb_level("1-0:1.0") && !hw_usb_level("1-2.") && !hw_usb_level("..") &&
              !hw_usb_level("-1") && !hw_usb_level("1-"));
}

static struct hw_slice message(const char *text, size_t len) {
        return (struct hw_slice){ (const uint8_t *)text, len };
}

static void a_message_concerns_us_when_it_is_about_a_usb_device(void) {
        static const char plugged[] = "add@/devices/x/usb1/1-2\0ACTION=add\0SUBSYSTEM=usb\0DEVTYPE=usb_device";
        static const char interface[] = "add@/devices/x\0SUBSYSTEM=usb\0DEVTYPE=usb_interface";
        static const char disk[] = "add@/devices/x\0SUBSYSTEM=block\0DEVTYPE=disk\0X=DEVTYPE=usb_device";

        CHECK(hw_usb_event_concerns(message(plugged, sizeof plugged)));
        CHECK(hw_usb_event_concerns(message(plugged, sizeof plugged - 1))); /* without the last NUL */
        CHECK(!hw_usb_event_concerns(message(interface, sizeof interface)));
        CHECK(!hw_usb_event_concerns(message(disk, sizeof disk)) && !hw_usb_event_concerns(message("", 0)));
}

/* A bus in a folder. */

static char root[64];
static int state_fd = -1;
static struct hw_usb usb;
static unsigned int told[4], drifts;

static void put(const char *path, const void *data, size_t len) {
        char whole[256];

        (void)snprintf(whole, sizeof whole, "%s/%s", root, path);
        for (char *p = whole + 1; (p = strchr(p, '/')); *p++ = '/') {
                *p = 0;
                (void)mkdir(whole, 0755);
        }
        _cleanup_close_ int fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

        CHECK(fd >= 0 && hw_write_all(fd, data, len) == 0);
}

static char value_of(const char *path) {
        char whole[256], value[16];

        (void)snprintf(whole, sizeof whole, "%s/%s", root, path);
        CHECK(hw_read_line(AT_FDCWD, whole, value, sizeof value) == 0);
        return value[0];
}

static void plug(const char *place, const char *number, const char *authorized, struct hw_slice raw) {
        char path[128];

#define IN(name) ((void)snprintf(path, sizeof path, "bus/usb/devices/%s/" name, place), path)
        put(IN("devnum"), number, strlen(number));
        put(IN("authorized"), authorized, strlen(authorized));
        put(IN("dev"), "189:1", 5);
        put(IN("serial"), "A B\x01", 4);
        put(IN("descriptors"), raw.data, raw.len);
}

static void unplug(const char *place) {
        char command[256];

        (void)snprintf(command, sizeof command, "rm -r %s/bus/usb/devices/%s", root, place);
        CHECK(system(command) == 0);
}

static void count(const struct hw_usb_device *d, enum hw_usb_told what, void *userdata) {
        (void)userdata;
        CHECK(strcmp(d->serial, "A_B_") == 0 && strcmp(d->dev, "189:1") == 0);
        told[what]++;
}

static void count_drift(const char *what, void *userdata) {
        (void)userdata;
        CHECK(what[0]);
        drifts++;
}

static void begin_life(void) {
        usb = (struct hw_usb){ .tell = count, .drift = count_drift };
        hw_usb_init(&usb, root, state_fd);
}

static void new_bus(void) {
        char state[80];

        strcpy(root, "/tmp/hw-usb-XXXXXX");
        CHECK(mkdtemp(root));
        (void)snprintf(state, sizeof state, "%s/state", root);
        CHECK(mkdir(state, 0700) == 0);
        state_fd = open(state, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        put("bus/usb/devices/usb1/authorized_default", "1\n", 2);
        put("module/usbcore/parameters/authorized_default", "2\n", 2);
        memset(told, 0, sizeof told);
        drifts = 0;
        begin_life();
}

static void end_bus(void) {
        char command[128];

        hw_usb_close(&usb);
        hw_close(&state_fd);
        (void)snprintf(command, sizeof command, "rm -r %s", root);
        CHECK(system(command) == 0);
}

#define GATE "bus/usb/devices/usb1/authorized_default"
#define MODULE_GATE "module/usbcore/parameters/authorized_default"
#define STICK "bus/usb/devices/1-2/authorized"
#define KEYS "bus/usb/devices/1-3.1/authorized"

static void settle(const char *text, enum hw_mode mode) {
        static struct hw_usb_rules in_force;

        if (text)
                CHECK(hw_usb_rules_parse(slice(text), &in_force) == 0);
        hw_usb_settle(&usb, text ? &in_force : NULL, mode);
        CHECK(usb.fault[0] == 0);
}

static const char no_storage[] = "block 100 0 8 - - - control-path\n";

static void a_block_closes_the_gates_and_judges_what_comes_and_what_is_there(void) {
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(GATE) == '0' && value_of(MODULE_GATE) == '0' && value_of(STICK) == '0');
        plug("1-3.1", "6", "0", DEVICE(0, 3, 1, 1));
        plug("1-4", "7", "0", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(KEYS) == '1' && value_of("bus/usb/devices/1-4/authorized") == '0');
        CHECK(told[HW_USB_DENIED] == 2 && told[HW_USB_AUDITED] == 0 && drifts == 0);
        settle(NULL, HW_MODE_ENFORCE);
        CHECK(value_of(GATE) == '1' && value_of(MODULE_GATE) == '2' && value_of(STICK) == '1');
        CHECK(value_of("bus/usb/devices/1-4/authorized") == '1' && usb.n == 0);
        end_bus();
}

static void what_came_while_we_were_away_is_judged_and_what_was_taken_is_given_back(void) {
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        hw_usb_close(&usb);
        plug("1-3.1", "6", "0", DEVICE(0, 3, 1, 1));
        begin_life();
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(KEYS) == '1' && value_of(STICK) == '0' && told[HW_USB_DENIED] == 1);
        hw_usb_close(&usb);
        begin_life();
        settle(NULL, HW_MODE_ENFORCE);
        CHECK(value_of(GATE) == '1' && value_of(STICK) == '1');
        end_bus();
}

static void what_others_keep_out_stays_out(void) {
        new_bus();
        plug("1-3.1", "5", "0", DEVICE(0, 3, 1, 1));
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(KEYS) == '0');
        plug("1-2", "6", "1", DEVICE(0, 3, 1, 1)); /* in use; then taken out of use by hand */
        settle(no_storage, HW_MODE_ENFORCE);
        put(STICK, "0", 1);
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(STICK) == '0');
        settle(NULL, HW_MODE_ENFORCE);
        CHECK(value_of(KEYS) == '0' && value_of(STICK) == '0');
        end_bus();
}

static void what_is_let_in_by_hand_is_taken_again_and_told(void) {
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        put(STICK, "1", 1);
        put(GATE, "1", 1);
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(STICK) == '0' && value_of(GATE) == '0' && drifts == 2);
        end_bus();
}

static void another_device_at_the_same_place_is_judged_anew(void) {
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        unplug("1-2");
        plug("1-2", "6", "0", DEVICE(0, 3, 1, 1));
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(STICK) == '1');
        end_bus();
}

static void in_audit_nothing_is_kept_out_and_all_is_told(void) {
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_ENFORCE);
        settle(no_storage, HW_MODE_AUDIT);
        CHECK(value_of(STICK) == '1' && value_of(GATE) == '1' && told[HW_USB_AUDITED] == 1);
        settle(no_storage, HW_MODE_OFF);
        plug("1-3.1", "6", "1", DEVICE(0, 8, 6, 80));
        settle(no_storage, HW_MODE_OFF);
        CHECK(told[HW_USB_AUDITED] == 1 && usb.n == 0);
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of(STICK) == '0' && value_of(KEYS) == '0');
        end_bus();
}

static void a_bus_that_appears_later_is_gated(void) {
        new_bus();
        settle("audit 100 0 8 - - - nothing\n", HW_MODE_ENFORCE);
        CHECK(value_of(GATE) == '1' && usb.bus);
        settle(no_storage, HW_MODE_ENFORCE);
        put("bus/usb/devices/usb2/authorized_default", "0\n", 2); /* as the module says by then */
        settle(no_storage, HW_MODE_ENFORCE);
        put("bus/usb/devices/usb3/authorized_default", "1\n", 2);
        settle(no_storage, HW_MODE_ENFORCE);
        CHECK(value_of("bus/usb/devices/usb3/authorized_default") == '0');
        end_bus();
}

/* The name of a link with a route, as the kernel has it here. */
static bool routed_link(char link[32]) {
        _cleanup_fclose_ FILE *routes = fopen("/proc/net/route", "re");
        _cleanup_free_ char *line = NULL;
        size_t size = 0;

        return routes && getline(&line, &size, routes) > 0 && getline(&line, &size, routes) > 0 &&
               sscanf(line, "%31s", link) == 1;
}

static void join(const char *link, const char *to) {
        char whole[256];

        (void)snprintf(whole, sizeof whole, "%s/%s", root, link);
        CHECK(symlink(to, whole) == 0);
}

static void an_adapter_below_what_carries_routes_is_needed(void) {
        char link[32], path[128];

        if (!routed_link(link)) {
                (void)fprintf(stderr, "no link has a route here: adapters below one are not tried\n");
                return;
        }
        new_bus();
        plug("1-2", "5", "1", DEVICE(0, 2, 6, 0));
        put("bus/usb/devices/1-2/net/enx1/type", "1", 1);
        (void)snprintf(path, sizeof path, "class/net/%s/type", link);
        put(path, "1", 1);
        join("class/net/enx1", "../../bus/usb/devices/1-2/net/enx1");
        CHECK(!hw_usb_needed(root, "1-2"));
        put("class/net/vlan/type", "1", 1);
        join("class/net/vlan/lower_enx1", "../enx1");
        (void)snprintf(path, sizeof path, "class/net/%s/lower_vlan", link);
        join(path, "../vlan");
        CHECK(strcmp(hw_usb_needed(root, "1-2"), "the network is reached by it") == 0);
        end_bus();
}

int main(void) {
        TEST(a_rule_names_class_subclass_protocol_and_level);
        TEST(the_most_specific_rule_decides_and_between_equals_the_strictest);
        TEST(a_composite_device_is_judged_by_its_worst_interface);
        TEST(a_list_refuses_what_it_does_not_name_but_hubs);
        TEST(hubs_are_meant_where_they_are_named);
        TEST(a_device_that_cannot_be_read_is_refused_by_any_block);
        TEST(malformed_rules_are_refused);
        TEST(descriptors_of_anybody_are_read_within_their_bounds);
        TEST(more_functions_than_there_can_be_are_not_left_out);
        TEST(a_place_tells_how_deep_a_device_is);
        TEST(a_message_concerns_us_when_it_is_about_a_usb_device);
        TEST(a_block_closes_the_gates_and_judges_what_comes_and_what_is_there);
        TEST(what_came_while_we_were_away_is_judged_and_what_was_taken_is_given_back);
        TEST(what_others_keep_out_stays_out);
        TEST(what_is_let_in_by_hand_is_taken_again_and_told);
        TEST(another_device_at_the_same_place_is_judged_anew);
        TEST(in_audit_nothing_is_kept_out_and_all_is_told);
        TEST(a_bus_that_appears_later_is_gated);
        TEST(an_adapter_below_what_carries_routes_is_needed);
        return 0;
}
