/* ringfence status and drift: what the local daemon says. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Prints a text of the daemon's, which may hold input from others. */
static void print(const char *text)
{
	for (const char *line = text; *line != 0;) {
		size_t length = strcspn(line, "\n");
		escape_print(stdout, line, length);
		line += length;
		if (*line == '\n') {
			putchar('\n');
			line++;
		}
	}
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static void print_list(const char *what, const json_t *list, const char *name, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		printf("%s ", what);
		if (json_is_string(item)) {
			print(json_string_value(item));
		} else {
			print(text_of(item, name));
			printf("\n");
			print(text_of(item, value));
		}
		printf("\n");
	}
}

/* On one line, whatever is in it. */
static void print_line(const char *text)
{
	escape_print(stdout, text, strlen(text));
}

/* Quarantines of operators and the panic; of an older daemon there are none. */
static void print_incident(const char *what, const json_t *incident)
{
	const char *workload = text_of(incident, "workload"), *until = text_of(incident, "until");
	const json_t *spared = json_object_get(incident, "except"), *item;
	size_t i;
	printf("%s", what);
	print_line(workload[0] != 0 ? workload : "every workload of the node");
	json_array_foreach(spared, i, item)
	{
		fputs(i == 0 ? " but " : ", ", stdout);
		print_line(json_is_string(item) ? json_string_value(item) : "");
	}
	printf(" is isolated since ");
	print_line(text_of(incident, "since"));
	printf(until[0] != 0 ? " until " : "");
	print_line(until);
	printf(" by ");
	print_line(text_of(incident, "by"));
	printf(": ");
	print_line(text_of(incident, "why"));
	printf("\n");
}

static void print_incidents(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "quarantines"), *item;
	size_t i;
	json_array_foreach(list, i, item) print_incident("quarantine  ", item);
	if (json_is_object(json_object_get(answer, "panic")))
		print_incident("panic       ", json_object_get(answer, "panic"));
}

/* Those that have something to say beside workloads. */
static void print_sources(const json_t *sources)
{
	const json_t *source;
	size_t i;
	json_array_foreach(sources, i, source)
	{
		const char *problem = text_of(source, "problem");
		bool waits = !json_is_true(json_object_get(source, "told"));
		if (problem[0] != 0 || waits) {
			printf("source      ");
			print_line(text_of(source, "source"));
			printf(waits ? " has not told yet who is there" : " cannot be heard since ");
			print_line(waits ? "" : text_of(source, "since"));
			printf(problem[0] != 0 ? ": " : "");
			print_line(problem);
			putchar('\n');
		}
		print_list("left out   ", json_object_get(source, "refused"), NULL, NULL);
	}
}

/* Null where it goes well, or there is no fleet. */
static void print_publishing(const json_t *fleet)
{
	if (!json_is_object(fleet))
		return;
	printf("fleet       this node's workloads cannot be published since ");
	print_line(text_of(fleet, "since"));
	printf(": ");
	print_line(text_of(fleet, "problem"));
	putchar('\n');
}

static json_t *ask(const struct arguments *arguments, const char *command)
{
	char error[512] = "";
	if (arguments->word_count > 0) {
		problem("%s takes no arguments", command);
		return NULL;
	}
	json_t *answer = control_ask(arguments->socket, command, error, sizeof error);
	if (answer == NULL)
		problem("%s: %s", arguments->socket, error);
	return answer;
}

