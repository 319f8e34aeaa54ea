/* Hands a subcommand over to ringfence-fleet, so that this program needs none of its libraries. */
#include "compiler/cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Where it may be, from the directory of this program: beside it, as it is built, or as it is installed. */
static const char *const places[] = {"ringfence-fleet", "../libexec/ringfence/ringfence-fleet"};
enum { PLACES = sizeof places / sizeof *places };

int fleet_run(const char *name, char **words)
{
	char self[PATH_MAX], path[PLACES][PATH_MAX + 64];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	if (length < 0)
		return problem("/proc/self/exe, which tells where ringfence-fleet is: %s", strerror(errno));
	self[length] = 0;
	*strrchr(self, '/') = 0;
	for (size_t i = 0; i < PLACES; i++) {
		snprintf(path[i], sizeof path[i], "%s/%s", self, places[i]);
		execv(path[i], words);
		if (errno != ENOENT)
			return problem("%s: %s", path[i], strerror(errno));
	}
	return problem(
	    "`ringfence %s` is of the program ringfence-fleet, which is neither %s nor %s: `make` builds it, "
	    "`make install` installs it",
	    name, path[0], path[1]);
}
