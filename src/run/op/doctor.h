/*
 * doctor.h -- what `millwright doctor` looks at; each finding is written as it is found.
 *
 * Levels    ok; warning: it works now, and may not tomorrow, or not after a power failure; bad: something does not work. A warning leaves the exit status 0.
 */
#ifndef MW_RUN_OP_DOCTOR_H
#define MW_RUN_OP_DOCTOR_H

#include "run/op/app.h"

typedef enum mw_doctor_level { MW_DOCTOR_OK, MW_DOCTOR_WARNING, MW_DOCTOR_BAD } mw_doctor_level;

/* repair: what to do, said unless ok. */
void mw_doctor_tell(mw_json_writer *writer, const char *name, mw_doctor_level level,
                    const char *value, const char *repair);

/* Passes an interruption on; MW_OK for everything that the check itself reports. */
mw_status mw_doctor_pass_on(mw_status status, const mw_err *why, mw_err *err);

/* doctor_machine.c: cores, memory and its ceiling, descriptors, time zones; the disk of the data folder. */
mw_status mw_doctor_machine(const mw_call *call, mw_json_writer *writer, mw_err *err);
void mw_doctor_disk(const mw_call *call, mw_json_writer *writer);

/* doctor_service.c: the store and the clock; keys, certificate, jobs. */
mw_status mw_doctor_store(const mw_call *call, mw_json_writer *writer, mw_err *err);
mw_status mw_doctor_artifacts(const mw_call *call, mw_json_writer *writer, mw_err *err);
mw_status mw_doctor_keys(const mw_call *call, mw_json_writer *writer, mw_err *err);
mw_status mw_doctor_jobs(const mw_call *call, mw_json_writer *writer, mw_err *err);
mw_status mw_doctor_certificate(const mw_call *call, mw_json_writer *writer, mw_err *err);

#endif
