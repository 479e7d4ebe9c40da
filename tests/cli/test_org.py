#!/usr/bin/env python3
"""Organizations and their feature configurations, on the command line and over HTTP. TAP, standard library only."""
import csv
import http.client
import json
import math
import os
import re
import signal
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import ECONFLICT, EINVAL, ENOTFOUND, main  # noqa: E402

INDUSTRIES = {"manufacturing": "vibration_slope_2h", "power-generation": "power_output_energy", "mining": "fuel_rate_per_payload",
              "quality-control": "cycle_time_ewm_mean_20", "energy-metering": "power_factor"}
PUMPS = {"continuousColumns": ["Druck", "Last"], "rollingWindows": [3]}


def config(cli, schema, name="config.json", **top):
    return cli.write(name, json.dumps({"schemaConfig": schema} | top))


def rows(cli, columns, booleans=(), n=40):
    """Readings over the night in which Berlin's clocks go forward."""
    when = datetime(2026, 3, 28, 20, tzinfo=timezone.utc)
    lines = [",".join(["time", "device", *columns, *booleans])]
    for i in range(n):
        numbers = (str(1 + (i * 7 + k) % 11) for k in range(len(columns)))
        lines.append(",".join([(when + timedelta(minutes=15 * i)).isoformat(), f"m{i % 2}", *numbers, *("true" if i % 3 else "false" for _ in booleans)]))
    return cli.write("rows.csv", "\n".join(lines) + "\n")


def features(cli, *words):
    said = cli.json("features", *words, "--out", "f.csv", "--replay")
    with open(cli.folder / "f.csv", newline="") as f:
        return said, list(csv.DictReader(f))


def every_industry_begins_with_features_of_its_own(cli):
    for number, (industry, own) in enumerate(INDUSTRIES.items()):
        org = f"org_{number}"
        said = cli.json("org", "init", "--industry", industry, "--org", org)
        assert (said["organization_id"], said["version"]) == (org, 1) and len(said["hash"]) == 64, said
        text = cli.ok("org", "config", "--org", org)
        cli.write("own.json", text)
        schema = json.loads(text)["schemaConfig"]
        rows(cli, schema["continuousColumns"], schema.get("booleanColumns", []))
        made, lines = features(cli, "own.json", "rows.csv")
        assert made["columns"] == said["features"] and made["program"] == said["hash"] and own in lines[0], (industry, made)
        assert any(line[own] for line in lines), own
    told = {org["organization_id"]: org["config_version"] for org in cli.json("org", "list")}
    assert told == {f"org_{n}": 1 for n in range(len(INDUSTRIES))} | {"default": None}, told
    assert "org_3                    configuration 1" in cli.ok("org", "list")


def configurations_of_old_users_work(cli):
    for org, schema in (("manufacturing_org_1", {"continuousColumns": ["temperature", "pressure", "vibration", "current"], "lagSeconds": [60, 120, 300],
                                                 "booleanColumns": ["pump_status", "alarm_active"], "rollingWindows": [5, 10, 20]}),
                        ("power_gen_org_1", {"continuousColumns": ["generator_temp", "turbine_speed", "power_output"], "lagSeconds": [30, 60, 180],
                                             "rollingWindows": [3, 6, 12]})):
        config(cli, schema, organizationId=org)
        said = cli.json("org", "configure", "config.json")
        assert (said["organization_id"], said["version"]) == (org, 1), said
        industry = "manufacturing" if org.startswith("m") else "power-generation"
        same = cli.json("org", "init", "--industry", industry, "--org", f"{org}_too")
        assert same["hash"] == said["hash"], (said, same)


