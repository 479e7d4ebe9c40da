/*
 * raw_routes.h -- routes of the test server that use the transport directly.
 *
 *   GET  /raw/fast              a few fixed bytes
 *   POST /raw/echo              the body, kept, at most 1 MiB
 *   POST /raw/sink?pause=MS     counts a streamed body of any size; pauses MS after each piece
 *   GET  /raw/stream?bytes=N    N bytes in pieces, with back-pressure
 *   GET  /raw/big?bytes=N       N bytes at once
 *   GET  /raw/later?ms=N        answered by another thread after N ms
 *   GET  /raw/never             held until the client goes away
 *   GET  /raw/seen              how many times a client went away from /raw/never
 */
#ifndef MW_TESTS_HTTP_RAW_ROUTES_H
#define MW_TESTS_HTTP_RAW_ROUTES_H

#include "run/serve/transport.h"

bool raw_wants(const mw_exchange *exchange);
mw_body_policy raw_on_head(mw_exchange *exchange);
void raw_on_body(mw_exchange *exchange, mw_str data);
void raw_on_end(mw_exchange *exchange);
void raw_on_drain(mw_exchange *exchange);
void raw_on_peer_end(mw_exchange *exchange);
void raw_on_done(mw_exchange *exchange);

/* Waits for the threads of /raw/later and /raw/sink; after the drain, before mw_http_free. */
void raw_wait(void);

#endif
