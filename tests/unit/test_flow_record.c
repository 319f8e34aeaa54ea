/* Lines of a flow log: a table of lines with what is read or why not, and what nobody would write: long, deep, doubled,
 * huge, no text, and a great many small changes of good ones. */
#include <ringfence/arena.h>
#include <ringfence/flow_record.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDS "\"src\": \"shop/a\", \"dst\": \"shop/b\", "
#define TCP ENDS "\"proto\": \"tcp\", \"dport\": 5432"

static const struct {
	const char *true_is, *line;
	const char *read; /* FROM TO PORT [FROM_ADDRESS TO_ADDRESS VERDICT TIME], or what the problem begins with */
} cases[] = {
    {"a record", "{" TCP "}", "shop/a shop/b 5432/tcp"},
    {"as a node writes it",
     "{\"ts\":\"2026-11-25T09:00:00Z\",\"verdict\":\"deny\",\"src\":\"shop/batch-3\",\"dst\":\"shop/"
     "db-1\",\"proto\":\"tcp\",\"sport\":40112,\"dport\":5432,\"dir\":\"ingress\"}",
     "shop/batch-3 shop/db-1 5432/tcp - - deny 1795597200"},
    {"keys that nobody knows pass", "{" TCP ", \"gen\": {\"deep\": [1, null]}, \"more\": 1.5e300}",
     "shop/a shop/b 5432/tcp"},
    {"blanks around it", " \t{" TCP "}\r", "shop/a shop/b 5432/tcp"},
    {"a protocol by its number", "{" ENDS "\"proto\": 17, \"dport\": 53}", "shop/a shop/b 53/udp"},
    {"one without ports", "{" ENDS "\"proto\": 47}", "shop/a shop/b protocol 47"},
    {"icmp by the name of its type", "{" ENDS "\"proto\": \"icmp\", \"type\": \"echo-request\"}",
     "shop/a shop/b icmp/echo-request"},
    {"and by its number", "{" ENDS "\"proto\": \"icmpv6\", \"type\": 128, \"code\": 0}",
     "shop/a shop/b icmpv6/echo-request"},
    {"port 0 was seen", "{" ENDS "\"proto\": \"tcp\", \"dport\": 0}", "shop/a shop/b 0/tcp"},
    {"addresses", "{" TCP ", \"src_ip\": \"10.0.0.1\", \"dst_ip\": \"fd00::1\"}",
     "shop/a shop/b 5432/tcp 10.0.0.1 fd00::1 -"},
    {"null is not there", "{" TCP ", \"src_ip\": null, \"ts\": null, \"verdict\": null}", "shop/a shop/b 5432/tcp"},
    {"what was let pass", "{" TCP ", \"verdict\": \"allow\"}", "shop/a shop/b 5432/tcp - - allow"},
    {"three words", "shop/a\t shop/b  http\r", "shop/a shop/b http"},

    {"no source", "{\"dst\": \"shop/b\", \"proto\": \"tcp\", \"dport\": 1}", "!`src` is missing"},
    {"no destination", "{\"src\": \"shop/b\", \"proto\": \"tcp\", \"dport\": 1}", "!`dst` is missing"},
    {"no protocol", "{" ENDS "\"dport\": 1}", "!`proto` is missing"},
    {"no port", "{" ENDS "\"proto\": \"sctp\"}", "!`dport` is missing"},
    {"no type", "{" ENDS "\"proto\": \"icmp\", \"dport\": 1}", "!`type` is missing"},
    {"null where it is needed", "{\"src\": null, \"dst\": \"b\", \"proto\": 6, \"dport\": 1}", "!`src` is missing"},
    {"a source that is a number", "{\"src\": 1, \"dst\": \"b\", \"proto\": 6, \"dport\": 1}", "!`src` is a text"},
    {"an empty source", "{\"src\": \"\", \"dst\": \"b\", \"proto\": 6, \"dport\": 1}", "!`src` is a text"},
    {"a port that is text", "{" ENDS "\"proto\": 6, \"dport\": \"80\"}", "!`dport` is a number up to 65535"},
    {"a port that is no whole number", "{" ENDS "\"proto\": 6, \"dport\": 80.0}", "!`dport` is a number up to 65535"},
    {"a port too large", "{" ENDS "\"proto\": 6, \"dport\": 65536}", "!`dport` is a number up to 65535"},
    {"a port below 0", "{" ENDS "\"proto\": 6, \"dport\": -1}", "!`dport` is a number up to 65535"},
    {"a port that wraps", "{" ENDS "\"proto\": 6, \"dport\": 4294967376}", "!`dport` is a number up to 65535"},
    {"a protocol that is none", "{" ENDS "\"proto\": \"TCP\"}", "!`proto` is tcp, udp"},
    {"a protocol too large", "{" ENDS "\"proto\": 256}", "!`proto` is tcp, udp"},
    {"any is no protocol", "{" ENDS "\"proto\": \"any\"}", "!`proto` is tcp, udp"},
    {"a type that is none", "{" ENDS "\"proto\": \"icmp\", \"type\": \"echo\"}", "!`type` is the name"},
    {"a type of the other version", "{" ENDS "\"proto\": \"icmp\", \"type\": \"node-information-request\"}",
     "!`type` is the name"},
    {"a type too large", "{" ENDS "\"proto\": \"icmp\", \"type\": 256}", "!`type` is the name"},
    {"an address that is none", "{" TCP ", \"src_ip\": \"10.0.0\"}", "!`src_ip` is an address"},
    {"a mapped address", "{" TCP ", \"dst_ip\": \"::ffff:10.0.0.1\"}", "!`dst_ip` is an address"},
    {"a time that is none", "{" TCP ", \"ts\": 1795597200}", "!`ts` is a time"},
    {"a date is no time", "{" TCP ", \"ts\": \"2026-11-25\"}", "!`ts` is a time"},
    {"another verdict", "{" TCP ", \"verdict\": \"drop\"}", "!`verdict` is allow or deny"},
    {"a key twice", "{" TCP ", \"dport\": 22}", "!no JSON object: duplicate object key"},
    {"a key twice that nobody knows", "{" TCP ", \"x\": 1, \"x\": 1}", "!no JSON object: duplicate object key"},
    {"a number beyond all", "{" ENDS "\"proto\": 6, \"dport\": 99999999999999999999999}", "!no JSON object: too big"},
    {"a fraction beyond all", "{" TCP ", \"x\": 1e999999}", "!no JSON object: real number overflow"},
    {"half an object", "{" TCP, "!no JSON object: "},
    {"two objects", "{" TCP "}{" TCP "}", "!no JSON object: end of file expected"},
    {"bytes that are no UTF-8", "{\"src\": \"shop/\xff\xfe\", \"dst\": \"b\"}", "!no JSON object: unable to decode"},
    {"half a character of two", "{\"src\": \"\\ud800\", \"dst\": \"b\"}", "!no JSON object: "},
    {"NUL that is written", "{\"src\": \"shop/a\\u0000\", \"dst\": \"b\"}", "!no JSON object: "},
    {"a control character", "{\"src\": \"shop/a\x1b\", \"dst\": \"b\"}", "!no JSON object: control character"},
    {"two words", "shop/a shop/b", "!a line is FROM TO PORT"},
    {"four words", "shop/a shop/b http x", "!a line is FROM TO PORT"},
    {"a list is three words or nothing", "[" TCP "]", "!a line is FROM TO PORT"},
};

