/* Records to events: names, reasons, folding, bounds, filters. Messages are made here as the kernel makes them. */
#include "enforcer/kernel/socket.h"
#include "enforcer/observe/nflog.h"
#include "enforcer/observe/observer.h"
#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_ether.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { MESSAGE_SIZE = 1024, MUTATIONS = 50000 };

#define POLICY                                                                                      \
	"ringfence: v1\nnamespace: shop\nservices:\n"                                               \
	"  web: {workloads: {app: web}}\n"                                                          \
	"  db: {workloads: {app: db}, ports: {sql: 5432/tcp}}\n"                                    \
	"networks: {out: [203.0.113.0/24]}\n"                                                       \
	"allow:\n"                                                                                  \
	"  - {from: web, to: db}\n"                                                                 \
	"nodes: {n0: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\nworkloads:\n"     \
	"  - {name: web-1, node: n0, labels: {app: web}, addresses: [10.0.1.11, \"fd00:1::11\"]}\n" \
	"  - {name: db-1, node: n0, labels: {app: db}, addresses: [10.0.1.13, \"fd00:1::13\"]}\n"
#define DENY_DB "ringfence deny ingress shop/db shop.yaml:5 "

struct fixture {
	struct reading reading;
	struct world world;
	struct observer *observer;
	size_t told;
	uint32_t sequence;
	_Alignas(8) char message[MESSAGE_SIZE];
};

static bool apart; /* in a network namespace of our own */

static void count(void *context, const struct event *event)
{
	struct fixture *fixture = context;
	assert_true(event->sequence > 0);
	fixture->told++;
}

static int begin_with(void **state, unsigned rate)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	*state = fixture;
	if (!apart)
		return 0;
	fixture->world = read_policy(&fixture->reading, "shop.yaml", POLICY);
	struct kernel *kernel;
	return kernel_open(&kernel) != 0 ? -1 : observer_create(&fixture->observer, kernel, rate, count, fixture);
}

static int begin(void **state)
{
	return begin_with(state, OBSERVE_RATE);
}

static int begin_slow(void **state)
{
	return begin_with(state, 5);
}

static int end(void **state)
{
	struct fixture *fixture = *state;
	observer_destroy(fixture->observer);
	if (apart)
		arena_free(fixture->reading.arena);
	free(fixture);
	return 0;
}

/* ---- messages ---- */

/* A packet of IPv4 between two addresses, of a protocol with ports. */
static size_t write_packet(uint8_t *bytes, const char *from, const char *to, uint8_t protocol, uint16_t source_port,
			   uint16_t port)
{
	memset(bytes, 0, 28);
	bytes[0] = 0x45;
	bytes[9] = protocol;
	inet_pton(AF_INET, from, bytes + 12);
	inet_pton(AF_INET, to, bytes + 16);
	bytes[20] = (uint8_t)(source_port >> 8);
	bytes[21] = (uint8_t)source_port;
	bytes[22] = (uint8_t)(port >> 8);
	bytes[23] = (uint8_t)port;
	return 28;
}

static size_t write_message(struct fixture *fixture, const char *prefix, const uint8_t *packet, size_t length)
{
	const struct nfulnl_msg_packet_hdr hook = {.hw_protocol = htons(ETH_P_IP)};
	struct nlmsghdr *message = mnl_nlmsg_put_header(fixture->message);
	message->nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET;
	struct nfgenmsg *header = mnl_nlmsg_put_extra_header(message, sizeof *header);
	header->nfgen_family = AF_INET;
	mnl_attr_put(message, NFULA_PACKET_HDR, sizeof hook, &hook);
	mnl_attr_put_strz(message, NFULA_PREFIX, prefix);
	mnl_attr_put(message, NFULA_PAYLOAD, length, packet);
	mnl_attr_put_u32(message, NFULA_SEQ, htonl(fixture->sequence++));
	return message->nlmsg_len;
}

static void hear(struct fixture *fixture, const char *prefix, const char *from, const char *to, uint16_t source_port,
		 uint16_t port)
{
	uint8_t packet[64];
	size_t length = write_packet(packet, from, to, 6, source_port, port);
	length = write_message(fixture, prefix, packet, length);
	observer_take(fixture->observer, &fixture->world, fixture->message, length);
}

/* ---- answers ---- */

