/* What the configuration names, as the paths that stay within reach.
 *
 * Landlock knows directories by what they are and not by their names, while a directory that is watched may not be
 * there yet, may be made anew, or be a link that is turned to another place. So the directory above it is what stays
 * within reach: of a path with a link in it, the one that holds the link. What a link leads to must lie in there, too,
 * or where it leads to now. */
#include "enforcer/service/confinement.h"

#include "enforcer/sandbox/landlock.h"
#include "enforcer/sandbox/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char default_user[] = "ringfence";

bool confinement_user(const struct config *config, struct user *user)
{
	const char *name = config->user != NULL ? config->user : default_user;
	user_self(user);
	if (geteuid() != 0 && config->user == NULL)
		return true;
	struct user wanted;
	int error = user_find(name, &wanted);
	if (error == 0 && geteuid() != 0 && wanted.uid != geteuid()) {
		fprintf(stderr, "ringfenced: `user: %s`: only root can become another user\n", name);
		return false;
	}
	if (error != 0) {
		fprintf(stderr,
			"ringfenced: user %s: %s; make it (useradd --system %s), or name another one in the "
			"configuration: `user: NAME`\n",
			name, error == -ENOENT ? "there is none" : strerror(-error), default_user);
		return false;
	}
	*user = wanted;
	return true;
}

/* ---- what the user owns ---- */

/* The directory of a file, to `parent` of PATH_MAX bytes. */
static void parent_of(const char *path, char *parent)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
	snprintf(parent, PATH_MAX, "%.*s", (int)length, slash == NULL ? "." : path);
}

/* One that is there belongs to whoever made it, and stays as it is. */
static int make_directory(const char *path, mode_t mode, const struct user *user)
{
	int error = 0, fd = -1;
	bool made = mkdir(path, mode) == 0;
	if (!made && errno != EEXIST)
		error = -errno;
	if (made && (fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		error = -errno;
	/* By its descriptor: whoever owns the directory above may have put something else in its place. */
	if (fd >= 0 && fchown(fd, user->uid, user->gid) != 0)
		error = -errno;
	if (fd >= 0)
		close(fd);
	if (error != 0)
		fprintf(stderr, "ringfenced: cannot make %s: %s\n", path, strerror(-error));
	return error;
}

static int make_directories(const struct config *config, const struct user *user)
{
	const char *sockets[] = {config->control_socket, config->metrics.text != NULL && config->metrics.text[0] == '/'
							     ? config->metrics.text
							     : NULL};
	char parent[PATH_MAX];
	for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
		if (sockets[i] == NULL)
			continue;
		parent_of(sockets[i], parent);
		int error = make_directory(parent, 0755, user);
		if (error != 0)
			return error;
	}
	return config->state_directory != NULL ? make_directory(config->state_directory, 0700, user) : 0;
}

int confinement_become(const struct config *config, const struct user *user)
{
	int error = geteuid() == 0 ? make_directories(config, user) : 0;
	return error == 0 ? privileges_drop(user, false) : error;
}

/* ---- what stays within reach ---- */

enum { PATHS_MOST = 64 };

struct paths {
	struct landlock_path items[PATHS_MOST];
	char texts[PATHS_MOST][PATH_MAX];
	size_t count;
};

static void add(struct paths *paths, const char *path, bool write)
{
	if (paths->count == PATHS_MOST)
		return; /* it then cannot be read, and that is said */
	snprintf(paths->texts[paths->count], PATH_MAX, "%s", path);
	paths->items[paths->count] = (struct landlock_path){paths->texts[paths->count], write};
	paths->count++;
}

/* The directory above the first part of the path that is a link, or is not there; else above the last part. */
static void add_anchor(struct paths *paths, const char *path)
{
	char part[PATH_MAX], parent[PATH_MAX], real[PATH_MAX];
	struct stat status;
	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		snprintf(part, sizeof part, "%.*s", slash != NULL ? (int)(slash - path) : PATH_MAX - 1, path);
		if (slash == NULL || lstat(part, &status) != 0 || S_ISLNK(status.st_mode))
			break;
	}
	parent_of(part, parent);
	add(paths, parent, false);
	if (realpath(path, real) != NULL && strcmp(real, path) != 0) {
		parent_of(real, parent);
		add(paths, parent, false);
	}
}

/* For what glibc looks up about users, and what metrics say of the process. */
static const char *const always[] = {"/proc", "/etc/localtime", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group"};

/* For the names of servers, and whom to trust where nothing else is said. */
static const char *const network[] = {
    "/etc/hosts",    "/etc/resolv.conf", "/etc/host.conf", "/etc/gai.conf",
    "/etc/services", "/etc/ssl",	 "/usr/lib/ssl",   "/usr/share/ca-certificates"};

static void collect(struct paths *paths, const struct config *config)
{
	char parent[PATH_MAX];
	for (size_t i = 0; i < sizeof always / sizeof *always; i++)
		add(paths, always[i], false);
	if (config->bundle.path != NULL || config->policy_directory != NULL)
		add_anchor(paths, config->bundle.path != NULL ? config->bundle.path : config->policy_directory);
	for (size_t i = 0; i < config->workload_directory_count; i++)
		add_anchor(paths, config->workload_directories[i]);
	if (config->units.root != NULL)
		add_anchor(paths, config->units.root);
	for (size_t i = 0; i < config->outreach.path_count; i++)
		add_anchor(paths, config->outreach.paths[i]);
	for (size_t i = 0; config->outreach.port_count > 0 && i < sizeof network / sizeof *network; i++)
		add(paths, network[i], false);
	parent_of(config->control_socket, parent);
	add(paths, parent, true);
	if (config->state_directory != NULL)
		add(paths, config->state_directory, true);
	if (config->metrics.text != NULL && config->metrics.text[0] == '/') {
		parent_of(config->metrics.text, parent);
		add(paths, parent, true);
	}
}

int confinement_close(const struct config *config)
{
	struct paths *paths = calloc(1, sizeof *paths);
	if (paths == NULL)
		return -ENOMEM;
	collect(paths, config);
	const struct outreach *outreach = &config->outreach;
	int error = landlock_confine(paths->items, paths->count, outreach->ports, outreach->port_count);
	free(paths);
	if (error == 1)
		fprintf(stderr, "ringfenced: this kernel has no Landlock; files are protected by their modes alone\n");
	return error < 0 ? error : seccomp_confine(outreach->port_count > 0 ? SECCOMP_CALLER : SECCOMP_PLANNER);
}
