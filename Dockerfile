# The kronlens command for processors, with OpenBLAS: worker and analyze alike.
FROM node:20-bookworm-slim AS build
WORKDIR /kronlens
COPY package.json package-lock.json .npmrc tsconfig.base.json tsconfig.json ./
COPY proto/package.json proto/
COPY worker/package.json worker/
COPY coordinator/package.json coordinator/
RUN npm ci --no-audit --no-fund
COPY proto proto
COPY worker worker
COPY coordinator coordinator
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libopenblas0 tini \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /kronlens /kronlens
RUN ln -s /kronlens/coordinator/bin/kronlens.js /usr/local/bin/kronlens
USER node
WORKDIR /home/node
# As process 1, node would not get signals; a worker must, to leave in good order.
ENTRYPOINT ["tini", "--", "kronlens"]
CMD ["--help"]
