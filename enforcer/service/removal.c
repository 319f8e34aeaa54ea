/* ringfenced --remove-enforcement. The answers are the node's name and a word: an empty input, `yes` without end, or a
 * command meant for another node change nothing. A script that means it writes both lines. */
#include "enforcer/service/removal.h"

#include "enforcer/service/saved_ruleset.h"

#include <ringfence/diagnostic.h>
#include <ringfence/remove.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Whether somebody listens on the daemon's socket. */
static bool daemon_runs(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = strlen(path) < sizeof address.sun_path ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
							: -1;
	if (fd < 0)
		return false;
	memcpy(address.sun_path, path, strlen(path) + 1);
	bool runs = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN;
	close(fd);
	return runs;
}

/* Asks for `wanted`, and reads one line. */
static bool ask(const char *question, const char *wanted)
{
	char line[300];
	fputs(question, stderr);
	fflush(stderr);
	if (fgets(line, sizeof line, stdin) == NULL)
		line[0] = 0;
	line[strcspn(line, "\n")] = 0;
	return strcmp(line, wanted) == 0;
}

static bool confirmed(const struct config *config)
{
	fputs("This ends the enforcement of node ", stderr);
	escape_print(stderr, config->node, strlen(config->node));
	fprintf(stderr,
		": every packet that table inet " RULESET_TABLE " denies passes from then on.\n"
		"It deletes the table%s%s%s, so that it is not there after a boot either.\n"
		"ringfenced enforces the policy again when it is started: disable its units, too.\n",
		config->state_directory != NULL ? ", and the ruleset that is saved in " : "",
		config->state_directory != NULL ? config->state_directory : "",
		config->state_directory != NULL ? "" : " (nothing is saved: the configuration has no `state`)");
	return ask("Type the name of the node to go on: ", config->node) &&
	       ask("Type `remove` to remove enforcement now: ", "remove");
}

/* Returns NULL, or what could not be done; the caller frees it. */
static char *forget_saved(const struct config *config)
{
	struct state_directory directory;
	if (config->state_directory == NULL || (access(config->state_directory, F_OK) != 0 && errno == ENOENT))
		return NULL;
	char *error = state_directory_open(&directory, config->state_directory, false);
	if (error == NULL)
		error = state_file_remove(&directory, SAVED_RULESET);
	state_directory_close(&directory);
	return error;
}

/* The table first: where that is not permitted, all stays as it is. */
static int remove_both(const struct config *config)
{
	struct kernel *kernel = NULL;
	int error = kernel_open(&kernel);
	if (error == 0)
		error = kernel_remove_table(kernel);
	kernel_close(kernel);
	if (error != 0 && error != -ENOENT) {
		fprintf(stderr, "ringfenced: cannot delete the table: %s%s; nothing was changed\n", strerror(-error),
			error == -EPERM ? " (it needs root, or CAP_NET_ADMIN)" : "");
		return 2;
	}
	fputs(error == 0 ? "ringfenced: table inet " RULESET_TABLE " is deleted: nothing is enforced\n"
			 : "ringfenced: there is no table inet " RULESET_TABLE "\n",
	      stderr);
	char *problem = forget_saved(config);
	if (problem == NULL)
		return 0;
	fprintf(stderr, "ringfenced: the saved ruleset is still there, and a boot would enforce it: %s\n", problem);
	free(problem);
	return 2;
}

int removal_run(const struct config *config)
{
	if (daemon_runs(config->control_socket)) {
		fprintf(stderr,
			"ringfenced: nothing was changed: a daemon runs (%s), and would enforce again; stop it first\n",
			config->control_socket);
		return 2;
	}
	if (!confirmed(config)) {
		fputs("\nringfenced: nothing was changed: that is not the answer\n", stderr);
		return 1;
	}
	return remove_both(config);
}
