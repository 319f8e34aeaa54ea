/* The results of a policy's tests as text, JSON, JUnit XML and TAP.
 *
 * Names and reasons come from input: each form has its own way of writing what it cannot hold. */
#include "compiler/report/tests_report.h"
#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>
#include <ringfence/explain.h>

#include <stdlib.h>
#include <string.h>

static const char *port_text(struct arena *arena, const struct flow *flow)
{
	char port[48];
	struct port_range range = {flow->protocol, flow->port, flow->port};
	return arena_printf(arena, "%s", port_range_format(&range, port));
}

/* What a test has to say when it failed: the flow and its reasons. In `arena`. */
static const char *details(const struct tests_report *report, const struct test_result *result, const char *indent)
{
	if (result->problem != NULL)
		return arena_printf(report->arena, "%s%s\n", indent, result->problem);
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);
	if (stream == NULL)
		abort();
	verdict_print(stream, report->arena, &result->flow, &result->verdict, port_text(report->arena, &result->flow),
		      indent, false);
	if (fclose(stream) != 0)
		abort();
	const char *copy = arena_copy(report->arena, text, size);
	free(text);
	return copy;
}

static const char *statement_kind(const struct statement_coverage *statement)
{
	return statement->is_never ? "never" : "allow";
}

static const char *uncovered_text(const struct statement_coverage *statement)
{
	if (!statement->asked)
		return "no test asks for it";
	return statement->is_never ? "the tests that ask for it pass where it is open too"
				   : "the tests that ask for it pass without it";
}

/* ---- text ---- */

static void print_coverage(const struct tests_report *report)
{
	const struct coverage *coverage = report->coverage;
	for (size_t i = 0; i < coverage->count; i++) {
		const struct statement_coverage *statement = &coverage->items[i];
		if (statement->covered)
			continue;
		printf("%s:%u:%u: %s %s", text_escaped(report->arena, statement->span.file), statement->span.line,
		       statement->span.column, statement_kind(statement), text_escaped(report->arena, statement->text));
		if (statement->why != NULL)
			printf(" (%s)", text_escaped(report->arena, statement->why));
		printf(": %s\n", uncovered_text(statement));
	}
	printf("covered %zu of %zu allows, %zu of %zu never rules", coverage->allows_covered, coverage->allows,
	       coverage->nevers_covered, coverage->nevers);
	if (coverage->expired > 0)
		printf("; %zu allow%s over", coverage->expired, coverage->expired == 1 ? " is" : "s are");
	putchar('\n');
}

void tests_print_text(const struct tests_report *report)
{
	for (size_t i = 0; i < report->count; i++) {
		const struct test_result *result = &report->results[i];
		const struct span *span = &result->test->span;
		if (result->passed && !report->verbose)
			continue;
		const char *mark = !report->color ? "" : result->passed ? "\x1b[1;32m" : "\x1b[1;31m";
		printf("%s%s%s  %s:%u:%u  %s", mark, result->passed ? "ok    " : "FAILED",
		       report->color ? "\x1b[0m" : "", text_escaped(report->arena, span->file), span->line,
		       span->column, text_escaped(report->arena, result->name));
		if (result->test->why != NULL)
			printf(" (%s)", text_escaped(report->arena, result->test->why));
		putchar('\n');
		if (!result->passed && result->problem != NULL)
			printf("    %s\n", text_escaped(report->arena, result->problem));
		else if (!result->passed)
			verdict_print(stdout, report->arena, &result->flow, &result->verdict,
				      port_text(report->arena, &result->flow), "    ", report->color);
	}
	printf("%zu passed, %zu failed", report->count - report->failed, report->failed);
	if (report->proving_nothing > 0)
		printf(", %zu prove%s nothing", report->proving_nothing, report->proving_nothing == 1 ? "s" : "");
	putchar('\n');
	if (report->coverage != NULL)
		print_coverage(report);
}

/* ---- JSON ---- */