/* What is answered to a request, as JSON; the caller's. */
static json_t *ask(struct fixture *fixture, const char *request)
{
	json_t *object = json_loads(request, 0, NULL);
	assert_non_null(object);
	json_t *answer = observer_answer(fixture->observer, object);
	json_decref(object);
	assert_non_null(answer);
	return answer;
}

static size_t events(struct fixture *fixture, const char *request)
{
	json_t *answer = ask(fixture, request);
	size_t number = json_array_size(json_object_get(answer, "events"));
	json_decref(answer);
	return number;
}

/* That the only event says so. */
static void says(struct fixture *fixture, const char *key, const char *wanted)
{
	json_t *answer = ask(fixture, "{}");
	const json_t *list = json_object_get(answer, "events");
	assert_int_equal(json_array_size(list), 1);
	char *got = json_dumps(json_object_get(json_array_get(list, 0), key), JSON_ENCODE_ANY | JSON_COMPACT);
	assert_string_equal(got != NULL ? got : "absent", wanted);
	free(got);
	json_decref(answer);
}

static void adds_up(const struct fixture *fixture)
{
	const struct observed counts = observer_counts(fixture->observer);
	assert_int_equal(counts.heard, counts.reported + counts.left_rate + counts.left_lost + counts.left_foreign);
}

#define SKIP_UNLESS_APART()     \
	do {                    \
		if (!apart)     \
			skip(); \
	} while (0)

/* ---- tests ---- */

static void an_event_has_names_reason_and_nearest(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5433);
	says(fixture, "verdict", "\"deny\"");
	says(fixture, "src", "\"shop/web-1\"");
	says(fixture, "src_ip", "\"10.0.1.11\"");
	says(fixture, "src_services", "[\"shop/web\"]");
	says(fixture, "dst", "\"shop/db-1\"");
	says(fixture, "proto", "\"tcp\"");
	says(fixture, "sport", "40000");
	says(fixture, "dport", "5433");
	says(fixture, "dir", "\"ingress\"");
	says(fixture, "reason", "\"no-allow\"");
	says(fixture, "file", "\"shop.yaml\"");
	says(fixture, "line", "5");
	says(fixture, "count", "1");
	says(fixture, "nearest",
	     "[{\"file\":\"shop.yaml\",\"line\":8,\"rule\":\"shop/web -> shop/db on 5432/tcp\","
	     "\"misses\":[{\"what\":\"port\",\"text\":\"the port is 5433/tcp\"}]}]");
	says(fixture, "message",
	     "\"DENY  shop/web-1 (10.0.1.11) in shop/web -> shop/db-1 (10.0.1.13) in shop/db 5433/tcp: ingress, no "
	     "allow matches; isolated by shop/db at shop.yaml:5; nearest: shop.yaml:8 allows shop/web -> shop/db on "
	     "5432/tcp, misses: the port is 5433/tcp\"");
}

static void an_answer_is_told_as_the_flow_it_belongs_to(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	hear(fixture, DENY_DB, "10.0.1.13", "10.0.1.11", 5433, 40000);
	says(fixture, "reply", "true");
	says(fixture, "src", "\"shop/web-1\"");
	says(fixture, "dst", "\"shop/db-1\"");
	says(fixture, "sport", "40000");
	says(fixture, "dport", "5433");
}

static void addresses_of_nobody_are_told_as_they_are(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	hear(fixture, "ringfence deny unknown address of no known workload ", "10.0.1.99", "203.0.113.7", 1, 443);
	says(fixture, "src", "\"10.0.1.99\"");
	says(fixture, "dst", "\"203.0.113.7\"");
	says(fixture, "dst_networks", "[\"shop/out\"]");
	says(fixture, "reason", "\"unknown\"");
	says(fixture, "nearest", "[]");
}

static void without_a_policy_addresses_are_all(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	fixture->world = (struct world){0};
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5433);
	says(fixture, "src", "\"10.0.1.11\"");
	says(fixture, "file", "\"shop.yaml\"");
}

static void what_is_the_same_is_one_event(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	for (uint16_t i = 0; i < 1000; i++)
		hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", (uint16_t)(40000 + i), 5433);
	says(fixture, "count", "1000");
	assert_int_equal(fixture->told, 1);
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5434);
	hear(fixture, DENY_DB, "10.0.1.99", "10.0.1.13", 40000, 5433);
	hear(fixture, "ringfence deny spoof source guard ", "10.0.1.11", "10.0.1.13", 40000, 5433);
	assert_int_equal(events(fixture, "{}"), 4);
	adds_up(fixture);
}