static bool print_json(const struct arguments *arguments, const json_t *answer)
{
	if (!format_is(arguments, "json"))
		return false;
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	return true;
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* Of an older daemon nothing. */
static void print_denied(const json_t *denied)
{
	if (!json_is_object(denied))
		return;
	printf("denied      %lld packets, of which %lld were logged and %lld left out by the limits of rules",
	       number_of(denied, "packets"), number_of(denied, "logged"), number_of(denied, "left_out"));
	if (number_of(denied, "audited") > 0)
		printf("; %lld let through in audit mode", number_of(denied, "audited"));
	putchar('\n');
}

static void print_observe(const json_t *observe)
{
	const json_t *left_out = json_object_get(observe, "left_out");
	const char *why = json_string_value(json_object_get(observe, "problem"));
	printf("observed    %lld events of %lld records, %lld left out", number_of(observe, "events"),
	       number_of(observe, "records"),
	       number_of(left_out, "rate") + number_of(left_out, "lost") + number_of(left_out, "foreign"));
	if (why != NULL) {
		printf("; nothing is heard: ");
		print(why);
	}
	putchar('\n');
}

/* Where the policy comes in bundles: the newest that was taken, and one that waits for its release. */
static void print_bundle(const json_t *bundle)
{
	if (text_of(bundle, "revision")[0] != 0) {
		printf("bundle      ");
		print_line(text_of(bundle, "revision"));
		printf(", signed at ");
		print_line(text_of(bundle, "time"));
		printf(" with the key ");
		print_line(text_of(bundle, "key"));
		if (text_of(bundle, "commit")[0] != 0) {
			printf(", commit ");
			print_line(text_of(bundle, "commit"));
		}
		puts(json_is_true(json_object_get(bundle, "in_force")) ? "" : "; not in force");
	}
	if (text_of(bundle, "waits")[0] != 0) {
		printf("bundle      waits, ");
		print_line(text_of(bundle, "waits"));
		putchar('\n');
	}
}

static void print_rollback(const json_t *rollback)
{
	static const struct {
		const char *cause, *text;
	} causes[] = {{"rollback", "by an operator"},
		      {"unconfirmed", "since it was not confirmed in time"},
		      {"denials", "since it denied flows that were allowed before"}};
	if (!json_is_object(rollback))
		return;
	printf("rolled back from ");
	print(text_of(rollback, "from"));
	printf(" to ");
	print(text_of(rollback, "to"));
	printf(" at ");
	print(text_of(rollback, "at"));
	for (size_t i = 0; i < sizeof causes / sizeof *causes; i++)
		if (strcmp(text_of(rollback, "cause"), causes[i].cause) == 0)
			printf(", %s", causes[i].text);
	printf("; ");
	print(text_of(rollback, "passed_over"));
	puts(" is not taken again until another policy is given");
}

static void print_confirm(const json_t *confirm)
{
	if (!json_is_object(confirm))
		return;
	printf("waits       ");
	print(text_of(confirm, "revision"));
	printf(" is rolled back in %lld s, unless `ringfence confirm` comes before; it denied %lld flows that were "
	       "allowed\n",
	       number_of(confirm, "seconds_left"), number_of(confirm, "denied_flows"));
}

/* What there is of drift, by kind, in one line. */
static void print_drift(const json_t *drift)
{
	const json_t *kinds = json_object_get(drift, "kinds");
	json_t *kind;
	size_t i;
	printf("drift       %s", json_array_size(kinds) == 0 ? "none" : "");
	json_array_foreach(kinds, i, kind)
	{
		printf("%s", i > 0 ? ", " : "");
		print(json_string_value(kind));
	}
	printf("; %lld changes by others, %lld repaired (%s)\n", number_of(drift, "events"),
	       number_of(drift, "repaired"), text_of(drift, "mode"));
}

/* A line for each workload: yes or no, since when, its name, and why not. */
static void print_workloads(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "workloads"), *one;
	size_t i;
	printf("policy      %s, generation %lld on %s\n", text_of(answer, "revision"), number_of(answer, "generation"),
	       text_of(answer, "node"));
	json_array_foreach(list, i, one)
	{
		const char *since = text_of(one, "since"), *why = json_string_value(json_object_get(one, "why")),
			   *quarantine = json_string_value(json_object_get(one, "quarantine"));
		printf("%-11s since %-20s  ", json_is_true(json_object_get(one, "in_force")) ? "in force" : "no",
		       since[0] != 0 ? since : "-");
		print(text_of(one, "name"));
		if (quarantine != NULL) {
			fputs("; in quarantine by ", stdout);
			print(quarantine);
		}
		if (why != NULL) {
			fputs("; ", stdout);
			print(why);
		}
		putchar('\n');
	}
	if (number_of(answer, "left_out") > 0)
		printf("and %lld more\n", number_of(answer, "left_out"));
}

