/* Prefixes of records: what our rules write is read back, and nothing else is. */
#include "compiler/ruleset/netlink.h"
#include "enforcer/observe/log_prefix.h"
#include "tests/unit/reading.h"
#include "tests/unit/worlds.h"

#include <ringfence/ruleset.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORLDS = 200, MUTATIONS = 200000 };

static const struct {
	const char *prefix;
	const char *says; /* VERDICT CAUSE [DIRECTION] [OWNER] [FILE LINE]; NULL: none of ours */
} cases[] = {
    {"ringfence deny ingress shop/api p/shop.yaml:7 ", "deny no-allow ingress shop/api p/shop.yaml 7"},
    {"ringfence deny egress shop/web a b:c.yaml:12", "deny no-allow egress shop/web a b:c.yaml 12"},
    {"ringfence audit egress unmatched by default ", "audit unmatched egress"},
    {"ringfence deny ingress unmatched shop.yaml:3 ", "deny unmatched ingress shop.yaml 3"},
    {"ringfence deny ingress quarantine q.yaml:9 ", "deny quarantine ingress q.yaml 9"},
    {"ringfence deny egress quarantine by an operator ", "deny quarantine-by-operator egress"},
    {"ringfence deny egress quarantine by an operator:9 ", "deny quarantine egress by an operator 9"},
    {"ringfence deny egress conflict two workloads with one address ", "deny conflict egress"},
    {"ringfence deny ingress rate shop.yaml:20 ", "deny rate ingress shop.yaml 20"},
    {"ringfence allow egress /etc/rate shop.yaml:20 ", "allow allow egress /etc/rate shop.yaml 20"},
    {"ringfence deny spoof source guard ", "deny spoof"},
    {"ringfence audit invalid no flow of conntrack ", "audit invalid"},
    {"ringfence deny unknown address of no known workload ", "deny unknown"},
    {"ringfence allow spoof source guard ", NULL},
    {"ringfence allow ingress shop.yaml ", NULL},
    {"ringfence deny sideways shop/api shop.yaml:7 ", NULL},
    {"ringfence deny ingress shop shop.yaml:7 ", NULL},
    {"ringfence deny ingress shop/api shop.yaml:7777777777 ", NULL},
    {"ringfence deny ingress shop/api :7 ", NULL},
    {"ringfence deny ingress shop/api shop.yaml:7x ", NULL},
    {"ringfence deny ingress shop/api \x1b[2Jshop.yaml:7 ", NULL},
    {"ringfence deny ingress shop/api shop.yaml\n:7 ", NULL},
    {"ringfence deny ingress shop/api \xff.yaml:7 ", NULL},
    {"ringfence deny ", NULL},
    {"ringfence ", NULL},
    {"", NULL},
    {"IN= OUT= ", NULL},
    {"xringfence deny spoof source guard ", NULL},
};
enum { CASES = sizeof cases / sizeof *cases };

static bool parse(struct log_reason *reason, const char *bytes, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	memcpy(copy, bytes, length);
	bool ours = log_prefix_parse(reason, copy, length);
	free(copy);
	return ours;
}

static void each_prefix_is_read(void **state)
{
	static const char *const verdicts[LOGGED_KINDS] = {"deny", "audit", "allow"};
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		struct log_reason reason;
		char text[512] = "", line[16] = "";
		bool ours = parse(&reason, cases[i].prefix, strlen(cases[i].prefix) + 1); /* with its NUL */
		assert_int_equal(ours, parse(&reason, cases[i].prefix, strlen(cases[i].prefix)));
		if (reason.line > 0)
			snprintf(line, sizeof line, " %u", reason.line);
		if (ours)
			snprintf(text, sizeof text, "%s %s%s%s%s%s%s%s", verdicts[reason.logged],
				 cause_word(reason.cause),
				 !reason.has_direction	      ? ""
				 : reason.direction == EGRESS ? " egress"
							      : " ingress",
				 reason.owner[0] != 0 ? " " : "", reason.owner, reason.file[0] != 0 ? " " : "",
				 reason.file, line);
		assert_int_equal(ours, cases[i].says != NULL);
		assert_string_equal(text, cases[i].says != NULL ? cases[i].says : "");
	}
}

/* Every rule that logs, of random policies in every mode. */
static void what_rules_write_is_read_back(void **state)
{
	size_t seen = 0;
	bool causes[CAUSES] = {false};
	(void)state;
	sow(20261126);
	for (unsigned i = 0; i < WORLDS; i++) {
		struct reading reading;
		char *text = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&text, &size);
		const struct making making = {out, i % 3 != 0, i % 2 == 0, i % 5 == 0, roll(POOL_FORMS)};
		write_policy(&making);
		write_inventory(&making);
		fclose(out);
		const struct world world = read_policy(&reading, "policy dir/some: file.yaml", text);
		const struct ruleset *ruleset = ruleset_lower(reading.arena, &world, "n0", 1, &reading.diagnostics);
		assert_non_null(ruleset);
		for (size_t j = 0; j < ruleset->chain_count; j++)
			for (size_t k = 0; k < ruleset->chains[j]->rule_count; k++)
				for (size_t l = 0; l < ruleset->chains[j]->rules[k].statement_count; l++) {
					const struct statement *statement = &ruleset->chains[j]->rules[k].statements[l];
					char safe[NETLINK_TEXT_MAX];
					struct log_reason reason;
					if (statement->kind != STATEMENT_LOG)
						continue;
					netlink_text(safe, statement->text);
					if (!parse(&reason, safe, strlen(safe)))
						fail_msg("not read back: %s", safe);
					causes[reason.cause] = true;
					seen++;
				}
		arena_free(reading.arena);
		free(text);
	}
	assert_true(seen > WORLDS);
	assert_true(causes[CAUSE_NO_ALLOW] && causes[CAUSE_UNMATCHED] && causes[CAUSE_SPOOF] && causes[CAUSE_INVALID] &&
		    causes[CAUSE_UNKNOWN]);
}

static void no_mutation_is_misread(void **state)
{
	(void)state;
	srandom(20261126);
	for (size_t i = 0; i < MUTATIONS; i++) {
		struct log_reason reason;
		char bytes[160];
		const char *prefix = cases[(size_t)random() % CASES].prefix;
		size_t length = strlen(prefix);
		memset(bytes, 'x', sizeof bytes);
		memcpy(bytes, prefix, length);
		for (long changes = random() % 4; changes > 0; changes--)
			bytes[(size_t)random() % sizeof bytes] = (char)random();
		length = (size_t)random() % sizeof bytes;
		if (!parse(&reason, bytes, length))
			continue;
		assert_true(strlen(reason.owner) < LOG_PREFIX_SIZE && strlen(reason.file) < LOG_PREFIX_SIZE);
		for (const char *at = reason.file; *at != 0; at++)
			assert_true(*at >= ' ' && *at <= '~');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_prefix_is_read),
	    cmocka_unit_test(what_rules_write_is_read_back),
	    cmocka_unit_test(no_mutation_is_misread),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
