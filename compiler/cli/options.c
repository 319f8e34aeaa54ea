/* The one table of options: reading, help and usage errors go by it. */
#include "compiler/cli/cli.h"
#include "compiler/report/diagnostics_report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/ringfence/control.sock"

static const struct {
	char letter;
	const char *name, *value, *help;
} options[] = {
    {'i', "inventory", "PATH", "read inventory from PATH too; repeatable"},
    {'n', "node", "NAME", "the node whose ruleset is meant; without it every workload is local"},
    {'o', "output", "PATH", "write there and not to standard output"},
    {'a', "all-nodes", NULL, "one ruleset for each node, as DIR/NODE.nft with -o DIR"},
    {'f', "format", "FORMAT", NULL}, /* the help lists the formats of the subcommand */
    {'d', "dry-run", NULL,
     "print the difference with what is loaded, and which open connections it would end; change nothing"},
    {'k', "confirm", "SECONDS", "go back to what was loaded, unless `ringfence confirm` comes within SECONDS"},
    {'w', "workloads", NULL, "workloads one by one and not services"},
    {'U', "unused", "TIME", "which allows let nothing pass for so long: 12h, 30d"},
    {'t', "at", "TIME", "judge expiries at TIME and not now"},
    {'D', "diagnostics", "FORM", "what is wrong with the input, as " DIAGNOSTICS_FORMS},
    {'c', "color", "WHEN", "auto (default), always or never"},
    {'s', "socket", "PATH", "the daemon's control socket (" DEFAULT_SOCKET ")"},
    {'N', "nearest", "N", "of a denied flow, the N allows that come nearest (1); 0: none"},
    {'F', "from", "WHO", "only what starts at a workload, service or address; of `reach` also at a built-in peer"},
    {'G', "to", "WHO", "only what goes to a workload, service, network or address"},
    {'p', "port", "PORT", "only what goes to this port: 8080, 8080/tcp, icmp"},
    {'l', "last", "N", "the newest N events, at most 1000 (100)"},
    {'L', "follow", NULL, "go on with what happens from now on"},
    {'x', "denied", NULL, "only what was denied, or would be but for audit mode"},
    {'y', "allowed", NULL, "only what an allow with `log: true` let pass"},
    {'T', "transitive", NULL, "all that a breach of --from reaches, hop by hop, with a shortest path to each"},
    {'B', "max-blast-radius", "N", "fail where a breach of a service reaches more than N other services"},
    {'b', "budget", "FILE", "fail where a node's ruleset exceeds what FILE allows"},
    {'C', "coverage", NULL, "list the allows and `never` rules that no test would miss"},
    {'A', "against", "OLD", "mark what changed since OLD, a path or git:REV[:PATH]"},
    {'W', "why", "TEXT", "why it is asked for; `status` and the audit log tell it"},
    {'u', "until", "TIME", "when it ends by itself: 30m, 2h, 1d, a date valid to its end (UTC), or an RFC 3339 time"},
    {'E', "except", "WHO", "spare this workload or service, NAMESPACE/NAME; repeatable"},
    {'e', "end", NULL, "end the panic"},
    {'m', "timeout", "SECONDS", "wait so long (60), at most a day"},
    {'S', "since", "TIME", "leave out records from before TIME, and those without a time"},
    {'M', "min-count", "N", "a flow seen fewer than N times is listed, and not covered (1)"},
    {'q', "after", "TIME", "how long it has to be watched: 12h, 7d (the default)"},
    {'Q', "accept", "GROUNDS", "go on all the same: of young, denied, unseen and left-out, with commas in between"},
    {'r', "write", NULL, "make the edit in the policy's file"},
    {'K', "key", "KEYFILE", "the private key to sign with, as `ringfence keygen` wrote it"},
    {'Y', "trust", "KEY", "a public key, or the file of one, that is trusted; repeatable"},
    {'R', "revision", "N", "the bundle's number, from 1 to 2^64-1; daemons go to larger ones only"},
    {'g', "staged", NULL, "a node takes it only when a signed release says so"},
    {'z', "store", "FILE", "the fleet's etcd store (" DEFAULT_STORE ")"},
    {'V', "wait", "REVISION", "wait until every node has this bundle, or a newer one, in force"},
    {'X', "forget", "NODE", "take a node out of the fleet that will not come back, and its workloads"},
    {'J', "stage", "LABELS", "the nodes of a stage: key=value[,key=value]... or all; repeatable, in their order"},
    {'O', "soak", "SECONDS", "watch each stage so long before the next (60), at most a day"},
    {'v', "verbose", NULL, "say what was passed over, or what passed"},
};
enum { OPTION_COUNT = sizeof options / sizeof *options };

static const char everywhere[] = "c"; /* options that every subcommand takes */

static bool takes(const struct subcommand *subcommand, char letter)
{
	return subcommand == NULL || strchr(subcommand->options, letter) != NULL || strchr(everywhere, letter) != NULL;
}

