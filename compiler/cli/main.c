/* ringfence: the command. A table of subcommands; each is a file of its own. Those of fleet_commands.c are of another
 * program. */
#include "compiler/cli/cli.h"

#include <ringfence/lint.h>

#include <stdio.h>
#include <string.h>

#define TEXT_OR_JSON "text|json"
#define POLICY "[-i INVENTORY]... POLICY..."

static const struct subcommand subcommands[] = {
    {"check", "[--max-blast-radius N] [--budget FILE] " POLICY, "reads a policy and says what is wrong with it",
     "POLICY is files or directories, read recursively. Every error is shown with its place, and every `never` is\n"
     "proved; exit status 1 means that one is broken, or a limit of --max-blast-radius or --budget passed. A blast\n"
     "radius is counted as `reach --transitive` does; `ringfence help reach` says how. What is seldom meant gets a\n"
     "warning, which changes no status.",
     "iBbDftv", TEXT_OR_JSON, check_run},
    {"compile", "[--node NAME] [-o FILE] " POLICY, "prints a node's ruleset as text for `nft -f`",
     "Loading the text replaces the table `inet ringfence` in one transaction and touches nothing else.", "inoaDft",
     TEXT_OR_JSON, compile_run},
    {"explain", POLICY " FROM TO PORT | LINE", "says whether a flow is allowed, and which statement decides",
     "FROM and TO are NAMESPACE/NAME of a workload or service (`workload:` or `service:` before it decides), an\n"
     "address, or a built-in peer. PORT is 8080/tcp, icmp, or a name that the destination declares. LINE stands for "
     "all\n"
     "three: a line of a flow log such as '{\"src\": \"a/b\", \"dst\": \"a/c\", \"proto\": \"tcp\", \"dport\": 80}'.\n"
     "`explain POLICY... -` reads either from standard input, one a line, and prints one JSON object a line.",
     "iNDft", TEXT_OR_JSON, explain_run},
    {"reach", "[--from WHO [--transitive]] " POLICY, "lists who may reach whom, on which ports",
     "Services, or with --workloads the workloads of the inventory. --from WHO is what starts at one, as `explain` "
     "takes\n"
     "it. With --transitive it is the blast radius: what a breach of WHO reaches, of what that reaches, and so on, "
     "each\n"
     "with a shortest path. A breach goes on from workloads only: networks, `world` and nodes are reached, and it "
     "ends\n"
     "there. A service is its workloads in the inventory, and a workload that is in two services may do what either "
     "may,\n"
     "so the breach goes on with both. Without an inventory a service is a workload with just the labels it requires.",
     "iFTDftw", TEXT_OR_JSON, reach_run},
    {"diff", "[-i INVENTORY]... OLD NEW", "says what a change opens and closes",
     "OLD and NEW are files or directories, or git:REV[:PATH] for what is committed. Only the meaning counts: `+` is a "
     "flow\n"
     "that is open now, `-` one that is closed, `!` what became wider. Exit status 1 means that there is a difference.",
     "iDft", "text|json|markdown", diff_run},
    {"test", "[--coverage] " POLICY, "runs the `tests` of a policy",
     "They need no inventory: a service stands for a workload that carries just the labels it requires, and with an\n"
     "inventory for its workloads too. A test that would pass whatever the allows say gets a warning.\n"
     "--coverage takes each allow away, and puts an allow in the place of each `never`, and lists those without which "
     "every\n"
     "test passes still; a rule of a NetworkPolicy is an allow. Exit status 1 means that a test failed, or with "
     "--coverage\n"
     "that something is not covered; in JUnit and TAP each statement is a case of its own then.",
     "iCDftv", "text|json|junit|tap", test_run},
    {"graph", "[--against OLD] [-o FILE] " POLICY, "draws who talks to whom",
     "html is one page that needs no network; dot is for graphviz, mermaid for Markdown. Services, or with "
     "--workloads, "
     "and\n"
     "where no service is defined, the workloads of the inventory. With --against, what was opened and closed since "
     "OLD "
     "is\n"
     "marked; POLICY may be git:REV[:PATH] too.",
     "iADowft", "html|dot|mermaid|json", graph_run},
    {"replay", "[-i INVENTORY]... FLOWS OLD NEW", "says which recorded flows a change would cut, and which newly pass",
     "FLOWS is a file of lines, or - for standard input: lines of a flow log, or FROM TO PORT. OLD and NEW are as in\n"
     "`diff`. `-` is a flow that OLD allows and NEW denies, `+` the other way round, `?` one whose ends are not "
     "known.\n"
     "Exit status 1 means that there is a `-` or `+`, 2 that a line could not be read or judged; the rest is judged.",
     "iNDft", TEXT_OR_JSON, replay_run},
    {"suggest", "[--since TIME] [--min-count N] [-o FILE] [-i INVENTORY]... FLOWS POLICY...",
     "proposes the fewest allows that recorded flows need, as a document for review",
     "FLOWS is as in `replay`. Of the flows that POLICY denies, allows between the services and networks that it "
     "defines\n"
     "are found that let them pass and open as little else as can be; none that breaks a `never`. Comments say what "
     "was\n"
     "seen of each. Exit status 1 means that some flow is not covered; comments at the end say which, and why.",
     "ioMSDft", TEXT_OR_JSON, suggest_run},
    {"schema", "[-o FILE]", "prints the JSON Schema of native documents, for editors",
     "It is of draft-07 and describes every key. Put it outside of the policy's directory, where a .json file is "
     "policy:\n"
     "`# yaml-language-server: $schema=../ringfence.schema.json` in a document's first line names it.",
     "o", NULL, schema_run},
    {"apply", "[--node NAME] [--dry-run | --confirm SECONDS] " POLICY, "loads a node's ruleset into the kernel once",
     "With --dry-run it also names the open connections that the change would end, and what they carried; exit status "
     "1\n"
     "means then that there is a difference. With --confirm it stays and waits, also when the\n"
     "terminal goes away, for `ringfence confirm` from elsewhere; else, and when it is ended by a signal, the kernel "
     "has\n"
     "again what it had, and the exit status is 1.",
     "indkDfts", TEXT_OR_JSON, apply_run},
    {"status", "[WORKLOAD | --workloads | --unused TIME] [--socket PATH]", "asks the local daemon what it enforces",
     "Of WORKLOAD (NAMESPACE/NAME), or with --workloads of each one of this node: whether the newest that is known of "
     "it "
     "is\nin force, since when, and why not. Exit status 1 means that something is not in force.\n"
     "With --unused: which allows let nothing pass on this node in that time, by the kernel's counters. A packet that "
     "several\nallows let pass counts for one of them. What was not watched all the time is told apart. Exit status 1 "
     "means that\nan allow was not used.",
     "fswU", TEXT_OR_JSON, status_run},
    {"promote", "WHAT [--after TIME] [--accept GROUNDS] [--write] [-i INVENTORY]... POLICY...",
     "turns audit into enforcement, on what the local daemon watched",
     "WHAT is a service (NAMESPACE/NAME), a namespace (those of its services that say `mode: audit`), `settings` or\n"
     "`node`. It tells how long the daemon watched it in audit mode, what would have been denied and is not allowed "
     "by\n"
     "POLICY now, and which workloads were never seen. Exit status 1 means that this is not enough: `young`, "
     "`denied`,\n"
     "`unseen` or `left-out`, each of which --accept takes all the same. Else it prints the edit, or makes it "
     "(--write).",
     "qQrisDft", TEXT_OR_JSON, promote_run},
    {"drift", "[--socket PATH]", "asks the local daemon what others changed in its table",
     "Exit status 1 means that the table differs from the policy now.", "fs", TEXT_OR_JSON, drift_run},
    {"observe", "[--follow] [--last N] [--denied | --allowed] [--from WHO] [--to WHO] [--port PORT] [--socket PATH]",
     "tells which connections the local daemon's rules deny, or log",
     "Who wanted to reach whom, which statement denied it, and the allow that comes nearest. What is the same within "
     "10\n"
     "seconds is one event with a count. WHO is NAMESPACE/NAME of a workload, service or network, an address, or a "
     "prefix.\n"
     "The daemon keeps the newest 1000 events; what it had to leave out is counted. In JSON an event is a line, which "
     "has\n"
     "the keys of a flow log that `replay` and `explain` read; a later line of the same `sequence` has its final "
     "count.\n"
     "Exit status 2 means that the daemon does not answer, or hears nothing.",
     "LlxyFGpfs", TEXT_OR_JSON, observe_run},
    {"quarantine", "WORKLOAD --why TEXT [--until TIME] [--socket PATH]",
     "isolates a workload of this node at once, running connections included",
     "WORKLOAD is NAMESPACE/NAME; one that is not there yet is isolated from its first packet. It survives restarts "
     "where the\n"
     "daemon has a `state` directory, and ends by --until or by `ringfence release`. Needs an operator of the daemon.",
     "Wufs", TEXT_OR_JSON, quarantine_run},
    {"release", "WORKLOAD [--socket PATH]", "ends a quarantine of `ringfence quarantine`",
     "One that the policy's files say ends there. Needs an operator of the daemon.", "fs", TEXT_OR_JSON, release_run},
    {"panic", "--why TEXT [--except WHO]... [--until TIME] | --end [--socket PATH]",
     "isolates all workloads of this node but for the listed ones",
     "Also those that come later. WHO is NAMESPACE/NAME of a workload or service (`workload:` or `service:` before it\n"
     "decides). A panic takes the place of the one before. Needs an operator of the daemon.",
     "WuEefs", TEXT_OR_JSON, panic_run},
    {"wait", "WORKLOAD|SERVICE [--timeout SECONDS] [--socket PATH]",
     "returns when the rules of a workload are in the kernel: a gate for its start",
     "NAMESPACE/NAME of a workload of this node, or of a service: then of all its workloads that are known here, and "
     "at "
     "least\n"
     "one. A workload comes before a service of its name; `workload:` or `service:` before it decides. The daemon need "
     "not\n"
     "run yet. Exit status 1 means that the time is over.",
     "mfs", TEXT_OR_JSON, wait_run},
    {"rollback", "[--socket PATH] [REVISION | previous]", "puts a policy in force again that was so before",
     "Without REVISION it lists the last 10 policies of this node; REVISION may be as short as its first 4 "
     "characters.\n"
     "The policy that was given is then not taken again until another is. Exit status 1 means that it is in force, "
     "and\n"
     "that the daemon could not keep it for its next start.",
     "fs", TEXT_OR_JSON, rollback_run},
    {"confirm", "[--socket PATH]", "says that the newest policy is good, before it is rolled back",
     "Where the daemon's configuration has `policy: {confirm: SECONDS}`, or `apply --confirm SECONDS` waits. Exit "
     "status 2\n"
     "means that nothing waits to be confirmed.",
     "fs", TEXT_OR_JSON, confirm_run},
};

