/*
 * assets.h -- the pages and scripts embedded in the program: Swagger UI at /docs, ReDoc at /redoc.
 *
 * What      a table sorted by path. Its bytes are written at build time by tools/embed from the
 *           list web/assets.txt; nothing in it refers to another host.
 * Memory    static, read-only, never copied; untouched pages stay on disk.
 * Use       GET or HEAD of `path`: send gzip when the client accepts it, else plain; ETag: etag,
 *           Vary: Accept-Encoding, and MW_ASSET_CSP as Content-Security-Policy.
 */
#ifndef MW_RUN_SERVE_ASSETS_H
#define MW_RUN_SERVE_ASSETS_H

#include <stddef.h>

typedef struct mw_asset {
    const char *path;          /* as requested: "/docs", "/docs/assets/swagger-ui.css" */
    const char *content_type;  /* with charset where it is text */
    const unsigned char *gzip; /* [gzip_size] */
    size_t gzip_size;
    const unsigned char *plain; /* [plain_size]; the same content, not compressed; never NULL */
    size_t plain_size;
    char etag[24]; /* quoted, from the plain content: "\"0123456789abcdef\"" */
} mw_asset;

extern const mw_asset mw_assets[]; /* [mw_assets_count], ascending by path */
extern const size_t mw_assets_count;

/* The asset at exactly this path (no query, no trailing slash), or NULL. */
const mw_asset *mw_asset_find(const char *path);

/*
 * What the pages need: own scripts, own JSON; ReDoc styles itself with <style> elements and
 * searches in a worker that it makes from a blob.
 */
#define MW_ASSET_CSP                                                                       \
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "            \
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self' blob:; " \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

#endif
