/* Who may ask the daemon, and who may tell it what to do: decided by what the kernel says of a socket's peer. */
#ifndef ENFORCER_SERVICE_ACCESS_H
#define ENFORCER_SERVICE_ACCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Each may what the one before may. */
enum access { ACCESS_NONE, ACCESS_READER, ACCESS_OPERATOR };

/* A group with its name as the configuration has it. */
struct access_group {
	const char *name;
	gid_t gid;
};

struct access_groups {
	struct access_group *items;
	size_t count;
};

struct access_rules {
	struct access_groups readers, operators;
};

struct access_peer {
	uid_t uid;
	pid_t pid; /* when it connected; it may be another process by now */
	enum access access;
	char user[64]; /* access_name_user: the name, or `uid N` */
};

/* Root and the daemon's own user are operators, and so is who is in one of their groups. */
enum access access_of(const struct access_rules *rules, uid_t uid, const gid_t *groups, size_t count);

/* Root and the daemon's own user. */
bool access_is_own(uid_t uid);

/* What the peer of a connected Unix socket may: its user and all its groups when it connected (SO_PEERCRED,
 * SO_PEERGROUPS). Returns 0 or a negative errno. */
int access_ask(const struct access_rules *rules, int fd, struct access_peer *peer);

/* Finds the group with this name or number. Returns false where there is none. */
bool access_find_group(struct access_group *group, const char *name);

/* Looks up the peer's name in /etc/passwd alone: other sources of names may be at the other end of a network. */
void access_name_user(struct access_peer *peer);

/* Writes who operators are, for whoever is none: "root or a member of ops", cut where `size` ends. */
void access_describe(const struct access_groups *groups, char *text, size_t size);

#endif
