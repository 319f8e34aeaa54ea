/* What the monitor says about changes that nft makes, in a network namespace of its own. */
#include "enforcer/kernel/monitor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool ready;

struct seen {
	size_t transactions;
	struct monitor_change change; /* the newest */
	char lines[64 * 1024];
};

static void note(void *context, const struct monitor_change *change)
{
	struct seen *seen = context;

	seen->transactions++;
	seen->change = *change;
	for (size_t i = 0; i < change->description_count; i++) {
		size_t length = strlen(seen->lines);

		snprintf(seen->lines + length, sizeof seen->lines - length, "%s\n", change->descriptions[i]);
	}
}

/* Gives `script` to one nft, which makes one transaction of it. */
static void nft(const char *script)
{
	FILE *pipe = popen("nft -f -", "w");

	assert_non_null(pipe);
	fputs(script, pipe);
	assert_int_equal(pclose(pipe), 0);
}

static void look(struct monitor *monitor, struct seen *seen)
{
	memset(seen, 0, sizeof *seen);
	assert_int_equal(monitor_read(monitor, note, seen), 0);
}

static int begin(void **state)
{
	struct monitor *monitor;

	if (!ready)
		return 0;
	nft("table inet ringfence {\n"
	    "	set g3_in_shop-api { type ipv4_addr . inet_proto . inet_service; }\n"
	    "	set in6 { type ipv6_addr . inet_proto . inet_service; }\n"
	    "	set a4 { type ipv4_addr; }\n"
	    "	set a6 { type ipv6_addr; }\n"
	    "	set p4 { type ipv4_addr . ipv4_addr; }\n"
	    "	set p6 { type ipv6_addr . ipv6_addr; }\n"
	    "	set names { type ifname; }\n"
	    "	set guard4 { type ifname . ipv4_addr; }\n"
	    "	set guard6 { type ifname . ipv6_addr; }\n"
	    "	set marks { type ether_addr . mark . mark; }\n"
	    "	set nets { type ipv4_addr; flags interval; }\n"
	    "	set ports { type ipv4_addr . inet_proto . inet_service; flags interval; }\n"
	    "	chain g3 { counter drop; }\n"
	    "	map m { type ipv4_addr : verdict; }\n"
	    "	chain forward { type filter hook forward priority 0; }\n"
	    "}\nadd table inet other\nadd chain inet other c\nadd table ip ringfence\nadd chain ip ringfence c\n");
	assert_int_equal(monitor_create(&monitor), 0);
	*state = monitor;
	return 0;
}

static int end(void **state)
{
	if (!ready)
		return 0;
	monitor_destroy(*state);
	nft("flush ruleset\n");
	return 0;
}

static bool can_run(void)
{
	if (!ready)
		print_message("skipped: needs root, a network namespace and nft\n");
	return ready;
}

static void changes_are_described(void **state)
{
	static const struct {
		const char *script, *expected;
	} cases[] = {
	    {"add element inet ringfence g3_in_shop-api { 10.0.1.11 . tcp . 8080 }",
	     "element 10.0.1.11 . tcp . 8080 added to set g3_in_shop-api\n"},
	    {"delete element inet ringfence g3_in_shop-api { 10.0.1.11 . tcp . 8080 }",
	     "element 10.0.1.11 . tcp . 8080 deleted from set g3_in_shop-api\n"},
	    {"add element inet ringfence in6 { fd00::1 . udp . 53 }", "element fd00::1 . udp . 53 added to set in6\n"},
	    {"add element inet ringfence in6 { fd00::1 . icmpv6 . 0 }", "element fd00::1 . 58 . 0 added to set in6\n"},
	    {"add element inet ringfence a4 { 192.0.2.1 }", "element 192.0.2.1 added to set a4\n"},
	    {"add element inet ringfence a6 { fd00::2 }", "element fd00::2 added to set a6\n"},
	    {"add element inet ringfence p4 { 10.0.0.1 . 10.0.0.2 }", "element 10.0.0.1 . 10.0.0.2 added to set p4\n"},
	    {"add element inet ringfence p4 { 57.48.0.0 . 0.0.0.0 }", /* as the number of a cgroup stands, 12345 */
	     "element cgroup 12345 added to set p4\n"},
	    {"add element inet ringfence p6 { fd00::1 . fd00::2 }", "element fd00::1 . fd00::2 added to set p6\n"},
	    {"add element inet ringfence names { \"veth1\" }", "element \"veth1\" added to set names\n"},
	    {"add element inet ringfence guard4 { \"veth1\" . 10.0.0.1 }",
	     "element \"veth1\" . 10.0.0.1 added to set guard4\n"},
	    {"add element inet ringfence guard6 { \"veth1\" . fd00::1 }",
	     "element \"veth1\" . fd00::1 added to set guard6\n"},
	    {"add element inet ringfence marks { 02:00:00:00:00:01 . 1 . 2 }", NULL},
	    {"add element inet ringfence ports { 10.0.0.0-10.0.0.9 . tcp . 80-90 }",
	     "element 10.0.0.0 . tcp . 80 - 10.0.0.9 . tcp . 90 added to set ports\n"},
	    {"add element inet ringfence m { 10.0.0.7 : jump g3 }", "element 10.0.0.7 added to set m\n"},
	    {"delete element inet ringfence m { 10.0.0.7 }", "element 10.0.0.7 deleted from set m\n"},
	    {"flush chain inet ringfence g3", "rule deleted from chain g3\n"},
	    {"add rule inet ringfence g3 accept", "rule added to chain g3\n"},
	    {"delete chain inet ringfence forward", "chain forward deleted\n"},
	    {"delete set inet ringfence names", NULL},
	    {"add set inet ringfence fresh { type ipv4_addr; }", "set fresh added or changed\n"},
	    {"add chain inet ringfence fresh", "chain fresh added or changed\n"},
	    {"add counter inet ringfence total", "object total added or changed\n"},
	    {"delete table inet other", ""},
	    {"delete table ip ringfence", ""},
	    {"add rule inet ringfence g3 drop; add element inet ringfence a4 { 192.0.2.9 }",
	     "rule added to chain g3\nelement 192.0.2.9 added to set a4\n"},
	};
	static struct seen seen;

	if (!can_run())
		skip();
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char script[256];

		snprintf(script, sizeof script, "%s\n", cases[i].script);
		nft(script);
		look(*state, &seen);
		if (cases[i].expected != NULL)
			assert_string_equal(seen.lines, cases[i].expected);
		assert_int_equal(seen.transactions, cases[i].expected == NULL || cases[i].expected[0] != '\0');
	}
}