static int tell_workloads(const struct arguments *arguments)
{
	char error[512] = "";
	if (arguments->word_count > 1 || (arguments->word_count == 1 && arguments->workloads))
		return problem("status takes one workload, NAMESPACE/NAME, or --workloads");
	json_t *request = json_pack("{s:s}", "command", "workloads"), *one;
	if (arguments->word_count == 1 && json_object_set_new(request, "name", json_string(arguments->words[0])) != 0) {
		json_decref(request);
		return problem("a workload's name is UTF-8");
	}
	json_t *answer = control_request(arguments->socket, request, error, sizeof error);
	json_decref(request);
	if (answer == NULL)
		return problem("%s", error);
	bool all = number_of(answer, "left_out") == 0;
	size_t i;
	json_array_foreach(json_object_get(answer, "workloads"), i, one) all =
	    all && json_is_true(json_object_get(one, "in_force"));
	if (!print_json(arguments, answer))
		print_workloads(answer);
	json_decref(answer);
	return all ? EXIT_YES : EXIT_NO;
}

int status_run(const struct arguments *arguments)
{
	if (arguments->unused != NULL)
		return unused_run(arguments);
	if (arguments->workloads || arguments->word_count > 0)
		return tell_workloads(arguments);
	json_t *answer = ask(arguments, "status");
	if (answer == NULL)
		return EXIT_PROBLEM;
	const json_t *policy = json_object_get(answer, "policy"), *drift = json_object_get(answer, "drift");
	bool policy_ok = json_is_true(json_object_get(policy, "ok")),
	     differs = json_is_true(json_object_get(drift, "differs"));
	bool ready = json_is_true(json_object_get(answer, "ready"));
	const json_t *rollback = json_object_get(answer, "rollback");
	bool fine = ready && policy_ok && !differs && !json_is_object(rollback) &&
		    json_is_null(json_object_get(answer, "error"));
	if (!print_json(arguments, answer)) {
		printf("node        %s\n", text_of(answer, "node"));
		printf("in force    %s\n", !ready ? "no" : fine ? "yes" : "the last that could be");
		printf("policy      %s%s\n", text_of(answer, "revision"),
		       policy_ok ? "" : " (a newer one was refused)");
		print_bundle(json_object_get(answer, "bundle"));
		if (strcmp(text_of(answer, "mode"), "enforce") != 0)
			printf("mode        %s: what is denied there is logged and let through\n",
			       text_of(answer, "mode"));
		printf("generation  %lld since %s\n",
		       (long long)json_integer_value(json_object_get(answer, "generation")), text_of(answer, "since"));
		printf("workloads   %lld\n", (long long)json_integer_value(json_object_get(answer, "workloads")));
		print_drift(drift);
		print_denied(json_object_get(answer, "denied"));
		print_observe(json_object_get(answer, "observe"));
		print_incidents(answer);
		print_rollback(rollback);
		print_confirm(json_object_get(answer, "confirm"));
		print_list("not kept   ", json_object_get(json_object_get(answer, "state"), "problems"), NULL, NULL);
		print_sources(json_object_get(answer, "sources"));
		print_publishing(json_object_get(answer, "fleet"));
		print_list("conflict   ", json_object_get(answer, "conflicts"), NULL, NULL);
		print_list("bad file   ", json_object_get(answer, "workload_files"), "file", "error");
		print_list("refused    ", json_object_get(policy, "errors"), NULL, NULL);
		if (!json_is_null(json_object_get(answer, "error"))) {
			printf("error       ");
			print(text_of(answer, "error"));
			printf("\n");
		}
	}
	json_decref(answer);
	return fine ? EXIT_YES : EXIT_NO;
}

/* ---- drift, a section for each kind ---- */

