/* ringfence rollback: which policies were in force on this node, and back to one of them; and ringfence confirm: that
 * the newest one stays. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text != NULL ? text : "";
}

static void print(const json_t *object, const char *key)
{
	const char *text = text_of(object, key);
	escape_print(stdout, text, strlen(text));
}

static void print_policy(const json_t *policy)
{
	if (json_is_string(json_object_get(policy, "problem"))) {
		printf("  %-16s  ", "-");
		print(policy, "problem");
		putchar('\n');
		return;
	}
	printf("%c ", json_is_true(json_object_get(policy, "in_force")) ? '*' : ' ');
	print(policy, "revision");
	printf("  since ");
	print(policy, "since");
	if (text_of(policy, "left")[0] != 0) {
		printf("  after ");
		print(policy, "left");
		printf(" was rolled back");
	}
	putchar('\n');
}

static void print_list(const json_t *policies)
{
	size_t i;
	json_t *policy;
	json_array_foreach(policies, i, policy) print_policy(policy);
	if (json_array_size(policies) == 0)
		puts("no policy was in force yet");
	else
		puts("`ringfence rollback REVISION` puts one in force; * is");
}

static void print_done(const json_t *answer)
{
	printf("rolled back from ");
	print(answer, "from");
	printf(" to ");
	print(answer, "to");
	puts(text_of(answer, "passed_over")[0] != 0 ? "; what was given is not taken again until another policy is"
						    : "");
	if (json_is_string(json_object_get(answer, "problem"))) {
		printf("but a restart of the daemon undoes it: ");
		print(answer, "problem");
		putchar('\n');
	}
}

int rollback_run(const struct arguments *arguments)
{
	char error[512] = "";
	if (arguments->word_count > 1)
		return problem("rollback takes one REVISION, or `previous`");
	json_t *request = json_pack("{s:s, s:s*}", "command", arguments->word_count > 0 ? "rollback" : "policies",
				    "revision", arguments->word_count > 0 ? arguments->words[0] : NULL);
	json_t *answer = control_request(arguments->socket, request, error, sizeof error);
	json_decref(request);
	if (answer == NULL)
		return problem("%s", error);
	bool kept = !json_is_string(json_object_get(answer, "problem"));
	if (format_is(arguments, "json")) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (arguments->word_count == 0) {
		print_list(json_object_get(answer, "policies"));
	} else {
		print_done(answer);
	}
	json_decref(answer);
	return kept ? EXIT_YES : EXIT_NO;
}
