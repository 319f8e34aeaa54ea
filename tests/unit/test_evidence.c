/* What is known of services in audit mode: what counts as denied, what begins anew, what is bounded, and what is kept.
 */
#include "enforcer/observe/evidence.h"

#include "tests/unit/reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INVENTORY                                                                                           \
	"---\nringfence: v1\nnodes: {node-a: {addresses: [192.0.2.1], workload_networks: [10.0.1.0/24]}}\n" \
	"workloads:\n"                                                                                      \
	"  - {name: web-1, namespace: shop, node: node-a, labels: {app: web}, addresses: [10.0.1.11]}\n"    \
	"  - {name: web-2, namespace: shop, node: node-a, labels: {app: web}, addresses: [10.0.1.12]}\n"    \
	"  - {name: web-3, namespace: shop, node: node-b, labels: {app: web}, addresses: [10.0.2.13]}\n"    \
	"  - {name: db-1, namespace: shop, node: node-a, labels: {app: db}, addresses: [10.0.1.21]}\n"      \
	"  - {name: stray-1, namespace: shop, node: node-a, labels: {app: none}, addresses: [10.0.1.31]}\n"

/* A policy with web as given, db enforced, and allows. */
static struct world read_shop(struct reading *reading, const char *web, const char *allows)
{
	char *text;
	if (asprintf(&text,
		     "ringfence: v1\nnamespace: shop\nservices:\n  web: {%s}\n"
		     "  db: {workloads: {app: db}, mode: enforce}\nallow:\n%s" INVENTORY,
		     web, allows) < 0)
		abort();
	const struct world world = read_policy(reading, "shop.yaml", text);
	free(text);
	return world;
}

#define WEB "workloads: {app: web}, mode: audit"
#define TO_PAYMENTS "  - {from: web, to: {cidr: 203.0.113.0/24}, ports: [443/tcp]}\n"

static struct connection flow_of(const char *from, const char *to, uint16_t port)
{
	struct connection connection = {
	    .protocol = PROTOCOL_TCP, .source_port = 40000, .port = port, .has_port = true, .stage = CONNECTION_OPEN};
	assert_null(address_parse(&connection.source, from));
	assert_null(address_parse(&connection.destination, to));
	return connection;
}

static void see(struct evidence *evidence, const struct world *world, const char *from, const char *to, uint16_t port)
{
	const struct connection connection = flow_of(from, to, port);
	evidence_see(evidence, world, &connection, NOW + port);
}

/* The one service that is watched. */
static const struct evidence_service *only(const struct evidence *evidence)
{
	assert_int_equal(evidence_count(evidence), 1);
	return evidence_at(evidence, 0);
}