static void events_of_a_second_are_bounded(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	for (uint16_t i = 0; i < 100; i++)
		hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, (uint16_t)(1000 + i));
	const struct observed counts = observer_counts(fixture->observer);
	assert_int_equal(counts.events, 5);
	assert_int_equal(counts.left_rate, 95);
	assert_int_equal(events(fixture, "{}"), 5);
	adds_up(fixture);
}

/* Past failures, 32: what is lost is known, and said. */
static void the_next_event_says_how_much_was_left_out(void **state)
{
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	hear(fixture, "something else", "10.0.1.11", "10.0.1.13", 40000, 1);
	fixture->sequence += 41; /* which the kernel dropped */
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5433);
	says(fixture, "left_out", "42");
	const struct observed counts = observer_counts(fixture->observer);
	assert_int_equal(counts.heard, 43);
	assert_int_equal(counts.left_lost, 41);
	assert_int_equal(counts.left_foreign, 1);
	adds_up(fixture);
}

static void filters_choose(void **state)
{
	static const struct {
		const char *request;
		size_t events;
	} cases[] = {
	    {"{}", 3},
	    {"{\"denied\": true}", 2},
	    {"{\"allowed\": true}", 1},
	    {"{\"from\": \"shop/web-1\"}", 2},
	    {"{\"from\": \"shop/web\"}", 2},
	    {"{\"to\": \"shop/db\", \"denied\": true}", 1},
	    {"{\"to\": \"shop/out\"}", 1},
	    {"{\"to\": \"203.0.113.0/25\"}", 1},
	    {"{\"to\": \"203.0.113.7\"}", 1},
	    {"{\"from\": \"n0\"}", 1},
	    {"{\"from\": \"shop/none\"}", 0},
	    {"{\"port\": \"5433/tcp\"}", 1},
	    {"{\"port\": \"443\"}", 1},
	    {"{\"port\": \"5000-6000/tcp\"}", 2},
	    {"{\"port\": \"443/udp\"}", 0},
	    {"{\"port\": \"any\"}", 3},
	    {"{\"last\": 2}", 2},
	    {"{\"last\": 0}", 0},
	    {"{\"since\": 2}", 1},
	    {"{\"since\": 999}", 3},
	};
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5433);
	hear(fixture, "ringfence allow ingress shop.yaml:8 ", "192.0.2.1", "10.0.1.13", 40000, 5432);
	hear(fixture, "ringfence audit egress shop/web shop.yaml:4 ", "10.0.1.11", "203.0.113.7", 40000, 443);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (events(fixture, cases[i].request) != cases[i].events)
			fail_msg("%s: want %zu, got %zu", cases[i].request, cases[i].events,
				 events(fixture, cases[i].request));
}

static void an_event_names_the_policy_in_force(void **state)
{
	struct fixture *fixture = *state;
	char revision[17] = "0123456789abcdef";
	SKIP_UNLESS_APART();
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5433);
	observer_set_revision(fixture->observer, revision);
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5434);
	revision[0] = 'f'; /* another policy, and not for what was heard before */
	hear(fixture, DENY_DB, "10.0.1.11", "10.0.1.13", 40000, 5435);
	json_t *answer = ask(fixture, "{}"), *list = json_object_get(answer, "events");
	assert_int_equal(json_array_size(list), 3);
	static const char *const revisions[] = {NULL, "0123456789abcdef", "f123456789abcdef"};
	for (size_t i = 0; i < 3; i++) {
		const json_t *event = json_array_get(list, i);
		const char *said = json_string_value(json_object_get(event, "revision"));
		if (revisions[i] == NULL) {
			assert_null(said);
			continue;
		}
		assert_string_equal(said, revisions[i]);
		assert_non_null(strstr(json_string_value(json_object_get(event, "message")), revisions[i]));
	}
	json_decref(answer);
}