static const json_t *list_of(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

static void print_words(const char *before, const json_t *object, const char *key)
{
	if (text_of(object, key)[0] == 0)
		return;
	printf("%s", before);
	print(text_of(object, key));
}

static void print_maker(const json_t *object)
{
	if (text_of(object, "process")[0] == 0)
		return;
	printf(", by ");
	print(text_of(object, "process"));
	printf(" (pid %lld)", number_of(object, "pid"));
}

static void print_meaning(const json_t *meaning)
{
	size_t i;
	json_t *item;
	json_array_foreach(meaning, i, item)
	{
		printf("    ");
		print(text_of(item, "text"));
		putchar('\n');
	}
}

/* Who changed our table, and what that meant. */
static void print_events(const json_t *answer)
{
	size_t i;
	json_t *event;
	json_array_foreach(list_of(answer, "events"), i, event)
	{
		printf("%s  ", text_of(event, "time"));
		print(text_of(event, "process"));
		printf(" (pid %lld) made %lld change%s", number_of(event, "pid"), number_of(event, "count"),
		       number_of(event, "count") == 1 ? "" : "s");
		const json_t *repair = json_object_get(event, "repair_ms");
		if (repair != NULL)
			printf(", repaired after %.1f ms", json_real_value(repair));
		putchar('\n');
		print_meaning(list_of(event, "meaning"));
		print_list("   ", list_of(event, "changes"), NULL, NULL);
	}
}

static void print_table(const json_t *answer)
{
	if (text_of(answer, "difference")[0] == 0)
		return;
	puts("table: it differs from the policy now");
	print_meaning(list_of(answer, "changes"));
	puts("  to make it whole:");
	print(text_of(answer, "difference"));
}

static void print_policy(const json_t *answer)
{
	const json_t *policy = json_object_get(answer, "policy");
	if (!json_is_object(policy))
		return;
	printf("policy: an older one than was given is enforced, since %s\n", text_of(policy, "since"));
	print_words("    why: ", policy, "why");
	if (text_of(policy, "revision")[0] != 0)
		printf("\n    in force: %s, generation %lld, since %s\n", text_of(policy, "revision"),
		       number_of(policy, "generation"), text_of(policy, "enforced_since"));
	else
		puts("\n    in force: what the kernel held when the daemon started");
}

static void print_left_out(const json_t *answer, const char *key)
{
	if (number_of(answer, key) > 0)
		printf("    and %lld more\n", number_of(answer, key));
}

static void print_unheard(const json_t *answer)
{
	size_t i;
	json_t *item;
	if (json_array_size(list_of(answer, "sources")) == 0)
		return;
	puts("sources: not heard, so that what they told last is enforced");
	json_array_foreach(list_of(answer, "sources"), i, item)
	{
		print_words("    ", item, "source");
		if (!json_is_true(json_object_get(item, "told")))
			printf(", which has told nothing yet");
		print_words(", since ", item, "since");
		print_words(": ", item, "problem");
		putchar('\n');
	}
}

static void print_strangers(const json_t *answer)
{
	size_t i;
	json_t *item;
	if (json_array_size(list_of(answer, "workloads")) == 0)
		return;
	puts("workloads: seen on this node, and named by no source");
	json_array_foreach(list_of(answer, "workloads"), i, item)
	{
		print_words("    ", item, "address");
		print_words(" on ", item, "interface");
		print_words(" (", item, "hardware");
		printf("%s, first seen %s, last %s", text_of(item, "hardware")[0] != 0 ? ")" : "",
		       text_of(item, "first_seen"), text_of(item, "last_seen"));
		if (number_of(item, "denials") > 0)
			printf(", denied %lld times", number_of(item, "denials"));
		putchar('\n');
	}
	print_left_out(answer, "workloads_left_out");
}

static void print_bypass(const json_t *answer)
{
	size_t i;
	json_t *item;
	if (json_array_size(list_of(answer, "bypass")) == 0)
		return;
	puts("bypass: what defeats the table without touching it");
	json_array_foreach(list_of(answer, "bypass"), i, item)
	{
		print_words("    ", item, "kind");
		print_words(": ", item, "object");
		print_words(": ", item, "text");
		print_words("; ", item, "detail");
		printf("; since %s", text_of(item, "since"));
		print_maker(item);
		putchar('\n');
	}
	print_left_out(answer, "bypass_left_out");
}

int drift_run(const struct arguments *arguments)
{
	static void (*const sections[])(const json_t *answer) = {print_events,	print_table,	 print_policy,
								 print_unheard, print_strangers, print_bypass};
	json_t *answer = ask(arguments, "drift");
	if (answer == NULL)
		return EXIT_PROBLEM;
	bool drifts = json_is_true(json_object_get(answer, "drift"));
	if (!print_json(arguments, answer)) {
		for (size_t i = 0; i < sizeof sections / sizeof *sections; i++)
			sections[i](answer);
		if (!drifts)
			puts("no drift: the table is as the policy says, and nothing defeats it");
	}
	json_decref(answer);
	return drifts ? EXIT_NO : EXIT_YES;
}