/* The one of this number, of all that there are, whichever program runs them; NULL: there are no more. */
static const struct subcommand *subcommand_at(size_t number)
{
	size_t here = sizeof subcommands / sizeof *subcommands;
	if (number < here)
		return &subcommands[number];
	return number - here < fleet_subcommand_count ? &fleet_subcommands[number - here] : NULL;
}

static const struct subcommand *find(const char *name)
{
	size_t number = 0;
	const struct subcommand *subcommand;
	while ((subcommand = subcommand_at(number)) != NULL && strcmp(subcommand->name, name) != 0)
		number++;
	return subcommand;
}

static int unknown(const char *name)
{
	struct arena *arena = arena_create();
	struct diagnostics list;
	const char **names = NULL;
	size_t count = 0;
	diagnostics_init(&list, arena);
	for (const struct subcommand *each; (each = subcommand_at(count)) != NULL;)
		*arena_push(arena, names, count) = each->name;
	diagnostics_error(&list, (struct span){0}, "there is no subcommand `%s`", name);
	if (!diagnostics_suggest(&list, name, names, count))
		diagnostics_help(&list, "see `ringfence help`");
	diagnostics_print(&list, stderr, false);
	arena_free(arena);
	return EXIT_PROBLEM;
}

static void help_all(void)
{
	puts("ringfence " RINGFENCE_VERSION ": network segmentation for Linux, from a policy in git to nftables\n\n"
	     "usage: ringfence SUBCOMMAND [options] ...\n");
	for (size_t i = 0; subcommand_at(i) != NULL; i++)
		printf("  %-10s %s\n", subcommand_at(i)->name, subcommand_at(i)->summary);
	puts("\n`ringfence help SUBCOMMAND` tells more. Exit status: 0 yes, 1 the answer is no, 2 it could not be "
	     "answered.");
}

