/*
 * limits.h -- every size a user controls, with its number and what it protects.
 *
 * One table: the code enforces it before parsing, `millwright doctor` prints it.
 * Units are in the names.
 */
#ifndef MW_CORE_BASE_LIMITS_H
#define MW_CORE_BASE_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define MW_LIMIT_MAP(X)                                                                         \
    X(HTTP_REQUEST_LINE_BYTES, 8192, "request line")                                            \
    X(HTTP_HEADER_BYTES, 32768, "all request headers together")                                 \
    X(HTTP_HEADERS, 100, "number of request headers")                                           \
    X(HTTP_BODY_BYTES, 1048576, "request body of a JSON route")                                 \
    X(UPLOAD_BYTES, 68719476736, "one uploaded file, as it is sent")                            \
    X(UPLOADS, 64, "files being uploaded at the same time")                                     \
    X(UNPACK_WINDOW_BYTES, 8388608, "window of a zstd stream in a request body")                \
    X(FORM_PARTS, 100, "parts of one form")                                                     \
    X(FORM_HEADER_BYTES, 8192, "header lines of one part of a form")                            \
    X(FORM_FIELDS_BYTES, 65536, "fields of one form, besides its file")                         \
    X(EVENT_STREAMS, 2048, "streams of events open at the same time")                           \
    X(EVENT_BYTES, 1048576, "events of one stream that are written at a time")                  \
    X(CORS_ORIGINS, 32, "origins whose pages may use the API")                                  \
    X(TLS_HANDSHAKE_MS, 10000, "time for a TLS handshake")                                      \
    X(TLS_FILE_BYTES, 1048576, "one file with a certificate or its key")                        \
    X(HTTP_CONNECTIONS, 10000, "open connections of one server")                                \
    X(HTTP_HEADER_TIMEOUT_MS, 10000, "time to send the request headers")                        \
    X(HTTP_IDLE_TIMEOUT_MS, 60000, "time an idle connection is kept")                           \
    X(HTTP_BODY_MIN_BYTES_PER_S, 1024, "slowest accepted sender, after 10 s of grace")          \
    X(HTTP_PIPELINED, 16, "requests waiting for answers on one connection")                     \
    X(HTTP_RESPONSE_BYTES, 67108864, "one response")                                            \
    X(HTTP_MEMORY_BYTES, 4294967296, "memory of connections and requests, or half the machine") \
    X(KEPT_ANSWERS_BYTES, 67108864, "answers that are given again while nothing has changed")   \
    X(REQUEST_QUEUE, 256, "requests waiting for a handler thread")                              \
    X(WAITING_REQUESTS, 64, "requests waiting for a job to finish")                             \
    X(JSON_DEPTH, 64, "nesting of a JSON document")                                             \
    X(JSON_BYTES, 67108864, "one JSON document")                                                \
    X(STRING_BYTES, 4096, "one parameter value")                                                \
    X(FAULTS, 64, "things that are wrong with one request, as far as they are listed")          \
    X(CSV_FIELD_BYTES, 65536, "one CSV field")                                                  \
    X(CSV_ROW_BYTES, 4194304, "one CSV row")                                                    \
    X(CSV_COLUMNS, 20000, "columns of one CSV file")                                            \
    X(COLUMN_NAME_BYTES, 256, "one column or parameter name")                                   \
    X(PARAMETERS, 10000, "parameters (columns) of one dataset")                                 \
    X(DICTIONARY_VALUES, 1000000, "distinct texts of one column")                               \
    X(FILE_BYTES, 1099511627776, "one input file, after decompression")                         \
    X(ZONE_BYTES, 262144, "one time zone file")                                                 \
    X(QUALITY_SENSORS, 100000, "sensors whose quality is judged, all devices")                  \
    X(QUALITY_STRETCHES, 200000, "stretches of flagged windows of one ingest")                  \
    X(FILES_PER_INGEST, 100000, "files of one ingest")                                          \
    X(REJECTS_BYTES, 1073741824, "one rejects file")                                            \
    X(GENERATED_ROWS, 1000000000, "rows of one generated plant")                                \
    X(TABLE_ROWS, 4000000000, "rows of one table")                                              \
    X(TABLE_COLUMNS, 100000, "columns of one table")                                            \
    X(TIME_GROUP_BYTES, 268435456, "rows of one time, compared with each other")                \
    X(MODEL_FEATURES, 20000, "features of one model")                                           \
    X(MODEL_NODES, 20000000, "nodes of one tree model")                                         \
    X(MODEL_TREES, 10000, "trees of one model")                                                 \
    X(MODEL_CLASSES, 1000, "classes of one model")                                              \
    X(LINEAR_COLUMNS, 5000, "columns of a linear model, one-hot ones counted")                  \
    X(LIST_ITEMS, 20000, "items of one list parameter")                                         \
    X(ONNX_BYTES, 1073741824, "one model.onnx")                                                 \
    X(STATE_BYTES, 1073741824, "one state.arrow")                                               \
    X(FEATURE_WINDOW_DAYS, 366, "longest window or lag of a feature in time")                   \
    X(FEATURE_WINDOW_ROWS, 100000, "longest window or lag of a feature in rows")                \
    X(FEATURE_BLOCK_ROWS, 4096, "rows of one block of a vibration feature")                     \
    X(FEATURE_LATE_ROWS, 100000, "rows of one device within the lateness")                      \
    X(FEATURE_PAST_ROWS, 10000000, "rows of one device that windows reach back to")             \
    X(FEATURE_STRETCHES, 10000000, "flagged stretches of features of one call")                 \
    X(LIVE_BODY_BYTES, 8388608, "one request body of telemetry rows")                           \
    X(LIVE_BODIES_BYTES, 268435456, "such bodies being received or read, together")             \
    X(LIVE_ROWS, 20000, "rows of one request of telemetry")                                     \
    X(LIVE_CELLS, 4194304, "cells of one request of telemetry")                                 \
    X(LIVE_HISTORY_ROWS, 10000, "vectors of one question about earlier features")               \
    X(LIVE_DEVICES, 100000, "devices with live features in one organization")                   \
    X(LIVE_MEMORY_BYTES, 17179869184, "memory of all live features, or half the machine")       \
    X(LIVE_STATE_BYTES, 4294967296, "memory of one organization's live features")               \
    X(LIVE_JOURNAL_FILES, 64, "full journal files that wait to become segments")                \
    X(LIVE_ORGS, 1000, "organizations with live features")                                      \
    X(CONDITIONS, 1000, "operating conditions of one model")                                    \
    X(CATEGORIES, 10000, "categories of one feature")                                           \
    X(THREADS, 256, "threads of one job")                                                       \
    X(WORKERS, 64, "job processes of one server")                                               \
    X(REMOTE_WORKERS, 256, "workers of other hosts at one server")                              \
    X(REMOTE_PIECE_BYTES, 524288, "piece of a file or of frames, to or from such a worker")     \
    X(REMOTE_UNREAD_BYTES, 4194304, "frames to or from such a worker that wait to be read")     \
    X(REMOTE_OUTPUTS, 100000, "files that one job delivers from another host")                  \
    X(REMOTE_OUTPUT_BYTES, 68719476736, "bytes of them together")                               \
    X(QUEUED_JOBS, 20000, "jobs waiting in one organization")                                   \
    X(API_KEYS, 10000, "API keys, all organizations")                                           \
    X(JOB_ATTEMPTS, 100, "times a job is started")                                              \
    X(JOB_AFTER, 64, "jobs that one job runs after")                                            \
    X(JOB_COPIES, 10000, "equal jobs made at once")                                             \
    X(LIGHT_JOB_BYTES, 65536, "parameters, or the result, of a light job")                      \
    X(JOB_LOG_BYTES, 16384, "latest log lines of a job")                                        \
    X(SCHEDULES, 1000, "schedules of one organization")                                         \
    X(SCHEDULE_TEXT_BYTES, 256, "name, cron expression or time zone of a schedule")             \
    X(FRAME_BYTES, 67108864, "one worker protocol frame")                                       \
    X(STORE_TEXT_BYTES, 67108864, "one text of a stored record")                                \
    X(STORE_QUEUE, 1024, "requests waiting for the store")                                      \
    X(NET_CONNECT_MS, 10000, "time to connect to another service, TLS included")                \
    X(NET_SILENCE_MS, 30000, "time another service may be silent within a request")             \
    X(NET_TRIES, 4, "times a request to another service is sent before it has failed")          \
    X(NET_ANSWER_BYTES, 67108864, "one answer of another service that is held in memory")       \
    X(ANOMALIES, 1000, "anomalies in one answer")                                               \
    X(TREND_POINTS, 10000, "points in one trend")                                               \
    X(LOG_FILE_BYTES, 67108864, "one log file before it is rotated")                            \
    X(LOG_FILES, 5, "rotated log files kept")

enum mw_limit_id {
#define MW_X(name, value, what) MW_LIMIT_ID_##name,
    MW_LIMIT_MAP(MW_X)
#undef MW_X
        MW_LIMIT_COUNT
};

typedef struct mw_limit {
    const char *name;
    int64_t value;
    const char *what;
} mw_limit;

extern const mw_limit mw_limits[MW_LIMIT_COUNT];

/* MW_LIMIT(CSV_FIELD_BYTES) is the number itself. */
#define MW_LIMIT(name) (mw_limits[MW_LIMIT_ID_##name].value)

#endif
