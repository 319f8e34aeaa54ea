/* What the subcommands share: their table, their options, and how they read input and end. */
#ifndef COMPILER_CLI_CLI_H
#define COMPILER_CLI_CLI_H

#include "compiler/report/verdict_report.h"

#include <ringfence/arena.h>
#include <ringfence/frontend.h>
#include <ringfence/invariants.h>
#include <ringfence/verdict.h>

/* Exit statuses (cli.md): the answer is yes, it is no, or the question could not be answered. */
enum { EXIT_YES = 0, EXIT_NO = 1, EXIT_PROBLEM = 2 };

enum {
	PATHS_MAX = 1024,
	NEAREST_MOST = 1000,
	RADIUS_MOST = 1000000,
	LAST_MOST = 1000,
	EXCEPT_MOST = 64,
	TRUST_MOST = 16,
	STAGES_MOST = 32,
	TIMEOUT_MOST = 86400,
	CONFIRM_MOST = 86400,
	MIN_COUNT_MOST = 1000000
};

/* The command line, read by the option table. */
#define DEFAULT_STORE "/etc/ringfence/store.yaml"

struct arguments {
	const char *words[PATHS_MAX]; /* what is no option */
	size_t word_count;
	const char *inventories[PATHS_MAX];
	size_t inventory_count;
	const char *node, *output, *format, *color, *at, *socket, *nearest_text, *diagnostics, *from, *radius_text,
	    *budget, *against, *to, *port, *last_text, *until, *why, *timeout_text, *confirm_text, *since,
	    *min_count_text, *unused, *after, *accept, *key, *revision, *store, *wait, *forget, *soak_text;
	const char *excepts[EXCEPT_MOST];
	size_t except_count;
	const char *trusts[TRUST_MOST];
	size_t trust_count;
	const char *stages[STAGES_MOST];
	size_t stage_count;
	bool all_nodes, dry_run, workloads, verbose, transitive, coverage, follow, denied, allowed, end, write, staged;
	size_t nearest, most_radius, last, timeout, min_count, soak;
	size_t confirm; /* seconds; 0: at once */
};

/* Which options a subcommand takes; the letters are those of the table in options.c. */
struct subcommand {
	const char *name;
	const char *usage;   /* what follows the name */
	const char *summary; /* one line */
	const char *detail;
	const char *options; /* letters */
	const char *formats; /* what --format may be, separated by `|`; the first is the default. NULL: it takes none */
	int (*run)(const struct arguments *arguments); /* NULL: the program ringfence-fleet has it */
};

/* Those of ringfence-fleet, told by help as all others. */
extern const struct subcommand fleet_subcommands[];
extern const size_t fleet_subcommand_count;

/* Becomes ringfence-fleet with the words of this program's command line. Returns EXIT_PROBLEM, after saying so, where
 * that is not installed. */
int fleet_run(const char *name, char **words);

/* Has `run` do what the words behind the program's name ask of a subcommand, the first of which is its name. Returns
 * the exit status. */
int subcommand_run(const struct subcommand *subcommand, int (*run)(const struct arguments *arguments), int count,
		   char **words);

/* Reads the words behind the subcommand. Returns 0, or EXIT_PROBLEM after saying what is wrong. */
int arguments_read(struct arguments *arguments, const struct subcommand *subcommand, int count, char **words);

/* Prints the options of a subcommand, or of all when it is NULL. */
void options_print(const struct subcommand *subcommand);

/* Input that was read and checked. */
struct input {
	const struct arguments *arguments;
	struct arena *arena;
	struct diagnostics diagnostics;
	size_t reported; /* how many of them were printed */
	struct frontend frontend;
	struct world world;
	bool takes_git;	    /* set before reading: a path may be git:REV[:PATH] */
	const char *commit; /* where all that was read is of one */
	size_t path_count;
};

/* Reads policy from `paths` and inventory from -i. Returns 0, or EXIT_PROBLEM after reporting every problem. Call
 * input_finish in both cases. */
