# syntax=docker/dockerfile:1.9
# The detector: built in one stage, run in another by a user without privileges, on a root file system that can be read-only.
ARG PYTHON=3.12.8-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1
WORKDIR /src
RUN python -m venv /opt/detector
COPY pyproject.toml README.md LICENSE ./
COPY detector ./detector
COPY rules ./rules
RUN /opt/detector/bin/pip install .
# Kernels are compiled here, for any machine of this architecture: the cache is code, and the running user cannot change it.
# Without bytecode of its own the running container would compile Python's files at each start.
ENV DETECTOR_CACHE=/opt/detector/kernels NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=
RUN python -m compileall -q /opt/detector/lib \
    && /opt/detector/bin/detector warm \
    && chmod -R a-w,a+rX /opt/detector

FROM python:${PYTHON} AS run
LABEL org.opencontainers.image.title="detector" \
      org.opencontainers.image.description="Network attack detection for control systems" \
      org.opencontainers.image.licenses="BSD-3-Clause"
# Group 0, as Elastic's images have it: files that belong to it can be written whichever user number is chosen (user:).
RUN useradd --system --uid 1000 --gid 0 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin detector \
    && mkdir -p /etc/detector /var/lib/detector /var/log/detector /run/detector /captures \
    && chown 1000:0 /var/lib/detector /var/log/detector /run/detector /captures \
    && chmod 0770 /var/lib/detector /var/log/detector /run/detector /captures
COPY --from=build /opt/detector /opt/detector
ENV PATH=/opt/detector/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    DETECTOR_CACHE=/opt/detector/kernels NUMBA_CPU_NAME=generic NUMBA_CPU_FEATURES=
USER 1000:0
VOLUME ["/var/lib/detector", "/var/log/detector"]
EXPOSE 9108
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9108/healthz', timeout=4)"]
ENTRYPOINT ["detector"]
CMD ["run", "--config", "/etc/detector/detector.yml"]
