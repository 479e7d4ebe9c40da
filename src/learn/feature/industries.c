/* industries.c -- see industries.h. */
#include "learn/feature/industries.h"

#include <stddef.h>
#include <string.h>

const mw_industry mw_industries[] = {
    {.name = "manufacturing",
     .help = "Presses, pumps and machine tools: temperature, pressure, vibration, current.",
     .schema = "{\"continuousColumns\":[\"temperature\",\"pressure\",\"vibration\",\"current\"],"
               "\"booleanColumns\":[\"pump_status\",\"alarm_active\"],"
               "\"lagSeconds\":[60,120,300],\"rollingWindows\":[5,10,20]}",
     /* Load for the pressure it makes, heat for the load; wear shows as a drift; how long it runs; how often it complains. */
     .features = "[{\"op\":\"ratio\",\"of\":[\"current\",\"pressure\"]},"
                 "{\"op\":\"ratio\",\"of\":[\"temperature\",\"current\"]},"
                 "{\"op\":\"slope\",\"of\":\"vibration\",\"window\":\"2h\"},"
                 "{\"op\":\"slope\",\"of\":\"pressure\",\"window\":\"2h\"},"
                 "{\"op\":[\"since_change\",\"on_time\"],\"of\":\"pump_status\"},"
                 "{\"op\":\"since_event\",\"of\":\"alarm_active\"},"
                 "{\"op\":\"mean\",\"of\":\"alarm_active\",\"window\":\"24h\"}]"},
    {.name = "power-generation",
     .help = "Turbines and generators: generator temperature, turbine speed, power output.",
     .schema = "{\"continuousColumns\":[\"generator_temp\",\"turbine_speed\",\"power_output\"],"
               "\"lagSeconds\":[30,60,180],\"rollingWindows\":[3,6,12]}",
     /* Torque; heat for the power made; drift of the heat; unrest of the speed; energy so far. */
     .features = "[{\"op\":\"ratio\",\"of\":[\"power_output\",\"turbine_speed\"]},"
                 "{\"op\":\"ratio\",\"of\":[\"generator_temp\",\"power_output\"]},"
                 "{\"op\":\"slope\",\"of\":\"generator_temp\",\"window\":\"2h\"},"
                 "{\"op\":\"std\",\"of\":\"turbine_speed\",\"window\":\"15min\"},"
                 "{\"op\":\"energy\",\"of\":\"power_output\"}]"},
    {.name = "mining",
     .help = "Trucks, loaders, excavators and drills: engine, hydraulics, load and speed.",
     .schema = "{\"continuousColumns\":[\"engine_temp\",\"oil_pressure\",\"vibration\","
               "\"fuel_rate\",\"payload\",\"speed\",\"hydraulic_pressure\"],"
               "\"lagSeconds\":[300,900,3600],\"rollingWindows\":[\"30min\",\"2h\",\"8h\"]}",
     /* Oil against heat; fuel for the load and the way; leaks and worn bearings show as drifts; engine hours by a moving truck. */
     .features =
         "[{\"op\":\"ratio\",\"of\":[\"oil_pressure\",\"engine_temp\"]},"
         "{\"op\":\"ratio\",\"of\":[\"fuel_rate\",\"payload\"]},"
         "{\"op\":\"ratio\",\"of\":[\"fuel_rate\",\"speed\"]},"
         "{\"op\":\"slope\",\"of\":[\"engine_temp\",\"hydraulic_pressure\",\"oil_pressure\"],"
         "\"window\":\"8h\"},"
         "{\"op\":[\"run_length\",\"on_time\"],\"of\":\"speed\"},"
         "{\"op\":\"energy\",\"of\":\"fuel_rate\"}]"},
    {.name = "quality-control",
     .help = "Parts as they are made: temperature, pressure, humidity, cycle time.",
     .schema = "{\"continuousColumns\":[\"temperature\",\"pressure\",\"humidity\",\"cycle_time\"],"
               "\"targetColumn\":\"defect\",\"lagSeconds\":[60,300],\"rollingWindows\":[5,20,50]}",
     /* Control charts of the cycle time, its drift as tools wear, and how its share of a part's heat changes. */
     .features = "[{\"op\":[\"ewm_mean\",\"ewm_std\"],\"of\":\"cycle_time\",\"window\":20},"
                 "{\"op\":\"slope\",\"of\":\"cycle_time\",\"window\":50},"
                 "{\"op\":\"ratio\",\"of\":[\"temperature\",\"cycle_time\"]},"
                 "{\"op\":\"ratio\",\"of\":[\"pressure\",\"cycle_time\"]}]"},
    {.name = "energy-metering",
     .help = "Meters: active and reactive power, voltage, current.",
     .schema = "{\"continuousColumns\":[\"active_power\",\"reactive_power\",\"voltage\","
               "\"current\"],\"samplingInterval\":\"15min\",\"lagSeconds\":[900,3600,86400],"
               "\"rollingWindows\":[\"1h\",\"24h\",\"7d\"]}",
     /* Power factor; share of reactive power; energy so far; load factor: the day's mean of its peak. */
     .features =
         "[{\"op\":\"product\",\"of\":[\"voltage\",\"current\"],\"name\":\"apparent_power\"},"
         "{\"op\":\"ratio\",\"of\":[\"active_power\",\"apparent_power\"],\"name\":\"power_factor\"}"
         ","
         "{\"op\":\"ratio\",\"of\":[\"reactive_power\",\"active_power\"]},"
         "{\"op\":\"energy\",\"of\":\"active_power\"},"
         "{\"op\":\"mean\",\"of\":\"active_power\",\"window\":\"24h\"},"
         "{\"op\":\"max\",\"of\":\"active_power\",\"window\":\"24h\"},"
         "{\"op\":\"ratio\",\"of\":[\"active_power_mean_24h\",\"active_power_max_24h\"],"
         "\"name\":\"load_factor_24h\"}]"},
    {0}};

const char *const mw_industry_names[] = {"manufacturing",   "power-generation", "mining",
                                         "quality-control", "energy-metering",  NULL};

const mw_industry *mw_industry_find(const char *name) {
    for (const mw_industry *i = mw_industries; i->name; i++)
        if (strcmp(i->name, name) == 0) return i;
    return NULL;
}
