# otel-audit itself: `serve`, `gateway`, `migrate`, `verify` and the rest of its commands. Configured by environment and files;
# nothing is written, so that the root file system may be read-only. `npm run image:check` runs these steps outside a container.
#
#   docker build --file deploy/otel-audit.Dockerfile --tag otel-audit:0.2.0 .
FROM node:22.21.1-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build:package && npm pack --ignore-scripts --pack-destination .

# What is installed is the package, as users get it, in the versions of the lock file.
FROM node:22.21.1-bookworm-slim AS install
WORKDIR /app
COPY --from=build /build/package.json /build/package-lock.json ./
COPY deploy/image-packages.mjs ./
COPY --from=build /build/otel-audit-*.tgz ./
RUN node image-packages.mjs && npm install --omit=dev --ignore-scripts --no-audit --no-fund
RUN rm -f image-packages.mjs otel-audit-*.tgz

FROM node:22.21.1-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=install /app ./
# A named volume takes its owner and mode from this directory: for a trust file.
RUN install -d -o 1000 -g 1000 -m 0700 /var/lib/otel-audit
USER 1000:1000
# The gateway, and the server of the trail. Each listens on loopback only until it is told who may come.
EXPOSE 4319 8484
ENTRYPOINT ["node", "--enable-source-maps", "/app/node_modules/otel-audit/dist/cli/main.js"]
CMD ["--help"]
