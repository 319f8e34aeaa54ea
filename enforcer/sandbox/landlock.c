/* Landlock by its system calls: there is no library for it. Each version of it (its ABI) handles more rights, and
 * refuses those it does not know; all that are known are handled, so that what is not granted is denied. */
#include "enforcer/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* As the kernel has it since Linux 6.12 (ABI 6); the header of Debian 12 ends with ABI 2. Older kernels take the longer
 * structure where what they do not know is zero. */
struct ruleset_attributes {
	uint64_t handled_access_fs, handled_access_net, scoped;
};
enum {
	FS_TRUNCATE = 1 << 14,	/* ABI 3 */
	FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
	NET_CONNECT_TCP = 2,	/* ABI 4 */
	NET_TCP = 3,		/* bind, too */
	RULE_NET_PORT = 2,
	SCOPE_SIGNAL = 2, /* ABI 6 */
};

struct port_rule {
	uint64_t allowed_access, port;
};

/* By ABI: the rights of files that it knows. */
static uint64_t known_rights(int abi)
{
	uint64_t first = LANDLOCK_ACCESS_FS_MAKE_SYM * 2 - 1;
	return first | (abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) | (abi >= 3 ? FS_TRUNCATE : 0) |
	       (abi >= 5 ? FS_IOCTL_DEV : 0);
}

static uint64_t granted_rights(const struct landlock_path *path, bool directory)
{
	uint64_t file = LANDLOCK_ACCESS_FS_READ_FILE;
	if (path->write)
		file |= LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE;
	if (!directory)
		return file;
	return file | LANDLOCK_ACCESS_FS_READ_DIR |
	       (path->write ? LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_DIR |
				  LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR
			    : 0);
}

static int add_path(int ruleset, const struct landlock_path *path, uint64_t known)
{
	struct stat status;
	int fd = open(path->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : -errno;
	int error = fstat(fd, &status) == 0 ? 0 : -errno;
	struct landlock_path_beneath_attr rule = {
	    .allowed_access = known & granted_rights(path, S_ISDIR(status.st_mode)), .parent_fd = fd};
	if (error == 0 && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
		error = -errno;
	close(fd);
	return error;
}

int landlock_confine(const struct landlock_path *paths, size_t count, const uint16_t *ports, size_t port_count)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? 1 : -errno;
	const struct ruleset_attributes attributes = {known_rights((int)abi), abi >= 4 ? NET_TCP : 0,
						      abi >= 6 ? SCOPE_SIGNAL : 0};
	int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
	if (ruleset < 0)
		return -errno;
	int error = 0;
	for (size_t i = 0; i < count && error == 0; i++)
		error = add_path(ruleset, &paths[i], attributes.handled_access_fs);
	for (size_t i = 0; i < port_count && error == 0 && attributes.handled_access_net != 0; i++) {
		const struct port_rule rule = {NET_CONNECT_TCP, ports[i]};
		if (syscall(SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &rule, 0) != 0)
			error = -errno;
	}
	if (error == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		error = -errno;
	close(ruleset);
	return error;
}