static void a_wrong_request_is_refused(void **state)
{
	static const char *const requests[] = {
	    "{\"last\": -1}",		"{\"last\": \"x\"}",
	    "{\"since\": 1.5}",		"{\"from\": 7}",
	    "{\"from\": \"\"}",		"{\"port\": \"http\"}",
	    "{\"port\": \"99999\"}",	"{\"to\": \"10.0.0.1/99\"}",
	    "{\"port\": [\"80/tcp\"]}", "{\"to\": \"::ffff:10.0.0.1\"}",
	};
	struct fixture *fixture = *state;
	SKIP_UNLESS_APART();
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
		json_t *answer = ask(fixture, requests[i]);
		if (!json_is_string(json_object_get(answer, "error")) || json_object_size(answer) != 2)
			fail_msg("%s is not refused", requests[i]);
		json_decref(answer);
	}
}

/* The oldest give way; nothing grows. */
static void the_newest_thousand_are_kept(void **state)
{
	static struct ring ring;
	struct event_key key;
	(void)state;
	memset(&ring, 0, sizeof ring);
	memset(&key, 0, sizeof key);
	for (uint16_t i = 0; i < 2500; i++) {
		key.packet.port = i;
		assert_null(ring_fold(&ring, &key, (struct moment){i, i}));
		ring_add(&ring, &key, (struct moment){i, i});
	}
	assert_int_equal(ring_at(&ring, 0)->sequence, 1501);
	assert_int_equal(ring_at(&ring, EVENTS_MAX - 1)->sequence, 2500);
	assert_null(ring_at(&ring, EVENTS_MAX));
	assert_non_null(ring_fold(&ring, &key, (struct moment){2500, 2500}));
	key.packet.port = 1; /* gone with its event */
	assert_null(ring_fold(&ring, &key, (struct moment){2500, 2500}));
}

static void note(void *context, const struct event *event)
{
	*(uint64_t *)context += event->count;
}

static void a_count_is_final_after_a_while(void **state)
{
	static struct ring ring;
	struct event_key key;
	uint64_t closed = 0;
	const int64_t over = FOLD_SECONDS * INT64_C(1000000);
	(void)state;
	memset(&ring, 0, sizeof ring);
	memset(&key, 0, sizeof key);
	ring.closed = note;
	ring.context = &closed;
	ring_add(&ring, &key, (struct moment){0, 0});
	key.packet.port = 1;
	ring_add(&ring, &key, (struct moment){0, 1});
	assert_int_equal(ring_fold(&ring, &key, (struct moment){5, over - 1})->count, 2);
	ring_settle(&ring, (struct moment){5, over});
	assert_int_equal(closed, 0); /* the first counted one, and nobody need be told again */
	assert_int_equal(ring.changed, 2);
	assert_null(ring_fold(&ring, &key, (struct moment){5, over + 1}));
	ring_settle(&ring, (struct moment){5, over + 1});
	assert_int_equal(closed, 2);
	assert_int_equal(ring_at(&ring, 1)->changed, 3);
	assert_int_equal(ring_at(&ring, 1)->last, 5);
}

/* Names of files may hold anything (past failures, 36). */
static void what_others_wrote_is_escaped(void **state)
{
	struct event event = {.count = 1, .reason = {.logged = LOGGED_DENY, .cause = CAUSE_NO_ALLOW, .line = 1}};
	char message[EVENT_MESSAGE_SIZE];
	(void)state;
	event.ends[0].address.family = event.ends[1].address.family = 4;
	snprintf(event.file, sizeof event.file, "a\x1b[2J\xff\n.yaml");
	event.nearest.found = true;
	snprintf(event.nearest.text, sizeof event.nearest.text, "x\x1b]0;\x07");
	event_message(&event, message);
	assert_non_null(strstr(message, "a\\x1b[2J\\xff\\x0a.yaml"));
	for (const char *at = message; *at != 0; at++)
		assert_true(*at >= ' ' && *at <= '~');
	json_t *object = event_json(&event);
	assert_non_null(json_object_get(object, "file"));
	assert_non_null(json_object_get(object, "message"));
	json_decref(object);
}

/* The longest that each text may be. */
static void a_message_has_an_end(void **state)
{
	struct event event = {.count = UINT64_MAX, .reply = true};
	char message[EVENT_MESSAGE_SIZE];
	(void)state;
	memset(event.file, 1, sizeof event.file - 1);
	memset(event.nearest.file, 1, sizeof event.nearest.file - 1);
	memset(event.nearest.text, 1, sizeof event.nearest.text - 1);
	for (size_t i = 0; i < EVENT_MISSES; i++)
		memset(event.nearest.misses[i].text, 1, sizeof event.nearest.misses[i].text - 1);
	for (size_t i = 0; i < 2; i++) {
		memset(event.nearest.unnamed[i], 1, sizeof event.nearest.unnamed[i] - 1);
		memset(event.ends[i].name, 'n', sizeof event.ends[i].name - 1);
		memset(event.ends[i].names, 'n', sizeof event.ends[i].names - 1);
		event.ends[i].address.family = 6;
	}
	event.nearest.found = true;
	event.nearest.miss_count = EVENT_MISSES;
	event_message(&event, message);
	assert_int_equal(strnlen(message, sizeof message), sizeof message - 1);
	json_decref(event_json(&event));
}

