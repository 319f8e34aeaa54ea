/* ringfence-fleet: the subcommands of `ringfence` that sign, and speak to the fleet. It is called by that program,
 * whose help and options are in compiler/cli/fleet_commands.c; a file for each stands beside this one. */
#include "enforcer/fleet_cli/fleet_cli.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int (*run)(const struct arguments *arguments);
} runs[] = {
    {"keygen", keygen_run}, {"enroll", enroll_run}, {"sign", sign_run},		{"bundle", bundle_run},
    {"push", push_run},	    {"pull", pull_run},	    {"fleet", fleet_nodes_run}, {"rollout", rollout_run},
};

static const struct subcommand *find(const char *name)
{
	for (size_t i = 0; i < fleet_subcommand_count; i++)
		if (strcmp(fleet_subcommands[i].name, name) == 0)
			return &fleet_subcommands[i];
	return NULL;
}

int main(int count, char **words)
{
	const struct subcommand *subcommand = count > 1 ? find(words[1]) : NULL;
	for (size_t i = 0; subcommand != NULL && i < sizeof runs / sizeof *runs; i++)
		if (strcmp(runs[i].name, subcommand->name) == 0)
			return subcommand_run(subcommand, runs[i].run, count - 1, words + 1);
	return problem("this program is called by `ringfence`; see `ringfence help`");
}