static json_t *result_json(struct arena *arena, const struct test_result *result)
{
	json_t *object = json_pack("{s:o, s:i, s:o, s:s, s:b, s:I}", "file", text_json(result->test->span.file), "line",
				   (int)result->test->span.line, "name", text_json(result->name), "expect",
				   result->test->expect_allow ? "allow" : "deny", "passed", result->passed, "flows",
				   (json_int_t)result->flow_count);
	if (result->test->why != NULL)
		json_object_set_new(object, "why", text_json(result->test->why));
	if (result->nothing != NULL)
		json_object_set_new(object, "proves_nothing", text_json(result->nothing));
	if (result->problem != NULL) {
		json_object_set_new(object, "problem", text_json(result->problem));
		return object;
	}
	json_object_set_new(object, "from", text_json(endpoint_name(arena, &result->flow.from)));
	json_object_set_new(object, "to", text_json(endpoint_name(arena, &result->flow.to)));
	json_object_set_new(object, "port", json_string(port_text(arena, &result->flow)));
	json_object_set_new(object, "verdict", json_string(result->verdict.allowed ? "allow" : "deny"));
	json_object_set_new(object, "because", verdict_because_json(&result->verdict));
	return object;
}

static json_t *coverage_json(const struct coverage *coverage)
{
	json_t *uncovered = json_array();
	for (size_t i = 0; i < coverage->count; i++) {
		const struct statement_coverage *statement = &coverage->items[i];
		if (statement->covered)
			continue;
		json_t *object = json_pack("{s:s, s:o, s:i, s:i, s:o, s:b, s:s}", "kind", statement_kind(statement),
					   "file", text_json(statement->span.file), "line", (int)statement->span.line,
					   "column", (int)statement->span.column, "text", text_json(statement->text),
					   "asked", statement->asked, "because", uncovered_text(statement));
		if (statement->why != NULL)
			json_object_set_new(object, "why", text_json(statement->why));
		json_array_append_new(uncovered, object);
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o}", "allows", (json_int_t)coverage->allows, "allows_covered",
			 (json_int_t)coverage->allows_covered, "nevers", (json_int_t)coverage->nevers, "nevers_covered",
			 (json_int_t)coverage->nevers_covered, "expired", (json_int_t)coverage->expired, "uncovered",
			 uncovered);
}

void tests_print_json(const struct tests_report *report)
{
	json_t *list = json_array();
	for (size_t i = 0; i < report->count; i++)
		json_array_append_new(list, result_json(report->arena, &report->results[i]));
	json_t *root = json_pack("{s:i, s:I, s:I, s:I, s:o}", "version", 1, "tests", (json_int_t)report->count,
				 "failed", (json_int_t)report->failed, "proving_nothing",
				 (json_int_t)report->proving_nothing, "results", list);
	if (report->coverage != NULL)
		json_object_set_new(root, "coverage", coverage_json(report->coverage));
	json_dumpf(root, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(root);
}

/* ---- JUnit ---- */

/* XML 1.0 has no way to write most control characters, U+FFFE and U+FFFF: they are escaped as text before. */
static void print_xml(const struct tests_report *report, const char *input)
{
	static const struct {
		char character;
		const char *entity;
	} entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&apos;"}};
	for (const char *at = text_escaped(report->arena, input); *at != 0; at++) {
		const char *entity = NULL;
		for (size_t i = 0; i < sizeof entities / sizeof *entities && entity == NULL; i++)
			if (entities[i].character == *at)
				entity = entities[i].entity;
		if (entity != NULL) {
			fputs(entity, stdout);
		} else if (strncmp(at, "\xef\xbf\xbe", 3) == 0 || strncmp(at, "\xef\xbf\xbf", 3) == 0) {
			printf("\\x%02x\\x%02x\\x%02x", (unsigned char)at[0], (unsigned char)at[1],
			       (unsigned char)at[2]);
			at += 2;
		} else {
			putchar(*at);
		}
	}
}

static void print_xml_lines(const struct tests_report *report, const char *text)
{
	while (*text != 0) {
		size_t length = strcspn(text, "\n");
		print_xml(report, arena_copy(report->arena, text, length));
		putchar('\n');
		text += length + (text[length] == '\n');
	}
}

static void print_failure(const struct tests_report *report, const struct test_result *result)
{
	fputs("      <failure message=\"", stdout);
	if (result->problem != NULL)
		print_xml(report, result->problem);
	else
		printf("expected %s, and the verdict is %s", result->test->expect_allow ? "allow" : "deny",
		       result->verdict.allowed ? "allow" : "deny");
	fputs("\">", stdout);
	print_xml_lines(report, details(report, result, ""));
	fputs("</failure>\n", stdout);
}

/* Begins a case, which `behind` ends where it is all. */
static void print_case(const struct tests_report *report, const struct span *span, const char *before, const char *name,
		       const char *behind)
{
	fputs("    <testcase classname=\"", stdout);
	print_xml(report, span->file);
	printf("\" name=\"%s", before);
	print_xml(report, name);
	fputs("\" file=\"", stdout);
	print_xml(report, span->file);
	printf("\" line=\"%u\"%s>\n", span->line, behind);
}

static void print_tests_suite(const struct tests_report *report)
{
	printf("  <testsuite name=\"ringfence\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
	       report->count, report->failed);
	for (size_t i = 0; i < report->count; i++) {
		const struct test_result *result = &report->results[i];
		bool plain = result->passed && result->nothing == NULL;
		print_case(report, &result->test->span, "", result->name, plain ? "/" : "");
		if (!result->passed)
			print_failure(report, result);
		if (result->nothing != NULL) {
			fputs("      <system-out>proves nothing: ", stdout);
			print_xml(report, result->nothing);
			fputs("</system-out>\n", stdout);
		}
		if (!plain)
			fputs("    </testcase>\n", stdout);
	}
	fputs("  </testsuite>\n", stdout);
}

static size_t uncovered_count(const struct coverage *coverage)
{
	return coverage->allows - coverage->allows_covered + coverage->nevers - coverage->nevers_covered;
}

static void print_coverage_suite(const struct tests_report *report)
{
	const struct coverage *coverage = report->coverage;
	printf("  <testsuite name=\"coverage\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"0\">\n",
	       coverage->count, uncovered_count(coverage));
	for (size_t i = 0; i < coverage->count; i++) {
		const struct statement_coverage *statement = &coverage->items[i];
		print_case(report, &statement->span, statement->is_never ? "covered: never " : "covered: allow ",
			   statement->text, statement->covered ? "/" : "");
		if (!statement->covered)
			printf("      <failure message=\"%s\"/>\n    </testcase>\n", uncovered_text(statement));
	}
	fputs("  </testsuite>\n", stdout);
}

void tests_print_junit(const struct tests_report *report)
{
	const struct coverage none = {0}, *coverage = report->coverage != NULL ? report->coverage : &none;
	printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\">\n",
	       report->count + coverage->count, report->failed + uncovered_count(coverage));
	print_tests_suite(report);
	if (report->coverage != NULL)
		print_coverage_suite(report);
	fputs("</testsuites>\n", stdout);
}