def versions_stay_and_the_newest_counts(cli):
    config(cli, PUMPS)
    first = cli.json("org", "configure", "config.json")
    assert cli.json("org", "configure", "config.json") == first
    cli.write("blanks.json", (cli.folder / "config.json").read_text().replace(",", " ,\n "))
    assert cli.json("org", "configure", "blanks.json") == first
    config(cli, PUMPS | {"rollingWindows": [3, 4]})
    second = cli.json("org", "configure", "config.json")
    assert (second["version"], second["hash"] != first["hash"]) == (2, True), second
    assert cli.json("org", "config")["config"]["schemaConfig"]["rollingWindows"] == [3, 4]
    old = cli.json("org", "config", "--version", "1")
    assert old["config"]["schemaConfig"] == PUMPS and old["hash"] == first["hash"] and old["features"] == first["features"], old
    cli.fails(ENOTFOUND, "org", "config", "--version", "3", says="no configuration of version 3")
    cli.fails(ECONFLICT, "org", "init", "--industry", "mining", says="has a configuration already, version 2")
    assert cli.json("org", "config")["version"] == 2


def organizations_do_not_see_each_other(cli):
    config(cli, PUMPS)
    cli.ok("org", "configure", "config.json", "--org", "acme")
    cli.fails(ENOTFOUND, "org", "config", says="organization default has no configuration")
    cli.fails(ENOTFOUND, "org", "config", "--org", "nobody", says="there is no organization")
    config(cli, PUMPS, organizationId="acme")
    cli.fails(EINVAL, "org", "configure", "config.json", "--org", "globex", says="is that of organization acme, not of globex")
    assert "globex" not in cli.ok("org", "list")
    assert cli.json("org", "configure", "config.json")["organization_id"] == "acme"


def wrong_configurations_are_not_kept(cli):
    for schema, where, says in (
            ({"continuousColumns": ["a"], "lagSecond": [1]}, "/schemaConfig/lagSecond", "did you mean"),
            ({"continuousColumns": ["a"], "ratios": [["a", "b"]]}, "/schemaConfig/ratios/0", "neither a column nor a feature"),
            ({"continuousColumns": ["a"], "ratios": [["a"]]}, "/schemaConfig/ratios/0", "a pair is two columns"),
            ({"continuousColumns": ["a"], "interactions": {"a": "b"}}, "/schemaConfig/interactions", "a list of pairs"),
            ({"continuousColumns": ["a"], "validRanges": {"b": [1, 2]}}, "/schemaConfig/validRanges/b", "there is no column b"),
            ({"continuousColumns": ["a"], "validRanges": {"a": [2, 1]}}, "/schemaConfig/validRanges/a", "the lower number comes first"),
            ({"continuousColumns": ["a"], "validRanges": {"a": [1]}}, "/schemaConfig/validRanges/a", "two numbers"),
            ({"continuousColumns": ["a"], "validRanges": [1, 2]}, "/schemaConfig/validRanges", "must be an object"),
            ({"continuousColumns": ["a"], "units": {"a": 1}}, "/schemaConfig/units/a", "a unit is a text"),
            ({"continuousColumns": ["a"], "units": {"b": "bar"}}, "/schemaConfig/units/b", "there is no column b"),
            ({"continuousColumns": ["a"], "timezone": "Europe/Berln"}, "/schemaConfig/timezone", "no time zone"),
            ({"continuousColumns": ["a"], "maintenanceEvents": ["a"]}, "/schemaConfig", "two columns called a")):
        config(cli, schema)
        status, _, err = cli.run("org", "configure", "config.json")
        assert status == EINVAL and f"where: {where}\n" in err and says in err, (schema, err)
    cli.fails(ENOTFOUND, "org", "configure", "none.json", hint=False)
    cli.fails(EINVAL, "org", "init", "--industry", "bakery", says="industry must be one of", hint=False)
    cli.fails(ENOTFOUND, "org", "config", says="has no configuration")


