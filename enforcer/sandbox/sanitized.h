/* Whether this is a build for tests with AddressSanitizer: it looks at the process from outside, which ours forbid. */
#ifndef ENFORCER_SANDBOX_SANITIZED_H
#define ENFORCER_SANDBOX_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#endif
