import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    alias: {
      'otel-audit/chain': `${import.meta.dirname}/src/chain/index.ts`,
      'otel-audit/register': `${import.meta.dirname}/src/register.ts`,
      'otel-audit/query': `${import.meta.dirname}/src/query/index.ts`,
      'otel-audit/server': `${import.meta.dirname}/src/server/index.ts`,
      'otel-audit': `${import.meta.dirname}/src/index.ts`,
    },
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // A time-out is a safety net against a hang, never an assertion about speed.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
})
