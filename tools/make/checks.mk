# `make check`: rules that a script can hold.