/* Writes `text|json|tap` as `text, json or tap`, with `note` behind the first. */
static void print_choices(FILE *stream, const char *choices, const char *note)
{
	for (const char *at = choices; *at != 0;) {
		size_t length = strcspn(at, "|");
		const char *next = at + length + (at[length] == '|');
		const char *before = at == choices ? "" : *next == 0 ? " or " : ", ";
		fprintf(stream, "%s%.*s%s", before, (int)length, at, at == choices ? note : "");
		at = next;
	}
}

static bool is_choice(const char *choices, const char *value)
{
	for (const char *at = choices; *at != 0;) {
		size_t length = strcspn(at, "|");
		if (strlen(value) == length && strncmp(at, value, length) == 0)
			return true;
		at += length + (at[length] == '|');
	}
	return false;
}

/* Says which values there are. */
static int wrong_choice(const char *option, const char *choices, const char *value)
{
	char *known = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&known, &size);
	if (stream == NULL)
		abort();
	print_choices(stream, choices, "");
	if (fclose(stream) != 0)
		abort();
	problem("--%s is %s, and not `%s`", option, known, value);
	free(known);
	return EXIT_PROBLEM;
}

void options_print(const struct subcommand *subcommand)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char text[40];
		if (!takes(subcommand, options[i].letter))
			continue;
		snprintf(text, sizeof text, "-%c, --%s%s%s", options[i].letter, options[i].name,
			 options[i].value != NULL ? " " : "", options[i].value != NULL ? options[i].value : "");
		printf("  %-22s ", text);
		if (options[i].help != NULL) {
			puts(options[i].help);
			continue;
		}
		print_choices(stdout, subcommand != NULL ? subcommand->formats : "text|json", " (default)");
		putchar('\n');
	}
	printf("  %-22s %s\n", "-h, --help", "this help");
}

static int store(struct arguments *arguments, char letter, const char *value)
{
	const struct {
		char letter;
		const char **text;
		bool *flag;
	} places[] = {
	    {'n', &arguments->node, NULL},	   {'o', &arguments->output, NULL},
	    {'f', &arguments->format, NULL},	   {'t', &arguments->at, NULL},
	    {'c', &arguments->color, NULL},	   {'s', &arguments->socket, NULL},
	    {'a', NULL, &arguments->all_nodes},	   {'d', NULL, &arguments->dry_run},
	    {'w', NULL, &arguments->workloads},	   {'v', NULL, &arguments->verbose},
	    {'N', &arguments->nearest_text, NULL}, {'D', &arguments->diagnostics, NULL},
	    {'F', &arguments->from, NULL},	   {'T', NULL, &arguments->transitive},
	    {'B', &arguments->radius_text, NULL},  {'b', &arguments->budget, NULL},
	    {'C', NULL, &arguments->coverage},	   {'A', &arguments->against, NULL},
	    {'G', &arguments->to, NULL},	   {'p', &arguments->port, NULL},
	    {'l', &arguments->last_text, NULL},	   {'L', NULL, &arguments->follow},
	    {'S', &arguments->since, NULL},	   {'M', &arguments->min_count_text, NULL},
	    {'x', NULL, &arguments->denied},	   {'y', NULL, &arguments->allowed},
	    {'W', &arguments->why, NULL},	   {'u', &arguments->until, NULL},
	    {'m', &arguments->timeout_text, NULL}, {'e', NULL, &arguments->end},
	    {'k', &arguments->confirm_text, NULL}, {'U', &arguments->unused, NULL},
	    {'k', &arguments->confirm_text, NULL}, {'q', &arguments->after, NULL},
	    {'Q', &arguments->accept, NULL},	   {'r', NULL, &arguments->write},
	    {'K', &arguments->key, NULL},	   {'R', &arguments->revision, NULL},
	    {'g', NULL, &arguments->staged},	   {'z', &arguments->store, NULL},
	    {'V', &arguments->wait, NULL},	   {'X', &arguments->forget, NULL},
	    {'O', &arguments->soak_text, NULL},
	};
	if (letter == 'i') {
		if (arguments->inventory_count == PATHS_MAX)
			return problem("more than %d inventories", PATHS_MAX);
		arguments->inventories[arguments->inventory_count++] = value;
		return 0;
	}
	if (letter == 'E') {
		if (arguments->except_count == EXCEPT_MOST)
			return problem("more than %d exceptions", EXCEPT_MOST);
		arguments->excepts[arguments->except_count++] = value;
		return 0;
	}
	if (letter == 'J') {
		if (arguments->stage_count == STAGES_MOST)
			return problem("more than %d stages", STAGES_MOST);
		arguments->stages[arguments->stage_count++] = value;
		return 0;
	}
	if (letter == 'Y') {
		if (arguments->trust_count == TRUST_MOST)
			return problem("more than %d keys", TRUST_MOST);
		arguments->trusts[arguments->trust_count++] = value;
		return 0;
	}
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		if (places[i].letter != letter)
			continue;
		if (places[i].text != NULL)
			*places[i].text = value;
		else
			*places[i].flag = true;
	}
	return 0;
}

