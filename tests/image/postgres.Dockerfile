# A stand-in for the official image of PostgreSQL, as far as docker/compose.yaml uses it.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update && apt-get install -y --no-install-recommends postgresql \
    && install -d -o postgres -g postgres -m 3777 /var/run/postgresql \
    && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
COPY tests/image/postgres-entrypoint /usr/local/bin/postgres-entrypoint
ENTRYPOINT ["postgres-entrypoint"]
