# `make run`: the main job on the files in data/csv, or on DATA=PATH.
