"""What bench/http_speed.py compares GET /health, /trend and /summary with: FastAPI and pandas over the same CSV files.

PEER_CSV names the folder, PEER_HEALTH has the answer of GET /health, PEER_QUALITY the flagged
windows of sensors in that of GET /summary, which it is spared. Each worker reads the files at its start and keeps the rows in memory as a frame (Millwright has them on disk). A request
computes its answer from the frame, as the operations of src/run/op do: the same members, order and rounding of times. With PEER_KEEP=1 each answer
is computed once and its bytes are sent again: the least that FastAPI can do.
"""
import glob
import json
import math
import os

import pandas
from fastapi import FastAPI
from fastapi.responses import Response

KEEP = os.environ.get("PEER_KEEP") == "1"
TEXTS = ["device_id", "device_name", "employee_id", "employee_name", "category"]
PARAMETERS = ["engine_temp", "oil_pressure", "vibration", "fuel_rate", "payload", "speed", "hydraulic_pressure"]
app = FastAPI(openapi_url=None)
kept = {}


def read():
    files = sorted(glob.glob(os.path.join(os.environ["PEER_CSV"], "*.csv")))
    long = pandas.concat([pandas.read_csv(path, usecols=["timestamp", *TEXTS, "parameter", "value"]) for path in files])
    long["time"] = pandas.to_datetime(long.pop("timestamp"))
    rows = long.pivot_table(index=["time", *TEXTS], columns="parameter", values="value", aggfunc="last", sort=False)
    return rows.dropna(how="all").reset_index(), len(files)


frame, n_files = read()


def number(value):
    """As JSON has it: null for what is missing."""
    return None if value is None or math.isnan(value) else float(value)


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")


def health():
    return json.loads(os.environ["PEER_HEALTH"])


def trend(parameter, limit=100, window=5):
    points = frame[["time", parameter]].dropna().groupby("time")[parameter].mean()
    latest = points.iloc[-(limit + window):]
    means = latest.rolling(window, min_periods=1).mean().iloc[-limit:]
    shown = latest.iloc[-limit:]
    hours = (shown.index - shown.index[0]).total_seconds().to_numpy() / 3600
    hours = hours - hours.mean()
    square = (hours * hours).sum()
    slope = (hours * (shown.to_numpy() - shown.mean())).sum() / square if square > 0 else math.nan
    return {"parameter": parameter, "device": None, "total": len(points), "slope_per_hour": number(slope),
            "direction": "rising" if slope > 0 else "falling" if slope < 0 else "flat",
            "points": [{"time": stamp(time), "value": value, "moving_mean": mean}
                       for time, value, mean in zip(shown.index, shown.tolist(), means.tolist())]}


def summary():
    rows = len(frame)
    columns = [{"name": "time", "type": "timestamp", "count": int(frame["time"].count())}]
    columns += [{"name": name, "type": "dictionary", "count": int(frame[name].count())} for name in TEXTS]
    columns += [{"name": name, "type": "float64", "count": int(frame[name].count()), "mean": number(frame[name].mean()), "std": number(frame[name].std()),
                 "min": number(frame[name].min()), "max": number(frame[name].max())} for name in PARAMETERS]
    for column in columns:
        column["missing"] = rows - column["count"]
        for name in ("mean", "std", "min", "max"):
            column.setdefault(name, None)
    devices = frame["device_id"].unique().tolist()
    filled = sum(column["count"] for column in columns if column["type"] == "float64")
    return {"organization": "default", "dataset": "main", "rows": rows, "files": n_files, "rejects": 0, "device_count": len(devices), "devices": devices,
            "parameters": PARAMETERS, "parameter_count": len(PARAMETERS),
            "time_range": {"start": stamp(frame["time"].min()), "end": stamp(frame["time"].max())},
            "missing_share": (rows * len(PARAMETERS) - filled) / (rows * len(PARAMETERS)), "columns": columns, "quality": json.loads(os.environ["PEER_QUALITY"])}


def answer(name, make):
    if not KEEP:
        return make()
    if name not in kept:
        kept[name] = json.dumps(make(), separators=(",", ":")).encode()
    return Response(kept[name], media_type="application/json")


if KEEP:
    @app.get("/health")
    async def get_health():
        return answer("health", health)

    @app.get("/trend")
    async def get_trend(parameter: str):
        return answer(parameter, lambda: trend(parameter))

    @app.get("/summary")
    async def get_summary():
        return answer("summary", summary)
else:
    @app.get("/health")
    async def get_health():
        return health()

    @app.get("/trend")
    def get_trend(parameter: str, limit: int = 100, window: int = 5):
        return trend(parameter, limit, window)

    @app.get("/summary")
    def get_summary():
        return summary()