int input_read(struct input *input, const struct arguments *arguments, const char *const *paths, size_t count);

/* Prints the diagnostics where --diagnostics is not text, all at once, and frees everything. */
void input_finish(struct input *input);

/* Whether `word` is git:REV[:PATH]; and reads what it names. Problems become diagnostics. Returns the commit that REV
 * is, or NULL. */
bool git_is_word(const char *word);
const char *git_add(struct frontend *frontend, const char *word);

/* Prints the diagnostics that are new, where they are text. */
void input_show(struct input *input);

/* Reports the diagnostics that are new: text is printed at once. Returns 0, or EXIT_PROBLEM when there is an error
 * among them. */
int input_report(struct input *input);

/* Proves every `never`. Returns 0, or EXIT_NO after reporting how one is broken. `proof` may be NULL. */
int input_prove(struct input *input, struct proof *proof);

/* Runs every lint and reports what it finds. */
void input_lint(struct input *input);

/* Says on standard error that some of what is denied would be let through, if it is so. */
void input_tell_audit(const struct input *input);

/* Says what cannot be done with the input, as a diagnostic where --diagnostics is not text. Returns EXIT_PROBLEM. */
int input_problem(struct input *input, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether what people read may go to standard error: --diagnostics is text. */
bool input_speaks_text(const struct input *input);

/* Whether to write colours to `stream`: --color, NO_COLOR, then whether it is a terminal. */
bool use_color(const struct arguments *arguments, FILE *stream);

/* Whether --format names `format`; text is the default. */
bool format_is(const struct arguments *arguments, const char *format);

/* Says what is wrong on stderr and returns EXIT_PROBLEM. */
int problem(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Has `print` write `object` to a file, whole or not at all. Returns NULL, or what went wrong, in `arena`. */
const char *output_write(struct arena *arena, const char *path, void (*print)(FILE *stream, const void *object),
			 const void *object);

/* What `apply --confirm` waits for, and `confirm` says: two processes that meet at a lock beside the control socket. */
struct confirmation {
	int fd;
	const char *path;
};

/* Takes the lock, so that no two wait, and has signals wait for confirmation_wait, but for SIGHUP and SIGPIPE, which
 * mean nothing from now on: a terminal that goes away must not end the waiting. Returns 0, or EXIT_PROBLEM after saying
 * what is wrong. */
int confirmation_open(struct confirmation *confirmation, struct arena *arena, const char *socket);

/* Waits. Returns whether it was confirmed; false after `seconds`, or at a signal that ends programs. */
bool confirmation_wait(unsigned seconds);

/* Says what became of it to who confirmed, and lets the lock go. */
void confirmation_close(struct confirmation *confirmation, bool confirmed);

/* Whether the inventory knows `node` (NULL: all). Returns 0, or EXIT_PROBLEM after saying so. */
int node_check(struct input *input, const char *node);

int check_run(const struct arguments *arguments);
int compile_run(const struct arguments *arguments);
int explain_run(const struct arguments *arguments);
int test_run(const struct arguments *arguments);
int replay_run(const struct arguments *arguments);
int suggest_run(const struct arguments *arguments);
int graph_run(const struct arguments *arguments);
int diff_run(const struct arguments *arguments);
int reach_run(const struct arguments *arguments);
int schema_run(const struct arguments *arguments);
int apply_run(const struct arguments *arguments);
int status_run(const struct arguments *arguments);
int unused_run(const struct arguments *arguments); /* of status */
int drift_run(const struct arguments *arguments);
int observe_run(const struct arguments *arguments);
int quarantine_run(const struct arguments *arguments);
int release_run(const struct arguments *arguments);
int panic_run(const struct arguments *arguments);
int wait_run(const struct arguments *arguments);
int rollback_run(const struct arguments *arguments);
int confirm_run(const struct arguments *arguments);
int promote_run(const struct arguments *arguments);

#endif
