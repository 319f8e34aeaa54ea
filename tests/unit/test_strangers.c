/* Workloads that no source names: who counts as one, how many are kept, and when one is forgotten. */
#include "enforcer/service/strangers.h"

#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define POLICY                                                                                           \
	"ringfence: v1\nnamespace: shop\nservices: {web: {workloads: {app: web}}}\n---\nringfence: v1\n" \
	"nodes: {node-a: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\n"                  \
	"workloads:\n  - {name: web-1, namespace: shop, node: node-a, labels: {app: web}, addresses: [10.0.1.11]}\n"

static struct address address_of(const char *text)
{
	struct address address;
	assert_null(address_parse(&address, text));
	return address;
}

static struct neighbour neighbour_of(const char *text, uint32_t age)
{
	return (struct neighbour){.link = 1, .address = address_of(text), .age = age};
}

static void who_is_named_or_special_is_no_stranger(void **state)
{
	static const struct {
		const char *address;
		bool stranger;
	} cases[] = {{"10.0.1.11", false}, {"192.0.2.1", false},   {"10.0.1.12", true},	 {"198.51.100.7", true},
		     {"fe80::1", false},   {"169.254.1.1", false}, {"224.0.0.1", false}, {"ff02::1", false},
		     {"127.0.0.1", false}, {"::1", false},	   {"::", false},	 {"0.0.0.0", false},
		     {"fd00::7", true},	   {"fec0::1", true}};
	struct reading reading;
	const struct world world = read_policy(&reading, "policy.yaml", POLICY);
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct address address = address_of(cases[i].address);
		assert_int_equal(is_stranger(world.inventory, &address), cases[i].stranger);
	}
	arena_free(reading.arena);
}

static void one_goes_with_its_neighbour_or_ten_minutes_after_its_denial(void **state)
{
	struct reading reading;
	static struct strangers strangers;
	const struct world world = read_policy(&reading, "policy.yaml", POLICY);
	const struct neighbour neighbour = neighbour_of("10.0.1.66", 5), named = neighbour_of("10.0.1.11", 0);
	const struct address denied = address_of("10.0.1.77");
	(void)state;
	strangers_begin(&strangers);
	strangers_see(&strangers, &neighbour, "veth\033", NOW);
	strangers_see(&strangers, &named, "veth1", NOW); /* named meanwhile */
	strangers_deny(&strangers, &denied, 1, NOW);
	strangers_end(&strangers, world.inventory, NOW);
	assert_int_equal(strangers.count, 2);
	assert_int_equal(strangers.items[0].first, NOW);
	assert_int_equal(strangers.items[0].last, NOW - 5);
	assert_string_equal(strangers.items[0].interface, "veth?");
	strangers_begin(&strangers);
	strangers_end(&strangers, world.inventory, NOW + STRANGER_SECONDS - 1);
	assert_int_equal(strangers.count, 1);
	assert_int_equal(address_compare(&strangers.items[0].address, &denied), 0);
	strangers_begin(&strangers);
	strangers_end(&strangers, world.inventory, NOW + STRANGER_SECONDS);
	assert_int_equal(strangers.count, 0);
	arena_free(reading.arena);
}

/* A workload makes up sources: neighbours still find room. */
static void denials_do_not_crowd_out_neighbours(void **state)
{
	struct reading reading;
	static struct strangers strangers;
	const struct world world = read_policy(&reading, "policy.yaml", POLICY);
	char text[32];
	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(text, sizeof text, "198.51.%d.%d", i / 200, i % 200 + 1);
		const struct address address = address_of(text);
		strangers_deny(&strangers, &address, 1, NOW);
	}
	assert_int_equal(strangers.count, STRANGERS_DENIED_MOST);
	assert_int_equal(strangers.left_out, 1000 - STRANGERS_DENIED_MOST);
	strangers_begin(&strangers);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "10.0.1.%d", i + 20);
		const struct neighbour neighbour = neighbour_of(text, 0);
		strangers_see(&strangers, &neighbour, "veth1", NOW);
	}
	strangers_end(&strangers, world.inventory, NOW);
	assert_int_equal(strangers.count, STRANGERS_MOST);
	assert_int_equal(strangers.left_out, 200 - (STRANGERS_MOST - STRANGERS_DENIED_MOST));
	json_t *list = strangers_json(&strangers);
	assert_int_equal(json_array_size(list), STRANGERS_MOST);
	json_decref(list);
	arena_free(reading.arena);
}

/* ---- the kernel's messages ---- */

static size_t heard;

static void hear(void *context, const struct neighbour *neighbour)
{
	*(struct neighbour *)context = *neighbour;
	heard++;
}

static void only_neighbours_that_answered_are_heard(void **state)
{
	static _Alignas(struct nlmsghdr) char room[512];
	static const struct {
		uint16_t state;
		uint8_t flags;
		bool heard;
	} cases[] = {{NUD_REACHABLE, 0, true},	   {NUD_STALE, 0, true},       {NUD_PERMANENT, 0, true},
		     {NUD_FAILED, 0, false},	   {NUD_INCOMPLETE, 0, false}, {NUD_NOARP, 0, false},
		     {NUD_STALE, NTF_PROXY, false}};
	struct neighbour last;
	const struct neighbours_reader reader = {.context = &last, .neighbour = hear};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct nlmsghdr *message = mnl_nlmsg_put_header(room);
		message->nlmsg_type = RTM_NEWNEIGH;
		struct ndmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
		*header = (struct ndmsg){
		    .ndm_family = AF_INET, .ndm_ifindex = 3, .ndm_state = cases[i].state, .ndm_flags = cases[i].flags};
		mnl_attr_put(message, NDA_DST, 4, "\x0a\x00\x01\x42");
		mnl_attr_put(message, NDA_LLADDR, 6, "\x02\x00\x00\x00\x00\x07");
		heard = 0;
		neighbours_take(message, &reader);
		assert_int_equal(heard, cases[i].heard);
		for (uint32_t length = MNL_NLMSG_HDRLEN; length < message->nlmsg_len; length++) {
			struct nlmsghdr *cut = malloc(MNL_ALIGN(length)); /* the sanitizer looks that no more is read */
			assert_non_null(cut);
			memcpy(cut, message, length);
			cut->nlmsg_len = length;
			neighbours_take(cut, &reader);
			free(cut);
		}
	}
	const struct address wanted = address_of("10.0.1.66");
	assert_int_equal(address_compare(&last.address, &wanted), 0);
	assert_int_equal(last.link, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_is_named_or_special_is_no_stranger),
	    cmocka_unit_test(one_goes_with_its_neighbour_or_ten_minutes_after_its_denial),
	    cmocka_unit_test(denials_do_not_crowd_out_neighbours),
	    cmocka_unit_test(only_neighbours_that_answered_are_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
