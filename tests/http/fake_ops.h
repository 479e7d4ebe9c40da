/*
 * fake_ops.h -- operations of the test server: each shows one way an answer can come about.
 *
 *   GET  /health               LOOP, public
 *   GET  /items/status         LOOP; beside GET /items/{id}?limit=1..100 (QUICK)
 *   POST /echo                 QUICK; count 1..10, name, flag, tags: answers its arguments
 *   GET  /slow?ms=             QUICK; holds a handler thread
 *   GET  /slow/count           LOOP; how many such threads there are
 *   POST /slow/end             LOOP; ends these requests before their ms have passed
 *   GET  /fail?code=           QUICK; fails with that status
 *   GET  /large?bytes=         QUICK; a big answer
 *   GET  /tagged?bytes=        QUICK, with an ETag; and GET /tagged/loop, LOOP, 3000 bytes
 *   POST /tagged?bytes=        QUICK; heeds If-Match of GET /tagged with the same bytes
 *   GET  /events               events: numbers up to the counter, from Last-Event-ID on, the end at 1000; bytes pads
 *                              them; grow: each run counts one more and tells only the latest; code: fails once the
 *                              counter is above 0, at once for `now`
 *   POST /events?by=           QUICK; raises the counter; quiet: streams are not told
 *   GET  /kept?bytes=          QUICK, its answer is kept until the counter is raised; 404 while that is odd
 *   GET  /snapshot             the same events, or for other Accepts {"n":...}
 *   POST /job                  JOB, exclusive per organization; ms, fail
 *   GET  /jobs/{id}            QUICK
 *   POST /jobs/{id}/end        QUICK; ends a job before its ms have passed
 *   POST /files/{name}         QUICK; takes a file, answers its size
 *   GET  /metrics              QUICK, text
 * Organizations: default and acme. The page /docs is embedded.
 */
#ifndef MW_TESTS_HTTP_FAKE_OPS_H
#define MW_TESTS_HTTP_FAKE_OPS_H

#include "run/serve/api.h"

/* api is read by /metrics and may be set later. */
void fake_services(mw_api_services *ret);
void fake_set_api(mw_api *api);
/* Ends all jobs at once and waits for their threads. */
void fake_stop_jobs(void);

#endif