static void unknown_keys_are_shown_as_bytes(void **state)
{
	static struct seen seen;

	if (!can_run())
		skip();
	nft("add set inet ringfence odd { type ether_addr; }\nadd element inet ringfence odd { 02:00:00:00:00:01 }\n");
	look(*state, &seen);
	assert_non_null(strstr(seen.lines, "element 0x020000000001"));
}

static void deleted_table_is_reported(void **state)
{
	static struct seen seen;

	if (!can_run())
		skip();
	nft("delete table inet ringfence\n");
	look(*state, &seen);
	assert_int_equal(seen.transactions, 1);
	assert_string_equal(seen.change.descriptions[seen.change.description_count - 1], "table deleted");
}

static void process_is_named(void **state)
{
	static struct seen first, second;

	if (!can_run())
		skip();
	nft("add element inet ringfence a4 { 192.0.2.1 }\n");
	look(*state, &first);
	nft("add element inet ringfence a4 { 192.0.2.2 }\n");
	look(*state, &second);
	assert_string_equal(first.change.process, "nft");
	assert_true(first.change.pid > 0);
	assert_int_not_equal(first.change.pid, second.change.pid);
	assert_true(first.change.port_id != 0);
	assert_int_equal(second.change.generation, first.change.generation + 1);
}

static void strange_process_names_are_escaped(void **state)
{
	static struct seen seen;
	char command[] =
	    "d=$(mktemp -d) && n=\"$d/$(printf 'a\\033[31m\\\\')\" && ln -s \"$(command -v nft)\" \"$n\" && "
	    "\"$n\" add element inet ringfence a4 '{ 192.0.2.3 }'; s=$?; rm -r \"$d\"; exit $s";

	if (!can_run())
		skip();
	assert_int_equal(system(command), 0);
	look(*state, &seen);
	assert_string_equal(seen.change.process, "a\\x1b[31m\\x5c");
}

static void each_transaction_is_reported_once(void **state)
{
	static struct seen seen;

	if (!can_run())
		skip();
	for (int i = 1; i <= 5; i++) {
		char script[128];

		snprintf(script, sizeof script, "add element inet ringfence a4 { 198.51.100.%d, 203.0.113.%d }\n", i,
			 i);
		nft(script);
	}
	look(*state, &seen);
	assert_int_equal(seen.transactions, 5);
	assert_int_equal(seen.change.count, 2);
	look(*state, &seen);
	assert_int_equal(seen.transactions, 0);
}

/* A transaction of `count` elements. */
static void add_many(int count)
{
	FILE *pipe = popen("nft -f -", "w");

	assert_non_null(pipe);
	fputs("add element inet ringfence p4 { ", pipe);
	for (int i = 0; i < count; i++)
		fprintf(pipe, "%s10.0.0.1 . 10.%d.%d.%d", i == 0 ? "" : ", ", i >> 16, i >> 8 & 255, i & 255);
	fputs(" }\n", pipe);
	assert_int_equal(pclose(pipe), 0);
}

