/* ringfenced --enforce-saved: what was last in force is in force again before a packet can come. It needs no policy and
 * no workloads, and asks nobody. */
#include "enforcer/service/boot.h"

#include "enforcer/service/saved_ruleset.h"

#include <ringfence/first_load.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	int status;
	const char *text;
} outcomes[] = {
    [SAVED_RESTORED] = {0, "the saved ruleset is in force"},
    [SAVED_UNNEEDED] = {0, "a table is in force already; it stays"},
    [SAVED_NOTHING] = {1, "nothing is saved: no ruleset was ever in force here, or enforcement was removed"},
    [SAVED_FAILED] = {2, NULL},
    [SAVED_UNSEEN] = {2, NULL},
};

int boot_enforce_saved(const struct config *config)
{
	struct state_directory directory;
	struct kernel *kernel = NULL;
	char *error = NULL;
	if (config->state_directory == NULL) {
		fputs("ringfenced: the configuration has no `state`: nothing is saved\n", stderr);
		return 2;
	}
	enum saved_outcome outcome = SAVED_FAILED;
	error = state_directory_open(&directory, config->state_directory, false);
	int failed = error == NULL ? kernel_open(&kernel) : 0;
	if (failed < 0 && asprintf(&error, "cannot reach nf_tables: %s", strerror(-failed)) < 0)
		abort();
	if (error == NULL)
		outcome = saved_ruleset_enforce(&directory, kernel, conntrack_is_used(kernel), &error);
	fprintf(stderr, "ringfenced: %s\n", error != NULL ? error : outcomes[outcome].text);
	free(error);
	kernel_close(kernel);
	state_directory_close(&directory);
	return outcomes[outcome].status;
}