def keys_do_what_they_say(cli):
    config(cli, {"continuousColumns": ["power", "speed", "heat"], "booleanColumns": ["door"], "maintenanceEvents": ["service", "door"],
                 "ratios": [["power", "speed"]], "interactions": [["heat", "speed"]], "validRanges": {"power": [2, None], "heat": [None, 9]},
                 "units": {"power": "kW"}, "timezone": "Europe/Berlin"})
    rows(cli, ["power", "speed", "heat"], ["door", "service"])
    lines = (cli.folder / "rows.csv").read_text().splitlines()
    table = [dict(zip(lines[0].split(","), line.split(","))) for line in lines[1:]]
    for i, row in enumerate(table):
        row["door"], row["service"] = ("true" if i % 6 == 4 else "false"), ("1" if i == 8 else "0")
    cli.write("rows.csv", "\n".join([lines[0], *(",".join(row.values()) for row in table)]) + "\n")
    said, made = features(cli, "config.json", "rows.csv")
    assert "heat_x_speed" in made[0] and "power_x_speed" not in made[0] and said["replayed"], list(made[0])
    for row, got in zip(table, made, strict=True):
        power, speed, heat = (float(row[name]) for name in ("power", "speed", "heat"))
        power, heat = power if power >= 2 else None, heat if heat <= 9 else None
        for name, want in (("power", power), ("heat", heat), ("power_per_speed", power and power / speed), ("heat_x_speed", heat and heat * speed)):
            assert math.isclose(float(got[name]), want, rel_tol=1e-6) if want else got[name] == "", (name, want, got[name])
        local = datetime.fromisoformat(row["time"]).astimezone(ZoneInfo("Europe/Berlin"))
        for name, turn in (("hour_sin", local.hour / 24), ("weekday_sin", local.weekday() / 7)):
            assert math.isclose(float(got[name]), math.sin(2 * math.pi * turn), abs_tol=1e-6), (name, local, got[name])
    assert [got["service_since_event"] for got in made[8:13:2]] == ["0", "1800", "3600"], [got["service_since_event"] for got in made]
    assert not any(got["service_since_event"] for got in made[1::2])  # of the other machine
    assert "door_since_event" in made[0]


def the_main_job_learns_by_a_configuration(cli):
    cli.ok("generate", "--days", 3, "--machines", 2)
    plain = cli.json("train", "--n-estimators", 5)
    schema = {"continuousColumns": ["engine_temp", "vibration"], "rollingWindows": ["30min"], "categoricalColumns": ["device_id"]}
    config(cli, schema, "own.json")
    own = cli.json("train", "--program", "own.json", "--n-estimators", 5, "--target", "engine_temp")
    said = cli.json("org", "configure", "own.json")
    assert own["program"] == said["hash"] != plain["program"] and "lags" in plain and "lags" not in own, own
    assert own["models"]["baseline"]["features"] == said["features"] + 1 and own["models"]["anomaly"] == plain["models"]["anomaly"] | {
        "seconds": own["models"]["anomaly"]["seconds"]}, own["models"]
    assert own["models"]["baseline"]["metrics"]["rmse"] < plain["models"]["baseline"]["naive"]["rmse"], own["models"]["baseline"]
    again = cli.json("train", "--org-program", "--n-estimators", 5, "--target", "engine_temp")
    assert again["program"] == own["program"] and again["models"]["regression"]["metrics"] == own["models"]["regression"]["metrics"]
    folder = cli.folder / "data/orgs/default/models/baseline/versions"
    metadata = json.loads((folder / "3/metadata.json").read_text())
    assert metadata["program"]["sha256"] == said["hash"] and json.loads(metadata["program"]["config"]) == {"schemaConfig": schema}, metadata["program"]
    cli.fails(EINVAL, "train", "--program", "own.json", "--lags", 3, says="lags are those of the feature configuration")
    cli.fails(EINVAL, "train", "--program", "own.json", "--org-program", says="two ways to say the same", hint=False)
    cli.fails(ENOTFOUND, "train", "--program", "none.json", hint=False)
    config(cli, schema | {"rollingWindow": [3]}, "wrong.json")
    cli.fails(EINVAL, "train", "--program", "wrong.json", says="rollingWindow")
    config(cli, {"continuousColumns": ["heat"]}, "other.json")
    cli.fails(4, "train", "--program", "other.json", says="the data have no parameter heat")
    cli.write("broken.json", "{")
    cli.fails(3, "train", "--program", "broken.json", says="broken.json: not valid JSON", hint=False)
    cli.ok("org", "init", "--org", "empty")
    cli.fails(ECONFLICT, "train", "--org-program", "--org", "empty", says="has no configuration")


