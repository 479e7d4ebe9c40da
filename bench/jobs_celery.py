"""The peer of bench/jobs_speed.py: a Celery application with the same small job."""
import os
import time

from celery import Celery

app = Celery("jobs", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "64")), task_default_queue="probes",
                broker_connection_retry_on_startup=True, worker_hijack_root_logger=False, task_send_sent_event=False)


@app.task(name="probe")
def probe(text):
    return {"text": text, "began_us": time.time_ns() // 1000}
