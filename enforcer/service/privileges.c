/* Turns a process with many capabilities into one with CAP_NET_ADMIN alone, for good.
 *
 * The order matters: the bounding set needs CAP_SETPCAP, so it goes first; then the sets themselves. capset(2) and
 * prctl(2) speak of the calling thread, hence before the first thread. */
#include "enforcer/service/privileges.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/capability.h>
#include <sys/prctl.h>

static void free_caps(cap_t *caps)
{
	if (*caps != NULL)
		cap_free(*caps);
}

static bool has_net_admin(void)
{
	__attribute__((cleanup(free_caps))) cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	return caps != NULL && cap_get_flag(caps, CAP_NET_ADMIN, CAP_PERMITTED, &value) == 0 && value == CAP_SET;
}

/* Ends at the first number the kernel does not know: newer kernels have capabilities that libcap has no name for. */
static int drop_bounding(void)
{
	for (cap_value_t cap = 0;; cap++) {
		int there = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (there < 0)
			return errno == EINVAL ? 0 : -errno;
		if (there == 1 && cap != CAP_NET_ADMIN && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			return -errno;
	}
}

static int keep_net_admin(void)
{
	static const cap_value_t kept[] = {CAP_NET_ADMIN};
	__attribute__((cleanup(free_caps))) cap_t caps = cap_init();

	if (caps == NULL)
		return -ENOMEM;
	if (cap_set_flag(caps, CAP_PERMITTED, 1, kept, CAP_SET) != 0 ||
	    cap_set_flag(caps, CAP_EFFECTIVE, 1, kept, CAP_SET) != 0 || cap_set_proc(caps) != 0)
		return -errno;
	return 0;
}

int privileges_drop(void)
{
	int error;

	if (!has_net_admin())
		return -EPERM;
	error = drop_bounding();
	if (error != 0)
		return error;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
		return -errno;
	error = keep_net_admin();
	if (error != 0)
		return error;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -errno;
	return 0;
}
