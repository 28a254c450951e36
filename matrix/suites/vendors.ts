import assert from 'node:assert/strict'
import type { Suite } from '../suite.js'
import { started } from './started.js'

interface Vendor {
  readonly name: string
  /** Its package. */
  readonly about: string
  readonly preloads: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What the self-test says of its tracer. */
  readonly found: RegExp
}

/** Beside the set-up of a vendor, whose tracer has no span processor of ours: rows take the direct path. */
function vendorSuite({ name, about, preloads, env = {}, found }: Vendor): Suite {
  return {
    name,
    about: [about],
    async run(world) {
      await world.consumer.take('matrix/apps', 'sentry.mjs')
      await world.check('rows, and what the self-test found', async () => {
        const { stdout } = await started(world, preloads, env)
        assert.match(stdout, found)
      })
    },
  }
}

const DIRECT = 'does not have our span processor: records take the direct path'

export const SENTRY = vendorSuite({
  name: 'Sentry',
  about: '@sentry/node',
  preloads: ['--import', './sentry.mjs'],
  found: new RegExp(`^warning tracer: the tracer \\(\\w*TracerProvider\\) ${DIRECT}`, 'm'),
})

export const DATADOG = vendorSuite({
  name: 'Datadog',
  about: 'dd-trace',
  preloads: ['--import', 'dd-trace/initialize.mjs'],
  env: { DD_TRACE_OTEL_ENABLED: 'true', DD_INSTRUMENTATION_TELEMETRY_ENABLED: 'false' },
  found: new RegExp(`^warning tracer: the tracer \\(TracerProvider\\) ${DIRECT}`, 'm'),
})

export const ELASTIC = vendorSuite({
  name: 'Elastic',
  about: '@elastic/opentelemetry-node',
  preloads: ['--import', '@elastic/opentelemetry-node'],
  found: new RegExp(`^warning tracer: the tracer \\(NodeTracerProvider\\) ${DIRECT}`, 'm'),
})