static void write_address(FILE *stream, const struct address *address)
{
	char text[ADDRESS_TEXT_SIZE];
	fprintf(stream, " %s", address->family != 0 ? address_format(address, text) : "-");
}

static char *read_text(const struct flow_record *record, const char *problem)
{
	static const char *const verdicts[] = {"-", "allow", "deny"};
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	if (problem != NULL)
		fprintf(stream, "!%s", problem);
	else
		fprintf(stream, "%s %s %s", record->words[EGRESS], record->words[INGRESS], record->port_word);
	if (problem == NULL &&
	    (record->addresses[0].family != 0 || record->addresses[1].family != 0 || record->recorded != 0)) {
		write_address(stream, &record->addresses[EGRESS]);
		write_address(stream, &record->addresses[INGRESS]);
		fprintf(stream, " %s", verdicts[record->recorded]);
	}
	if (problem == NULL && record->time != 0)
		fprintf(stream, " %lld", (long long)record->time);
	assert_int_equal(fclose(stream), 0);
	return text;
}

static void each_line_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct flow_record record;
		const char *problem = flow_record_read(&record, cases[i].line, strlen(cases[i].line));
		char *text = read_text(&record, problem);
		if (cases[i].read[0] == '!' ? strncmp(text, cases[i].read, strlen(cases[i].read)) != 0
					    : strcmp(text, cases[i].read) != 0)
			fail_msg("%s: read is\n%s\nand not\n%s", cases[i].true_is, text, cases[i].read);
		free(text);
	}
}

