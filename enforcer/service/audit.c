/* One line of JSON for each act, in ASCII: whatever a peer sent cannot end a line or move a cursor. */
#include "enforcer/service/audit.h"

#include <ringfence/policy.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REFUSED_ARGUMENTS_MAX = 512 };

struct audit {
	int directory, fd; /* -1: none */
	int64_t first;	   /* of the refusals that `refused` counts, monotonic seconds */
	unsigned refused;
	uint64_t left_out; /* lines, since the last that was written */
};

static int open_file(struct audit *audit)
{
	int fd = openat(audit->directory, AUDIT_FILE,
			O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
	struct stat status;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
		close(fd);
		return -EINVAL;
	}
	if (audit->fd >= 0)
		close(audit->fd);
	audit->fd = fd;
	return fsync(audit->directory) == 0 ? 0 : -errno;
}

int audit_open(struct audit **audit, int directory)
{
	struct audit *made = calloc(1, sizeof *made);
	int error = made != NULL ? 0 : -ENOMEM;
	if (made != NULL) {
		*made = (struct audit){.directory = directory, .fd = -1};
		error = audit_reserve(made);
	}
	if (error != 0) {
		audit_close(made);
		made = NULL;
	}
	*audit = made;
	return error;
}

void audit_close(struct audit *audit)
{
	if (audit == NULL)
		return;
	if (audit->fd >= 0)
		close(audit->fd);
	free(audit);
}

/* Whether the name still leads to the file that is open. */
static bool is_there(const struct audit *audit, const struct stat *own)
{
	struct stat named;
	return fstatat(audit->directory, AUDIT_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 && named.st_dev == own->st_dev &&
	       named.st_ino == own->st_ino;
}

int audit_reserve(struct audit *audit)
{
	struct stat status = {0};
	if (audit->directory < 0)
		return 0;
	if (audit->fd >= 0 && fstat(audit->fd, &status) != 0)
		return -errno;
	bool here = audit->fd >= 0 && is_there(audit, &status);
	if (here && status.st_size + AUDIT_LINE_MAX > AUDIT_BYTES_MAX) {
		if (renameat(audit->directory, AUDIT_FILE, audit->directory, AUDIT_FILE ".1") != 0)
			return -errno;
		here = false;
	}
	int error = here ? 0 : open_file(audit);
	if (error == 0 && fstat(audit->fd, &status) != 0)
		error = -errno;
	/* The room is taken now, so that the line cannot fail for want of it when the act is done. */
	if (error == 0 && fallocate(audit->fd, FALLOC_FL_KEEP_SIZE, status.st_size, AUDIT_LINE_MAX) != 0)
		error = errno == EOPNOTSUPP || errno == ENOSYS ? 0 : -errno;
	return error;
}

/* Whether one more refusal is to be written, of those within a minute since the first. */
static bool is_within(struct audit *audit)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (audit->refused == 0 || now.tv_sec - audit->first >= 60) {
		audit->first = now.tv_sec;
		audit->refused = 0;
	}
	audit->refused++;
	return audit->refused <= AUDIT_REFUSED_A_MINUTE;
}

/* Whether what is left of the file is for what is done: of refusals alone it shall never begin anew. */
static bool is_kept_for_acts(const struct audit *audit)
{
	struct stat status;
	return audit->fd >= 0 && fstat(audit->fd, &status) == 0 && status.st_size > AUDIT_BYTES_MAX / 2;
}

static json_t *arguments_of(const json_t *request, bool refused)
{
	json_t *arguments = json_copy((json_t *)request); /* shallow */
	json_object_del(arguments, "command");
	char *text = refused ? json_dumps(arguments, JSON_COMPACT) : NULL;
	if (text != NULL && strlen(text) > REFUSED_ARGUMENTS_MAX) {
		json_decref(arguments);
		arguments = json_string("too long to be kept");
	}
	free(text);
	return arguments;
}

static char *line_of(struct audit *audit, const struct access_peer *peer, const json_t *request,
		     enum audit_outcome outcome, const char *error)
{
	static const char *const outcomes[] = {"done", "failed", "refused"};
	struct timespec now;
	char seconds[32], text[48];
	clock_gettime(CLOCK_REALTIME, &now);
	time_print((int64_t)now.tv_sec, seconds);
	snprintf(text, sizeof text, "%.19s.%03ldZ", seconds, now.tv_nsec / 1000000);
	json_t *line =
	    json_pack("{s:s, s:I, s:s, s:I, s:O, s:o, s:s}", "time", text, "uid", (json_int_t)peer->uid, "user",
		      peer->user, "pid", (json_int_t)peer->pid, "command", json_object_get(request, "command"),
		      "arguments", arguments_of(request, outcome == AUDIT_REFUSED), "outcome", outcomes[outcome]);
	if (error != NULL)
		json_object_set_new(line, "error", json_string(error));
	if (audit->left_out > 0)
		json_object_set_new(line, "left_out", json_integer((json_int_t)audit->left_out));
	char *dumped = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(line);
	return dumped;
}

/* Appends it in one write, so that no other process's line can stand in it. */
static int append(const struct audit *audit, char *line)
{
	size_t length = strlen(line);
	line[length] = '\n'; /* where the NUL was */
	ssize_t written = write(audit->fd, line, length + 1);
	line[length] = 0;
	if (written < 0)
		return -errno;
	return (size_t)written == length + 1 ? 0 : -EIO;
}

int audit_write(struct audit *audit, const struct access_peer *peer, const json_t *request, enum audit_outcome outcome,
		const char *error)
{
	bool refused = outcome == AUDIT_REFUSED;
	if (refused && (!is_within(audit) || is_kept_for_acts(audit))) {
		audit->left_out++;
		return 0;
	}
	char *line = line_of(audit, peer, request, outcome, error);
	if (line == NULL)
		return -ENOMEM;
	fprintf(stderr, "ringfenced: audit: %s\n", line);
	int result = 0;
	if (audit->directory >= 0)
		result = audit->fd >= 0 ? append(audit, line) : -EBADF;
	if (audit->directory >= 0 && result == 0 && !refused && fsync(audit->fd) != 0)
		result = -errno;
	if (result == 0)
		audit->left_out = 0;
	free(line);
	return result;
}