static void help_lints(void)
{
	puts("\nWarnings that a document switches off for what stands in it, `lint: {off: [NAME, ...]}`:");
	for (size_t i = 0; i < LINTS; i++)
		printf("  %-22s %s\n", lints[i].name, lints[i].about);
}

static int help(const struct subcommand *subcommand)
{
	printf("usage: ringfence %s %s\n\n%s.\n%s\n\n", subcommand->name, subcommand->usage, subcommand->summary,
	       subcommand->detail);
	options_print(subcommand);
	if (subcommand->run == check_run)
		help_lints();
	return EXIT_YES;
}

int main(int count, char **words)
{
	const char *name = count > 1 ? words[1] : NULL;
	if (name == NULL || strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
	    (strcmp(name, "help") == 0 && count == 2)) {
		help_all();
		return name == NULL ? EXIT_PROBLEM : EXIT_YES;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
		puts("ringfence " RINGFENCE_VERSION);
		return EXIT_YES;
	}
	bool wants_help = strcmp(name, "help") == 0;
	if (wants_help)
		name = words[2];
	const struct subcommand *subcommand = find(name);
	if (subcommand == NULL)
		return unknown(name);
	for (int i = 2; i < count && !wants_help; i++)
		wants_help = strcmp(words[i], "--help") == 0 || strcmp(words[i], "-h") == 0;
	if (wants_help)
		return help(subcommand);
	return subcommand->run != NULL ? subcommand_run(subcommand, subcommand->run, count - 1, words + 1)
				       : fleet_run(name, words);
}
