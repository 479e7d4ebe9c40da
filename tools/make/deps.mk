# What a fresh Debian 12 lacks. `make deps` installs it (as root) and is called only when something is missing.
##  make deps        install the Debian packages and npm modules that are missing (needs root)

PACKAGES_BUILD := gcc libc6-dev libgfortran-12-dev libuv1-dev node-llhttp libssl-dev libsqlite3-dev liblapack-dev \
                  libblas-dev libprotobuf-c-dev protobuf-c-compiler libonnx-dev libsleef-dev zlib1g-dev
