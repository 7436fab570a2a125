# The images of the laptop cluster (docker-compose.laptop.yml): head (no libllama), worker, and setup, which fills the volumes.
# That of the cluster on Ray (deploy/ray/docker-compose.laptop.yml): ray, which has the worker's programs in it.
# That of the head's sidecar in Kubernetes: launcher.
#
# The order of the layers is the order of change: tools, third-party sources, llama.cpp (some minutes, once), our program.
# Built by BuildKit or by the classic builder. The base images can be replaced, for mirrors and for machines without a hub.
ARG MANTA_BUILD_IMAGE=debian:bookworm
ARG MANTA_RUN_IMAGE=debian:bookworm-slim

# ---- what the build needs ----
FROM ${MANTA_BUILD_IMAGE} AS tools
ENV DEBIAN_FRONTEND=noninteractive MANTA_DEPS_DIR=/deps MANTA_MODELS_DIR=/models
WORKDIR /manta
COPY scripts/setup scripts/fetch scripts/
COPY scripts/pins scripts/pins
COPY scripts/pip_stub scripts/pip_stub
RUN scripts/setup && rm -rf /var/lib/apt/lists/*

FROM tools AS model
RUN scripts/fetch smollm2

FROM tools AS llama
RUN scripts/fetch llhttp llama
COPY cmake/llama_cpp.cmake cmake/
COPY cmake/llama_layer.cmake CMakeLists.txt
# ON: for exactly the CPU that builds, which is right for a laptop. OFF: for any CPU of the architecture, and slower.
ARG MANTA_NATIVE=ON
RUN cmake -G Ninja -B build/release -DCMAKE_BUILD_TYPE=Release -DMANTA_NATIVE=${MANTA_NATIVE} >/dev/null \
    && ninja -C build/release -j "$(nproc)" llama llama-common && touch build/llama_is_built

FROM llama AS build
COPY CMakeLists.txt CMakePresets.json ./
COPY bench bench
COPY cmake cmake
COPY docker docker
COPY scripts scripts
COPY src src
COPY tests tests
# The last line fails where the whole build has other commands for llama.cpp than its layer: every image would cost those minutes again.
RUN cmake --preset release >/dev/null \
    && ninja -C build/release -j "$(nproc)" manta manta_engine_llama \
    && docker/collect build/release /out \
    && [ -z "$(find build/release/llama.cpp -name '*.o' -newer build/llama_is_built)" ]

# ---- what runs ----
FROM ${MANTA_RUN_IMAGE} AS head
COPY --from=build /out/packages.head /out/packages.head
COPY docker/install /out/install
RUN /out/install head
COPY --from=build /out/manta /usr/lib/manta/manta
ENV HOME=/var/lib/manta MANTA_MODELS_DIR=/models
USER manta
WORKDIR /var/lib/manta
EXPOSE 8470
ENTRYPOINT ["/usr/bin/manta"]
CMD ["head"]

# The head's program with libcurl beside it, which it looks up when it talks to an API server: the sidecar of deploy/helm/manta.
FROM ${MANTA_RUN_IMAGE} AS launcher
COPY --from=build /out/packages.launcher /out/packages.launcher
COPY docker/install /out/install
RUN /out/install launcher
COPY --from=build /out/manta /usr/lib/manta/manta
ENV HOME=/var/lib/manta
USER manta
WORKDIR /var/lib/manta
ENTRYPOINT ["/usr/bin/manta"]
CMD ["launcher", "--on", "kubernetes"]

FROM ${MANTA_RUN_IMAGE} AS worker
COPY --from=build /out/packages.worker /out/packages.worker
COPY docker/install /out/install
RUN /out/install worker
COPY --from=build /out/manta /out/manta-engine-llama.so /usr/lib/manta/
ENV HOME=/var/lib/manta MANTA_MODELS_DIR=/models
USER manta
WORKDIR /var/lib/manta
ENTRYPOINT ["/usr/bin/manta"]
CMD ["worker"]

FROM ${MANTA_RUN_IMAGE} AS setup
COPY --from=model /models /seed
COPY docker/fill /usr/bin/fill
ENTRYPOINT ["/usr/bin/fill"]

# ---- manta on Ray: Ray's Python first, since it changes least and is 500 MB ----
FROM ${MANTA_RUN_IMAGE} AS ray
COPY deploy/ray/requirements.txt /out/requirements.txt
RUN apt-get -q update \
    && DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends ca-certificates python3 python3-venv \
    && python3 -m venv /opt/ray \
    && /opt/ray/bin/pip --disable-pip-version-check install --quiet --no-cache-dir --no-deps --only-binary :all: \
        --require-hashes -r /out/requirements.txt \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin
COPY --from=build /out/packages.worker /out/packages.worker
COPY docker/install /out/install
RUN /out/install worker
COPY --from=build /out/manta /out/manta-engine-llama.so /usr/lib/manta/
COPY python/manta /opt/ray/lib/python3.11/site-packages/manta
COPY deploy/ray /cluster
RUN /opt/ray/bin/python -m compileall -q /opt/ray/lib/python3.11/site-packages/manta
ENV PATH=/opt/ray/bin:/usr/local/bin:/usr/bin:/bin HOME=/var/lib/manta MANTA_MODELS_DIR=/models
USER manta
WORKDIR /cluster
ENTRYPOINT ["python", "-u", "node.py"]