/* ---- what nobody would write ---- */

/* `before`, `count` times `piece`, `behind`; freed by the caller. */
static char *repeated(const char *before, const char *piece, size_t count, const char *behind)
{
	size_t length = strlen(piece), start = strlen(before);
	char *text = malloc(start + count * length + strlen(behind) + 1);
	assert_non_null(text);
	strcpy(text, before);
	for (size_t i = 0; i < count; i++)
		memcpy(text + start + i * length, piece, length);
	strcpy(text + start + count * length, behind);
	return text;
}

static void long_and_deep_lines_are_refused(void **state)
{
	static const struct {
		const char *before, *piece, *behind;
		size_t count;
		bool good;
	} lines[] = {
	    {"{" TCP ", \"x\": ", "[", "}", 60000, false},
	    {"{" TCP ", \"x\": ", "{\"x\":", "}", 10000, false},
	    {"{" TCP ", \"x\": \"", "x", "\"}", 60000, true},
	    {"{\"dst\": \"b\", \"proto\": 47, \"src\": \"", "x", "\"}", 255, true},
	    {"{\"dst\": \"b\", \"proto\": 47, \"src\": \"", "x", "\"}", 256, false},
	    {"b 1/tcp ", "x", "", 255, true},
	    {"b 1/tcp ", "x", "", 256, false},
	    {"", "x", " b 1/tcp", 256, false},
	    {"b ", "x", " 1/tcp", 256, false},
	    {"{" TCP ", \"type\": \"", "x", "\"}", 1000, false},
	    {"{" TCP ", \"src_ip\": \"", "1", "\"}", 1000, false},
	    {"{" TCP ", \"ts\": \"", "9", "\"}", 1000, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
		struct flow_record record;
		char *line = repeated(lines[i].before, lines[i].piece, lines[i].count, lines[i].behind);
		if ((flow_record_read(&record, line, strlen(line)) == NULL) != lines[i].good)
			fail_msg("line %zu", i);
		free(line);
	}
}

/* Reads all lines of `text`; writes for each its number, and `!` where it cannot be read. */
static void lines_are(const char *text, size_t length, const char *expected)
{
	struct arena *arena = arena_create();
	FILE *stream = fmemopen((void *)(uintptr_t)text, length, "r");
	struct flow_lines lines;
	struct flow_record record;
	const char *problem;
	char read[256] = "";
	assert_non_null(stream);
	flow_lines_init(&lines, arena, stream);
	while (flow_lines_next(&lines, &record, &problem))
		snprintf(read + strlen(read), sizeof read - strlen(read), "%zu%s ", lines.number,
			 problem != NULL ? "!" : "");
	assert_string_equal(read, expected);
	assert_int_equal(fclose(stream), 0);
	arena_free(arena);
}

static void lines_are_bounded_and_counted(void **state)
{
	static const char nul[] = "a b 1/tcp\na b\0 1/tcp\n{" TCP "}\0\n\0\na b 1/tcp";
	(void)state;
	lines_are("a b 1/tcp\n\n  \t\r\n# x\n   # y\na b 1/tcp", strlen("a b 1/tcp\n\n  \t\r\n# x\n   # y\na b 1/tcp"),
		  "1 6 ");
	lines_are(nul, sizeof nul - 1, "1 2! 3! 4! 5 ");
	char *line = repeated("{" TCP ", \"x\": \"", "x", FLOW_LINE_MOST, "\"}\na b 1/tcp\n");
	lines_are(line, strlen(line), "1! 2 ");
	free(line);
	line = repeated("a b 1/tcp", " ", FLOW_LINE_MOST - strlen("a b 1/tcp"), "\na b 1/tcp\n");
	lines_are(line, strlen(line), "1 2 ");
	free(line);
	line = repeated("a b 1/tcp", " ", FLOW_LINE_MOST - strlen("a b 1/tcp") + 1, "\na b 1/tcp\n");
	lines_are(line, strlen(line), "1! 2 ");
	free(line);
	line = repeated("#", "x", 2 * FLOW_LINE_MOST, "\na b 1/tcp\n");
	lines_are(line, strlen(line), "2 ");
	free(line);
}

static uint32_t next(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void mutate(char *line, size_t *length, uint32_t *seed)
{
	static const char bytes[] = "{}[]\":,\\u0-9.eE \0\xff\xc3\xe2";
	for (uint32_t count = 1 + next(seed) % 3; count > 0; count--) {
		size_t at = next(seed) % *length;
		if (next(seed) % 3 == 0 && *length > 1) {
			memmove(line + at, line + at + 1, *length - at - 1);
			--*length;
		} else if (next(seed) % 2 == 0) {
			line[at] = bytes[next(seed) % (sizeof bytes - 1)];
		} else {
			line[at] = (char)next(seed);
		}
	}
}

/* A line that is read has ends, a port and a protocol that are whole. */
static void small_changes_do_no_harm(void **state)
{
	enum { ROUNDS = 200000, CASES = sizeof cases / sizeof *cases };
	size_t good = 0;
	uint32_t seed = 7;
	(void)state;
	for (size_t i = 0; i < ROUNDS; i++) {
		const char *from = cases[next(&seed) % CASES].line;
		size_t length = strlen(from);
		char *line = malloc(length); /* no NUL behind it, so that a sanitizer sees what reads on */
		struct flow_record record;
		assert_non_null(line);
		memcpy(line, from, length);
		mutate(line, &length, &seed);
		const char *problem = flow_record_read(&record, line, length);
		free(line);
		if (problem != NULL) {
			assert_ptr_equal(problem, record.problem);
			assert_in_range(strnlen(problem, FLOW_WORD_SIZE), 1, FLOW_WORD_SIZE - 1);
			continue;
		}
		good++;
		for (int end = EGRESS; end <= INGRESS; end++)
			assert_in_range(strnlen(record.words[end], FLOW_WORD_SIZE), 1, FLOW_WORD_SIZE - 1);
		assert_in_range(strnlen(record.port_word, FLOW_WORD_SIZE), 1, FLOW_WORD_SIZE - 1);
		assert_true(!record.observed || record.protocol < 256);
	}
	assert_true(good > ROUNDS / 50 && good < ROUNDS);
	print_message("# %d lines, %zu of them good\n", ROUNDS, good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_line_is_read),
	    cmocka_unit_test(long_and_deep_lines_are_refused),
	    cmocka_unit_test(lines_are_bounded_and_counted),
	    cmocka_unit_test(small_changes_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