/* Suggests the option that a wrong word may have meant. */
static int wrong_option(const struct subcommand *subcommand, const char *word)
{
	const char *names[OPTION_COUNT];
	size_t count = 0;
	struct arena *arena = arena_create();
	struct diagnostics list;
	diagnostics_init(&list, arena);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (takes(subcommand, options[i].letter))
			names[count++] = options[i].name;
	diagnostics_error(&list, (struct span){0}, "`ringfence %s` does not take `%s`", subcommand->name, word);
	char *bare = arena_copy(arena, word, strcspn(word, "="));
	if (!diagnostics_suggest(&list, bare + strspn(bare, "-"), names, count))
		diagnostics_help(&list, "see `ringfence help %s`", subcommand->name);
	diagnostics_print(&list, stderr, false);
	arena_free(arena);
	return EXIT_PROBLEM;
}

/* A number from 0 to `most`. */
static int read_number(const char *option, const char *text, size_t most, size_t *number)
{
	size_t length = strlen(text);
	bool is_number = length > 0 && length <= 7 && strspn(text, "0123456789") == length;
	*number = is_number ? strtoul(text, NULL, 10) : most + 1;
	return *number <= most ? 0 : problem("--%s is a number from 0 to %zu, and not `%s`", option, most, text);
}

static int read_numbers(struct arguments *arguments)
{
	const struct {
		const char *option, *text, *otherwise;
		size_t most, *number;
	} numbers[] = {
	    {"nearest", arguments->nearest_text, "1", NEAREST_MOST, &arguments->nearest},
	    {"max-blast-radius", arguments->radius_text, "0", RADIUS_MOST, &arguments->most_radius},
	    {"last", arguments->last_text, "100", LAST_MOST, &arguments->last},
	    {"timeout", arguments->timeout_text, "60", TIMEOUT_MOST, &arguments->timeout},
	    {"soak", arguments->soak_text, "60", TIMEOUT_MOST, &arguments->soak},
	    {"confirm", arguments->confirm_text, "0", CONFIRM_MOST, &arguments->confirm},
	    {"min-count", arguments->min_count_text, "1", MIN_COUNT_MOST, &arguments->min_count},
	};
	int status = 0;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers && status == 0; i++)
		status =
		    read_number(numbers[i].option, numbers[i].text != NULL ? numbers[i].text : numbers[i].otherwise,
				numbers[i].most, numbers[i].number);
	return status;
}

static int check_values(struct arguments *arguments, const struct subcommand *subcommand)
{
	const struct {
		const char *option, *choices, *value;
	} chosen[] = {
	    {"color", "auto|always|never", arguments->color},
	    {"diagnostics", DIAGNOSTICS_FORMS, arguments->diagnostics},
	    {"format", subcommand->formats, arguments->format},
	};
	for (size_t i = 0; i < sizeof chosen / sizeof *chosen; i++)
		if (chosen[i].value != NULL && !is_choice(chosen[i].choices, chosen[i].value))
			return wrong_choice(chosen[i].option, chosen[i].choices, chosen[i].value);
	return read_numbers(arguments);
}

int arguments_read(struct arguments *arguments, const struct subcommand *subcommand, int count, char **words)
{
	struct option longs[OPTION_COUNT + 1] = {0};
	char shorts[3 * OPTION_COUNT + 3] = "-:";
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		longs[i] = (struct option){options[i].name, options[i].value != NULL, NULL, options[i].letter};
		size_t used = strlen(shorts);
		snprintf(shorts + used, sizeof shorts - used, "%c%s", options[i].letter,
			 options[i].value != NULL ? ":" : "");
	}
	*arguments = (struct arguments){.socket = DEFAULT_SOCKET};
	opterr = 0;
	optind = 1;
	int letter;
	while ((letter = getopt_long(count, words, shorts, longs, NULL)) != -1) {
		if (letter == ':')
			return problem("`%s` needs a value", words[optind - 1]);
		if (letter == '?' || (letter != 1 && !takes(subcommand, (char)letter)))
			return wrong_option(subcommand, words[optind - 1]);
		if (letter == 1 && arguments->word_count == PATHS_MAX)
			return problem("more than %d arguments", PATHS_MAX);
		if (letter == 1)
			arguments->words[arguments->word_count++] = optarg;
		else if (store(arguments, (char)letter, optarg) != 0)
			return EXIT_PROBLEM;
	}
	for (; optind < count; optind++) {
		if (arguments->word_count == PATHS_MAX)
			return problem("more than %d arguments", PATHS_MAX);
		arguments->words[arguments->word_count++] = words[optind];
	}
	return check_values(arguments, subcommand);
}
