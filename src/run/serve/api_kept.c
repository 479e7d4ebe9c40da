/*
 * api_kept.c -- operations with `kept`: an answer that was made is given again while the store has not changed.
 *
 *   loop     give_kept: at once, where what is known of the store is fresh and an answer is there
 *   handler  find_kept: before the operation is called: the store is asked, and many who ask the same at once wait for one
 *            answer or two, not for one each
 *   handler  keep: an answer of 200, as it is sent, whatever the client has already
 */
#include <string.h>

#include "core/base/limits.h"
#include "run/op/etag.h"
#include "run/serve/api_inside.h"

static bool may_keep(const mw_api *api, const mw_route *route, const mw_principal *principal) {
    mw_err refused; /* told, and recorded, where operations are called */
    return route->op->kept && api->kept && api->services.version &&
           mw_op_check_role(route->op, principal, &refused) == MW_OK;
}

void mw_api__answer_kept(mw_exchange *exchange, const mw_kept_answer *kept) {
    const bool same =
        mw_etag_matches(mw_message_field(exchange->message, "If-None-Match"), kept->tag);
    mw_exchange_answer(exchange, &(mw_answer){.status = same ? 304 : 200,
                                              .content_type = kept->content_type,
                                              .fields = same ? kept->lines_same : kept->lines,
                                              .body = kept->body.data,
                                              .size = kept->body.size,
                                              .memory = MW_ANSWER_COPY});
}

bool mw_api__give_kept(mw_api *api, mw_exchange *exchange, const mw_route *route) {
    const mw_guest *guest = exchange->who;
    const mw_message *message = exchange->message;
    uint64_t version;
    if (!may_keep(api, route, &guest->holder.principal)) return false;
    if (!api->services.version(api->services.app, false, &version)) return false;
    const mw_kept_key key = {route, guest->org, message->target,
                             mw_coding_choose(mw_message_field(message, "Accept-Encoding"))};
    const mw_kept_answer *kept = mw_kept_find(api->kept, &key, version);
    if (!kept) return false;
    mw_api__answer_kept(exchange, kept);
    mw_kept_drop(api->kept, kept);
    return true;
}

static mw_kept_key key_of(const mw_task *task) {
    return (mw_kept_key){task->route, task->org, mw_str_of(task->target), task->accepted};
}

bool mw_api__find_kept(mw_task *task) {
    mw_api *api = task->api;
    if (!may_keep(api, task->route, &task->guest.holder.principal)) return false;
    task->keeps = api->services.version(api->services.app, true, &task->version);
    const mw_kept_key key = key_of(task);
    if (task->keeps) task->kept = mw_kept_find(api->kept, &key, task->version);
    return task->kept != NULL;
}

void mw_api__keep(mw_task *task, const char *tag) {
    char same[MW_API_LINES_MAX];
    memcpy(same, task->lines, sizeof same);
    mw_api__cut_coding(same);
    const mw_kept_key key = key_of(task);
    const mw_str body =
        task->packed ? (mw_str){task->packed, task->packed_size} : mw_buf_str(&task->out);
    mw_kept_put(task->api->kept, &key, task->version,
                &(mw_kept_answer){task->content_type, tag, task->lines, same, body});
}
