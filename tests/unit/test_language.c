/* The words of the language, as tables: addresses, prefixes, ports, times; what YAML may cost; how mistakes are told;
 * and that order means nothing. */
#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/ruleset.h>
#include <ringfence/yaml.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NOW = 1800000000, BOMB_MILLISECONDS_MOST = 500 };

/* Compares a problem with the expected one: NULL is no problem, else a part of its words. */
static void expect_problem(const char *input, const char *problem, const char *expected)
{
	if ((problem == NULL) != (expected == NULL) || (problem != NULL && strstr(problem, expected) == NULL))
		fail_msg("`%s`: %s, and expected was %s", input, problem != NULL ? problem : "no problem",
			 expected != NULL ? expected : "no problem");
}

/* ---- addresses and prefixes ---- */

static void an_address_has_one_form(void **state)
{
	static const struct {
		const char *input, *problem, *output;
	} cases[] = {
	    {"0.0.0.0", NULL, "0.0.0.0"},
	    {"255.255.255.255", NULL, "255.255.255.255"},
	    {"256.0.0.0", "not an", NULL},
	    {"1.2.3", "not an", NULL},
	    {"1.2.3.4.5", "not an", NULL},
	    {"010.0.0.1", "not an", NULL}, /* octal to some */
	    {"10.0.0.01", "not an", NULL},
	    {"0x0a.0.0.1", "not an", NULL},
	    {"167772161", "not an", NULL},
	    {" 10.0.0.1", "not an", NULL},
	    {"10.0.0.1 ", "not an", NULL},
	    {"", "not an", NULL},
	    {"::", NULL, "::"},
	    {"::1", NULL, "::1"},
	    {"2001:DB8:0:0:0:0:0:1", NULL, "2001:db8::1"},
	    {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	    {"1:2:3:4:5:6:7:8:9", "not an", NULL},
	    {"1::2::3", "not an", NULL},
	    {"12345::", "not an", NULL},
	    {"fe80::1%eth0", "zone", NULL},
	    {"::ffff:10.0.0.1", "inside IPv6", NULL},
	    {"::FFFF:0a00:0001", "inside IPv6", NULL},
	    {"::10.0.0.1", "inside IPv6", NULL},
	    {"::2", "inside IPv6", NULL},
	    {"64:ff9b::a00:1", NULL, "64:ff9b::a00:1"},
	    {"[::1]", "not an", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct address address;
		char text[ADDRESS_TEXT_SIZE];
		expect_problem(cases[i].input, address_parse(&address, cases[i].input), cases[i].problem);
		if (cases[i].output != NULL)
			assert_string_equal(address_format(&address, text), cases[i].output);
	}
}

static void a_prefix_has_no_bits_behind_it(void **state)
{
	static const struct {
		const char *input, *problem, *first, *last;
	} cases[] = {
	    {"0.0.0.0/0", NULL, "0.0.0.0", "255.255.255.255"},
	    {"128.0.0.0/1", NULL, "128.0.0.0", "255.255.255.255"},
	    {"10.0.0.0/8", NULL, "10.0.0.0", "10.255.255.255"},
	    {"10.0.0.4/31", NULL, "10.0.0.4", "10.0.0.5"},
	    {"10.0.0.5/32", NULL, "10.0.0.5", "10.0.0.5"},
	    {"10.0.0.5", NULL, "10.0.0.5", "10.0.0.5"},
	    {"10.0.0.5/31", "bits behind", NULL, NULL},
	    {"10.0.0.1/0", "bits behind", NULL, NULL},
	    {"10.0.0.0/33", "at most 32", NULL, NULL},
	    {"10.0.0.0/", "not a number", NULL, NULL},
	    {"10.0.0.0/08", "not a number", NULL, NULL},
	    {"10.0.0.0/+8", "not a number", NULL, NULL},
	    {"10.0.0.0/-1", "not a number", NULL, NULL},
	    {"10.0.0.0/8 ", "not a number", NULL, NULL},
	    {"10.0.0.0/8/8", "not a number", NULL, NULL},
	    {"10.0.0.0/4294967304", "not a number", NULL, NULL},
	    {"10.0.0.0/255.0.0.0", "not a number", NULL, NULL},
	    {"10.0/16", "not an", NULL, NULL},
	    {"/8", "not an", NULL, NULL},
	    {"::/0", NULL, "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	    {"fd00::/9", NULL, "fd00::", "fd7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	    {"2001:db8::8/125", NULL, "2001:db8::8", "2001:db8::f"},
	    {"2001:db8::1/128", NULL, "2001:db8::1", "2001:db8::1"},
	    {"2001:db8::1/127", "bits behind", NULL, NULL},
	    {"2001:db8::/129", "at most 128", NULL, NULL},
	    {"::ffff:0:0/96", "inside IPv6", NULL, NULL},
	    {"1111111111111111111111111111111111111111111111111111111111111111111/8", "not an", NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct prefix prefix;
		char text[ADDRESS_TEXT_SIZE];
		expect_problem(cases[i].input, prefix_parse(&prefix, cases[i].input), cases[i].problem);
		if (cases[i].problem != NULL)
			continue;
		struct address_range range = prefix_range(&prefix);
		assert_string_equal(address_format(&range.first, text), cases[i].first);
		assert_string_equal(address_format(&range.last, text), cases[i].last);
		assert_true(prefix_contains(&prefix, &range.first) && prefix_contains(&prefix, &range.last));
		if (address_next(&range.last))
			assert_false(prefix_contains(&prefix, &range.last));
		if (address_previous(&range.first))
			assert_false(prefix_contains(&prefix, &range.first));
	}
}

/* ---- ports and times ---- */

static void a_port_is_from_1_to_65535(void **state)
{
	static const struct {
		const char *input, *problem, *output;
	} cases[] = {
	    {"1/tcp", NULL, "1/tcp"},
	    {"65535/udp", NULL, "65535/udp"},
	    {"8000-8100/tcp", NULL, "8000-8100/tcp"},
	    {"1-65535/udp", NULL, "1-65535/udp"},
	    {"53-53/udp", NULL, "53/udp"},
	    {"any", NULL, "any"},
	    {"0/tcp", "1 to 65535", NULL},
	    {"65536/tcp", "1 to 65535", NULL},
	    {"4294967376/tcp", "1 to 65535", NULL},
	    {"18446744073709551617/tcp", "1 to 65535", NULL},
	    {"0-80/tcp", "1 to 65535", NULL},
	    {"80-65536/tcp", "1 to 65535", NULL},
	    {"90-80/tcp", "ends before", NULL},
	    {"80", "PORT/PROTOCOL", NULL},
	    {"80/", "not one of", NULL},
	    {"80/TCP", "not one of", NULL},
	    {"80/tcp ", "not one of", NULL},
	    {"80/sctp", NULL, "80/sctp"},
	    {"icmp", NULL, "icmp"},
	    {"icmp/echo-request", NULL, "icmp/echo-request"},
	    {"icmp/timestamp-request", NULL, "icmp/timestamp-request"},
	    {"icmpv6", NULL, "icmpv6"},
	    {"icmpv6/echo-request", NULL, "icmpv6/echo-request"},
	    {"icmp/echo-reply", "the requests are", NULL},
	    {"icmpv6/packet-too-big", "pass by themselves", NULL},
	    {"icmp/", "the requests are", NULL},
	    {"icmpv4", "PORT/PROTOCOL", NULL},
	    {"8/icmp", "ICMP is written", NULL},
	    {"-80/tcp", "PORT/PROTOCOL", NULL},
	    {"+80/tcp", "PORT/PROTOCOL", NULL},
	    {"80-/tcp", "PORT/PROTOCOL", NULL},
	    {"80-90-100/tcp", "PORT/PROTOCOL", NULL},
	    {"80 /tcp", "PORT/PROTOCOL", NULL},
	    {"0x50/tcp", "PORT/PROTOCOL", NULL},
	    {"ANY", "PORT/PROTOCOL", NULL},
	    {"", "PORT/PROTOCOL", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct port_range port;
		char text[48];
		expect_problem(cases[i].input, port_range_parse(&port, cases[i].input), cases[i].problem);
		if (cases[i].output != NULL)
			assert_string_equal(port_range_format(&port, text), cases[i].output);
	}
}

static void a_time_is_a_day_to_its_end_or_a_second(void **state)
{
	static const struct {
		const char *input, *problem, *output;
	} cases[] = {
	    {"2027-03-31", NULL, "2027-04-01T00:00:00Z"},
	    {"2027-12-31", NULL, "2028-01-01T00:00:00Z"},
	    {"2028-02-29", NULL, "2028-03-01T00:00:00Z"},
	    {"2000-02-29", NULL, "2000-03-01T00:00:00Z"},
	    {"2027-02-29", "no such day", NULL},
	    {"2100-02-29", "no such day", NULL},
	    {"2027-04-31", "no such day", NULL},
	    {"2027-13-01", "expected", NULL},
	    {"2027-00-01", "expected", NULL},
	    {"2027-01-00", "expected", NULL},
	    {"1969-12-31", "expected", NULL},
	    {"9999-12-31", NULL, "10000-01-01T00:00:00Z"},
	    {"10000-01-01", "expected", NULL},
	    {"2027-3-31", "expected", NULL},
	    {"2027-03-31T06:00:00Z", NULL, "2027-03-31T06:00:00Z"},
	    {"2027-03-31t06:00:00z", NULL, "2027-03-31T06:00:00Z"},
	    {"2027-03-31 06:00:00Z", NULL, "2027-03-31T06:00:00Z"},
	    {"2027-03-31T06:00:00.999Z", NULL, "2027-03-31T06:00:00Z"},
	    {"2027-03-31T06:00:00+02:00", NULL, "2027-03-31T04:00:00Z"},
	    {"2027-03-31T23:00:00-02:30", NULL, "2027-04-01T01:30:00Z"},
	    {"2027-06-30T23:59:60Z", NULL, "2027-07-01T00:00:00Z"},
	    {"2027-03-31T06:00:00", "expected", NULL}, /* of which zone? */
	    {"2027-03-31T06:00Z", "expected", NULL},
	    {"2027-03-31T24:00:00Z", "expected", NULL},
	    {"2027-03-31T06:60:00Z", "expected", NULL},
	    {"2027-03-31T06:00:61Z", "expected", NULL},
	    {"2027-03-31T06:00:00+24:00", "expected", NULL},
	    {"2027-03-31T06:00:00Zx", "expected", NULL},
	    {"tomorrow", "expected", NULL},
	    {"", "expected", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		int64_t seconds;
		char text[48];
		expect_problem(cases[i].input, time_parse(&seconds, cases[i].input), cases[i].problem);
		if (cases[i].output != NULL)
			assert_string_equal(time_print(seconds, text), cases[i].output);
	}
}

/* RFC 3339, 5.6: time-secfrac is "." 1*DIGIT. */
static void a_point_without_digits_is_no_fraction(void **state)
{
	int64_t seconds;
	(void)state;
	assert_non_null(time_parse(&seconds, "2027-03-31T06:00:00.Z"));
}

/* ---- documents ---- */

struct reading {
	struct arena *arena;
	struct diagnostics diagnostics;
	struct frontend frontend;
	const char *printed; /* the diagnostics */
};

static void reading_begin(struct reading *reading)
{
	reading->arena = arena_create();
	diagnostics_init(&reading->diagnostics, reading->arena);
	frontend_init(&reading->frontend, reading->arena, &reading->diagnostics);
}

static void reading_end(struct reading *reading)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	frontend_finish(&reading->frontend);
	diagnostics_print(&reading->diagnostics, out, false);
	fclose(out);
	reading->printed = arena_copy(reading->arena, text, size);
	free(text);
}

static void read_text(struct reading *reading, const char *text)
{
	reading_begin(reading);
	frontend_add_text(&reading->frontend, "a.yaml", text, strlen(text));
	reading_end(reading);
}

/* The first moment of 1970 is a time like any other. */
static void an_until_that_is_long_past_is_not_for_ever(void **state)
{
	static const char *const untils[] = {"1970-01-01T00:00:00Z", "1970-01-01T01:00:00+01:00",
					     "1970-01-01T00:00:00+01:00", "1970-01-01", "2020-01-01"};
	(void)state;
	size_t open = 0;
	for (size_t i = 0; i < sizeof untils / sizeof *untils; i++) {
		char text[500];
		struct reading reading;
		snprintf(text, sizeof text,
			 "ringfence: v1\nservices: {a: {workloads: {app: a}}}\n"
			 "allow: [{from: any, to: a, ports: [1/tcp], until: \"%s\"}]\n"
			 "workloads: [{name: a, labels: {app: a}, addresses: [10.0.0.1]}]\n",
			 untils[i]);
		read_text(&reading, text);
		const struct inventory *inventory = &reading.frontend.inventory;
		struct world world = {&reading.frontend.policy, inventory, NOW};
		struct flow flow = {.from = {.stands_for = PEER_WORLD}, .protocol = PROTOCOL_TCP, .port = 1};
		if (reading.diagnostics.errors == 0) { /* to refuse it would do as well */
			flow.to.workload = inventory->workloads[0];
			open += verdict_of(&world, &flow).allowed;
		}
		arena_free(reading.arena);
	}
	assert_int_equal(open, 0);
}

static void mistakes_come_with_the_nearest_name(void **state)
{
#define DEFINED "ringfence: v1\nnamespace: shop\nservices: {frontend: {workloads: {app: web}, ports: {http: 80/tcp}}}\n"
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {DEFINED "allow: [{from: frontnd, to: frontend}]\n", "did you mean `frontend`?"},
	    {DEFINED "allow: [{from: fronetnd, to: frontend}]\n", "did you mean `frontend`?"}, /* a swap is one edit */
	    {DEFINED "allow: [{from: xyz, to: frontend}]\n", "define it under `services`"},
	    {DEFINED "allow: [{from: clutser, to: frontend}]\n", "did you mean `cluster`?"},
	    {DEFINED "allow: [{from: any, to: frontend, ports: [htp]}]\n", "did you mean `http`?"},
	    {DEFINED "allow: [{from: any, to: frontend, port: [http]}]\n", "did you mean `ports`?"},
	    {DEFINED "allow: [{from: any, too: frontend}]\n", "did you mean `to`?"},
	    {DEFINED "alow: []\n", "did you mean `allow`?"},
	    {DEFINED "firewall: []\n", "known here: ringfence, namespace"},
	    {DEFINED "---\nringfence: v1\nallow: [{from: any, to: frontend}]\n", "there is `shop/frontend`"},
	    {DEFINED "allow: [{from: 10.0.0.1, to: frontend}]\n", "{cidr: 10.0.0.1}"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct reading reading;
		read_text(&reading, cases[i].text);
		if (reading.diagnostics.errors == 0 || strstr(reading.printed, cases[i].expected) == NULL)
			fail_msg("%s\nsays\n%s\nand not\n%s", cases[i].text, reading.printed, cases[i].expected);
		arena_free(reading.arena);
	}
}

static void names_are_near_up_to_a_third_of_their_letters(void **state)
{
	static const char *const names[] = {"abcdefghi"};
	static const struct {
		const char *wrong;
		bool near;
	} cases[] = {{"abcdefghi", true}, {"abcdefxxx", true}, {"abcdexxxx", false}, {"abcdefg", true},
		     {"bacdefgih", true}, {"", false},	       {"ab", false}};
	struct arena *arena = arena_create();
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct diagnostics list;
		diagnostics_init(&list, arena);
		diagnostics_error(&list, (struct span){0}, "x");
		assert_int_equal(diagnostics_suggest(&list, cases[i].wrong, names, 1), cases[i].near);
		assert_int_equal(list.items[0].help != NULL, cases[i].near);
	}
	arena_free(arena);
}

static void what_a_terminal_obeys_is_escaped(void **state)
{
	static const struct {
		const char *input, *output;
	} cases[] = {
	    {"plain text", "plain text"},
	    {"gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80",
	     "gr\xc3\xbc\xc3\x9f dich \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {"\x1b[31mred", "\\x1b[31mred"},
	    {"a\nb\tc\rd", "a\\x0ab\\x09c\\x0dd"},
	    {"\x7f", "\\x7f"},
	    {"\xc2\x9b"
	     "31m",
	     "\\xc2\\x9b31m"}, /* CSI in one character */
	    {"\xe2\x80\xae"
	     "txt",
	     "\\xe2\\x80\\xaetxt"}, /* U+202E, right to left */
	    {"\xe2\x81\xa6"
	     "x",
	     "\\xe2\\x81\\xa6x"}, /* U+2066, isolate */
	    {"\xe2\x80\x8b"
	     "x",
	     "\\xe2\\x80\\x8bx"}, /* U+200B, no width */
	    {"\xef\xbb\xbf"
	     "x",
	     "\\xef\\xbb\\xbfx"}, /* U+FEFF */
	    {"\xff\xfe", "\\xff\\xfe"},
	    {"\xc0\xaf", "\\xc0\\xaf"},			  /* overlong */
	    {"\xed\xa0\x80", "\\xed\\xa0\\x80"},	  /* half of a surrogate pair */
	    {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
	    {"\xe2\x82", "\\xe2\\x82"},			  /* cut */
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		escape_print(out, cases[i].input, strlen(cases[i].input));
		fclose(out);
		assert_string_equal(text, cases[i].output);
		free(text);
	}
}

/* U+061C has the property Bidi_Control as U+200E and U+200F have (Unicode, PropList.txt). */
static void the_arabic_letter_mark_is_a_bidirectional_control(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	(void)state;
	escape_print(out, "\xd8\x9c", 2);
	fclose(out);
	bool escaped = strcmp(text, "\\xd8\\x9c") == 0;
	free(text);
	assert_true(escaped);
}

/* ---- what a file may cost ---- */

static const char *repeat(struct arena *arena, const char *before, const char *part, size_t times, const char *after)
{
	size_t length = strlen(part);
	char *text = arena_alloc(arena, strlen(before) + times * length + strlen(after) + 1),
	     *at = stpcpy(text, before);
	for (size_t i = 0; i < times; i++)
		at = stpcpy(at, part);
	stpcpy(at, after);
	return text;
}

/* Each level names the one before ten times. */
static const char *alias_bomb(struct arena *arena)
{
	char *text = arena_printf(arena, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 12; i++) {
		char *line = arena_printf(arena, "%sa%d: &a%d [", text, i, i);
		for (int j = 0; j < 10; j++)
			line = arena_printf(arena, "%s%s*a%d", line, j > 0 ? ", " : "", i - 1);
		text = arena_printf(arena, "%s]\n", line);
	}
	return text;
}

static void a_file_that_costs_too_much_is_refused_at_once(void **state)
{
	struct arena *arena = arena_create();
	const struct {
		const char *text, *expected; /* NULL: it is fine */
	} cases[] = {
	    {repeat(arena, "a: ", "[", YAML_DEPTH_MAX - 1, repeat(arena, "", "]", YAML_DEPTH_MAX - 1, "")), NULL},
	    {repeat(arena, "a: ", "[", YAML_DEPTH_MAX, ""), "levels deep"},
	    {repeat(arena, "a: ", "[", 200000, ""), "levels deep"},
	    {repeat(arena, "", "{a: ", 200000, ""), "levels deep"},
	    {repeat(arena, "", "- ", 200000, ""), "levels deep"},
	    {alias_bomb(arena), "aliases expanded"},
	    {"a: &a [*a]\n", "inside its own anchor"},
	    {"a: *nothing\n", "no anchor"},
	    {"a: &x [1]\n---\nb: *x\n", "no anchor"}, /* another document */
	    {"a: 1\nb: 2\na: 3\n", "duplicate key `a`"},
	    {"{a: 1, \"a\": 2}", "duplicate key `a`"},
	    {"x: {a: 1, b: {c: 1, c: 2}}", "duplicate key `c`"},
	    {"x: [{a: 1}, {a: 2}]", NULL},
	    {"? [a]\n: 1\n", "key must be"},
	    {"a: \"\\0\"\n", "NUL"},
	    {"a: [1, 2\n", "not valid YAML"},
	    {"a: \xff\n", "not valid YAML"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct diagnostics diagnostics;
		struct timespec before, after;
		size_t count = 0;
		const struct source source = {.file = "a.yaml", .text = cases[i].text, .length = strlen(cases[i].text)};
		diagnostics_init(&diagnostics, arena);
		clock_gettime(CLOCK_MONOTONIC, &before);
		yaml_read(arena, &source, &diagnostics, &count);
		clock_gettime(CLOCK_MONOTONIC, &after);
		expect_problem(arena_copy(arena, cases[i].text, strnlen(cases[i].text, 40)),
			       diagnostics.count > 0 ? diagnostics.items[0].message : NULL, cases[i].expected);
		/* Milliseconds, when nothing else runs; a reader without the limits takes minutes. */
		assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <=
			    BOMB_MILLISECONDS_MOST);
	}
	arena_free(arena);
}

static void ten_thousand_keys_are_read_in_good_time(void **state)
{
	struct arena *arena = arena_create();
	char *text = NULL;
	size_t size = 0, count = 0;
	FILE *out = open_memstream(&text, &size);
	struct diagnostics diagnostics;
	time_t before = time(NULL);
	(void)state;
	for (int i = 0; i < 10000; i++)
		fprintf(out, "key%d: 1\n", i);
	fputs("key77: 2\n", out);
	fclose(out);
	const struct source source = {.file = "a.yaml", .text = text, .length = size};
	diagnostics_init(&diagnostics, arena);
	yaml_read(arena, &source, &diagnostics, &count);
	assert_int_equal(diagnostics.errors, 1);
	assert_string_equal(diagnostics.items[0].message, "duplicate key `key77`");
	assert_int_equal(diagnostics.items[0].span.line, 10001);
	assert_true(time(NULL) - before <= 2);
	arena_free(arena);
	free(text);
}

/* ---- order ---- */

#define SHOP                                                                                                \
	"ringfence: v1\nnamespace: shop\nservices: {web: {workloads: {app: web}, ports: {http: 80/tcp}}}\n" \
	"allow: [{from: any, to: web}, {from: lab/db, to: web, ports: [1-9/udp]}]\n"
#define LAB                                                                                             \
	"ringfence: v1\nnamespace: lab\nservices: {db: {workloads: {app: db}, ports: {sql: 54/tcp}}}\n" \
	"allow: [{from: shop/web, to: db}, {from: db, to: {cidr: 192.0.2.0/24}, ports: [any]}]\n"
#define THERE                                                                                                    \
	"ringfence: v1\nworkloads:\n  - {name: a, namespace: shop, labels: {app: web}, addresses: [10.0.0.1]}\n" \
	"  - {name: b, namespace: lab, labels: {app: db}, addresses: [10.0.0.2, \"fd00::2\"]}\n"

static char *compile(const char *const *names, const char *const *texts, size_t count)
{
	struct reading reading;
	char *printed = NULL;
	size_t size = 0;
	reading_begin(&reading);
	for (size_t i = 0; i < count; i++)
		frontend_add_text(&reading.frontend, names[i], texts[i], strlen(texts[i]));
	reading_end(&reading);
	assert_int_equal(reading.diagnostics.errors, 0);
	struct world world = {&reading.frontend.policy, &reading.frontend.inventory, NOW};
	FILE *out = open_memstream(&printed, &size);
	ruleset_print(out, ruleset_lower(reading.arena, &world, NULL, 1, NULL), NOW);
	fclose(out);
	arena_free(reading.arena);
	return printed;
}

/* Cuts every comment out of the text. */
static void strip_comments(char *text)
{
	for (char *at = text; (at = strstr(at, " comment \"")) != NULL;) {
		char *behind = strchr(at + strlen(" comment \""), '"') + 1;
		memmove(at, behind, strlen(behind) + 1);
	}
}

/* Shows where they first differ. */
static void expect_equal_and_free(char *a, char *b)
{
	size_t at = 0;
	while (a[at] == b[at] && a[at] != 0)
		at++;
	bool same = a[at] == b[at];
	if (!same)
		print_error("one order: %.60s\nthe other: %.60s\n", a + (at > 20 ? at - 20 : 0),
			    b + (at > 20 ? at - 20 : 0));
	free(a);
	free(b);
	assert_true(same);
}

static void the_order_of_files_changes_nothing(void **state)
{
	static const char *const names[][3] = {{"a.yaml", "b.yaml", "c.yaml"}, {"c.yaml", "a.yaml", "b.yaml"}};
	static const char *const texts[][3] = {{SHOP, LAB, THERE}, {THERE, SHOP, LAB}};
	(void)state;
	expect_equal_and_free(compile(names[0], texts[0], 3), compile(names[1], texts[1], 3));
}

/* Log prefixes name the line of a statement, and both documents have as many lines, so that only order differs. */
static void the_order_of_documents_changes_comments_and_log_lines_only(void **state)
{
	static const char *const name[] = {"a.yaml"};
	static const char *const one[] = {SHOP "---\n" LAB "---\n" THERE}, *const other[] = {LAB "---\n" SHOP
												 "---\n" THERE};
	char *texts[] = {compile(name, one, 1), compile(name, other, 1)};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		strip_comments(texts[i]);
		for (char *at = texts[i]; (at = strstr(at, "a.yaml:")) != NULL; at += strlen("a.yaml:"))
			at[strlen("a.yaml:")] = '_';
	}
	expect_equal_and_free(texts[0], texts[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_address_has_one_form),
	    cmocka_unit_test(a_prefix_has_no_bits_behind_it),
	    cmocka_unit_test(a_port_is_from_1_to_65535),
	    cmocka_unit_test(a_time_is_a_day_to_its_end_or_a_second),
	    cmocka_unit_test(a_point_without_digits_is_no_fraction),
	    cmocka_unit_test(an_until_that_is_long_past_is_not_for_ever),
	    cmocka_unit_test(mistakes_come_with_the_nearest_name),
	    cmocka_unit_test(names_are_near_up_to_a_third_of_their_letters),
	    cmocka_unit_test(what_a_terminal_obeys_is_escaped),
	    cmocka_unit_test(the_arabic_letter_mark_is_a_bidirectional_control),
	    cmocka_unit_test(a_file_that_costs_too_much_is_refused_at_once),
	    cmocka_unit_test(ten_thousand_keys_are_read_in_good_time),
	    cmocka_unit_test(the_order_of_files_changes_nothing),
	    cmocka_unit_test(the_order_of_documents_changes_comments_and_log_lines_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