def configurations_go_over_http(cli):
    server = cli.start("serve", "--port", "0", stdout=subprocess.DEVNULL)
    try:
        found = None
        for line in server.stderr:
            found = found or re.search(rb"http://127\.0\.0\.1:(\d+)", line)
            if found:
                break
        def send(method, path, body=None, **fields):
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
            fields.update({"Content-Type": "application/json"} if body is not None else {})
            connection.request(method, path, body if body is None else json.dumps(body), fields)
            return connection.getresponse()

        def ask(method, path, body=None, **fields):
            answer = send(method, path, body, **fields)
            return answer.status, json.loads(answer.read())
        status, said = ask("POST", "/organizations", {"id": "acme", "industry": "mining"})
        assert (status, said["version"], said["organization_id"]) == (200, 1, "acme"), said
        assert ask("POST", "/organizations", {"id": "globex"}) == (200, {"organization_id": "globex"})
        assert ask("POST", "/organizations", {"id": "acme", "industry": "manufacturing"})[0] == 409
        assert ask("POST", "/organizations", {"id": "a/b"})[0] == 422
        status, said = ask("PUT", "/organizations/acme/config", {"schemaConfig": PUMPS})
        assert (status, said["version"]) == (200, 2), said
        status, told = ask("GET", "/organizations/acme/config")
        assert status == 200 and told["config"] == {"schemaConfig": PUMPS} and told["hash"] == said["hash"], told
        assert ask("GET", "/organizations/acme/config?version=1")[1]["version"] == 1
        assert ask("GET", "/organizations/acme/config?version=7")[0] == 404
        tag = send("GET", "/organizations/acme/config").headers["ETag"]
        assert send("GET", "/organizations/acme/config", **{"If-None-Match": tag}).status == 304
        older = send("GET", "/organizations/acme/config?version=1").headers["ETag"]
        assert ask("PUT", "/organizations/acme/config", {"schemaConfig": PUMPS}, **{"If-Match": older})[0] == 412
        assert ask("PUT", "/organizations/globex/config", {"schemaConfig": PUMPS}, **{"If-Match": "*"})[0] == 412
        status, said = ask("PUT", "/organizations/acme/config", {"schemaConfig": PUMPS}, **{"If-Match": tag})
        assert (status, said["version"]) == (200, 2), said
        assert ask("GET", "/organizations/globex/config")[0] == 404
        assert ask("PUT", "/organizations/nobody/config", {"schemaConfig": PUMPS})[0] == 404
        status, problem = ask("PUT", "/organizations/acme/config", {"organizationId": "globex", "schemaConfig": PUMPS})
        assert (status, problem["pointer"]) == (422, "/organizationId"), problem
        status, problem = ask("PUT", "/organizations/acme/config", {"schemaConfig": {"continuousColumns": ["a"], "rollingWindows": ["5mn"]}})
        assert (status, problem["pointer"]) == (422, "/schemaConfig/rollingWindows/0"), problem
        status, problem = ask("POST", "/train", {"program": {"schemaConfig": {"continuousColumns": []}}})
        assert (status, problem["pointer"]) == (422, "/program/schemaConfig/continuousColumns"), problem
        assert ask("POST", "/train", {"org_program": True})[0] == 409
        assert {org["organization_id"]: org["config_version"] for org in ask("GET", "/organizations")[1]} == {"acme": 2, "default": None, "globex": None}
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=30)
    assert cli.json("org", "config", "--org", "acme")["version"] == 2


TESTS = [every_industry_begins_with_features_of_its_own, configurations_of_old_users_work, versions_stay_and_the_newest_counts,
         organizations_do_not_see_each_other, wrong_configurations_are_not_kept, keys_do_what_they_say, the_main_job_learns_by_a_configuration,
         configurations_go_over_http]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], TESTS))
