/* org.h -- which organization an operation with /organizations/{id} is about. */
#ifndef MW_RUN_OP_ORG_H
#define MW_RUN_OP_ORG_H

#include "run/op/app.h"

/* The call's context for organization `org`; NULL: the call's own. MW_EDENIED: the caller is of another one, or no admin. MW_EINVAL: no name of one. */
mw_status mw_op__for_org(const mw_call *call, const char *org, mw_ctx *ret, mw_err *err);
/* The one of the argument "id", which must exist: MW_ENOTFOUND. */
mw_status mw_op__existing_org(const mw_call *call, mw_ctx *ret, mw_err *err);

#endif
