/* Random policies, packets through the kernel, and the verdict function beside them: both must say the same of every
 * flow. A disagreement is made small and printed as a case of its own.
 *
 *   agreement [--seed N] [--policies N] [--without FEATURE]... [--show]
 *
 * Policy number i of a run has seed N + i, and a seed is the same case always, so a policy is repeated with its seed
 * and --policies 1. --show prints the cases. Ends with `N policies, M flows, K disagreements`. */
#include "tests/agreement/generate.h"
#include "tests/agreement/report.h"
#include "tests/agreement/shrink.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of cases with a disagreement, so many are made small and shown, and after so many the run ends: a broken lowering has
 * hundreds. */
enum { SHOWN_MOST = 3, TROUBLED_MOST = 20, FORGET_EVERY = 50 };

struct options {
	uint64_t seed;
	size_t policies;
	uint32_t without;
	bool show;
};

struct totals {
	size_t flows, allowed, by_statement, disagreements, troubled;
};

static int usage(void)
{
	fputs("usage: agreement [--seed N] [--policies N] [--without FEATURE]... [--show]\nfeatures:", stderr);
	for (size_t i = 0; i < FEATURE_COUNT; i++)
		fprintf(stderr, " %s", feature_names[i]);
	fputs("\n", stderr);
	return 2;
}

static bool leave_out(struct options *options, const char *name)
{
	for (size_t i = 0; i < FEATURE_COUNT; i++) {
		if (strcmp(feature_names[i], name) == 0) {
			options->without |= 1U << i;
			return true;
		}
	}
	return false;
}

static bool options_read(struct options *options, int argc, char **argv)
{
	static const struct option forms[] = {{"seed", required_argument, NULL, 's'},
					      {"policies", required_argument, NULL, 'p'},
					      {"without", required_argument, NULL, 'w'},
					      {"show", no_argument, NULL, 'v'},
					      {NULL, 0, NULL, 0}};
	bool good = true;
	*options = (struct options){.seed = 1, .policies = 60};
	for (int letter; good && (letter = getopt_long(argc, argv, "", forms, NULL)) != -1;) {
		if (letter == 's')
			options->seed = strtoull(optarg, NULL, 10);
		else if (letter == 'p')
			options->policies = strtoull(optarg, NULL, 10);
		else if (letter == 'v')
			options->show = true;
		else
			good = letter == 'w' && leave_out(options, optarg);
	}
	return good && optind == argc;
}

static void show_trouble(struct judge *judge, json_t *trial, uint64_t seed, struct outcome *outcome)
{
	json_t *whole = json_deep_copy(trial);
	struct outcome smaller = *outcome;
	size_t tries = outcome->trouble != TROUBLE_READ ? shrink(judge, trial, seed, &smaller) : 0;
	if (tries > 0)
		printf("# a disagreement, made small in %zu tries\n", tries);
	else
		printf("# a disagreement, whole: it did not come again by itself\n");
	report_print(stdout, tries > 0 ? trial : whole, seed, tries > 0 ? &smaller : outcome);
	fflush(stdout);
	json_decref(whole);
}

static void run_case(struct judge *judge, const struct options *options, uint64_t seed, struct totals *totals)
{
	json_t *trial = case_generate(seed, options->without);
	struct outcome outcome = judge_case(judge, trial, seed, NULL);
	totals->flows += outcome.flows;
	totals->allowed += outcome.allowed;
	totals->by_statement += outcome.by_statement;
	totals->disagreements += outcome.disagreements;
	if (options->show)
		report_print(stdout, trial, seed, &outcome);
	if (outcome.trouble != TROUBLE_NONE && totals->troubled++ < SHOWN_MOST)
		show_trouble(judge, trial, seed, &outcome);
	json_decref(trial);
}

int main(int argc, char **argv)
{
	struct options options;
	struct totals totals = {0};
	struct judge judge;
	if (!options_read(&options, argc, argv))
		return usage();
	if (!judge_open(&judge))
		return 2;
	size_t done = 0;
	for (; done < options.policies && totals.troubled < TROUBLED_MOST; done++) {
		run_case(&judge, &options, options.seed + done, &totals);
		if (done % FORGET_EVERY == 0)
			lab_forget_connections(judge.lab);
	}
	judge_close(&judge);
	printf("# %zu of the flows are allowed, %zu of those by a statement\n", totals.allowed, totals.by_statement);
	printf("%zu policies, %zu flows, %zu disagreements\n", done, totals.flows, totals.disagreements);
	return totals.disagreements > 0;
}
