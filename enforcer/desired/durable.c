/* Written beside it, then renamed over it: rename(2) is what a crash cannot halve. */
#include "enforcer/desired/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static int write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, bytes, length);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			length -= (size_t)n;
		}
	}
	return fsync(fd) == 0 ? 0 : -errno;
}

int durable_write(int directory, const char *name, const char *bytes, size_t length)
{
	char beside[NAME_MAX + 1];
	snprintf(beside, sizeof beside, ".%s.new", name);
	unlinkat(directory, beside, 0); /* of a daemon that was killed */
	__attribute__((cleanup(close_fd))) int fd =
	    openat(directory, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int error = write_all(fd, bytes, length);
	if (error == 0 && renameat(directory, beside, directory, name) != 0)
		error = -errno;
	if (error != 0)
		unlinkat(directory, beside, 0);
	return error == 0 && fsync(directory) != 0 ? -errno : error;
}

static int read_all(int fd, size_t most, char *bytes, size_t *length)
{
	ssize_t n = 1;
	while (*length <= most && n != 0) { /* one byte more than may be there tells that there is more */
		n = read(fd, bytes + *length, most + 1 - *length);
		if (n < 0 && errno != EINTR)
			return -errno;
		*length += n > 0 ? (size_t)n : 0;
	}
	return *length <= most ? 0 : -EFBIG;
}

int durable_read(int directory, const char *name, size_t most, char **bytes, size_t *length)
{
	struct stat status;
	__attribute__((cleanup(close_fd))) int fd =
	    openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	*bytes = NULL;
	*length = 0;
	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) != 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	*bytes = malloc(most + 1);
	int error = *bytes != NULL ? read_all(fd, most, *bytes, length) : -ENOMEM;
	if (error != 0) {
		free(*bytes);
		*bytes = NULL;
	}
	return error;
}
