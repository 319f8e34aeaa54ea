/* The keeper's side: what it does for the process that plans. */
#ifndef ENFORCER_KEEPER_SERVE_H
#define ENFORCER_KEEPER_SERVE_H

/* Answers requests on `fd` until the other end is gone. Returns 0 then, or a negative errno: the other end broke the
 * protocol, and is not answered any more. */
int keeper_serve(int fd);

#endif
