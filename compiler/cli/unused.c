/* ringfence status --unused: which allows the local daemon's node has not used for a while. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A text of the daemon's, on one line. */
static void print_text(const char *before, const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	if (text == NULL)
		return;
	fputs(before, stdout);
	escape_print(stdout, text, strlen(text));
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_allow(const json_t *allow)
{
	bool never = !json_is_string(json_object_get(allow, "last"));
	print_text("  ", allow, "allow");
	print_text("  watched since ", allow, "first");
	if (number_of(allow, "lost_seconds") > 0)
		printf(" but for %lld s in all", number_of(allow, "lost_seconds"));
	if (never)
		fputs(", never used", stdout);
	else
		print_text(", used last at ", allow, "last");
	print_text("; owner: ", allow, "owner");
	print_text("; ", allow, "why");
	putchar('\n');
}

static void print_answer(const struct arguments *arguments, const json_t *answer)
{
	const json_t *unused = json_object_get(answer, "unused"), *unseen = json_object_get(answer, "unseen"), *allow;
	size_t i;
	long long young = number_of(answer, "young"), left_out = number_of(answer, "left_out");
	printf("%lld allows were used in the last %s, by the workloads of node ", number_of(answer, "used"),
	       arguments->unused);
	print_text("", answer, "node");
	printf("\n%zu were not used%s\n", json_array_size(unused), json_array_size(unused) > 0 ? ":" : "");
	json_array_foreach(unused, i, allow) print_allow(allow);
	if (json_array_size(unseen) > 0)
		printf("%zu were not seen to be used, but counters began anew meanwhile, so nobody can say:\n",
		       json_array_size(unseen));
	json_array_foreach(unseen, i, allow) print_allow(allow);
	if (left_out > 0)
		printf("  and %lld more\n", left_out);
	if (young > 0)
		printf("%lld were not used, and have not been watched for so long\n", young);
	if (number_of(answer, "elsewhere") > 0)
		printf("%lld are about no workload of this node\n", number_of(answer, "elsewhere"));
	if (!json_is_true(json_object_get(answer, "kept")))
		puts("the daemon has no `state:`, so it knows nothing from before it started");
}

/* TIME as a number of seconds: so long, or since then. */
static int read_window(const struct arguments *arguments, int64_t *seconds)
{
	int64_t now = (int64_t)time(NULL), moment;
	const char *why = moment_parse(&moment, arguments->unused, now);
	if (why != NULL)
		return problem("--unused %s: %s", arguments->unused, why);
	*seconds = moment > now ? moment - now : now - moment;
	return *seconds > 0 ? 0 : problem("--unused %s: that is no time at all", arguments->unused);
}

int unused_run(const struct arguments *arguments)
{
	char error[512] = "";
	int64_t seconds;
	if (arguments->word_count > 0 || arguments->workloads)
		return problem("status --unused is about all allows, and takes no workload");
	int status = read_window(arguments, &seconds);
	if (status != 0)
		return status;
	json_t *request = json_pack("{s:s, s:I}", "command", "unused", "seconds", (json_int_t)seconds);
	json_t *answer = control_request(arguments->socket, request, error, sizeof error);
	json_decref(request);
	if (answer == NULL)
		return problem("%s", error);
	bool none = json_array_size(json_object_get(answer, "unused")) == 0;
	if (format_is(arguments, "json")) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		print_answer(arguments, answer);
	}
	json_decref(answer);
	return none ? EXIT_YES : EXIT_NO;
}
