/* ringfence apply: loads a node's ruleset into the kernel once, or says what that would change. */
#include "compiler/cli/cli.h"

#include <ringfence/difference.h>
#include <ringfence/reconcile.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

enum { LINES_MOST = 1000 };

static int report(const struct arguments *arguments, const struct plan *plan, const struct ruleset *desired,
		  bool applied)
{
	if (format_is(arguments, "json")) {
		json_t *answer =
		    json_pack("{s:i, s:b, s:b, s:i, s:I, s:I}", "version", 1, "changed", plan->count > 0, "applied",
			      applied && plan->count > 0, "generation", (int)desired->generation, "elements_added",
			      (json_int_t)plan->elements_added, "elements_deleted", (json_int_t)plan->elements_deleted);
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(answer);
		return plan->count > 0 && !applied ? EXIT_NO : EXIT_YES;
	}
	if (plan->count == 0) {
		puts("nothing to change: the kernel holds this ruleset");
		return EXIT_YES;
	}
	if (!applied) {
		plan_print(stdout, plan, LINES_MOST);
		return EXIT_NO;
	}
	printf("applied generation %u: %zu elements added, %zu deleted\n", desired->generation, plan->elements_added,
	       plan->elements_deleted);
	return EXIT_YES;
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
		return report(arguments, plan, desired, false);
	struct answer answer = kernel_apply(kernel, plan, input->world.at);
	if (answer.error < 0)
		return input_problem(input, "the kernel refused %s: %s; the rules that were in force still are",
				     answer.object, strerror(-answer.error));
	return report(arguments, plan, desired, true);
}

int apply_run(const struct arguments *arguments)
{
	struct input input = {0};
	struct kernel *kernel = NULL;
	int status = input_read(&input, arguments, arguments->words, arguments->word_count);
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
