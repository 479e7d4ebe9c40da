"""Writes operators.csv: rolling skew, kurtosis and slope, weighted means, states, totals and crossings by pandas and numpy.

    python tests/golden/feature/make.py        (made with pandas 2.2.3, numpy 1.26.4)

Windows are those of `rolling`: the last ROWS rows, or (t - WINDOW, t]. pandas has no slope: it is the covariance with the time by
the variance of the time, where there is a value. pandas has no std by half-lives in time (3.1 refuses, 2.2 leaves out the times): it is
computed here from its definition. Nor states and totals: groupby, ffill and cumsum make them.
"""
import os
import numpy as np
import pandas as pd

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)
N, ROWS, WINDOW, HALF_LIFE_ROWS, HALF_LIFE, LEVEL, GAP = 96, 12, "90s", 5, 40.0, 50.5, 15.0

seconds = np.cumsum(rng.integers(1, 20, N)).astype(float)
x = np.round(rng.normal(50, 3, N), 2)
x[9] = 81.25
x[::7] = LEVEL
x[30:52] = 51.5  # windows of equal values
x[[3, 4, 17, 36, 60, 61, 62, 75]] = np.nan
state = np.repeat(rng.choice([0.0, 0.0, 1.0, 2.0], N // 4), 4)
state[[0, 1, 13, 14, 15, 40, 41, 70]] = np.nan

index = pd.to_datetime(seconds, unit="s")
values, times, states = (pd.Series(v, index=index) for v in (x, np.where(np.isnan(x), np.nan, seconds), state))


def slope(window):
    covariance = values.rolling(window, min_periods=2).cov(times)
    return covariance / times.rolling(window, min_periods=2).var()


def crossings(window):
    sides = np.sign(window[~np.isnan(window)] - LEVEL)
    return np.count_nonzero(np.diff(sides[sides != 0]))


def weighted_std(i):
    here = [j for j in range(i + 1) if not np.isnan(x[j])]
    w, v = 0.5 ** ((seconds[i] - seconds[here]) / HALF_LIFE), x[here]
    if len(here) < 2:
        return np.nan
    mean = (w * v).sum() / w.sum()
    return np.sqrt((w * (v - mean) ** 2).sum() / w.sum() * w.sum() ** 2 / (w.sum() ** 2 - (w ** 2).sum()))


def filled(series):
    return series.reindex(index).ffill()


by_rows = values.reset_index(drop=True)
results = {}
for name, window in (("rows", ROWS), ("time", WINDOW)):
    results[f"skew_{name}"] = values.rolling(window, min_periods=3).skew()
    results[f"kurtosis_{name}"] = values.rolling(window, min_periods=4).kurt()
    results[f"slope_{name}"] = slope(window)
    results[f"crossings_{name}"] = values.rolling(window, min_periods=1).apply(crossings, raw=True)
results["ewm_mean_rows"] = by_rows.ewm(halflife=HALF_LIFE_ROWS).mean()
results["ewm_std_rows"] = by_rows.ewm(halflife=HALF_LIFE_ROWS).std(bias=False)
results["ewm_mean_time"] = by_rows.ewm(halflife=f"{HALF_LIFE}s", times=index).mean()
results["ewm_std_time"] = [weighted_std(i) for i in range(N)]

known = states.dropna()
changed = known.ne(known.shift())
at = pd.Series(seconds, index=index)
results["since_change"] = at - filled(at[known.index].where(changed))
results["run_length"] = filled(known.groupby(changed.cumsum()).cumcount() + 1)
results["since_event"] = at - at.where(states.fillna(0) != 0).ffill()
step = at.diff().where(at.diff() <= GAP, 0).fillna(0)
on = (states.ffill().shift().fillna(0) != 0) * step
results["on_time"] = on.cumsum().where(states.ffill().notna())
far = at[known.index].diff()
trapezoids = ((known + known.shift()) / 2 * far / 3600).where(far <= GAP, 0).fillna(0)
results["energy"] = filled(trapezoids.cumsum())

results = {"seconds": seconds, "x": x, "state": state, **results}
table = pd.DataFrame({name: np.asarray(column, dtype=float) for name, column in results.items()})
table.to_csv(os.path.join(HERE, "operators.csv"), index=False, lineterminator="\n")