static void large_transaction_is_counted_in_full(void **state)
{
	static struct seen seen, more;
	struct monitor *monitor = *state;

	if (!can_run())
		skip();
	add_many(5000);
	look(monitor, &seen);
	for (int i = 0; i < 100 && seen.transactions == 0; i++) {
		look(monitor, &more);
		seen = more;
	}
	assert_int_equal(seen.transactions, 1);
	assert_int_equal(seen.change.count, 5000);
	assert_int_equal(seen.change.description_count, MONITOR_DESCRIPTIONS_MAX);
}

static void lost_messages_are_said_and_reading_goes_on(void **state)
{
	static struct seen seen;
	struct monitor *monitor = *state;
	int size = 4096, error = 0;

	if (!can_run())
		skip();
	assert_int_equal(setsockopt(monitor_fd(monitor), SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size), 0);
	add_many(5000);
	for (int i = 0; i < 100 && error == 0; i++)
		error = monitor_read(monitor, note, &seen);
	assert_int_equal(error, -ENOBUFS);
	assert_int_equal(monitor_read(monitor, note, &seen), 0);
	nft("add element inet ringfence a4 { 192.0.2.77 }\n");
	look(monitor, &seen);
	assert_non_null(strstr(seen.lines, "element 192.0.2.77 added to set a4\n"));
	assert_int_equal(seen.transactions, 1);
}

struct others {
	size_t transactions;
	struct monitor_other newest;
};

static void note_other(void *context, const struct monitor_other *other)
{
	struct others *others = context;

	others->transactions++;
	others->newest = *other;
}

static void changes_of_other_tables_are_told_apart(void **state)
{
	static struct seen seen;
	struct others others = {0};

	if (!can_run())
		skip();
	monitor_hear_others(*state, note_other, &others);
	nft("add element inet ringfence a4 { 192.0.2.9 }\n");
	look(*state, &seen);
	assert_int_equal(others.transactions, 0);
	nft("add rule inet other c accept\nadd rule ip ringfence c accept\nadd rule inet other c drop\n");
	look(*state, &seen);
	assert_int_equal(seen.transactions, 0);
	assert_int_equal(others.transactions, 1);
	assert_int_equal(others.newest.table_count, 2);
	assert_int_equal(others.newest.tables[0].family, 1); /* NFPROTO_INET */
	assert_string_equal(others.newest.tables[0].name, "other");
	assert_int_equal(others.newest.tables[1].family, 2);
	assert_string_equal(others.newest.tables[1].name, "ringfence");
	assert_string_equal(others.newest.process, "nft");
	assert_true(others.newest.pid > 0);
	nft("add rule inet other c accept\nadd element inet ringfence a4 { 192.0.2.10 }\n");
	look(*state, &seen);
	assert_int_equal(seen.transactions, 1);
	assert_int_equal(seen.change.count, 1);
	assert_int_equal(others.transactions, 2);
	assert_int_equal(others.newest.table_count, 1);
	nft("add table ip a\nadd table ip b\nadd table ip c\nadd table ip d\nadd table ip e\n");
	look(*state, &seen);
	assert_int_equal(others.newest.table_count, MONITOR_TABLES_MAX);
	assert_true(others.newest.more);
}

static void reading_does_not_wait(void **state)
{
	static struct seen seen;
	struct pollfd poll_fd;

	if (!can_run())
		skip();
	look(*state, &seen);
	assert_int_equal(seen.transactions, 0);
	nft("add element inet ringfence a4 { 192.0.2.1 }\n");
	poll_fd = (struct pollfd){.fd = monitor_fd(*state), .events = POLLIN};
	assert_int_equal(poll(&poll_fd, 1, 1000), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(changes_are_described, begin, end),
	    cmocka_unit_test_setup_teardown(unknown_keys_are_shown_as_bytes, begin, end),
	    cmocka_unit_test_setup_teardown(deleted_table_is_reported, begin, end),
	    cmocka_unit_test_setup_teardown(process_is_named, begin, end),
	    cmocka_unit_test_setup_teardown(strange_process_names_are_escaped, begin, end),
	    cmocka_unit_test_setup_teardown(each_transaction_is_reported_once, begin, end),
	    cmocka_unit_test_setup_teardown(large_transaction_is_counted_in_full, begin, end),
	    cmocka_unit_test_setup_teardown(lost_messages_are_said_and_reading_goes_on, begin, end),
	    cmocka_unit_test_setup_teardown(changes_of_other_tables_are_told_apart, begin, end),
	    cmocka_unit_test_setup_teardown(reading_does_not_wait, begin, end),
	};

	ready = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && system("nft list ruleset >/dev/null 2>&1") == 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
