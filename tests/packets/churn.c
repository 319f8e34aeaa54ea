/* Makes a fleet's files, and changes those of its workloads, beside what churn.sh has on its node: see
 * tests/bench/fleet.h.
 *
 *   churn write POLICY WORKLOADS COUNT                 the policy, and COUNT workloads of node-a
 *   churn run WORKLOADS COUNT RATE SECONDS             so many changes a second; says how many there were
 */
#include "tests/bench/generator.h"
#include "tests/packets/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int write_all(const char *policy, const char *workloads, unsigned count)
{
	struct fleet fleet = fleet_on_one_node(count);
	if (fleet_write_policy(&fleet, policy) && fleet_write_workloads(&fleet, workloads))
		return 0;
	perror("churn");
	return 1;
}

static int run(const char *workloads, unsigned count, unsigned rate, double seconds)
{
	struct fleet fleet = fleet_on_one_node(count);
	struct generated generated = generator_run(
	    &(struct generator){.fleet = &fleet, .directory = workloads, .rate = rate, .seconds = seconds});
	if (generated.changes == 0) {
		perror("churn");
		return 1;
	}
	printf("changes=%u late=%.0f ms\n", generated.changes, (double)generated.late_ns / (double)MILLISECOND);
	return 0;
}

int main(int count, char **words)
{
	if (count == 5 && strcmp(words[1], "write") == 0)
		return write_all(words[2], words[3], (unsigned)atoi(words[4]));
	if (count == 6 && strcmp(words[1], "run") == 0)
		return run(words[2], (unsigned)atoi(words[3]), (unsigned)atoi(words[4]), atof(words[5]));
	fprintf(stderr, "churn write POLICY WORKLOADS COUNT\nchurn run WORKLOADS COUNT RATE SECONDS\n");
	return 2;
}
