import { configDefaults, defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longest-first.js'

/** What needs neither a database nor a process of its own, and leaves nothing behind in the process that runs it. */
const PURE = [
  'test/chain/**/*.test.ts',
  'test/contract/**/*.test.ts',
  'test/event/!(fields).test.ts',
  'test/examples/wallet/{canary,config,kek,parameters,sealing,template}.test.ts',
  'test/exporter/{backoff,queue}.test.ts',
  'test/failure-table/document.test.ts',
  'test/public-api/**/*.test.ts',
  'test/query/{cursor,filter}.test.ts',
  'test/sinks/noop.test.ts',
  'test/soak/{proxy,schedule}.test.ts',
  'test/verify/**/*.test.ts',
]

export default defineConfig({
  resolve: {
    alias: {
      'otel-audit/chain': `${import.meta.dirname}/src/chain/index.ts`,
      'otel-audit/instrumentation': `${import.meta.dirname}/src/instrumentation.ts`,
      'otel-audit/register': `${import.meta.dirname}/src/register.ts`,
      'otel-audit/query': `${import.meta.dirname}/src/query/index.ts`,
      'otel-audit/server': `${import.meta.dirname}/src/server/index.ts`,
      'otel-audit': `${import.meta.dirname}/src/index.ts`,
    },
  },
  test: {
    // A time-out is a safety net against a hang, never an assertion about speed.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    // More than the cores of a small machine: most tests wait for a server or a process.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    coverage: {
      // Continuous integration runs the tests once, and holds the floor with that run. Elsewhere: `npm run coverage`.
      enabled: process.env['CI'] !== undefined,
      provider: 'v8',
      include: ['src/**/*.ts'],
      // These run in processes and threads of their own, from dist/, and would count as nothing however well they are tested.
      exclude: ['src/cli/run/**', 'src/postgres/thread/**', 'src/spool/lmdb/worker.ts'],
      reporter: ['text-summary', 'json-summary', 'html'],
      reportsDirectory: 'build/coverage',
      // The floor is just below where it stood on 29 November 2026; it may rise.
      thresholds: { lines: 93, statements: 92, functions: 92, branches: 89 },
    },
    projects: [
      {
        extends: true,
        // One process runs all of them, which saves half of their CPU: most of it was for starting and importing.
        test: { name: 'pure', include: PURE, isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'whole',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...PURE],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
  },
})
