import assert from 'node:assert/strict'
import { exportingTo } from '../../test/support/program.js'
import type { Suite } from '../suite.js'
import { unchangedTexts } from './query-texts.js'
import { started } from './started.js'

interface Setup {
  readonly name: string
  readonly preload: string
  readonly env?: Readonly<Record<string, string>>
  /** The finding of the self-test on the tracer. */
  readonly found: string
}

/** How a vendor rewrites the texts of queries. */
interface Rewriting {
  readonly preload: string
  readonly env: Readonly<Record<string, string>>
  readonly rewritten: RegExp
}

const DIRECT = 'does not have the audit span processor: records take the direct path'

/** Beside the set-up of a vendor, whose tracer does not have the audit span processor: rows take the direct path. */
function vendorSuite(
  name: string,
  vendorPackage: string,
  setups: readonly Setup[],
  rewriting?: Rewriting,
): Suite {
  return {
    name,
    about: [vendorPackage],
    async run(world) {
      await world.consumer.take('matrix/apps', 'sentry.mjs', 'datadog.mjs')
      for (const { name, preload, env, found } of setups) {
        await world.check(name, async () => {
          const telemetry = exportingTo(world.receiver.url)
          const { stdout, rows } = await started(world, ['--import', preload], { ...telemetry, ...env })
          assert.ok(stdout.includes(`warning tracer: ${found}`), stdout)
          // The rows are in the trace of a tracer that makes spans.
          const traces = rows.filter(({ trace_id }) => trace_id !== null)
          assert.equal(traces.length, found.endsWith(DIRECT) ? rows.length : 0)
        })
      }
      if (rewriting === undefined) return
      const { preload, env, rewritten } = rewriting
      await world.check('it rewrites the texts of queries', () =>
        unchangedTexts(world, ['--import', preload], rewritten, {
          ...exportingTo(world.receiver.url),
          ...env,
        }),
      )
    },
  }
}

export const SENTRY = vendorSuite('Sentry', '@sentry/node', [
  {
    name: 'as it is by default',
    preload: './sentry.mjs',
    found: 'the tracer (NoopTracerProvider) records no span: records take the direct path',
  },
  {
    name: 'as the tracer provider of OpenTelemetry',
    preload: './sentry.mjs',
    env: { ENABLE_OPEN_TELEMETRY_SETUP: '1' },
    found: `the tracer (SentryTracerProvider) ${DIRECT}`,
  },
])

export const DATADOG = vendorSuite(
  'Datadog',
  'dd-trace',
  [
    {
      name: 'as it is by default',
      preload: 'dd-trace/initialize.mjs',
      env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false' },
      found: 'the tracer (NoopTracerProvider) records no span: records take the direct path',
    },
    {
      name: 'as the tracer provider of OpenTelemetry',
      preload: './datadog.mjs',
      env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false' },
      found: `the tracer (TracerProvider) ${DIRECT}`,
    },
  ],
  {
    preload: 'dd-trace/initialize.mjs',
    env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false', DD_DBM_PROPAGATION_MODE: 'service' },
    rewritten: /\/\*dd/,
  },
)

/** Its tracer is registered by a copy of the API of its own, which is older than that of the application. */
export const DATADOG_OLDER_API = vendorSuite('Datadog, older API', 'dd-trace', [
  {
    name: 'as the tracer provider of OpenTelemetry',
    preload: './datadog.mjs',
    env: { DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false' },
    found: 'tracing was registered with @opentelemetry/api 1.9.',
  },
])

export const ELASTIC = vendorSuite('Elastic', '@elastic/opentelemetry-node', [
  {
    name: 'by its preload',
    preload: '@elastic/opentelemetry-node',
    found: `the tracer (TracerProvider) ${DIRECT}`,
  },
])