/* Whatever comes over the socket, in memory that ends where the message does. */
static void no_mutated_message_is_misread(void **state)
{
	struct fixture *fixture = *state;
	uint8_t packet[64];
	SKIP_UNLESS_APART();
	srandom(20261126);
	for (size_t i = 0; i < MUTATIONS; i++) {
		size_t length = write_packet(packet, "10.0.1.11", "10.0.1.13", 6, 40000, (uint16_t)random());
		length = write_message(fixture, DENY_DB, packet, length);
		char *copy = aligned_alloc(8, (length + 7) / 8 * 8);
		for (long changes = random() % 8; changes > 0; changes--)
			fixture->message[(size_t)random() % length] = (char)random();
		size_t cut = random() % 4 == 0 ? (size_t)random() % length : length;
		memcpy(copy, fixture->message, cut);
		observer_take(fixture->observer, &fixture->world, copy, cut);
		free(copy);
	}
	adds_up(fixture);
	json_decref(ask(fixture, "{}"));
	json_decref(observer_status(fixture->observer));
}

static void taking_the_group_twice_is_no_error(void **state)
{
	struct kernel *kernel;
	struct nflog *nflog;
	(void)state;
	SKIP_UNLESS_APART();
	assert_int_equal(kernel_open(&kernel), 0);
	assert_int_equal(nflog_create(&nflog, kernel, 7), 0);
	assert_int_equal(nflog_bind(nflog), 0);
	assert_int_equal(nflog_bind(nflog), 0);
	nflog_destroy(nflog);
}

static void only_one_can_read_the_group(void **state)
{
	struct fixture *fixture = *state;
	struct observer *second;
	struct kernel *kernel;
	SKIP_UNLESS_APART();
	assert_null(observer_problem(fixture->observer));
	assert_int_equal(kernel_open(&kernel), 0);
	assert_int_equal(observer_create(&second, kernel, 1, NULL, NULL), 0);
	assert_string_equal(observer_problem(second), "another process reads the log group");
	assert_false(observer_bind(second));
	observer_destroy(fixture->observer);
	fixture->observer = NULL;
	assert_true(observer_bind(second));
	assert_null(observer_problem(second));
	observer_destroy(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(an_event_has_names_reason_and_nearest, begin, end),
	    cmocka_unit_test_setup_teardown(an_answer_is_told_as_the_flow_it_belongs_to, begin, end),
	    cmocka_unit_test_setup_teardown(addresses_of_nobody_are_told_as_they_are, begin, end),
	    cmocka_unit_test_setup_teardown(without_a_policy_addresses_are_all, begin, end),
	    cmocka_unit_test_setup_teardown(what_is_the_same_is_one_event, begin, end),
	    cmocka_unit_test_setup_teardown(events_of_a_second_are_bounded, begin_slow, end),
	    cmocka_unit_test_setup_teardown(the_next_event_says_how_much_was_left_out, begin, end),
	    cmocka_unit_test_setup_teardown(filters_choose, begin, end),
	    cmocka_unit_test_setup_teardown(an_event_names_the_policy_in_force, begin, end),
	    cmocka_unit_test_setup_teardown(a_wrong_request_is_refused, begin, end),
	    cmocka_unit_test(the_newest_thousand_are_kept),
	    cmocka_unit_test(a_count_is_final_after_a_while),
	    cmocka_unit_test(what_others_wrote_is_escaped),
	    cmocka_unit_test(a_message_has_an_end),
	    cmocka_unit_test_setup_teardown(no_mutated_message_is_misread, begin, end),
	    cmocka_unit_test(taking_the_group_twice_is_no_error),
	    cmocka_unit_test_setup_teardown(only_one_can_read_the_group, begin, end),
	};
	apart = unshare(CLONE_NEWNET) == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
