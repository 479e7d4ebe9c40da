/* zone_embedded.h -- the time zones that the build put into the program (tools/embed-zones), sorted by name. */
#ifndef MW_CORE_TEXT_ZONE_EMBEDDED_H
#define MW_CORE_TEXT_ZONE_EMBEDDED_H

#include <stddef.h>
#include <stdint.h>

typedef struct mw_zone_embedded {
    const char *name;  /* "Europe/Berlin" */
    uint32_t at, size; /* its TZif file is mw_zone_bytes[at .. at + size) */
} mw_zone_embedded;

extern const unsigned char mw_zone_bytes[];
extern const mw_zone_embedded mw_zones_embedded[]; /* [mw_zones_embedded_count] */
extern const size_t mw_zones_embedded_count;

#endif