/* ---- TAP ---- */

/* A JSON text is a YAML text too. */
static void print_yaml(const char *key, const char *value)
{
	json_t *json = text_json(value);
	char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
	if (text == NULL)
		abort();
	printf("  %s: %s\n", key, text);
	free(text);
	json_decref(json);
}

static void print_place(const struct span *span)
{
	puts("  ---");
	print_yaml("file", span->file);
	printf("  line: %u\n", span->line);
}

static void print_diagnostics(const struct tests_report *report, const struct test_result *result)
{
	print_place(&result->test->span);
	if (result->nothing != NULL) {
		print_yaml("proves_nothing", result->nothing);
	} else {
		print_yaml("expected", result->test->expect_allow ? "allow" : "deny");
		print_yaml("got", result->problem != NULL ? "nothing" : result->verdict.allowed ? "allow" : "deny");
	}
	if (result->test->why != NULL)
		print_yaml("why", result->test->why);
	if (!result->passed)
		print_yaml("details", details(report, result, ""));
	puts("  ...");
}

static void print_line(const struct tests_report *report, bool ok, size_t number, const char *before, const char *name)
{
	printf("%sok %zu - %s", ok ? "" : "not ", number, before);
	for (const char *at = text_escaped(report->arena, name); *at != 0; at++)
		printf("%s%c", *at == '#' ? "\\" : "", *at); /* # begins a directive */
	putchar('\n');
}

void tests_print_tap(const struct tests_report *report)
{
	const struct coverage none = {0}, *coverage = report->coverage != NULL ? report->coverage : &none;
	printf("TAP version 13\n1..%zu\n", report->count + coverage->count);
	for (size_t i = 0; i < report->count; i++) {
		const struct test_result *result = &report->results[i];
		print_line(report, result->passed, i + 1, "", result->name);
		if (!result->passed || result->nothing != NULL)
			print_diagnostics(report, result);
	}
	for (size_t i = 0; i < coverage->count; i++) {
		const struct statement_coverage *statement = &coverage->items[i];
		print_line(report, statement->covered, report->count + i + 1,
			   statement->is_never ? "covered: never " : "covered: allow ", statement->text);
		if (statement->covered)
			continue;
		print_place(&statement->span);
		print_yaml("details", uncovered_text(statement));
		puts("  ...");
	}
}
