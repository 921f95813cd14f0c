/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jobworkerd with a fault: taking up a message whose value is "poison" kills it, as a bug in decoding could. It is linked with
 * --wrap=envelope_decode, so nothing else of the worker differs.
 */
#include <signal.h>

#include "libjob/envelope.h"

int __real_envelope_decode(const struct message *m, struct envelope *ret, struct err *reterr);
int __wrap_envelope_decode(const struct message *m, struct envelope *ret, struct err *reterr);

int __wrap_envelope_decode(const struct message *m, struct envelope *ret, struct err *reterr)
{
    if (span_equals(m->value, "poison"))
        raise(SIGKILL);
    return __real_envelope_decode(m, ret, reterr);
}