static void what_the_service_alone_would_deny_is_noted(void **state)
{
	struct reading reading;
	const struct world world = read_shop(&reading, WEB, TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a");
	(void)state;
	evidence_follow(evidence, &world, NOW);
	evidence_begin(evidence, &world);
	see(evidence, &world, "10.0.1.11", "203.0.113.5", 443); /* allowed */
	see(evidence, &world, "10.0.1.11", "198.51.100.7", 80);
	see(evidence, &world, "10.0.1.12", "198.51.100.7", 80); /* the same */
	see(evidence, &world, "198.51.100.7", "10.0.1.12", 22);
	see(evidence, &world, "10.0.1.11", "10.0.1.21", 5432);	/* db denies it already */
	see(evidence, &world, "10.0.1.11", "10.0.1.12", 9000);	/* both ends of it */
	see(evidence, &world, "10.0.2.13", "198.51.100.7", 81); /* another node's */
	see(evidence, &world, "10.0.1.31", "198.51.100.7", 82); /* not watched */
	const struct evidence_service *web = only(evidence);
	static const struct {
		enum direction direction;
		const char *peer;
		uint16_t port;
		uint64_t count;
	} want[] = {{EGRESS, "198.51.100.7", 80, 2},
		    {INGRESS, "198.51.100.7", 22, 1},
		    {EGRESS, "service:shop/web", 9000, 1},
		    {INGRESS, "service:shop/web", 9000, 1}};
	assert_int_equal(web->row_count, sizeof want / sizeof *want);
	for (size_t i = 0; i < web->row_count; i++) {
		assert_int_equal(web->rows[i].direction, want[i].direction);
		assert_string_equal(web->rows[i].peer, want[i].peer);
		assert_int_equal(web->rows[i].port, want[i].port);
		assert_int_equal(web->rows[i].count, want[i].count);
	}
	assert_int_equal(web->rows[0].first, NOW + 80);
	evidence_destroy(evidence);
	arena_free(reading.arena);
}

static void who_sends_or_answers_is_seen(void **state)
{
	struct reading reading;
	const struct world world = read_shop(&reading, WEB, TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a");
	struct connection unanswered = flow_of("198.51.100.7", "10.0.1.12", 80);
	(void)state;
	unanswered.stage = CONNECTION_UNANSWERED;
	evidence_follow(evidence, &world, NOW);
	evidence_begin(evidence, &world);
	assert_int_equal(only(evidence)->workload_count, 2); /* of this node */
	see(evidence, &world, "10.0.1.11", "203.0.113.5", 443);
	evidence_see(evidence, &world, &unanswered, NOW);
	assert_int_equal(only(evidence)->workloads[0].last, NOW + 443);
	assert_int_equal(only(evidence)->workloads[1].last, 0);
	evidence_begin(evidence, &world); /* another look forgets nobody who is still there */
	assert_int_equal(only(evidence)->workloads[0].last, NOW + 443);
	see(evidence, &world, "198.51.100.7", "10.0.1.12", 80);
	assert_int_equal(only(evidence)->workloads[1].last, NOW + 80);
	evidence_destroy(evidence);
	arena_free(reading.arena);
}

static void only_time_between_looks_is_watched(void **state)
{
	struct reading reading;
	const struct world world = read_shop(&reading, WEB, TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a");
	(void)state;
	evidence_follow(evidence, &world, NOW);
	const double moments[] = {100, 105, 110, 110 + EVIDENCE_GAP_MOST + 1, 124};
	const double watched[] = {0, 5, 10, 10, 13};
	for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
		evidence_end(evidence, moments[i]);
		assert_int_equal((int)only(evidence)->watched, (int)watched[i]);
	}
	assert_int_equal(only(evidence)->gaps, 1);
	evidence_destroy(evidence);
	arena_free(reading.arena);
}

static void less_or_others_begin_anew_and_more_does_not(void **state)
{
	static const struct {
		const char *web, *allows;
		bool anew;
	} cases[] = {
	    {WEB, TO_PAYMENTS, false},
	    {WEB, "  - {from: web, to: {cidr: 203.0.113.0/24}, ports: [443/tcp], why: said otherwise}\n", false},
	    {WEB, TO_PAYMENTS "  - {from: web, to: world, ports: [80/tcp]}\n", false},
	    {WEB, "  - {from: web, to: {cidr: 203.0.113.0/24}, ports: [443/tcp, 444/tcp]}\n", false},
	    {WEB, "  - {from: web, to: {cidr: 203.0.113.0/25}, ports: [443/tcp]}\n", true},
	    {WEB, "  - {from: web, to: {cidr: 203.0.113.0/24}, ports: [444/tcp]}\n", true},
	    {WEB, "  - {from: db, to: {cidr: 203.0.113.0/24}, ports: [443/tcp]}\n", true},
	    {WEB, "  - {from: web, to: {cidr: 203.0.113.0/24}, ports: [443/tcp], until: 2027-01-01}\n", true},
	    {"workloads: {app: [web, web2]}, mode: audit", TO_PAYMENTS, true},
	    {"workloads: {app: web}, mode: audit, ports: {http: 80/tcp}", TO_PAYMENTS, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading before, after;
		const struct world old = read_shop(&before, WEB, TO_PAYMENTS),
				   new = read_shop(&after, cases[i].web, cases[i].allows);
		struct evidence *evidence = evidence_create("node-a");
		evidence_follow(evidence, &old, NOW);
		evidence_begin(evidence, &old);
		see(evidence, &old, "10.0.1.11", "198.51.100.7", 80);
		evidence_end(evidence, 100);
		evidence_end(evidence, 105);
		evidence_follow(evidence, &new, NOW + 1000);
		assert_int_equal(only(evidence)->since, cases[i].anew ? NOW + 1000 : NOW);
		assert_int_equal(only(evidence)->row_count, cases[i].anew ? 0 : 1);
		assert_int_equal((int)only(evidence)->watched, cases[i].anew ? 0 : 5);
		evidence_destroy(evidence);
		arena_free(before.arena);
		arena_free(after.arena);
	}
}

static void what_leaves_audit_is_forgotten(void **state)
{
	struct reading before, after;
	const struct world old = read_shop(&before, WEB, TO_PAYMENTS),
			   new = read_shop(&after, "workloads: {app: web}", TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a");
	(void)state;
	evidence_follow(evidence, &old, NOW);
	evidence_follow(evidence, &new, NOW);
	assert_int_equal(evidence_count(evidence), 0);
	evidence_begin(evidence, &new);
	see(evidence, &new, "10.0.1.11", "198.51.100.7", 80); /* of no interest, and no harm */
	evidence_destroy(evidence);
	arena_free(before.arena);
	arena_free(after.arena);
}

static void rows_are_bounded_and_the_rest_is_counted(void **state)
{
	struct reading reading;
	const struct world world = read_shop(&reading, WEB, TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a");
	(void)state;
	evidence_follow(evidence, &world, NOW);
	evidence_begin(evidence, &world);
	for (uint16_t port = 1; port <= EVIDENCE_ROWS_MOST + 44; port++)
		see(evidence, &world, "10.0.1.11", "198.51.100.7", port);
	for (uint32_t port = 1; port <= 40000; port++) /* more than are remembered */
		see(evidence, &world, "10.0.1.12", "203.0.113.5", (uint16_t)(port == 443 ? 1 : 443));
	assert_int_equal(only(evidence)->row_count, EVIDENCE_ROWS_MOST);
	assert_int_equal(only(evidence)->left_out, 44 + 1);
	evidence_destroy(evidence);
	arena_free(reading.arena);
}

static void what_is_kept_comes_back(void **state)
{
	struct reading reading;
	const struct world world = read_shop(&reading, WEB, TO_PAYMENTS);
	struct evidence *evidence = evidence_create("node-a"), *other = evidence_create("node-a");
	(void)state;
	evidence_follow(evidence, &world, NOW);
	evidence_begin(evidence, &world);
	see(evidence, &world, "10.0.1.11", "198.51.100.7", 80);
	evidence_end(evidence, 100);
	evidence_end(evidence, 105);
	json_t *json = evidence_json(evidence, NULL);
	assert_null(evidence_read(other, json));
	evidence_follow(other, &world, NOW + 1000); /* the same policy: it goes on */
	json_t *again = evidence_json(other, NULL);
	assert_true(json_equal(json, again));
	evidence_end(other, 7); /* another boot's clock */
	assert_int_equal((int)only(other)->watched, 5);
	assert_int_equal(only(other)->gaps, 1);
	json_decref(json);
	json_decref(again);
	evidence_destroy(evidence);
	evidence_destroy(other);
	arena_free(reading.arena);
}

/* Each value of the file in turn is made something else. */
static void nothing_of_a_file_is_believed(void **state)
{
	static const char *const good =
	    "[{\"name\":\"shop/web\",\"selector\":\"0123456789abcdef\",\"allows\":[\"0000000000000001\"],\"since\":1,"
	    "\"watched\":1.5,\"gaps\":0,\"left_out\":0,\"would_deny\":[{\"side\":\"egress\",\"own\":\"workload:shop/"
	    "web-1\",\"peer\":\"198.51.100.7\",\"protocol\":6,\"port\":80,\"count\":1,\"first\":1,\"last\":2}],"
	    "\"workloads\":[{\"name\":\"shop/web-1\",\"last\":0}]}]";
	static const struct {
		const char *from, *to;
	} cases[] = {
	    {"0123456789abcdef", "123"},
	    {"\"0000000000000001\"", "1"},
	    {"\"0000000000000001\"", "\"0000000000000002\",\"0000000000000001\""},
	    {"\"since\":1,", "\"since\":-1,"},
	    {"\"since\":1,", ""},
	    {"1.5", "-1"},
	    {"1.5", "\"1\""},
	    {"\"egress\"", "\"sideways\""},
	    {"\"protocol\":6", "\"protocol\":256"},
	    {"\"port\":80", "\"port\":65536"},
	    {"\"count\":1", "\"count\":null"},
	    {"198.51.100.7", "198.51\\n100.7"},
	    {"\"peer\":\"198.51.100.7\",", ""},
	    {"\"last\":2", "\"last\":2,\"cause\":\"x\""},
	    {"\"workloads\":[", "\"workloads\":[7,"},
	    {"\"would_deny\":[", "\"would_deny\":[[],"},
	    {"\"name\":\"shop/web-1\"", "\"name\":7"},
	    {"[{\"name\"", "[7,{\"name\""},
	    {"\"name\":\"shop/web\"", "\"name\":null"},
	};
	struct evidence *evidence = evidence_create("node-a");
	(void)state;
	json_t *json = json_loads(good, 0, NULL);
	assert_non_null(json);
	assert_null(evidence_read(evidence, json));
	assert_int_equal(only(evidence)->row_count, 1);
	assert_non_null(evidence_read(evidence, json)); /* the same twice */
	assert_int_equal(evidence_count(evidence), 0);
	json_decref(json);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *bad;
		const char *at = strstr(good, cases[i].from);
		assert_non_null(at);
		if (asprintf(&bad, "%.*s%s%s", (int)(at - good), good, cases[i].to, at + strlen(cases[i].from)) < 0)
			abort();
		json = json_loads(bad, 0, NULL);
		assert_non_null(json);
		assert_non_null(evidence_read(evidence, json));
		assert_int_equal(evidence_count(evidence), 0);
		json_decref(json);
		free(bad);
	}
	assert_non_null(evidence_read(evidence, NULL));
	evidence_destroy(evidence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_the_service_alone_would_deny_is_noted),
	    cmocka_unit_test(who_sends_or_answers_is_seen),
	    cmocka_unit_test(only_time_between_looks_is_watched),
	    cmocka_unit_test(less_or_others_begin_anew_and_more_does_not),
	    cmocka_unit_test(what_leaves_audit_is_forgotten),
	    cmocka_unit_test(rows_are_bounded_and_the_rest_is_counted),
	    cmocka_unit_test(what_is_kept_comes_back),
	    cmocka_unit_test(nothing_of_a_file_is_believed),
	};
	return cmocka_run_group_tests_name("evidence", tests, NULL, NULL);
}
