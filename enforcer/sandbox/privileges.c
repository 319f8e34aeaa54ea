/* Turns a process with many capabilities into one with CAP_NET_ADMIN alone, or none, for good.
 *
 * The order matters: the bounding set needs CAP_SETPCAP and the user CAP_SETUID, so they go first; then the sets
 * themselves. capset(2), prctl(2) and the user speak of the calling thread, hence before the first thread. */
#include "enforcer/sandbox/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static void free_caps(cap_t *caps)
{
	if (*caps != NULL)
		cap_free(*caps);
}

int user_find(const char *name, struct user *user)
{
	errno = 0;
	const struct passwd *entry = getpwnam(name);
	if (entry == NULL)
		return errno == 0 ? -ENOENT : -errno;
	*user = (struct user){.uid = entry->pw_uid, .gid = entry->pw_gid, .group_count = USER_GROUPS_MOST};
	return getgrouplist(name, user->gid, user->groups, &user->group_count) < 0 ? -E2BIG : 0;
}

void user_self(struct user *user)
{
	*user = (struct user){.uid = geteuid(), .gid = getegid()};
}

static bool has_net_admin(void)
{
	__attribute__((cleanup(free_caps))) cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	return caps != NULL && cap_get_flag(caps, CAP_NET_ADMIN, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

/* Ends at the first number the kernel does not know: newer kernels have capabilities that libcap has no name for. Who
 * is not root may not take CAP_NET_ADMIN out, which does not matter: the set bounds what a new program gets, and with
 * no_new_privs there is nothing to get. */
static int narrow_bounding(void)
{
	for (cap_value_t cap = 0;; cap++) {
		int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (there < 0)
			return errno == EINVAL ? 0 : -errno;
		if (there == 1 && cap != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return -errno;
	}
}

static int become(const struct user *user, bool net_admin)
{
	if (geteuid() != 0)
		return user->uid == geteuid() ? 0 : -EPERM;
	if (prctl(PR_SET_KEEPCAPS, net_admin, 0, 0, 0) != 0)
		return -errno;
	if (setgroups(net_admin ? 0 : (size_t)user->group_count, user->groups) != 0)
		return -errno;
	if (setresgid(user->gid, user->gid, user->gid) != 0 || setresuid(user->uid, user->uid, user->uid) != 0)
		return -errno;
	return 0;
}

static int set_capabilities(bool net_admin)
{
	static const cap_value_t kept[] = {CAP_NET_ADMIN};
	__attribute__((cleanup(free_caps))) cap_t caps = cap_init();

	if (caps == NULL)
		return -ENOMEM;
	if (net_admin && (cap_set_flag(caps, CAP_PERMITTED, 1, kept, CAP_SET) != 0 ||
			  cap_set_flag(caps, CAP_EFFECTIVE, 1, kept, CAP_SET) != 0))
		return -errno;
	return cap_set_proc(caps) == 0 ? 0 : -errno;
}

int privileges_drop(const struct user *user, bool net_admin)
{
	int error;

	if (net_admin && !has_net_admin())
		return -EPERM;
	if ((error = narrow_bounding()) != 0 || (error = become(user, net_admin)) != 0)
		return error;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	if ((error = set_capabilities(net_admin)) != 0)
		return error;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}
