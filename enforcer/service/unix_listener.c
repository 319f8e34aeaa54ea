/* The life of a Unix socket's file: who may replace it, and who removes it. */
#include "enforcer/service/unix_listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* Opens the directory of `path`, made when missing. */
static int open_parent(const char *path)
{
	char parent[sizeof((struct sockaddr_un *)NULL)->sun_path];
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL || slash == path ? 1 : (size_t)(slash - path);
	int fd;

	memcpy(parent, slash == NULL ? "." : path, length);
	parent[length] = '\0';
	if (mkdir(parent, 0755) != 0 && errno != EEXIST)
		return -errno;
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Removes a socket on which nobody listens any more. */
static int remove_stale(const struct sockaddr_un *address)
{
	__attribute__((cleanup(close_fd))) int probe = -1;
	struct stat status;

	if (lstat(address->sun_path, &status) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(status.st_mode))
		return -EEXIST;
	probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (probe < 0)
		return -errno;
	if (connect(probe, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
		return -EADDRINUSE;
	if (errno != ECONNREFUSED)
		return -errno;
	return unlink(address->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

/* bind(2) makes the file with the mode of the socket's inode less the umask, so it never has another
 * (net/unix/af_unix.c). */
static int bind_with_mode(int fd, const struct sockaddr_un *address, mode_t mode)
{
	mode_t mask = umask(0777 & ~mode);
	int error = 0;

	if (fchmod(fd, mode) != 0 || bind(fd, (const struct sockaddr *)address, sizeof *address) != 0)
		error = -errno;
	umask(mask);
	return error;
}

/* Two daemons that start together would each take the other's new socket for stale: hence the lock on the directory. */
int unix_listener_open(struct unix_listener *listener, const char *path, mode_t mode, int backlog)
{
	__attribute__((cleanup(close_fd))) int parent = -1;
	struct stat status;
	int error;

	*listener = (struct unix_listener){.address.sun_family = AF_UNIX, .fd = -1};
	if (path[0] == '\0' || strlen(path) >= sizeof listener->address.sun_path)
		return path[0] == '\0' ? -EINVAL : -ENAMETOOLONG;
	memcpy(listener->address.sun_path, path, strlen(path) + 1);
	parent = open_parent(path);
	if (parent < 0)
		return parent;
	if (flock(parent, LOCK_EX | LOCK_NB) != 0)
		return errno == EWOULDBLOCK ? -EADDRINUSE : -errno;
	error = remove_stale(&listener->address);
	if (error != 0)
		return error;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener->fd < 0)
		return -errno;
	error = bind_with_mode(listener->fd, &listener->address, mode);
	if (error != 0)
		return error;
	if (lstat(path, &status) != 0)
		return -errno;
	listener->bound = true;
	listener->dev = status.st_dev;
	listener->ino = status.st_ino;
	return listen(listener->fd, backlog) == 0 ? 0 : -errno;
}

void unix_listener_close(struct unix_listener *listener)
{
	struct stat status;

	if (listener->bound && lstat(listener->address.sun_path, &status) == 0 && status.st_dev == listener->dev &&
	    status.st_ino == listener->ino)
		unlink(listener->address.sun_path);
	listener->bound = false;
	close_fd(&listener->fd);
	listener->fd = -1;
}
