/* ringfence apply: loads a node's ruleset into the kernel once, or says what that would change. */
#include "compiler/cli/cli.h"
#include "compiler/cli/ending.h"
#include "compiler/report/control_client.h"

#include <ringfence/difference.h>
#include <ringfence/first_load.h>
#include <ringfence/reconcile.h>
#include <ringfence/remove.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { LINES_MOST = 1000 };

static void print_json(const struct plan *plan, const struct ruleset *desired, bool applied, json_t *ending)
{
	json_t *answer = json_pack("{s:i, s:b, s:b, s:i, s:I, s:I, s:o*}", "version", 1, "changed", plan->count > 0,
				   "applied", applied && plan->count > 0, "generation", (int)desired->generation,
				   "elements_added", (json_int_t)plan->elements_added, "elements_deleted",
				   (json_int_t)plan->elements_deleted, "ending", ending);
	json_dumpf(answer, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(answer);
}

static int report(const struct arguments *arguments, const struct plan *plan, const struct ruleset *desired)
{
	if (format_is(arguments, "json"))
		print_json(plan, desired, true, NULL);
	else if (plan->count == 0)
		puts("nothing to change: the kernel holds this ruleset");
	else
		printf("applied generation %u: %zu elements added, %zu deleted\n", desired->generation,
		       plan->elements_added, plan->elements_deleted);
	return EXIT_YES;
}

/* What would change: in the kernel, and for whom it is open now. */
static int rehearse(const struct arguments *arguments, struct input *input, struct kernel *kernel,
		    const struct plan *plan, const struct ruleset *actual, const struct ruleset *desired)
{
	struct endings endings = {0};
	if (plan->count > 0)
		endings_find(&endings, kernel, input->arena, actual, desired);
	if (endings.error < 0)
		fprintf(stderr,
			"ringfence: which open connections would end is not known: cannot read conntrack: %s%s\n",
			strerror(-endings.error),
			endings.error == -EPERM ? "; it needs root, or the capability CAP_NET_ADMIN"
						: "; it needs the kernel's nf_conntrack_netlink");
	if (format_is(arguments, "json")) {
		print_json(plan, desired, false, endings_json(&endings, &input->world));
	} else if (plan->count == 0) {
		puts("nothing to change: the kernel holds this ruleset");
	} else {
		plan_print(stdout, plan, LINES_MOST);
		endings_print(stdout, input->arena, &endings, &input->world);
	}
	return plan->count > 0 ? EXIT_NO : EXIT_YES;
}

/* The kernel has again what it had. */
static int go_back(struct input *input, struct kernel *kernel, struct ruleset *before)
{
	struct ruleset *actual = NULL;
	bool none = ruleset_is_none(before);
	int error =
	    none ? kernel_remove_table(kernel) : kernel_read(kernel, input->arena, (int64_t)time(NULL), &actual);
	if (error == 0 && !none) {
		actual->at = before->at = (int64_t)time(NULL);
		error = kernel_apply(kernel, plan_make(input->arena, actual, before), actual->at).error;
	}
	if (error < 0)
		return input_problem(input, "cannot go back to what was loaded: %s; the new rules are in force",
				     strerror(-error));
	fprintf(stderr, "ringfence: not confirmed: the kernel has again what it had%s\n",
		none ? ", which was no table" : "");
	return EXIT_NO;
}

/* Waits, and goes back where nobody confirms. */
static int settle(const struct arguments *arguments, struct input *input, struct kernel *kernel,
		  struct confirmation *confirmation, struct ruleset *before)
{
	fflush(stdout);
	fprintf(stderr, "ringfence: this is undone in %zu seconds, unless `ringfence confirm` comes before\n",
		arguments->confirm);
	if (confirmation_wait((unsigned)arguments->confirm)) {
		confirmation_close(confirmation, true);
		fputs("ringfence: confirmed\n", stderr);
		return EXIT_YES;
	}
	int status = go_back(input, kernel, before);
	confirmation_close(confirmation, false);
	return status;
}

static int apply(const struct arguments *arguments, struct input *input, struct kernel *kernel)
{
	struct ruleset *actual = NULL;
	struct plan *plan = NULL;
	int error = kernel_read(kernel, input->arena, input->world.at, &actual);
	if (error == -EPERM)
		return input_problem(
		    input, "not permitted to read nf_tables: apply needs root, or the capability CAP_NET_ADMIN");
	if (error < 0)
		return input_problem(input, "cannot read the table from the kernel: %s", strerror(-error));
	actual->at = input->world.at;
	struct ruleset *desired =
	    reconcile(input->arena, &input->world, arguments->node, actual, CHANGE_ANY, &plan, &input->diagnostics);
	if (desired == NULL)
		return input_report(input);
	if (arguments->dry_run)
		return rehearse(arguments, input, kernel, plan, actual, desired);
	struct confirmation confirmation;
	bool confirm = arguments->confirm > 0;
	if (confirm && confirmation_open(&confirmation, input->arena, arguments->socket) != 0)
		return EXIT_PROBLEM;
	const bool tracked = ruleset_is_none(actual) && conntrack_is_used(kernel);
	int missed;
	struct answer answer =
	    first_load(kernel, input->arena, plan, actual, desired, tracked, input->world.at, &missed);
	if (answer.error < 0)
		return input_problem(input, "the kernel refused %s: %s; the rules that were in force still are",
				     answer.object, strerror(-answer.error));
	if (missed < 0)
		fprintf(stderr, "ringfence: %s\n", first_load_missed(input->arena, missed));
	int status = report(arguments, plan, desired);
	return confirm && plan->count > 0 ? settle(arguments, input, kernel, &confirmation, actual) : status;
}

/* Whether --confirm can keep what it promises. */
static int check_confirm(const struct arguments *arguments)
{
	char why[512];
	if (arguments->confirm_text == NULL)
		return 0;
	if (arguments->confirm == 0 || arguments->dry_run)
		return problem(arguments->dry_run ? "--dry-run changes nothing that --confirm could undo"
						  : "--confirm is a number of seconds from 1 on");
	json_t *answer = control_ask(arguments->socket, "status", why, sizeof why);
	json_decref(answer);
	return answer == NULL ? 0
			      : problem("a daemon enforces its own policy here (%s), and would undo this; "
					"its configuration has `policy: {confirm: SECONDS}`",
					arguments->socket);
}

int apply_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct kernel *kernel = NULL;
	int status = check_confirm(arguments);
	if (status != 0)
		return status;
	status = input_read(&input, arguments, arguments->words, arguments->word_count);
	if (status == 0)
		status = node_check(&input, arguments->node);
	if (status == 0)
		status = input_prove(&input, NULL);
	int error = status == 0 ? kernel_open(&kernel) : 0;
	if (error < 0)
		status = input_problem(&input, "cannot reach nf_tables: %s", strerror(-error));
	if (status == 0)
		status = apply(arguments, &input, kernel);
	kernel_close(kernel);
	input_finish(&input);
	return status;
}
