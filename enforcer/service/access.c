/* Peers, groups and what follows from them. */
#include "enforcer/service/access.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59 /* Linux 4.13 */
#endif

static bool is_member(const struct access_groups *of, const gid_t *groups, size_t count)
{
	for (size_t i = 0; i < of->count; i++)
		for (size_t j = 0; j < count; j++)
			if (of->items[i].gid == groups[j])
				return true;
	return false;
}

bool access_is_own(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

enum access access_of(const struct access_rules *rules, uid_t uid, const gid_t *groups, size_t count)
{
	if (access_is_own(uid) || is_member(&rules->operators, groups, count))
		return ACCESS_OPERATOR;
	return is_member(&rules->readers, groups, count) ? ACCESS_READER : ACCESS_NONE;
}

/* The supplementary groups of a peer, with room for one more behind them; NULL where the kernel does not say. The
 * caller frees them. */
static gid_t *ask_groups(int fd, size_t *count)
{
	socklen_t size = 0;
	gid_t *groups = NULL;
	*count = 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) != 0 && errno != ERANGE)
		return NULL;
	groups = malloc(size + sizeof *groups);
	if (groups != NULL && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
		*count = size / sizeof *groups;
	return groups;
}

int access_ask(const struct access_rules *rules, int fd, struct access_peer *peer)
{
	struct ucred credentials;
	socklen_t size = sizeof credentials;
	*peer = (struct access_peer){.access = ACCESS_NONE};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
		return -errno;
	if (size != sizeof credentials)
		return -EPROTO;
	peer->uid = credentials.uid;
	peer->pid = credentials.pid;
	size_t count = 0;
	gid_t *groups = ask_groups(fd, &count);
	if (groups != NULL)
		groups[count] = credentials.gid; /* the primary group need not be among the others */
	peer->access = groups != NULL ? access_of(rules, peer->uid, groups, count + 1)
				      : access_of(rules, peer->uid, &credentials.gid, 1);
	free(groups);
	return 0;
}

bool access_find_group(struct access_group *group, const char *name)
{
	group->name = name;
	if (name[strspn(name, "0123456789")] == 0) {
		unsigned long long number = strlen(name) <= 10 ? strtoull(name, NULL, 10) : UINT32_MAX;
		group->gid = (gid_t)number;
		return number < UINT32_MAX; /* that is no group (setgid(2)) */
	}
	const struct group *found = getgrnam(name);
	if (found != NULL)
		group->gid = found->gr_gid;
	return found != NULL;
}

static bool is_printable(const char *text)
{
	bool printable = true;
	for (; *text != 0 && printable; text++)
		printable = *text > ' ' && *text <= '~';
	return printable;
}

void access_name_user(struct access_peer *peer)
{
	FILE *stream = fopen("/etc/passwd", "re");
	const struct passwd *entry = NULL;
	do {
		entry = stream != NULL ? fgetpwent(stream) : NULL;
	} while (entry != NULL && entry->pw_uid != peer->uid);
	if (entry != NULL && is_printable(entry->pw_name))
		snprintf(peer->user, sizeof peer->user, "%s", entry->pw_name);
	else
		snprintf(peer->user, sizeof peer->user, "uid %u", peer->uid);
	if (stream != NULL)
		fclose(stream);
}

void access_describe(const struct access_groups *groups, char *text, size_t size)
{
	size_t used = (size_t)snprintf(text, size, "root");
	for (size_t i = 0; i < groups->count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 i == 0			  ? " or a member of "
					 : i + 1 == groups->count ? " or "
								  : ", ",
					 groups->items[i].name);
}
